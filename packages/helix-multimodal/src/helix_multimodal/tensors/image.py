"""Images: colour modes, crops, padding, normalisation, and the way to model input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from helix_core import DTypeError, ShapeError
from numpy.typing import NDArray

from ..samples import Image
from ._check import OptionError, at_least, one_of
from .resize import FILTERS, resize

MODES = ("keep", "gray", "rgb", "rgba")
Colour = Sequence[int]


def _image(op: str, x: Any) -> NDArray[Any]:
    x = np.asarray(x)
    if x.ndim != 3 or not 1 <= x.shape[-1] <= 4 or 0 in x.shape:
        raise ShapeError(
            f"[{op}] expected pixels (height, width, channel) with 1 to 4 channels; got "
            f"shape {x.shape}"
        )
    if x.dtype == np.bool_:
        x = x.astype(np.uint8) * np.uint8(255)
    if x.dtype not in (np.uint8, np.uint16, np.float32):
        raise DTypeError(
            f"[{op}] expected pixels of uint8, uint16, float32 or bool; got {x.dtype}"
        )
    return x


def full_scale(dtype: Any) -> float:
    """What white is: 255, 65535, or 1.0 for floats."""
    dtype = np.dtype(dtype)
    return 1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)


def to_uint8(x: Any) -> NDArray[np.uint8]:
    """Pixels of 8 bits: 16 bits and floats from 0 to 1 are scaled and rounded."""
    x = _image("to_uint8", x)
    if x.dtype == np.uint8:
        return x
    if x.dtype == np.uint16:
        return ((x.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.rint(np.clip(np.nan_to_num(x), 0.0, 1.0) * 255.0).astype(np.uint8)


def composite(x: Any, colour: Colour) -> NDArray[Any]:
    """Lay an image with alpha on a colour.

    Parameters
    ----------
    x : (height, width, 2 or 4) array
    colour : one or three ints
        0 to 255, whatever the pixels' dtype.

    Returns
    -------
    (height, width, 1 or 3) array
        For uint8 the same bits as Pillow's ``paste`` with a mask.
    """
    x = _image("composite", x)
    back = np.asarray(colour)
    n = x.shape[-1] - 1
    if n not in (1, 3) or back.shape not in ((n,), ()):
        raise ShapeError(
            f"[composite] expected pixels with alpha and a colour for each other channel; "
            f"got shape {x.shape} and colour {colour!r}"
        )
    if np.any(back < 0) or np.any(back > 255):
        raise OptionError(f"[composite] expected a colour of 0 to 255; got {colour!r}")
    alpha = x[..., -1:]
    if x.dtype == np.uint8:
        a = alpha.astype(np.uint32)
        t = back.astype(np.uint32) * (255 - a) + x[..., :-1].astype(np.uint32) * a + 128
        return (((t >> 8) + t) >> 8).astype(np.uint8)
    full = full_scale(x.dtype)
    a64 = alpha.astype(np.float64) / full
    y = x[..., :-1] * a64 + back * (full / 255.0) * (1.0 - a64)
    return (np.rint(y) if x.dtype == np.uint16 else y).astype(x.dtype)


def convert(x: Any, mode: str, alpha: str | Colour = "drop") -> NDArray[Any]:
    """Change the colour mode.

    Parameters
    ----------
    x : (height, width, channel) array of uint8, uint16, float32 or bool
    mode : {"keep", "gray", "rgb", "rgba"}
        "keep" leaves gray gray and colour colour.
    alpha : "drop", "keep", or a colour
        What becomes of transparency unless the mode is "rgba": it is dropped, kept as the
        last channel, or the image is laid on a colour of 0 to 255.

    Returns
    -------
    (height, width, channel) array
        Gray is ITU-R 601 luma; for uint8 the same bits as Pillow's ``convert``.

    Raises
    ------
    ShapeError, DTypeError
    """
    op = "convert"
    x = _image(op, x)
    one_of(op, "mode", mode, MODES)
    if isinstance(alpha, str):
        one_of(op, "alpha", alpha, ("drop", "keep"))
    mask = x[..., -1:] if x.shape[-1] in (2, 4) else None
    if mask is not None and not isinstance(alpha, str):
        n = x.shape[-1] - 1
        if n == 1 and len(alpha) == 3 and mode != "gray":
            x, n = np.concatenate([np.repeat(x[..., :1], 3, axis=-1), mask], axis=-1), 3
        x = composite(x, alpha if len(alpha) == n else _luma_of(alpha, n))
        mask = None
    base = x if mask is None else x[..., :-1]
    if mode == "gray" and base.shape[-1] == 3:
        base = _luma(base)
    elif mode in ("rgb", "rgba") and base.shape[-1] == 1:
        base = np.repeat(base, 3, axis=-1)
    if mode == "rgba" and mask is None:
        mask = np.full((*base.shape[:-1], 1), full_scale(base.dtype), base.dtype)
    if mask is not None and (mode == "rgba" or alpha == "keep"):
        base = np.concatenate([base, mask], axis=-1)
    return base


def _luma(x: NDArray[Any]) -> NDArray[Any]:
    weights = np.array([19595, 38470, 7471])
    if x.dtype == np.float32:
        return (x @ (weights / 65536)).astype(np.float32)[..., None]
    y = x.astype(np.uint64) @ weights.astype(np.uint64)
    return ((y + 0x8000) >> np.uint64(16)).astype(x.dtype)[..., None]


def _luma_of(colour: Colour, n: int) -> Colour:
    """A colour for n channels."""
    if len(colour) == 1:
        return list(colour) * n
    return [int(_luma(np.asarray([[colour]], np.uint8))[0, 0, 0])]


def crop(
    x: Any, height: int, width: int, *, top: int | None = None, left: int | None = None
) -> NDArray[Any]:
    """Cut out a window, by default the centre; beyond the image it is 0.

    Parameters
    ----------
    x : (height, width, channel) array
    height, width : int
    top, left : int, optional
        Row and column of its corner, may be negative; ``(size - window) // 2`` if left
        out.

    Returns
    -------
    (height, width, channel) array
        A view where the window lies inside.
    """
    op = "crop"
    x = _image(op, x)
    height, width = at_least(op, "height", height), at_least(op, "width", width)
    h, w = x.shape[:2]
    i = (h - height) // 2 if top is None else top
    j = (w - width) // 2 if left is None else left
    if i >= 0 and j >= 0 and i + height <= h and j + width <= w:
        return x[i : i + height, j : j + width]
    out = np.zeros((height, width, x.shape[2]), x.dtype)
    a, b = max(i, 0), max(j, 0)
    c, d = min(i + height, h), min(j + width, w)
    if a < c and b < d:
        out[a - i : c - i, b - j : d - j] = x[a:c, b:d]
    return out


def pad(
    x: Any, height: int, width: int, *, value: float = 0, where: str = "end"
) -> NDArray[Any]:
    """Add a border up to a size.

    Parameters
    ----------
    x : (height, width, channel) array
    height, width : int
        At least those of the image.
    value : number
        Of the border, in the pixels' own scale.
    where : {"end", "centre"}
        Below and right, or on all sides.

    Returns
    -------
    (height, width, channel) array
    """
    op = "pad"
    x = _image(op, x)
    h, w = x.shape[:2]
    if height < h or width < w:
        raise ShapeError(
            f"[{op}] expected a size of at least {h} x {w}; got {height} x {width}"
        )
    half = one_of(op, "where", where, ("end", "centre")) == "centre"
    i, j = ((height - h) // 2, (width - w) // 2) if half else (0, 0)
    out = np.full((height, width, x.shape[2]), value, x.dtype)
    out[i : i + h, j : j + w] = x
    return out


def shortest(height: int, width: int, edge: int) -> tuple[int, int]:
    """The size whose shorter edge is ``edge``; the longer is rounded down."""
    at_least("shortest", "edge", edge)
    long = int(edge * max(height, width) / min(height, width))
    return (edge, long) if height <= width else (long, edge)


def longest(height: int, width: int, edge: int) -> tuple[int, int]:
    """The size whose longer edge is ``edge``; the shorter is rounded, at least 1."""
    at_least("longest", "edge", edge)
    other = max(1, round(edge * min(height, width) / max(height, width)))
    return (other, edge) if height <= width else (edge, other)


Stat = float | Sequence[float]


@lru_cache(maxsize=32)
def _table(
    mean: tuple[float, ...], std: tuple[float, ...], divide: bool
) -> NDArray[np.float32]:
    """(channel, 256): what each value of 8 bits becomes."""
    v = np.arange(256)
    if divide:
        x = v.astype(np.float32) / np.float32(255.0)
    else:
        x = (v.astype(np.float64) * (1 / 255)).astype(np.float32)
    m, s = np.array(mean, np.float32), np.array(std, np.float32)
    table = np.asarray((x - m[:, None]) / s[:, None], np.float32)
    table.flags.writeable = False
    return table


def _stat(op: str, name: str, value: Stat, n: int) -> tuple[float, ...]:
    out = (value,) * n if isinstance(value, (int, float)) else tuple(value)
    if len(out) != n or not all(math.isfinite(v) for v in out):
        raise OptionError(
            f"[{op}] expected {n} finite numbers of {name}; got {value!r}"
        )
    return tuple(float(v) for v in out)


def normalise(
    x: Any, mean: Stat = 0.0, std: Stat = 1.0, *, divide: bool = False
) -> NDArray[np.float32]:
    """To channels first, white to 1, then ``(x - mean) / std``, in float32.

    Parameters
    ----------
    x : (height, width, channel) array of uint8, uint16 or float32
    mean, std : float, or one for each channel
        Of pixels from 0 to 1.
    divide : bool
        Divide by 255 in float32, as torchvision does; else multiply with 1/255 in float64
        and round, as transformers does.

    Returns
    -------
    (channel, height, width) float32 array
    """
    op = "normalise"
    x = _image(op, x)
    n = x.shape[-1]
    m, s = _stat(op, "mean", mean, n), _stat(op, "std", std, n)
    if 0.0 in s:
        raise OptionError(f"[{op}] expected std above 0; got {std!r}")
    if x.dtype == np.uint8:
        table = _table(m, s, divide)
        out = np.empty((n, *x.shape[:2]), np.float32)
        for c in range(n):
            np.take(table[c], x[..., c], out=out[c], mode="clip")
        return out
    y = np.moveaxis(x, -1, 0).astype(np.float64) * (1.0 / full_scale(x.dtype))
    shape = (n, 1, 1)
    mean32, std32 = (np.array(v, np.float32).reshape(shape) for v in (m, s))
    return np.ascontiguousarray((y.astype(np.float32) - mean32) / std32)


def image_tensors(
    sample: Image,
    *,
    mode: str = "rgb",
    alpha: str | Colour = "drop",
    size: int | Sequence[int] | None = None,
    filter: str = "bicubic",
    crop_size: int | Sequence[int] | None = None,
    mean: Stat = 0.0,
    std: Stat = 1.0,
    frames: str = "first",
) -> dict[str, NDArray[Any]]:
    """Arrays of an image.

    Parameters
    ----------
    sample : Image
    mode, alpha
        As of :func:`convert`.
    size : int or (height, width), optional
        One number is the shorter edge after resizing, aspect kept.
    filter : {"nearest", "bilinear", "bicubic", "lanczos"}
    crop_size : int or (height, width), optional
        Of the centre, after resizing.
    mean, std : float, or one for each channel
    frames : {"first", "all"}
        "all" adds an axis: one image for each frame of an animation.

    Returns
    -------
    dict
        ``pixel_values`` (channel, height, width) float32, or (frame, channel, height,
        width). Images of 16 bits are not cut to 8.

    Raises
    ------
    ShapeError, DTypeError
    """
    one_of("image", "filter", filter, FILTERS)
    one_of("image", "frames", frames, ("first", "all"))
    stack = [sample.pixels]
    if frames == "all":
        stack = list(sample.frames) if sample.frames is not None else stack
    out = []
    for x in stack:
        y = convert(x, mode, alpha)
        if size is not None:
            y = resize(y, *_target(y, size), filter)
        if crop_size is not None:
            y = crop(y, *_pair("crop_size", crop_size))
        out.append(normalise(y, mean, std))
    return {"pixel_values": out[0] if frames == "first" else np.stack(out)}


def _pair(name: str, value: int | Sequence[int]) -> tuple[int, int]:
    if isinstance(value, (int, np.integer)):
        return int(value), int(value)
    pair = tuple(value)
    if len(pair) != 2:
        raise OptionError(
            f"[image] expected {name} to be an int or (height, width); got {value!r}"
        )
    return pair[0], pair[1]


def _target(x: NDArray[Any], size: int | Sequence[int]) -> tuple[int, int]:
    if isinstance(size, (int, np.integer)):
        return shortest(x.shape[0], x.shape[1], int(size))
    return _pair("size", size)
