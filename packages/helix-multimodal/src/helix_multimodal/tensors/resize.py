"""Resizing with antialiasing: the same bits as Pillow's, without it.

An output pixel is a weighted sum over the input pixels under a filter that is widened to
the output's step. For 8 bits the weights are rounded to 22 bits after the point and sums
are whole numbers below 2**31, so float64 products are exact and BLAS may add them in any
order.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from helix_core import DTypeError, ShapeError
from numpy.typing import NDArray

from ._check import at_least, one_of

FILTERS = ("nearest", "bilinear", "bicubic", "lanczos")
_SUPPORT = {"bilinear": 1.0, "bicubic": 2.0, "lanczos": 3.0}
_ONE = 1 << 22  # weights of 8-bit images are multiples of 1 / this
_ROWS = 64  # of the first pass at a time
_OUTPUTS = 16  # of a banded product at a time


def _weight(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    a = np.abs(x)
    if name == "bilinear":
        return np.where(a < 1.0, 1.0 - a, 0.0)
    if name == "bicubic":  # Keys, 1981, with a = -0.5
        near = ((-0.5 + 2.0) * a - (-0.5 + 3.0)) * a * a + 1.0
        far = (((a - 5.0) * a + 8.0) * a - 4.0) * -0.5
        return np.where(a < 1.0, near, np.where(a < 2.0, far, 0.0))

    def sinc(t: NDArray[np.float64]) -> NDArray[np.float64]:
        u = np.where(t == 0.0, 1.0, t * math.pi)
        return np.where(t == 0.0, 1.0, np.sin(u) / u)

    return np.where((x >= -3.0) & (x < 3.0), sinc(x) * sinc(x / 3.0), 0.0)


class _Band(NamedTuple):
    """Outputs ``start`` to ``stop`` from inputs ``low`` to ``high``."""

    start: int
    stop: int
    low: int
    high: int
    matrix: NDArray[np.float64]  # (high - low, stop - start)


@lru_cache(maxsize=64)
def _bands(n: int, m: int, name: str, whole: bool) -> tuple[_Band, ...]:
    """Weights from n inputs to m outputs, as blocks of a banded matrix."""
    scale = n / m
    wide = max(scale, 1.0)
    support = _SUPPORT[name] * wide
    centre = (np.arange(m) + 0.5) * scale
    low = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    high = np.minimum((centre + support + 0.5).astype(np.int64), n)
    at = low[:, None] + np.arange(math.ceil(support) * 2 + 1)
    w = _weight((at - centre[:, None] + 0.5) * (1.0 / wide), name)
    w[at >= high[:, None]] = 0.0
    total = np.cumsum(w, axis=1)[:, -1:]  # in order, as a loop would
    w = np.divide(w, total, out=w, where=total != 0.0)
    if whole:
        w = np.trunc(w * _ONE + np.where(w < 0, -0.5, 0.5))
    bands = []
    for i in range(0, m, _OUTPUTS):
        j = min(i + _OUTPUTS, m)
        first, last = int(low[i]), int(high[i:j].max())
        matrix = np.zeros((last - first, j - i))
        k, inside = np.arange(i, j)[:, None] - i, at[i:j] < high[i:j, None]
        matrix[(at[i:j] - first)[inside], np.broadcast_to(k, at[i:j].shape)[inside]] = (
            w[i:j][inside]
        )
        matrix.flags.writeable = False
        bands.append(_Band(i, j, first, last, matrix))
    return tuple(bands)


def _rounded(x: NDArray[np.float64], dtype: Any) -> NDArray[Any]:
    """Sums to pixels, in place."""
    if dtype == np.uint8:
        x *= 1.0 / _ONE
        x += 0.5
        np.floor(x, out=x)
        return np.clip(x, 0.0, 255.0, out=x).astype(np.uint8)
    if dtype == np.uint16:
        x += 0.5
        np.floor(x, out=x)
        return np.clip(x, 0.0, 65535.0, out=x).astype(np.uint16)
    return x.astype(dtype)


def _along_rows(x: NDArray[Any], width: int, name: str) -> NDArray[Any]:
    h, w, c = x.shape
    if w == width:
        return x
    bands = _bands(w, width, name, x.dtype == np.uint8)
    out = np.empty((h, width, c), x.dtype)
    rows = min(_ROWS, h)
    planes, sums = np.empty((c, rows, w)), np.empty((c, rows, width))
    for i in range(0, h, _ROWS):
        k = min(_ROWS, h - i)
        planes[:, :k] = np.moveaxis(x[i : i + k], -1, 0)
        for b in bands:
            to = sums[:, :k, b.start : b.stop]
            np.matmul(planes[:, :k, b.low : b.high], b.matrix, out=to)
        out[i : i + k] = np.moveaxis(_rounded(sums[:, :k], x.dtype), 0, -1)
    return out


def _along_columns(x: NDArray[Any], height: int, name: str) -> NDArray[Any]:
    h, w, c = x.shape
    if h == height:
        return x
    out = np.empty((height, w * c), x.dtype)
    flat = x.reshape(h, w * c)
    for b in _bands(h, height, name, x.dtype == np.uint8):
        rows = flat[b.low : b.high].astype(np.float64)
        out[b.start : b.stop] = _rounded(b.matrix.T @ rows, x.dtype)
    return out.reshape(height, w, c)


def _filtered(x: NDArray[Any], height: int, width: int, name: str) -> NDArray[Any]:
    h, w = x.shape[:2]
    # the order of Pillow 13: it matters, since each pass rounds
    if h > height and h - height > 2 * (w - width):
        return _along_rows(_along_columns(x, height, name), width, name)
    return _along_columns(_along_rows(x, width, name), height, name)


def _nearest(n: int, m: int) -> NDArray[np.int64]:
    step = n / m
    at = np.full(m, step)
    at[:1] = step * 0.5
    return np.minimum(np.add.accumulate(at).astype(np.int64), n - 1)


def premultiply(x: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colours times alpha, rounded; the last channel is alpha."""
    t = x[..., :-1].astype(np.uint32) * x[..., -1:] + 128
    out = x.copy()
    out[..., :-1] = ((t >> 8) + t) >> 8
    return out


