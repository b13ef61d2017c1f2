"""Resampling images: nearest, linear, cubic; and channels traded for space."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from typing import Any

import numpy as np

from .. import _ops as ops
from .._errors import ShapeError
from .._indexing import take
from .._shape import _in
from .._tensor import Tensor

_MODES = {
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "trilinear": (3,),
    "bicubic": (2,),
}
_A = -0.75  # of the cubic convolution kernel (Keys, 1981), as torch chose it


def _sizes(
    sizes: Sequence[int], size: Any, scale_factor: Any
) -> tuple[list[int], list[float | None]]:
    """Sizes of the result, and the factors that the caller gave."""
    n = len(sizes)
    if (size is None) == (scale_factor is None):
        raise ShapeError(
            f"[interpolate] expected either size or scale_factor; got {size!r} and "
            f"{scale_factor!r}"
        )
    given = size if size is not None else scale_factor
    each = [given] * n if isinstance(given, (int, float)) else list(given)
    if len(each) != n:
        raise ShapeError(
            f"[interpolate] expected {n} values, one per axis; got {given!r}"
        )
    factors: list[float | None] = [None] * n
    if size is None:
        factors = [float(f) for f in each]
        out = [floor(s * f) for s, f in zip(sizes, factors, strict=True) if f]
    else:
        out = [int(s) for s in each]
    if len(out) != n or min(out) < 1:
        raise ShapeError(
            f"[interpolate] expected a result of at least 1 element an axis; got "
            f"size={size!r}, scale_factor={scale_factor!r} for {tuple(sizes)}"
        )
    return out, factors


def _places(n: int, m: int, factor: float | None, align_corners: bool) -> Any:
    """Where in the input the m elements of the result lie."""
    i = np.arange(m, dtype=np.float64)
    if align_corners:
        return i * ((n - 1) / (m - 1) if m > 1 else 0.0)
    return (i + 0.5) * (1.0 / factor if factor else n / m) - 0.5


def _cubic(t: Any) -> list[Any]:
    """Weights of the four neighbours of a place t behind the second."""

    def near(d: Any) -> Any:
        return ((_A + 2) * d - (_A + 3)) * d * d + 1

    def far(d: Any) -> Any:
        return ((_A * d - 5 * _A) * d + 8 * _A) * d - 4 * _A

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


def _taps(
    n: int, m: int, factor: float | None, mode: str, align_corners: bool
) -> list[tuple[Any, Any]]:
    """(positions, weights) of the inputs that each element of the result sums."""
    if mode.startswith("nearest"):
        half = 0.5 if mode.endswith("exact") else 0.0
        step = np.float32(1.0 / factor if factor else n / m)  # as torch rounds it
        at = np.floor((np.arange(m, dtype=np.float32) + np.float32(half)) * step)
        return [(np.minimum(at, n - 1).astype(np.int32), None)]
    at = _places(n, m, factor, align_corners)
    if mode == "bicubic":
        first = np.floor(at)
        idx = [first + j for j in (-1, 0, 1, 2)]
        weights = _cubic(at - first)
    else:
        at = np.maximum(at, 0.0)
        first = np.minimum(np.floor(at), n - 1)
        idx, part = [first, first + 1], at - first
        weights = [1.0 - part, part]
    return [
        (np.clip(i, 0, n - 1).astype(np.int32), w)
        for i, w in zip(idx, weights, strict=True)
    ]


def interpolate(
    x: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool = False,
) -> Tensor:
    """Resample the spatial axes, as torch does (without antialiasing).

    Parameters
    ----------
    x : Tensor (batch, channel, *spatial)
        One to three spatial axes.
    size : int or tuple, optional
        Of the result.
    scale_factor : float or tuple, optional
        Instead of the size: ``floor(n factor)`` elements.
    mode : str
        "nearest", "nearest-exact", "linear" (1 axis), "bilinear" and "bicubic" (2 axes),
        "trilinear" (3 axes).
    align_corners : bool
        The outer elements of input and result have the same place, not the outer edges.

    Returns
    -------
    Tensor (batch, channel, *size)

    Raises
    ------
    ShapeError

    Examples
    --------
    >>> import helix_core as hx
    >>> x = hx.tensor([[[1.0, 3.0]]])
    >>> interpolate(x, 4).tolist()
    [[[1.0, 1.0, 3.0, 3.0]]]
    >>> interpolate(x, 4, mode="linear").tolist()
    [[[1.0, 1.5, 2.5, 3.0]]]
    """
    x = _in(x)
    n = x.ndim - 2
    if n not in _MODES.get(mode, ()):
        raise ShapeError(
            f"[interpolate] expected a mode of {', '.join(_MODES)} that fits x (batch, "
            f"channel, *spatial); got {mode!r} for x.shape={x.shape}"
        )
    if align_corners and mode.startswith("nearest"):
        raise ShapeError(
            f"[interpolate] expected align_corners=False with mode={mode!r}; got True"
        )
    if 0 in x.shape[1:]:
        raise ShapeError(
            f"[interpolate] expected channels and sizes of at least 1; got "
            f"x.shape={x.shape}"
        )
    targets, factors = _sizes(x.shape[2:], size, scale_factor)
    if not mode.startswith("nearest"):
        (x,) = ops.lift(x, inexact=True)
    for i, (m, f) in enumerate(zip(targets, factors, strict=True)):
        axis, parts = 2 + i, []
        for at, w in _taps(x.shape[axis], m, f, mode, align_corners):
            part = take(x, at, axis)
            if w is not None:
                w = w.reshape((m,) + (1,) * (x.ndim - axis - 1))
                part = part * ops.tensor(w, dtype=x.dtype, device=x.device)
            parts.append(part)
        x = parts[0]
        for part in parts[1:]:
            x = x + part
    return x


def pixel_shuffle(x: Any, factor: int) -> Tensor:
    """(..., channel factor^2, height, width) to (..., channel, height factor, width
    factor): sub-pixel convolution's last step (arXiv:1609.05158)."""
    x = _in(x)
    r = factor
    if r < 1 or x.ndim < 3 or x.shape[-3] % (r * r):
        raise ShapeError(
            f"[pixel_shuffle] expected x (..., channel * {r}^2, height, width); got "
            f"x.shape={x.shape}"
        )
    *lead, c, h, w = x.shape
    k = len(lead)
    y = ops.reshape_p(x, (*lead, c // (r * r), r, r, h, w))
    y = ops.permute_p(y, (*range(k), k, k + 3, k + 1, k + 4, k + 2))
    return ops.reshape_p(y, (*lead, c // (r * r), h * r, w * r))


def pixel_unshuffle(x: Any, factor: int) -> Tensor:
    """The inverse of `pixel_shuffle`."""
    x = _in(x)
    r = factor
    if r < 1 or x.ndim < 3 or x.shape[-2] % r or x.shape[-1] % r:
        raise ShapeError(
            f"[pixel_unshuffle] expected height and width that {r} divides; got "
            f"x.shape={x.shape}"
        )
    *lead, c, h, w = x.shape
    k = len(lead)
    y = ops.reshape_p(x, (*lead, c, h // r, r, w // r, r))
    y = ops.permute_p(y, (*range(k), k, k + 2, k + 4, k + 1, k + 3))
    return ops.reshape_p(y, (*lead, c * r * r, h // r, w // r))
