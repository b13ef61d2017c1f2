"""Cross-entropy fused with its classifier: all logits together never exist.

For 2048 rows and 50,280 classes the logits are 412 MB, and a framework keeps about
three such arrays. Here a few hundred rows at a time go through the matrix product,
become their own gradient in place, and are folded into ``dx`` and ``dw`` at once: the
forward pass returns the gradients of its scalar loss, and the backward pass only scales
them.

The matrix products are NumPy's; the exponentials and sums are ours, one pass over a row
while it is in cache.

References
----------
Hsu et al., "Liger Kernel: Efficient Triton Kernels for LLM Training", 2024.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.blas import matmul
from helix_hal.cpu.jit import Jitted, kernel
from helix_hal.cpu.kernels.elementwise import exp32, exp64
from helix_hal.cpu.kernels.softmax import SUM, row_max
from helix_hal.cpu.launch import launch

__all__ = [
    "LinearCrossEntropy",
    "linear_cross_entropy",
    "linear_cross_entropy_backward",
]

Array = NDArray[Any]
Reduction = Literal["mean", "sum", "none"]

_CHUNK_BYTES = 48 << 20
_MIN_ROWS, _MAX_ROWS = 64, 1024
_TILE_BYTES = 8 << 20


class LinearCrossEntropy(NamedTuple):
    """What `linear_cross_entropy` returns; gradients are None where not asked for.

    Attributes
    ----------
    loss : ndarray
        0-d for "mean" and "sum", shape (rows,) for "none".
    lse : ndarray, shape (rows,)
        Log-sum-exp of each row's logits, for `linear_cross_entropy_backward`.
    dx, dw, dbias : ndarray or None
        Gradients of the scalar loss, shapes of x, w and bias.
    """

    loss: Array
    lse: Array
    dx: Array | None
    dw: Array | None
    dbias: Array | None


def _losses(exp: Jitted, in_place: bool) -> Jitted:
    """Loss and log-sum-exp of each row; `in_place` turns logits into gradients too."""

    @kernel(fastmath=SUM)
    def forward(
        lo, hi, logits, bias, labels, ignore_index, smoothing, scale, loss, lse
    ):
        classes = logits.shape[1]
        zero, one = logits.dtype.type(0), logits.dtype.type(1)
        for row in range(lo, hi):
            xs = logits[row]
            if bias is not None:
                for j in range(classes):
                    xs[j] += bias[j]
            largest = row_max(xs)
            label = labels[row]
            valid = 0 <= label < classes
            at_label = xs[label] if valid else largest
            summed = zero
            if smoothing > 0:
                for j in range(classes):
                    summed += xs[j]
            total = zero
            for j in range(classes):
                value = exp(xs[j] - largest)
                if in_place:
                    xs[j] = value
                total += value
            norm = largest + np.log(total)
            lse[row] = norm
            if label == ignore_index:
                loss[row] = zero
                if in_place:
                    xs[:] = zero
                continue
            if not valid:  # the caller's mistake, and no row of his to read
                loss[row] = np.nan
                if in_place:
                    xs[:] = np.nan
                continue
            value = norm - at_label
            if smoothing > 0:
                even = norm - summed / classes
                value = (one - smoothing) * value + smoothing * even
            loss[row] = value
            if in_place:
                factor = scale / total
                shift = scale * smoothing / classes
                for j in range(classes):
                    xs[j] = xs[j] * factor - shift
                xs[label] -= scale * (one - smoothing)

    return forward


def _gradients(exp: Jitted) -> Jitted:
    @kernel(fastmath=SUM)
    def backward(lo, hi, logits, labels, ignore_index, smoothing, lse, dloss):
        """Turn logits into ``dloss (softmax - target)``."""
        classes = logits.shape[1]
        one = logits.dtype.type(1)
        even = smoothing / classes
        for row in range(lo, hi):
            xs = logits[row]
            label = labels[row]
            if label == ignore_index:
                xs[:] = 0
                continue
            scale = dloss[row]
            if label < 0 or label >= classes:
                xs[:] = np.nan
                continue
            norm = lse[row]
            for j in range(classes):
                xs[j] = scale * (exp(xs[j] - norm) - even)
            xs[label] -= scale * (one - smoothing)

    return backward


_F32, _F64 = np.dtype(np.float32), np.dtype(np.float64)
_LOSSES = {_F32: _losses(exp32, False), _F64: _losses(exp64, False)}
_LOSSES_IN_PLACE = {_F32: _losses(exp32, True), _F64: _losses(exp64, True)}
_GRADIENTS = {_F32: _gradients(exp32), _F64: _gradients(exp64)}


def _chunk_rows(rows: int, classes: int, itemsize: int) -> int:
    """Rows whose logits fit the budget, in chunks of even size."""
    fit = _CHUNK_BYTES // (classes * itemsize)
    most = max(_MIN_ROWS, min(_MAX_ROWS, fit))
    return -(-rows // -(-rows // most)) if rows else 1


def _grain(classes: int) -> int:
    return max(1, (1 << 13) // classes)


def _row_scale(
    labels: Array, ignore_index: int, reduction: Reduction, dtype: np.dtype[Any]
) -> Any:
    """Weight of one row's loss in the result (NaN for a mean over no rows)."""
    if reduction != "mean":
        return dtype.type(1)
    counted = int(np.count_nonzero(labels != ignore_index))
    return dtype.type(1 / counted if counted else np.nan)


def _reduce(loss: Array, scale: Any, reduction: Reduction) -> Array:
    if reduction == "none":
        return loss
    total = loss.sum(dtype=np.float64) * float(scale)
    return np.asarray(total, dtype=loss.dtype)


