"""Borders around a tensor: constant, mirrored, repeated, or from the other end."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _ops as ops
from ._create import as_tensor
from ._errors import ShapeError
from ._indexing import take
from ._shape import _in, pad_p
from ._tensor import Tensor

_MODES = ("constant", "reflect", "replicate", "circular")


def pad(x: Any, widths: Any, value: Any = 0, mode: str = "constant") -> Tensor:
    """Add a border; negative widths cut first.

    Parameters
    ----------
    x : Tensor
    widths : int, or one (before, after) per axis
    value : float
        Of a constant border.
    mode : {"constant", "reflect", "replicate", "circular"}
        The value; mirrored without the edge; the edge repeated; the other end.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        For a border that is wider than the axis allows.

    Examples
    --------
    >>> import helix_core as hx
    >>> x = hx.tensor([1, 2, 3])
    >>> pad(x, [(1, 2)]).tolist(), pad(x, [(1, 2)], mode="reflect").tolist()
    ([0, 1, 2, 3, 0, 0], [2, 1, 2, 3, 2, 1])
    """
    x = _in(x)
    if mode not in _MODES:
        raise ShapeError(f"[pad] expected mode of {', '.join(_MODES)}; got {mode!r}")
    if isinstance(widths, int):
        widths = [(widths, widths)] * x.ndim
    pairs = [(int(lo), int(hi)) for lo, hi in widths]
    if mode == "constant":
        fill = ops.cast(as_tensor(value, device=x.device), x.dtype)
        return pad_p(x, fill, tuple((lo, hi, 0) for lo, hi in pairs))
    if len(pairs) != x.ndim:
        raise ShapeError(f"[pad] expected {x.ndim} pairs of widths; got {len(pairs)}")
    for axis, pair in enumerate(pairs):
        if pair != (0, 0):
            x = take(x, _sources(x.shape, axis, pair, mode), axis)
    return x


def _sources(shape: Any, axis: int, pair: tuple[int, int], mode: str) -> Any:
    """The position in the axis that each element of the result comes from."""
    n, (lo, hi) = shape[axis], pair
    if mode == "replicate" and n and lo + hi >= -n:
        return np.clip(np.arange(-lo, n + hi), 0, n - 1).astype(np.int32)
    first = max(-lo, 0)  # what is cut makes no border
    left = n - first - max(-hi, 0)
    most = {"reflect": left - 1, "circular": left}.get(mode, 0)
    if left < 0 or max(lo, hi, 0) > max(most, 0):
        raise ShapeError(
            f"[pad] expected widths of at most {max(most, 0)} on axis {axis} with "
            f"mode={mode!r}, that cut at most {n}; got {pair} for x.shape={tuple(shape)}"
        )
    at = np.arange(-max(lo, 0), left + max(hi, 0))
    if mode == "circular":
        at = at % max(left, 1)
    elif mode == "reflect":
        at = np.abs(at)
        at = np.where(at >= left, 2 * (left - 1) - at, at)
    return (np.clip(at, 0, max(left - 1, 0)) + first).astype(np.int32)
