"""From a decoded sample to an item: the preset's arrays, what they are, limits again."""

from __future__ import annotations

from typing import Any

import numpy as np
from helix_core import DTypeError, ShapeError
from numpy.typing import NDArray

from ..errors import Corrupt, DataError, LimitExceeded, PluginFailed, UnsupportedFormat
from ..limits import Limits, Meter
from ..samples import (
    Audio,
    Bytes,
    Image,
    Points,
    Sample,
    Table,
    Text,
    Video,
)
from ..tensors._check import OptionError
from ..tensors.item import Item
from ..tensors.text import open_tokenizer
from ..tensors.whisper import RATE
from ._settings import Setting

GROWTH = 4
FASTEST = 1000  # times the rate that is wanted
_EDGES = {"clip": 224, "imagenet": 256}


def tensorize(sample: Sample, setting: Setting, limits: Limits) -> Item:
    """The item of a sample.

    Raises
    ------
    DataError
        For what the sample holds.
    OptionError, TypeError
        For options that are none.
    """
    _bounded(sample, setting, limits)
    what = sample.format or sample.modality
    try:
        made = setting.function(sample, **setting.options)
    except DataError:
        raise
    except OptionError:
        raise
    except MemoryError as e:
        raise LimitExceeded(
            f"[{what}] expected arrays that fit in memory; got {e}. Hint: a preset of a "
            "fixed size",
            "memory",
        ) from e
    except Exception as e:
        if not setting.ours:
            raise PluginFailed(
                f"[{what}] expected arrays of tensorizer {setting.preset!r}; got "
                f"{type(e).__name__}: {e}"[:500]
            ) from e
        if isinstance(e, (ShapeError, DTypeError)):
            raise UnsupportedFormat(
                f"[{what}] expected what preset {setting.preset!r} takes; got: {e}"
            ) from e
        if isinstance(e, (ArithmeticError, IndexError, ValueError)):
            raise Corrupt(
                f"[{what}] expected a sound file; got {type(e).__name__}: {e}"[:500]
            ) from e
        raise
    if not isinstance(made, dict) or not all(
        isinstance(k, str) and isinstance(a, np.ndarray) for k, a in made.items()
    ):
        raise PluginFailed(
            f"[{what}] expected a dict of arrays of tensorizer {setting.preset!r}; got "
            f"{type(made).__name__}"
        )
    made = {name: _own(a) for name, a in made.items()}
    fills = {}
    if "tokenizer" in setting.options:
        fills["input_ids"] = open_tokenizer(setting.options["tokenizer"]).pad_id
    return Item(
        modality=sample.modality,
        format=sample.format,
        preset=setting.preset if setting.preset != "none" else sample.modality,
        arrays=made,
        metadata={**sample.metadata, **_sizes(sample)},
        fills=fills,
    )


def _own(a: NDArray[Any]) -> NDArray[Any]:
    """An array that is no view of the input, which its owner may change."""
    base: Any = a
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    return a if isinstance(base, np.ndarray) and a.flags.writeable else a.copy()


def _sizes(s: Sample) -> dict[str, Any]:
    """What the arrays no longer tell of the sample."""
    if isinstance(s, Text):
        return {"encoding": s.encoding, "characters": len(s.text)}
    if isinstance(s, Bytes):
        return {"bytes": len(s.data)}
    if isinstance(s, Image):
        h, w, c = s.pixels.shape
        out = {"height": h, "width": w, "channels": c, "dtype": str(s.pixels.dtype)}
        if s.frames is not None:
            out["frames"] = len(s.frames)
        return out if s.durations is None else {**out, "durations": s.durations}
    if isinstance(s, Audio):
        c, n = s.samples.shape
        rate = s.sample_rate
        return {"channels": c, "sample_rate": rate, "seconds": n / rate}
    if isinstance(s, Video):
        n, h, w, _ = s.frames.shape
        sound = {} if s.audio is None else {"sample_rate": s.audio.sample_rate}
        return {"frames": n, "height": h, "width": w, "times": s.times, **sound}
    if isinstance(s, Points):
        faces = {} if s.faces is None else {"faces": s.faces}
        return {"points": len(s.xyz), **faces}
    if isinstance(s, Table):
        rows = len(next(iter(s.columns.values()), ()))
        return {"rows": rows, "columns": dict(s.columns)}
    return {}


def _bounded(s: Sample, setting: Setting, limits: Limits) -> None:
    """What resizing, resampling or tokens would blow up is refused before.

    Arrays may take four times what samples may: float32 of bytes.
    """
    most = limits.decoded_bytes
    room = limits.but(decoded_bytes=None if most is None else GROWTH * most)
    meter = Meter(room.but(ratio=None, wall=None), 0, s.format or s.modality)
    options = setting.options
    if isinstance(s, (Text, Bytes)):
        n = len(s.data) if isinstance(s, Bytes) else len(s.text)
        meter.charge(16 * min(n, options.get("max_length") or n))
    elif isinstance(s, (Image, Video)):
        h, w = s.pixels.shape[:2] if isinstance(s, Image) else s.frames.shape[1:3]
        edge = options.get("resize_to") or options.get("size")
        edge = edge or _EDGES.get(setting.preset)
        fixed = setting.preset in ("siglip", "qwen2vl")
        if isinstance(edge, (int, np.integer)) and not fixed and h * w > 0:
            long = int(edge) * max(h, w) // min(h, w)
            meter.check("pixels", int(edge) * long, "pixels after resizing")
    elif isinstance(s, Audio):
        rate = options.get("sample_rate")
        rate = rate or (s.sample_rate if setting.preset == "none" else RATE)
        if isinstance(rate, (int, np.integer)) and rate > s.sample_rate:
            c, n = s.samples.shape
            meter.charge(c * n * 4 * int(rate) // s.sample_rate)
        elif isinstance(rate, (int, np.integer)) and s.sample_rate > FASTEST * rate > 0:
            raise UnsupportedFormat(
                f"[{meter.what}] expected a sample rate of at most {FASTEST * rate:,} Hz "
                f"to make {rate:,} of it; got {s.sample_rate:,}. Hint: audio='none'"
            )