def _add_product(out: Array, grads: Array, x: Array, tile: Array, compute: str) -> None:
    """``out += grads.T @ x``, in tiles that stay in cache between product and sum."""
    step = tile.shape[0]
    for start in range(0, out.shape[0], step):
        target = out[start : start + step]
        part = tile[: target.shape[0]]
        matmul(grads[:, start : start + step].T, x, part, compute)
        np.add(target, part, out=target)


def linear_cross_entropy(
    x: Array,
    w: Array,
    labels: Array,
    bias: Array | None = None,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
    want_grads: bool = True,
    compute: str = "float32",
) -> LinearCrossEntropy:
    """Cross-entropy of ``x @ w.T + bias`` against `labels`, in chunks of rows.

    Parameters
    ----------
    x : ndarray, shape (rows, d_model), float32 or float64, C-contiguous
    w : ndarray, shape (classes, d_model)
    labels : ndarray, shape (rows,), integers in [0, classes) or `ignore_index`
        Any other label makes the loss NaN.
    bias : ndarray, shape (classes,), optional
    ignore_index : int
        Rows with this label count for nothing.
    label_smoothing : float in [0, 1]
        Weight of the uniform distribution in the target.
    reduction : "mean", "sum" or "none"
        "mean" is over the rows that are not ignored.
    want_grads : bool
        Compute the gradients in the same pass; not with "none", whose gradient needs
        the cotangent of every row: see `linear_cross_entropy_backward`.
    compute : "float32" or "bfloat16"
        What the products round float32 to.

    Returns
    -------
    LinearCrossEntropy

    Notes
    -----
    Memory beside the results: about 56 MB, whatever the number of rows. With gradients
    three matrix products of ``2 rows d_model classes`` operations.
    """
    rows, classes = x.shape[0], w.shape[0]
    want_grads = want_grads and reduction != "none"
    smoothing = x.dtype.type(label_smoothing)
    scale = _row_scale(labels, ignore_index, reduction, x.dtype)
    loss, lse = pool.empty(rows, x.dtype), pool.empty(rows, x.dtype)
    step = _chunk_rows(rows, classes, x.itemsize)
    logits = pool.empty((min(step, rows), classes), x.dtype)
    dx = dw = dbias = tile = None
    if want_grads:
        dx = pool.empty(x.shape, x.dtype)
        dw = pool.empty(w.shape, x.dtype)
        tile = _tile(w)
        dbias = None if bias is None else np.zeros(classes, x.dtype)
        if rows <= step:
            tile = dw  # the only chunk is written in place, nothing is added
        else:
            dw.fill(0)
    for start in range(0, rows, step):
        part = x[start : start + step]
        ids, n = labels[start : start + step], len(part)
        chunk, norm = logits[:n], lse[start : start + n]
        matmul(part, w.T, chunk, compute)
        run = (_LOSSES_IN_PLACE if want_grads else _LOSSES)[x.dtype]
        launch(
            *(run, n, chunk, bias, ids, ignore_index, smoothing, scale),
            *(loss[start : start + n], norm),
            grain=_grain(classes),
        )
        if want_grads:
            assert dx is not None and dw is not None and tile is not None
            matmul(chunk, w, dx[start : start + n], compute)
            if tile is dw:
                matmul(chunk.T, part, dw, compute)
            else:
                _add_product(dw, chunk, part, tile, compute)
            if dbias is not None:
                dbias += chunk.sum(axis=0)
    if want_grads and not rows:
        assert dw is not None
        dw.fill(0)
    return LinearCrossEntropy(_reduce(loss, scale, reduction), lse, dx, dw, dbias)


def _tile(w: Array) -> Array:
    rows = max(256, _TILE_BYTES // max(1, w.shape[1] * w.itemsize))
    return pool.empty((min(rows, w.shape[0]), w.shape[1]), w.dtype)


def linear_cross_entropy_backward(
    x: Array,
    w: Array,
    labels: Array,
    lse: Array,
    dloss: Array,
    bias: Array | None = None,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    compute: str = "float32",
) -> tuple[Array, Array, Array | None]:
    """Gradients of `linear_cross_entropy` with "none": the logits are computed again.

    Parameters
    ----------
    x, w, labels, bias
        As given to `linear_cross_entropy`.
    lse : ndarray, shape (rows,)
        As it returned.
    dloss : ndarray, shape (rows,)
        Cotangent of the losses.
    compute : "float32" or "bfloat16"

    Returns
    -------
    dx, dw : ndarray, shapes of x and w
    dbias : ndarray, shape (classes,), or None without `bias`
    """
    rows, classes = x.shape[0], w.shape[0]
    smoothing = x.dtype.type(label_smoothing)
    step = _chunk_rows(rows, classes, x.itemsize)
    logits = pool.empty((min(step, rows), classes), x.dtype)
    dx, dw = pool.empty(x.shape, x.dtype), pool.zeros(w.shape, x.dtype)
    dbias = None if bias is None else np.zeros(classes, x.dtype)
    tile = _tile(w)
    for start in range(0, rows, step):
        part = x[start : start + step]
        ids, n = labels[start : start + step], len(part)
        chunk = logits[:n]
        matmul(part, w.T, chunk, compute)
        if bias is not None:
            chunk += bias
        launch(
            *(_GRADIENTS[x.dtype], n, chunk, ids, ignore_index, smoothing),
            *(lse[start : start + n], dloss[start : start + n]),
            grain=_grain(classes),
        )
        matmul(chunk, w, dx[start : start + n], compute)
        _add_product(dw, chunk, part, tile, compute)
        if dbias is not None:
            dbias += chunk.sum(axis=0)
    return dx, dw, dbias
