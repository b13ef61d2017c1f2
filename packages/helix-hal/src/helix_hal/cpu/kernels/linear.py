"""A linear layer with its epilogue: product, bias, activation and residual together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.jit import intrinsic, kernel
from helix_hal.cpu.kernels.gemm import multiply, products
from helix_hal.cpu.kernels.gemm_epilogue import (
    ACTIVATIONS,
    FROM_RESULT,
    finish,
    load_lanes,
    slope,
    store_lanes,
)
from helix_hal.cpu.kernels.gemm_pack import halved, store_some
from helix_hal.cpu.kernels.simd import BYTES, add, pointer
from helix_hal.cpu.launch import launch

__all__ = ["linear_backward", "linear_forward"]

Array = NDArray[Any]

_BLOCKS, _BLOCK_SIZE = 64, 1 << 14
_run = products(finish)


def linear_forward(
    x: Array,
    w: Array,
    bias: Array | None = None,
    residual: Array | None = None,
    *,
    activation: str = "none",
    compute: str = "float32",
    keep: bool = False,
) -> tuple[Array, Array | None]:
    """``y = activation(x @ w.T + bias) + residual``.

    Parameters
    ----------
    x : ndarray, shape (rows, inputs), float32
        At least one input.
    w : ndarray, shape (outputs, inputs)
        Any strides, as `x`.
    bias, residual : ndarray, shapes (outputs,) and (rows, outputs), C-contiguous
    activation : str
        One of `gemm_epilogue.ACTIVATIONS`.
    compute : {"float32", "bfloat16"}
    keep : bool
        Return what the slope is made from.

    Returns
    -------
    y : ndarray, shape (rows, outputs)
    kept : ndarray, shape (rows, outputs), or None
        The activation's result, y itself without a residual, for `FROM_RESULT`; else
        its argument.
    """
    shape = x.shape[0], w.shape[0]
    y = pool.empty(shape, np.float32)
    kept = before = after = None
    if keep and activation in FROM_RESULT:
        kept = y if residual is None else pool.empty(shape, np.float32)
        after = kept if residual is not None else None
    elif keep:
        kept = before = pool.empty(shape, np.float32)
    target = y if before is None else before
    arrays = [bias, residual, before, after, y]
    extra = np.array(
        [ACTIVATIONS.index(activation), *map(_address, arrays)], dtype=np.int64
    )
    multiply(x, w.T, target, compute == "bfloat16", _run, extra)
    return y, kept


def _address(array: Array | None) -> int:
    return 0 if array is None else int(array.__array_interface__["data"][0])


# --------------------------------------------------------------------------- backward
@intrinsic
def _store(typingctx, array, index, count, value):
    """Some lanes of float32, rounded where the array holds the bits of bfloat16."""
    from numba import types

    def codegen(context, builder, signature, args):
        place = pointer(context, builder, signature.args[0], *args[:2])
        half = array.dtype.bitwidth == 16
        store_some(
            builder, halved(builder, args[3]) if half else args[3], place, args[2]
        )
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, value), codegen


@kernel
def _slopes(lo, hi, step, code, dy, kept, dz, db):
    """Blocks of rows of ``dz = dy slope(kept)``, and their sums."""
    rows, n = dy.shape
    lanes = BYTES // dy.itemsize
    for block in range(lo, hi):
        if db is not None:
            db[block] = 0
        to = block * n
        for row in range(block * step, min(rows, block * step + step)):
            at = row * n
            for j in range(0, n, lanes):
                count = min(lanes, n - j)
                v = load_lanes(dy, at + j, count)
                if kept is not None:
                    v = slope(code, load_lanes(kept, at + j, count), v)
                if dz is not None:
                    _store(dz, at + j, count, v)
                if db is not None:
                    s = add(load_lanes(db, to + j, count), v)
                    store_lanes(db, to + j, count, s)


def linear_backward(
    x: Array,
    w: Array,
    dy: Array,
    kept: Array | None = None,
    *,
    activation: str = "none",
    bias: bool = False,
    compute: str = "float32",
) -> tuple[Array, Array, Array | None]:
    """Gradients of `linear_forward`; that of a residual is `dy`.

    Parameters
    ----------
    x, w : ndarray, shapes (rows, inputs) and (outputs, inputs), float32
    dy : ndarray, shape (rows, outputs), C-contiguous
    kept : ndarray, shape (rows, outputs), C-contiguous
        With an activation: as returned by `linear_forward`.
    bias : bool
        Whether its gradient is wanted.

    Returns
    -------
    dx, dw : ndarray, shapes of x and w
    dbias : ndarray, shape (outputs,), or None
    """
    pairs = compute == "bfloat16"
    dz, db = dy, None
    if kept is not None or bias:
        rows, n = dy.shape
        step = max(1, -(-rows // _BLOCKS), _BLOCK_SIZE // n)
        blocks = -(-rows // step)
        made = None
        if kept is not None or pairs:
            made = dz = pool.empty(dy.shape, np.uint16 if pairs else np.float32)
        partial = pool.empty((blocks, n), np.float32) if bias else None
        code = ACTIVATIONS.index(activation)
        launch(_slopes, blocks, step, code, dy, kept, made, partial)
        db = None if partial is None else partial.sum(axis=0, dtype=np.float32)
    dx, dw = pool.empty(x.shape, np.float32), pool.empty(w.shape, np.float32)
    multiply(dz, w, dx, pairs)
    multiply(dz.T, x, dw, pairs)
    return dx, dw, db
