"""How the ``conv`` primitive becomes problems for the kernels of convolutions.

Three shapes of it matter: a convolution; one over an input with zeros between its
elements (a gradient by the input, or a transposed convolution), which is one problem per
remainder of the distance; and one whose kernel is larger than its result (a gradient by
the weights), which is a sum over pixels.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from math import gcd, prod
from operator import mul
from typing import Any, NamedTuple

import numpy as np
from helix_core._primitives.window import out_size
from helix_core.reference.backend import LOWERINGS as NUMPY
from helix_core.reference.rounding import rounded
from numpy.typing import NDArray

from helix_hal.cpu import pool

__all__ = ["conv"]

Array = NDArray[Any]
Ints = tuple[int, ...]

_SMALL = 1 << 15  # multiply-adds below which nothing is worth compiling
_SLACK = 16  # elements that a tile may read after the last pixel
_FEW = 8  # channels below which neighbouring pixels are read as one run


def conv(
    dev: Any,
    x: Array,
    w: Array,
    strides: Any,
    padding: Any,
    lhs_dilation: Any,
    rhs_dilation: Any,
    feature_groups: int = 1,
    batch_groups: int = 1,
    compute: str = "float32",
    out: Any = None,
) -> Array:
    """See ``helix_core.conv``."""
    n = x.ndim - 2
    attrs = (strides, padding, lhs_dilation, rhs_dilation)
    wide = [
        max(0, (m - 1) * d + 1) for m, d in zip(x.shape[2:], lhs_dilation, strict=True)
    ]
    places = tuple(map(out_size, wide, w.shape[2:], strides, padding, rhs_dilation))
    work = x.shape[0] // batch_groups * prod(places) * w.size
    both = feature_groups > 1 and batch_groups > 1
    if x.dtype.char not in "fd" or n > 3 or work < _SMALL or both or not x.size:
        return NUMPY["conv"](  # type: ignore[no-any-return]
            *(dev, x, w, *attrs, feature_groups, batch_groups, compute)
        )
    x, w = _cubes(rounded(x, compute)), _cubes(rounded(w, compute))
    one, none = (1,) * (3 - n), ((0, 0),) * (3 - n)
    strides, padding = (*one, *strides), (*none, *padding)
    lhs, rhs = (*one, *lhs_dilation), (*one, *rhs_dilation)
    at = (*one, *places)
    if batch_groups > 1 or (feature_groups == 1 and _turned(x, w, places)):
        y = _gradient(x, w, at, strides, padding, lhs, rhs, batch_groups)
    else:
        y = _forward(x, w, at, strides, padding, lhs, rhs, feature_groups)
    return y.reshape((*y.shape[:2], *places)) if n < 3 else y


def _turned(x: Array, w: Array, places: Any) -> bool:
    """Whether this sums over pixels: the gradient rule swaps the first two axes of both
    operands, which their strides still show."""
    steps = [a.strides[0] - a.strides[1] for a in (x, w)]
    if max(steps) == 0:
        return bool(prod(w.shape[2:]) > prod(places))
    return bool(max(steps) <= 0)


def _cubes(a: Array) -> Array:
    """With three spatial axes."""
    return a[(slice(None), slice(None), *(None,) * (5 - a.ndim))]


def _phases(n_out: int, k: int, s: int, lo: int, d: int, step: int) -> list[Any]:
    """Along one axis: results of one remainder (first, every, how far apart their
    inputs are) and the taps that meet elements for them (tap, where it reads)."""
    every = d // gcd(s, d)
    out = []
    for first in range(min(every, n_out)):
        taps = [
            (j, (first * s + j * step - lo) // d)
            for j in range(k)
            if (first * s + j * step - lo) % d == 0
        ]
        out.append((first, every, every * s // d, taps))
    return out


class _Problem(NamedTuple):
    """Results of one remainder, and the taps that meet elements for them."""

    first: Ints
    every: Ints
    filters: tuple[Ints, ...]  # which place of the kernel each tap is
    taps: Any


@lru_cache(maxsize=4096)
def _problems(
    places: Ints,
    kernel: Ints,
    weights: Ints,
    channels: int,
    fold: int,
    strides: Ints,
    lows: Ints,
    lhs: Ints,
    rhs: Ints,
) -> tuple[_Problem, ...]:
    """``weights``: how far apart channels and places of the kernel are in the weights;
    ``fold``: places of the last axis that are read as one run."""
    from helix_hal.cpu.kernels.conv_taps import Taps

    kernel = (*kernel[:2], 1) if fold > 1 else kernel
    axes = map(_phases, places, kernel, strides, lows, lhs, rhs)
    out = []
    for phase in product(*axes):
        first, every, apart, taps = zip(*phase, strict=True)
        chosen = list(product(*taps))
        filters = tuple([tuple([j for j, _ in tap]) for tap in chosen])
        at = tuple([tuple([p for _, p in tap]) for tap in chosen])
        starts = [sum(map(mul, filter_, weights[1:])) for filter_ in filters]
        within = np.add.outer(
            np.arange(fold) * weights[3], np.arange(channels) * weights[0]
        ).reshape(-1)
        offsets = np.add.outer(starts, within).reshape(-1)
        run = Taps(apart, (0,) * 3, at, offsets, within.size)
        out.append(_Problem(first, every, filters, run))
    return tuple(out)


def _forward(
    x: Array,
    w: Array,
    places: Any,
    strides: Any,
    padding: Any,
    lhs: Any,
    rhs: Any,
    groups: int,
) -> Array:
    from helix_hal.cpu.kernels import channels_last, conv, depthwise

    result, y = channels_last.fresh((x.shape[0], w.shape[0], *places), x.dtype)
    x = channels_last.channels_last(x)
    w = w if w.strides[0] > 0 else np.ascontiguousarray(w)
    single = groups > 1 and groups == x.shape[-1] == w.shape[0]
    fold = 1
    if groups == 1 and x.shape[-1] <= _FEW and w.shape[4] > 1 and lhs[2] == rhs[2] == 1:
        x, padding = _bordered(x, padding)
        fold = w.shape[4]
    steps = tuple([s // w.itemsize for s in w.strides[1:]])
    lows = tuple([lo for lo, _ in padding])
    for first, every, filters, taps in _problems(
        *(places, w.shape[2:], steps, w.shape[1], fold, strides, lows, lhs, rhs)
    ):
        part = y[
            :,
            first[0] :: every[0],
            first[1] :: every[1],
            first[2] :: every[2],
        ]
        if not filters:
            part[...] = 0
        elif single:
            by_tap = np.stack([w[:, 0, i, j, k] for i, j, k in filters])
            depthwise.depthwise(x, by_tap, part, taps)
        else:
            conv.windows(x, w, part, taps, groups)
    return result


def _bordered(x: Array, padding: Any) -> tuple[Array, Any]:
    """x with its zeros along the last spatial axis written out."""
    lo, hi = padding[2]
    x = x[:, :, :, max(0, -lo) : x.shape[3] - max(0, -hi)]
    lo, hi = max(0, lo), max(0, hi)
    shape = (*x.shape[:3], lo + x.shape[3] + hi, x.shape[4])
    memory = pool.zeros(prod(shape) + _SLACK, x.dtype)
    out = memory[: prod(shape)].reshape(shape)
    out[:, :, :, lo : lo + x.shape[3]] = x
    return out, (*padding[:2], (0, 0))


def _gradient(
    x: Array,
    w: Array,
    places: Any,
    strides: Any,
    padding: Any,
    lhs: Any,
    rhs: Any,
    groups: int,
) -> Array:
    """x (channels, batch, ...) under w (outputs, batch, ...), batch groups."""
    from helix_hal.cpu.kernels import channels_last, conv, depthwise

    x, w = np.swapaxes(x, 0, 1), np.swapaxes(w, 0, 1)
    if max(lhs) > 1 and max(rhs) == 1:
        return _mirrored(x, w, places, strides, padding, lhs, groups)
    dy, x = channels_last.dense(w), channels_last.channels_last(x)
    if max(lhs) > 1:
        x = _spread(x, lhs)
    channels, outs = x.shape[-1] // groups, dy.shape[-1]
    fold = 1
    if groups == 1 and channels <= _FEW and places[2] > 1 and strides[2] == 1:
        x, padding = _bordered(x, padding)
        fold = places[2]
    lows = tuple([lo for lo, _ in padding])
    taps = _outer_taps(places, channels, fold, strides, lows, rhs)
    if groups > 1 and groups == x.shape[-1] == outs:
        g = depthwise.depthwise_outer(x, dy, taps)
        return np.ascontiguousarray(g.T).reshape((1, outs, *places))
    out = pool.empty((outs, channels, *places), x.dtype)
    conv.outer(x, dy, out, taps, groups)
    return np.swapaxes(out, 0, 1)


def _mirrored(
    x: Array, w: Array, places: Any, strides: Any, padding: Any, lhs: Any, groups: int
) -> Array:
    """The gradient by the weights of a transposed convolution: the sum runs over the
    pixels of x, which has zeros between them, and w is what the taps read."""
    from helix_hal.cpu.kernels import channels_last, conv

    channels, outs = x.shape[1], w.shape[1] // groups
    back = tuple([-s for s in strides])
    lows = tuple([-lo for lo, _ in padding])
    taps = _outer_taps(places, outs, 1, back, lows, lhs)
    out = pool.empty((channels, outs, *places), x.dtype)
    conv.outer(
        channels_last.channels_last(w), channels_last.dense(x), out, taps, groups
    )
    if groups == 1:
        return out
    parts = out.reshape(groups, channels // groups, outs, *places)
    shape = (channels // groups, groups * outs, *places)
    return np.moveaxis(parts, 0, 1).reshape(shape)


@lru_cache(maxsize=4096)
def _outer_taps(
    places: Ints, channels: int, fold: int, strides: Ints, lows: Ints, steps: Ints
) -> Any:
    """One tap for each place of the kernel; ``fold`` of the last axis are one run."""
    from helix_hal.cpu.kernels.conv_taps import Taps

    taps = list(product(*map(range, (*places[:2], 1) if fold > 1 else places)))
    at = tuple(
        [
            tuple([j * s - lo for j, s, lo in zip(t, strides, lows, strict=True)])
            for t in taps
        ]
    )
    starts = [(t[0] * places[1] + t[1]) * places[2] + t[2] for t in taps]
    within = np.add.outer(np.arange(fold), np.arange(channels) * prod(places))
    offsets = np.add.outer(starts, within.reshape(-1)).reshape(-1)
    return Taps(steps, (0,) * 3, at, offsets, within.size)


def _spread(x: Array, apart: Any) -> Array:
    """With zeros between the elements of the spatial axes."""
    sizes = [(n - 1) * d + 1 for n, d in zip(x.shape[1:4], apart, strict=True)]
    out = pool.zeros((x.shape[0], *sizes, x.shape[-1]), x.dtype)
    out[:, :: apart[0], :: apart[1], :: apart[2]] = x
    return out
