"""The one place where whatever a decoder raises becomes one of the closed set."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import Corrupt, DataError, LimitExceeded, PluginFailed
from ..limits import Meter
from ..samples import (
    Archive,
    Arrays,
    Audio,
    Bytes,
    Image,
    Points,
    Sample,
    Table,
    Text,
    Video,
)

_LEAVE = (KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError)


def guarded(
    function: Callable[..., Any], data: Any, meter: Meter, options: Any, ours: bool
) -> Any:
    """Call a decoder or a header probe.

    Raises
    ------
    DataError
        For whatever it raised: its own kind where it is one; `LimitExceeded` for no
        memory; `Corrupt` for the rest, or `PluginFailed` of other packages' decoders.
    """
    try:
        return function(data, meter, **options)
    except DataError:
        raise
    except MemoryError as e:
        raise LimitExceeded(
            f"[{meter.what}] expected to decode in the memory there is; got "
            f"{str(e) or 'none left'}. Hint: Limits(memory=...) or a smaller file",
            "memory",
        ) from e
    except _LEAVE:
        raise
    except BaseException as e:  # panics of Rust are no Exception
        got = f"an unexpected {type(e).__name__}: {e}"[:500]
        if ours:
            raise Corrupt(f"[{meter.what}] expected a sound file; got {got}") from e
        raise PluginFailed(
            f"[{meter.what}] expected its decoder to raise a DataError; got {got}"
        ) from e


def problem(sample: Any) -> str:
    """What is wrong with a decoded sample; empty for none."""
    for kind, check in _CHECKS.items():
        if isinstance(sample, kind):
            return "" if check(sample) else f"{kind.__name__} of wrong shapes or types"
    return "" if isinstance(sample, Sample) else f"a {type(sample).__name__}"


def _array(x: Any, kinds: str, *shape: int | None) -> bool:
    return (
        isinstance(x, np.ndarray)
        and x.dtype.kind in kinds
        and x.ndim == len(shape)
        and all(n is None or n == m for n, m in zip(shape, x.shape, strict=True))
    )


def _image(s: Image) -> bool:
    good = _array(s.pixels, "buf", None, None, None) and 1 <= s.pixels.shape[2] <= 4
    if s.frames is not None:
        good = good and _array(s.frames, "buf", None, None, None, None)
    if s.durations is not None:
        good = good and _array(s.durations, "f", None)
    return good


def _audio(s: Audio) -> bool:
    whole = isinstance(s.sample_rate, int) and s.sample_rate > 0
    return whole and _array(s.samples, "f", None, None)


def _video(s: Video) -> bool:
    good = _array(s.frames, "u", None, None, None, 3)
    good = good and _array(s.times, "f", len(s.frames))
    return good and (
        s.audio is None or (isinstance(s.audio, Audio) and _audio(s.audio))
    )


def _points(s: Points) -> bool:
    if not _array(s.xyz, "f", None, 3):
        return False
    n = len(s.xyz)
    rows = [s.colors, s.normals, s.intensity, s.labels, *s.fields.values()]
    for x in rows:
        if x is not None and not (isinstance(x, np.ndarray) and x.shape[:1] == (n,)):
            return False
    if s.faces is None:
        return True
    if not _array(s.faces, "iu", None, 3):
        return False
    return bool(s.faces.size == 0 or (s.faces.min() >= 0 and s.faces.max() < n))


def _table(s: Table) -> bool:
    columns = list(s.columns.values())
    good = all(isinstance(c, np.ndarray) and c.ndim == 1 for c in columns)
    return good and len({len(c) for c in columns}) <= 1


def _named(s: Arrays) -> bool:
    return all(isinstance(a, np.ndarray) for a in s.arrays.values())


def _text(s: Text) -> bool:
    return isinstance(s.text, str)


def _bytes(s: Bytes) -> bool:
    return isinstance(s.data, bytes)


def _archive(s: Archive) -> bool:
    return all(isinstance(n, str) and isinstance(b, bytes) for n, b in s.members)


_CHECKS: dict[type, Callable[[Any], bool]] = {
    Image: _image,
    Audio: _audio,
    Video: _video,
    Points: _points,
    Table: _table,
    Arrays: _named,
    Text: _text,
    Bytes: _bytes,
    Archive: _archive,
}
