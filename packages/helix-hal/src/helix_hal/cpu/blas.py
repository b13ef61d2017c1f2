"""Matrix products through NumPy's BLAS, shared among our own threads.

A BLAS sums in another order when its number of threads changes, and its threads wait by
spinning, which slows the kernel that comes next and, on a busy machine, everything. So a
large product is cut into pieces by its shape alone; our workers take them as they become
free, and each piece is one call of BLAS with one thread: the same bits for any number of
threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from helix_core.platform import on_fork_child
from numpy.typing import NDArray

from helix_hal.cpu.launch import launch
from helix_hal.cpu.threads import blas_libraries

__all__ = ["matmul"]

Array = NDArray[Any]
_Cut = tuple[str, tuple[int, ...]]  # what is cut, and where

_SMALL = 1 << 18  # multiply-adds that every BLAS leaves to one thread
_OWN = 1 << 22  # multiply-adds from which our own tiles are worth their packing
_LEAST = 1 << 21  # multiply-adds of a piece, 50 us; every piece packs an operand anew,
_FULL = 1 << 25  # so that more than four have this many
_PIECES = 16
_EDGE = 64  # rows or columns of a piece, at least and in multiples


class _Product:
    """Pieces of one product, for `launch`: each writes its own part of the result."""

    def dispatcher(
        self, lo: int, hi: int, x: Array, y: Array, out: Array, cut: _Cut
    ) -> None:
        axis, bounds = cut
        first, last = bounds[lo], bounds[hi]
        with np.errstate(all="ignore"):  # of this thread
            if axis == "batch":
                np.matmul(x[first:last], y[first:last], out=out[first:last])
                return
            for start, stop in zip(bounds[lo:hi], bounds[lo + 1 : hi + 1], strict=True):
                if axis == "rows":
                    np.matmul(x[start:stop], y, out=out[start:stop])
                else:
                    np.matmul(x, y[:, start:stop], out=out[:, start:stop])


_PRODUCT = _Product()


def matmul(x: Array, y: Array, out: Array, compute: str = "float32") -> None:
    """``out = x @ y``.

    Parameters
    ----------
    x : ndarray, shape (*batch, m, k)
    y : ndarray, shape (*batch, k, n)
        Transposed views are read in place.
    out : ndarray, shape (*batch, m, n)
    compute : {"float32", "bfloat16"}
        With "bfloat16" operands of float32 are rounded to it, and products accumulate
        in float32.
    """
    if compute == "bfloat16" and x.dtype.char == "f":
        x, y = rounded(x), rounded(y)
    work = prod(out.shape) * x.shape[-1]
    if work <= _SMALL:
        np.matmul(x, y, out=out)
        return
    if work >= _OWN and x.dtype.char in "fd" and _wide_units():
        from helix_hal.cpu.kernels import gemm

        gemm.matmul(x, y, out)
        return
    while x.ndim > 2 and x.shape[0] == 1:
        x, y, out = x[0], y[0], out[0]
    with _ONE:
        cut = _cut(out.shape, work)
        launch(_PRODUCT, len(cut[1]) - 1, x, y, out, cut)


def rounded(x: Array) -> Array:
    """Of float32: the nearest bfloat16, as float32."""
    import ml_dtypes

    return x.astype(ml_dtypes.bfloat16).astype(np.float32)


@lru_cache(maxsize=1)
def _wide_units() -> bool:
    """Whether the processor has AVX-512, which NumPy's BLAS often leaves unused.

    Its tables of processors are older than the processors: the newest ones get the code
    for AVX2, which is half as fast.
    """
    from llvmlite.binding import get_host_cpu_features

    return bool(get_host_cpu_features().get("avx512dq", False))


@lru_cache(maxsize=4096)
def _cut(shape: tuple[int, ...], work: int) -> _Cut:
    pieces = max(1, min(4, work // _LEAST), min(_PIECES, work // _FULL))
    if len(shape) > 2:
        pieces = min(pieces, shape[0])
        return "batch", tuple([shape[0] * i // pieces for i in range(pieces + 1)])
    axis = "rows" if shape[0] >= shape[1] else "columns"
    edges = max(shape) // _EDGE  # the last one is larger
    pieces = max(1, min(pieces, edges))
    inner = [edges * i // pieces * _EDGE for i in range(pieces)]
    return axis, (*inner, max(shape))


class _OneThread:
    """While anybody is inside, BLAS has one thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.before: list[tuple[Callable[[int], Any], int]] = []

    def __enter__(self) -> None:
        with self.lock:
            if not self.inside:
                self.before = [(set_to, get()) for set_to, get in blas_libraries()]
                for set_to, _ in self.before:
                    set_to(1)
            self.inside += 1

    def __exit__(self, *exc: object) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside:
                for set_to, n in self.before:
                    set_to(n)


_ONE = _OneThread()


def _after_fork() -> None:
    """Whoever was inside is not in the child."""
    global _ONE
    for set_to, n in _ONE.before if _ONE.inside else ():
        set_to(n)
    _ONE = _OneThread()


on_fork_child(_after_fork)
