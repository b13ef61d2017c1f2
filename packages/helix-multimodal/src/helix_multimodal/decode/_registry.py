"""From bytes to a sample: the format pinned, the decoder chosen, its limits kept."""

from __future__ import annotations

import inspect
import pkgutil
import threading
from dataclasses import dataclass
from typing import Any

from helix_core import plugins

from ..detect import FORMATS, detect
from ..detection import Detection
from ..errors import (
    MissingExtra,
    PluginFailed,
    UnknownFormat,
    UnsupportedFormat,
)
from ..limits import Limits, Meter
from ..samples import Sample
from ._guard import guarded, problem

_DEFAULT = Limits()
_GIVEN = ("encoding", "variant")  # what detection tells those decoders that ask


@dataclass(slots=True)
class Decoder:
    """A decoder that is loaded.

    Attributes
    ----------
    spec : DecoderSpec
    function, header : callable
    options : frozenset of str or None
        Names it takes; None where it takes any.
    ours : bool
        Of this package.
    """

    spec: Any
    function: Any
    header: Any
    options: frozenset[str] | None
    ours: bool


_LOCK = threading.Lock()
_BY_FORMAT: dict[str, tuple[Decoder, ...]] = {}


def refresh() -> None:
    """Look for decoders again: after ``helix_core.plugins.register``."""
    with _LOCK:
        _BY_FORMAT.clear()


def decoders(format: str) -> tuple[Decoder, ...]:
    """Decoders of a format, the preferred first."""
    found = _BY_FORMAT.get(format)
    if found is None:
        records = [
            r
            for r in plugins.records("decoders")
            if r.usable and format in r.spec.formats
        ]
        records.sort(key=lambda r: (-r.spec.priority, r.name))
        found = tuple(_load(r) for r in records)
        with _LOCK:
            _BY_FORMAT[format] = found
    return found


def _load(record: Any) -> Decoder:
    spec = record.spec
    function = plugins.load("decoders", record.name)
    header = pkgutil.resolve_name(spec.header) if spec.header else None
    takes = list(inspect.signature(function).parameters.values())[2:]
    options = None
    if all(p.kind is not p.VAR_KEYWORD for p in takes):
        options = frozenset(p.name for p in takes)
    ours = spec.factory.startswith("helix_multimodal.")
    return Decoder(spec, function, header, options, ours)


def decode(
    data: Any,
    *,
    format: str | None = None,
    detection: Detection | None = None,
    limits: Limits | None = None,
    isolation: str | None = None,
    untrusted: bool = False,
    **options: Any,
) -> Sample:
    """Decode bytes.

    Parameters
    ----------
    data : bytes, bytearray or memoryview
    format : str, optional
        A name of ``FORMATS``: the bytes are read as this and nothing else. By default
        what ``detect`` says.
    detection : Detection, optional
        What detection said already.
    limits : Limits, optional
    isolation : {"thread", "process"}, optional
        Where to decode: here, or in a worker process, whose crash is a `WorkerDied`. By
        default as the decoder's record says: a process for formats whose libraries are
        known to crash.
    untrusted : bool
        In a worker process, whatever the format.
    **options
        Of the decoder: ``frames=True`` of images.

    Returns
    -------
    Sample

    Raises
    ------
    DataError
        One of its kinds, whatever the bytes hold.
    TypeError, ValueError
        For arguments that are none.

    Examples
    --------
    >>> decode(b"P5 2 1 255 \\x00\\xff").pixels.tolist()
    [[[0], [255]]]
    """
    view = _view(data)
    limits = limits or _DEFAULT
    detection, format = _pinned(view, format, detection)
    meter = Meter(limits, view.nbytes, format)
    meter.check("input_bytes", view.nbytes, "bytes of input")
    if isolation not in (None, "thread", "process"):
        raise ValueError(
            f"[decode] expected isolation 'thread' or 'process'; got {isolation!r}"
        )
    first: UnsupportedFormat | None = None
    for decoder in _able(format, options):
        given = options
        if decoder.options and detection is not None:
            told = {k: getattr(detection, k) for k in _GIVEN if k in decoder.options}
            given = {k: v for k, v in told.items() if v} | options
        try:
            return _run(decoder, view, meter, isolation, untrusted, given)
        except MissingExtra as e:
            # what the better decoder said of these bytes says more
            first = first or e
        except UnsupportedFormat as e:
            first = e if first is None or isinstance(first, MissingExtra) else first
        meter = Meter(limits, view.nbytes, format)
    assert first is not None
    raise first