def unpremultiply(x: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colours over alpha, cut; the inverse of :func:`premultiply` where alpha is not 0."""
    alpha = x[..., -1:].astype(np.uint32)
    t = np.minimum(x[..., :-1].astype(np.uint32) * 255 // np.maximum(alpha, 1), 255)
    out = x.copy()
    out[..., :-1] = np.where((alpha == 0) | (alpha == 255), x[..., :-1], t)
    return out


def resize(x: Any, height: int, width: int, filter: str = "bicubic") -> NDArray[Any]:
    """Resize an image.

    Parameters
    ----------
    x : (height, width, channel) array of uint8, uint16 or float32
        Two or four channels end with alpha: colours weigh by it, as they should.
    height, width : int
        Of the result.
    filter : {"nearest", "bilinear", "bicubic", "lanczos"}
        All but "nearest" are antialiased.

    Returns
    -------
    (height, width, channel) array of the same dtype
        For uint8 the same bits as ``PIL.Image.resize`` of Pillow 13. uint16 and float32
        sums are float64, rounded after each of the two passes.

    Raises
    ------
    ShapeError, DTypeError

    Notes
    -----
    One pass along rows and one along columns; columns come first where the height shrinks
    by more than twice as many pixels as the width.
    """
    op = "resize"
    x = np.asarray(x)
    height, width = at_least(op, "height", height), at_least(op, "width", width)
    one_of(op, "filter", filter, FILTERS)
    if x.ndim != 3 or 0 in x.shape:
        raise ShapeError(
            f"[{op}] expected x (height, width, channel) with pixels; got "
            f"x.shape={x.shape}"
        )
    if x.dtype not in (np.uint8, np.uint16, np.float32):
        raise DTypeError(f"[{op}] expected uint8, uint16 or float32; got {x.dtype}")
    h, w, c = x.shape
    if (h, w) == (height, width):
        return x.copy()
    if filter == "nearest":
        return x[_nearest(h, height)[:, None], _nearest(w, width)]
    if c not in (2, 4):
        return _filtered(x, height, width, filter)
    if x.dtype == np.uint8:
        return unpremultiply(_filtered(premultiply(x), height, width, filter))
    full = 65535.0 if x.dtype == np.uint16 else 1.0
    y = x.astype(np.float32)
    y[..., :-1] *= y[..., -1:] / full
    y = _filtered(y, height, width, filter)
    alpha = y[..., -1:]
    y[..., :-1] *= np.divide(full, alpha, out=np.zeros_like(alpha), where=alpha > 0)
    if x.dtype == np.uint16:
        return np.clip(np.rint(y), 0, full).astype(np.uint16)
    return y
