"""The processor: what users call."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..collate import Batch
from ..collate import collate as _collate
from ..decode import decode
from ..decode._registry import decoders
from ..detect import candidates, detect
from ..detection import Detection
from ..errors import DataError, LimitExceeded, UnknownFormat, UnsupportedFormat
from ..limits import Limits, Meter
from ..samples import Archive, Bytes, Sample
from ..tensors.item import MODALITIES, Item
from ..tensors.pack import Packed, pack
from ._async import Asynchronous
from ._read import Data, kind, read
from ._settings import Setting, setting
from ._tensorize import tensorize

Given = str | Mapping[str, Any] | None
Progress = Callable[[int, int], object]
_SETTINGS = ("image", "audio", "video", "points", "text")


class IntelligentProcessor(Asynchronous):
    """Anything to tensors: finds out what bytes are, decodes them within limits, and
    makes the arrays that models take.

    Parameters
    ----------
    limits : Limits, optional
        How large a sample may be.
    image, audio, video, points, text : str or dict, optional
        A preset's name, or its options with ``"preset"`` among them and with
        ``"decode"``, a dict of options of decoders.

        - image: "none" (all pixels, 0 to 1), "clip", "siglip", "imagenet", "qwen2vl";
        - audio: "speech" (waveform at 16,000 Hz and Whisper's log-mel of all of it),
          "whisper" (of 30 s), "none" (waveform as it is, or ``features=``);
        - video: as image, with ``count``, ``fps``, ``times`` or ``indices`` of frames;
        - points: "none", moved and scaled into the unit sphere unless ``scale`` says else;
        - text: "none": bytes, or ``tokenizer=`` a tokenizer.json;
        - or the name of a tensorizer of another package.
    untrusted : bool
        Decode everything in a worker process, whose crash is a `WorkerDied`.
    isolation : {"thread", "process"}, optional
        Where to decode; by default in a worker where a format's library is known to
        crash.
    unrecognised : {"bytes", "raise"}
        Bytes that nothing recognises are tokens themselves, or an `UnknownFormat`.

    Raises
    ------
    TypeError
        An option that a preset does not take.
    ValueError
        A preset that is not known.

    Examples
    --------
    >>> p = IntelligentProcessor()
    >>> p.process_auto(b"P5 2 1 255 \\x00\\xff")
    Item(image, pnm: pixel_values float32(3, 1, 2))
    >>> p.process_auto("héllo".encode())["input_ids"].tolist()
    [104, 195, 169, 108, 108, 111]
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        image: Given = None,
        audio: Given = None,
        video: Given = None,
        points: Given = None,
        text: Given = None,
        untrusted: bool = False,
        isolation: str | None = None,
        unrecognised: str = "bytes",
    ) -> None:
        _one_of("unrecognised", unrecognised, ("bytes", "raise"))
        _one_of("isolation", isolation, (None, "thread", "process"))
        if limits is not None and not isinstance(limits, Limits):
            raise TypeError(f"[process] expected limits to be Limits; got {limits!r}")
        given = dict(zip(_SETTINGS, (image, audio, video, points, text), strict=True))
        self.limits = limits or Limits()
        self.untrusted, self.isolation = untrusted, isolation
        self.unrecognised = unrecognised
        self._settings: dict[str, Setting] = {
            m: setting(m, given.get(m)) for m in (*_SETTINGS, "table", "arrays")
        }
        self._settings["bytes"] = self._settings["text"]

    def process_auto(
        self,
        x: Any,
        *,
        errors: str = "raise",
        progress: Progress | None = None,
    ) -> Any:
        """What x is decides what becomes of it.

        Parameters
        ----------
        x : bytes-like, str or path, binary stream, or a list of these
            A str is a path; text is given as bytes.
        errors : {"raise", "return"}
            In a list, an input that cannot be processed ends it, or its `DataError`
            takes its place.
        progress : callable, optional
            Called with (done, all) after each input of a list.

        Returns
        -------
        Item, or a list of Item for a list

        Raises
        ------
        DataError
            One of its kinds, whatever the bytes hold.
        TypeError
            For what is no input.
        """
        return self.process(x, errors=errors, progress=progress)

    def process(
        self,
        x: Any,
        *,
        modality: str | None = None,
        format: str | None = None,
        errors: str = "raise",
        progress: Progress | None = None,
    ) -> Any:
        """The same with the modality or the format given.

        Parameters
        ----------
        x, errors, progress
            As of `process_auto`.
        modality : str, optional
            The likeliest reading as this; "text" and "bytes" fit most.
        format : str, optional
            The bytes are read as this and nothing else.

        Returns
        -------
        Item, or a list of Item for a list

        Raises
        ------
        DataError, TypeError, ValueError
        """
        _one_of("errors", errors, ("raise", "return"))
        if modality is not None:
            _one_of("modality", modality, MODALITIES)
        if kind(x) != "batch":
            return self._one(x, modality, format)
        out: list[Any] = []
        for i, one in enumerate(x):
            try:
                out.append(self._one(one, modality, format))
            except DataError as e:
                if errors == "raise":
                    raise
                out.append(e)
            if progress is not None:
                progress(i + 1, len(x))
        return out

    def fuse(self, items: Iterable[Item], mode: Any = None) -> Any:
        """Join the items of one sample.

        Parameters
        ----------
        items : iterable of Item
        mode : Fusion, optional
            A trained module of ``helix_multimodal.fusion``. Without it nothing is
            learned and nothing is lost: all tokens in one sequence, which
            ``helix_multimodal.unpack`` takes apart again.

        Returns
        -------
        Packed, or Fused for a module

        Raises
        ------
        ShapeError, DTypeError
        TypeError
            ``mode`` is neither.
        """
        if mode is None:
            return pack(items)
        from ._fuse import fused

        return fused(items, mode)

    def collate(
        self,
        items: Iterable[Item | Packed],
        return_tensors: str = "np",
        **options: Any,
    ) -> Batch:
        """One batch of items: see :func:`helix_multimodal.collate`."""
        return _collate(items, return_tensors, **options)

    def _one(self, x: Any, modality: str | None, format: str | None) -> Item:
        start = time.perf_counter()
        data = read(x, self.limits)
        spent = time.perf_counter() - start
        return self._item(data, modality, format, spent)

    def _item(
        self, data: Data, modality: str | None, format: str | None, spent: float
    ) -> Item:
        """The item of bytes that took some seconds to read."""
        item = self._made(data, modality, format, self.limits, 1)
        item.seconds["read"] = spent
        return item

    def _made(
        self,
        data: Data,
        modality: str | None,
        format: str | None,
        limits: Limits,
        depth: int,
    ) -> Item:
        start = time.perf_counter()
        sample, found = self._sample(data, modality, format, limits)
        between = time.perf_counter()
        if isinstance(sample, Archive):
            item = self._members(sample, limits, depth)
        else:
            item = tensorize(sample, self._setting(sample), limits)
        item.detection = found
        end = time.perf_counter()
        item.seconds.update(decode=between - start, tensors=end - between)
        return item

    def _sample(
        self, data: Data, modality: str | None, format: str | None, limits: Limits
    ) -> tuple[Sample, Detection | None]:
        found = None
        if format is None:
            found = detect(data) if modality is None else _as(data, modality)
            format = found.format
        if format == "empty" or not memoryview(data).nbytes:
            raise UnknownFormat("[process] expected bytes; got none")
        if format == "bytes" and (modality == "bytes" or self.unrecognised == "bytes"):
            meter = Meter(limits, 0, "bytes")
            meter.check("input_bytes", memoryview(data).nbytes, "bytes of input")
            meter.charge(memoryview(data).nbytes)
            return Bytes(format="bytes", data=bytes(data)), found
        sample = decode(
            data,
            format=format,
            detection=found,
            limits=limits,
            isolation=self.isolation,
            untrusted=self.untrusted,
            **self._options(format),
        )
        if modality not in (None, sample.modality):
            raise _other(modality, sample.modality)
        return sample, found

    def _setting(self, sample: Sample) -> Setting:
        """How it becomes arrays, without what its decoder has done already."""
        found = self._settings[sample.modality]
        fps = found.options.get("fps")
        if fps is None or self._options(sample.format).get("fps") != fps:
            return found
        return replace(found, options={**found.options, "fps": None})

    def _options(self, format: str) -> dict[str, Any]:
        """Options of decoders, where one of the format takes them."""
        known = decoders(format)
        wanted = self._settings.get(known[0].spec.modality) if known else None
        if wanted is None or not wanted.decode:
            return {}
        able: set[str] = set()
        for d in known:
            able.update(wanted.decode if d.options is None else d.options)
        return {k: v for k, v in wanted.decode.items() if k in able}

    def _members(self, archive: Archive, limits: Limits, depth: int) -> Item:
        """Items of the members, which share the archive's limits."""
        left, until = limits.decoded_bytes, None
        if limits.wall is not None:
            until = time.monotonic() + limits.wall
        parts: dict[str, Item] = {}
        skipped: dict[str, str] = {}
        for name, data in archive.members:
            own = limits.but(decoded_bytes=left)
            if until is not None:
                own = own.but(wall=max(0.0, until - time.monotonic()))
            try:
                item = self._member(data, own, depth)
            except (UnsupportedFormat, UnknownFormat) as e:
                skipped[name] = str(e)
                continue
            parts[name] = item
            if left is not None:
                used = sum(a.nbytes for a in item.arrays.values())
                left = max(0, left - min(used, left))
        return Item(
            modality="archive",
            format=archive.format,
            preset="archive",
            metadata={**archive.metadata, "skipped": skipped},
            parts=parts,
        )

    def _member(self, data: bytes, limits: Limits, depth: int) -> Item:
        most = limits.depth
        if most is not None and depth >= most and detect(data).modality == "archive":
            raise LimitExceeded(
                f"[process] expected archives at most {most} deep; got another inside. "
                "Hint: Limits(depth=...) or None",
                "depth",
            )
        return self._made(data, None, None, limits, depth + 1)


def _as(data: Data, modality: str) -> Detection:
    """The likeliest reading as a modality."""
    if modality == "bytes":
        return candidates(data)[-1]
    found = candidates(data)
    for d in found:
        if d.modality == modality:
            return d
    for d in found:  # documents are text too
        if modality == "text" and any(
            s.spec.modality == "text" for s in decoders(d.format)
        ):
            return d
    raise _other(modality, found[0].modality)


def _other(wanted: str | None, got: str) -> UnsupportedFormat:
    return UnsupportedFormat(
        f"[process] expected bytes that can be read as {wanted}; got {got}. Hint: "
        "process_auto(x), or format=..."
    )


def _one_of(name: str, value: Any, choices: Iterable[Any]) -> None:
    choices = tuple(choices)
    if value not in choices:
        names = ", ".join(map(repr, choices))
        raise ValueError(
            f"[process] expected {name} to be one of {names}; got {value!r}"
        )
