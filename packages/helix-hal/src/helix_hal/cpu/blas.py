"""Matrix products: in our own tiles, or through NumPy's BLAS on our own threads.

Which it is depends on the processor and the size; `tiles` says it. A BLAS sums in
another order when its number of threads changes, and its threads wait by spinning,
which slows the kernel that comes next and, on a busy machine, everything. So a large
product is cut into pieces by its shape alone; our workers take them as they become
free, and each piece is one call of BLAS with one thread: the same bits for any number of
threads.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from helix_core.platform import on_fork_child
from helix_core.reference.rounding import rounded
from numpy.typing import NDArray

from helix_hal.cpu.launch import launch
from helix_hal.cpu.threads import blas_libraries

__all__ = ["compiles_for", "matmul", "tiles"]

Array = NDArray[Any]
_Cut = tuple[str, tuple[int, ...]]  # what is cut, and where

_SMALL = 1 << 18  # multiply-adds that every BLAS leaves to one thread
_OWN = 1 << 22  # multiply-adds from which our own tiles are worth their packing,
_OWN_PAIRS = 1 << 14  # also beside rounding the operands first
_ROWS = 5  # rows, and columns, that share what was packed, at least
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
        Of x's dtype. Transposed views are read in place.
    out : ndarray, shape (*batch, m, n)
        Of x's dtype; float32 where that is bfloat16.
    compute : {"float32", "bfloat16"}
        With "bfloat16" operands of float32 are rounded to it, and products accumulate
        in float32.
    """
    work = prod(out.shape) * x.shape[-1]
    if x.dtype.char == "f" and compute == "bfloat16":
        if work >= _OWN_PAIRS and _pairs():
            from helix_hal.cpu.kernels import gemm

            gemm.multiply(x, y, out, pairs=True)
            return
        x, y = rounded(x, compute), rounded(y, compute)
    elif x.dtype.name == "bfloat16":
        if work >= _OWN_PAIRS and _pairs():
            from helix_hal.cpu.kernels import gemm

            gemm.matmul(x.view(np.uint16), y.view(np.uint16), out)
            return
        x, y = x.astype(np.float32), y.astype(np.float32)
    if work <= _SMALL:
        np.matmul(x, y, out=out)
        return
    packed = x.shape[-2] >= _ROWS and y.shape[-1] >= _ROWS
    if work >= _OWN and packed and x.dtype.char in "fd" and _wide_units():
        from helix_hal.cpu.kernels import gemm

        gemm.matmul(x, y, out)
        return
    while x.ndim > 2 and x.shape[0] == 1:
        x, y, out = x[0], y[0], out[0]
    with _ONE:
        cut = _cut(out.shape, work)
        launch(_PRODUCT, len(cut[1]) - 1, x, y, out, cut)


def tiles(compute: str = "float32") -> str:
    """What large products run on: ``"AVX512-BF16"``, ``"AVX-512"`` or ``"BLAS"``.

    With compute="bfloat16" only the first is faster than float32. Elsewhere operands
    are rounded and products run as those of float32 do, which is said once.
    """
    if compute == "bfloat16" and compiles_for("avx512bf16"):
        return "AVX512-BF16"
    return "AVX-512" if _wide_units() else "BLAS"


@lru_cache(maxsize=1)
def _pairs() -> bool:
    """Whether `tiles` are AVX512-BF16; says so where they are not."""
    if tiles("bfloat16") == "AVX512-BF16":
        return True
    warnings.warn(
        "[matmul] compute='bfloat16' is not faster than 'float32' on this processor, "
        "which has no AVX512-BF16: operands are rounded, and products run in float32. "
        "This is said once",
        stacklevel=4,
    )
    return False


@lru_cache(maxsize=8)
def compiles_for(feature: str) -> bool:
    """Whether kernels may use a feature of the processor, by LLVM's name for it.

    numba's settings may hide what the processor has (``NUMBA_CPU_NAME``).
    """
    from numba.core.registry import cpu_target

    names = cpu_target.target_context.codegen().magic_tuple()[2].split(",")
    return f"+{feature}" in names


def _wide_units() -> bool:
    """Whether the processor has AVX-512, which NumPy's BLAS often leaves unused.

    Its tables of processors are older than the processors: the newest ones get the code
    for AVX2, which is half as fast.
    """
    return compiles_for("avx512dq")


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
