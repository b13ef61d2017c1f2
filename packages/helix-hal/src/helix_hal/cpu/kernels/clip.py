"""Global gradient norm and averages of weights: one pass over all arrays together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from helix_hal.cpu.jit import Jitted, kernel
from helix_hal.cpu.kernels.tables import (
    BLOCK,
    Array,
    Arrays,
    array_at,
    fresh,
    launch_over,
)

__all__ = ["clip_by_norm", "ema", "norm"]


# the sum of a block may be taken in any order, but in one that no thread count changes
@kernel(fastmath={"reassoc", "contract", "nsz"})
def _squares(lo, hi, owner, start, size, table, like, sums):
    for block in range(lo, hi):
        k = owner[block]
        offset = (block - start[k]) * BLOCK
        n = min(BLOCK, size[k] - offset)
        x = array_at(table[0, k] + offset * like.itemsize, n, like)
        total = 0.0
        for i in range(n):
            value = np.float64(x[i])
            total += value * value
        sums[block] = total


def _scaled(inplace: bool) -> Jitted:
    @kernel
    def run(lo, hi, owner, start, size, table, like, factor):
        for block in range(lo, hi):
            k = owner[block]
            offset = (block - start[k]) * BLOCK
            n = min(BLOCK, size[k] - offset)
            shift = offset * like.itemsize
            x = array_at(table[0, k] + shift, n, like)
            out = x if inplace else array_at(table[1, k] + shift, n, like)
            scale = factor[0]
            for i in range(n):
                out[i] = x[i] * scale

    return run


def _ema(inplace: bool) -> Jitted:
    @kernel
    def run(lo, hi, owner, start, size, table, like, weights):
        for block in range(lo, hi):
            k = owner[block]
            offset = (block - start[k]) * BLOCK
            n = min(BLOCK, size[k] - offset)
            shift = offset * like.itemsize
            a = array_at(table[0, k] + shift, n, like)
            x = array_at(table[1, k] + shift, n, like)
            out = a if inplace else array_at(table[2, k] + shift, n, like)
            keep, rest = weights[0], weights[1]
            for i in range(n):
                out[i] = a[i] * keep + x[i] * rest

    return run


_SCALED = {i: _scaled(i) for i in (False, True)}
_EMA = {i: _ema(i) for i in (False, True)}


def norm(arrays: Arrays) -> float:
    """The 2-norm of all elements of all arrays, summed in float64."""
    sums = np.zeros(sum(-(-a.size // BLOCK) for a in arrays))
    launch_over(_squares, [arrays], sums)
    return math.sqrt(float(sums.sum()))


def clip_by_norm(
    grads: Arrays, limit: float, *, inplace: bool = False
) -> tuple[list[Array], Any]:
    """Scale arrays so that their joint norm is at most `limit`.

    Parameters
    ----------
    grads : non-empty sequence of ndarray
    limit : float
        The scale is ``min(1, limit / (norm + 1e-6))``.
    inplace : bool
        Write into `grads`; else they are scaled into new arrays, or are returned
        themselves where the norm is within the limit.

    Returns
    -------
    grads : list of ndarray
    norm : scalar of their dtype
        Before scaling.
    """
    dtype = grads[0].dtype.type
    before = dtype(norm(grads))
    scale = dtype(limit) / (before + dtype(1e-6))
    if scale >= 1:
        return list(grads), before
    out = list(grads) if inplace else fresh(grads)
    rows = [grads, *(() if inplace else (out,))]
    launch_over(_SCALED[inplace], rows, np.array([scale]))
    return out, before


def ema(
    averages: Arrays, values: Arrays, decay: float, *, inplace: bool = False
) -> list[Array]:
    """``decay average + (1 - decay) value`` for each pair of arrays.

    Parameters
    ----------
    averages, values : sequences of ndarray
        Of equal sizes and one dtype.
    inplace : bool
        Write into `averages`.
    """
    out = list(averages) if inplace else fresh(averages)
    rows = [averages, values, *(() if inplace else (out,))]
    keep = averages[0].dtype.type(decay)
    launch_over(_EMA[inplace], rows, np.array([keep, 1 - keep], keep.dtype))
    return out