def header(
    data: Any,
    *,
    format: str | None = None,
    detection: Detection | None = None,
    limits: Limits | None = None,
) -> dict[str, Any]:
    """What a file says of its sizes, without decoding it.

    Returns
    -------
    dict
        ``format``, ``modality`` and what the format tells: ``width``, ``height``;
        ``sample_rate``, ``channels``, ``frames``, ``seconds``; ``points``...

    Raises
    ------
    DataError
    """
    view = _view(data)
    detection, format = _pinned(view, format, detection)
    meter = Meter(limits or _DEFAULT, view.nbytes, format)
    first: UnsupportedFormat | None = None
    for decoder in _able(format, {}):
        out = {"format": format, "modality": decoder.spec.modality}
        if decoder.header is None:
            return out
        try:
            if decoder.spec.isolation == "process":
                from ..isolate import call

                path = decoder.spec.header
                return out | call(path, view, meter, {}, decoder.ours)
            return out | guarded(decoder.header, view, meter, {}, decoder.ours)
        except UnsupportedFormat as e:
            first = first or e
    assert first is not None
    raise first


def _run(
    decoder: Decoder,
    view: memoryview,
    meter: Meter,
    isolation: str | None,
    untrusted: bool,
    options: dict[str, Any],
) -> Sample:
    where = "process" if untrusted else isolation or decoder.spec.isolation
    if where == "process":
        from ..isolate import call

        sample = call(decoder.spec.factory, view, meter, options, decoder.ours)
    else:
        sample = guarded(decoder.function, view, meter, options, decoder.ours)
    wrong = problem(sample)
    if wrong or not isinstance(sample, Sample):
        raise PluginFailed(
            f"[{meter.what}] expected a sample of decoder {decoder.spec.name!r}; got "
            f"{wrong}"
        )
    sample.format = sample.format or meter.what
    return sample


def _view(data: Any) -> memoryview:
    try:
        view = memoryview(data)
    except TypeError as e:
        raise TypeError(
            f"[decode] expected bytes, bytearray or memoryview; got "
            f"{type(data).__name__}. Hint: pathlib.Path(...).read_bytes()"
        ) from e
    if not view.c_contiguous:
        view = memoryview(view.tobytes())
    return view.cast("B") if view.nbytes else memoryview(b"")


def _pinned(
    view: memoryview, format: str | None, detection: Detection | None
) -> tuple[Detection | None, str]:
    """The format that is asked for, or detected."""
    if format is not None:
        if format not in FORMATS and not decoders(format):
            import difflib

            close = difflib.get_close_matches(str(format), FORMATS, 1)
            hint = f". Hint: did you mean {close[0]!r}?" if close else ""
            raise ValueError(
                f"[decode] expected format to be one that is known; got {format!r}{hint}"
            )
        return detection, format
    if detection is None:
        detection = detect(view)
    if detection.format == "empty":
        raise UnknownFormat("[decode] expected bytes; got none")
    return detection, detection.format


def _able(format: str, options: dict[str, Any]) -> list[Decoder]:
    """Decoders of the format that take the options."""
    found = decoders(format)
    if not found:
        if format == "bytes":
            raise UnknownFormat("[decode] expected a known format; got other bytes")
        raise UnsupportedFormat(
            f"[{format}] expected a format with a decoder; got none"
        )
    able = [d for d in found if d.options is None or d.options >= options.keys()]
    if not able:
        names = sorted(set().union(*(d.options or () for d in found)) - set(_GIVEN))
        strange = sorted(options.keys() - set(names))
        raise TypeError(
            f"[{format}] expected options of {', '.join(names) or 'none'}; got "
            f"{', '.join(strange)}"
        )
    return able
