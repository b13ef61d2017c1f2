"""Row gather, and its gradient without atomics or sorting."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.jit import kernel
from helix_hal.cpu.launch import launch

__all__ = ["embedding_backward", "embedding_forward"]

Array = NDArray[Any]

_COLUMNS = 64


@kernel
def _gather(lo, hi, step, table, ids, out):
    last = table.shape[0] - 1
    for i in range(lo * step, min(hi * step, ids.size)):
        row = table[min(max(ids[i], 0), last)]
        target = out[i]
        for j in range(row.size):
            target[j] = row[j]


@kernel
def _scatter_add(lo, hi, width, ids, dy, dtable):
    """Each block owns a band of columns and adds the rows in their order."""
    first, last = lo * width, min(hi * width, dtable.shape[1])
    for row in range(dtable.shape[0]):
        dtable[row, first:last] = 0
    for i in range(ids.size):
        target = ids[i]
        if 0 <= target < dtable.shape[0]:
            ds = dtable[target, first:last]
            gs = dy[i, first:last]
            for j in range(ds.size):
                ds[j] += gs[j]


def embedding_forward(table: Array, ids: Array) -> Array:
    """``table[ids]``; an id out of range reads the nearest row.

    Parameters
    ----------
    table : ndarray, shape (rows, features), any kernel dtype, C-contiguous
        At least one row.
    ids : ndarray of integers, any shape

    Returns
    -------
    ndarray, shape (\\*ids.shape, features)
    """
    features = table.shape[1]
    out = pool.empty((*ids.shape, features), table.dtype)
    flat = out.reshape(ids.size, features)
    step = max(1, (1 << 16) // max(1, features * table.itemsize))
    launch(_gather, -(-ids.size // step), step, table, ids.reshape(-1), flat)
    return out


def embedding_backward(ids: Array, dy: Array, rows: int) -> Array:
    """Gradient of the table: row ``r`` is the sum of the `dy` whose id is ``r``.

    The columns are divided among the threads and every sum is in the order of `ids`:
    no atomics, no sorting, the same bits for any thread count. An id out of range adds
    nothing.

    Parameters
    ----------
    ids : ndarray of integers, any shape
    dy : ndarray, shape (\\*ids.shape, features), float32 or float64, C-contiguous
    rows : int

    Returns
    -------
    ndarray, shape (rows, features)
    """
    features = dy.shape[-1]
    dtable = pool.empty((rows, features), dy.dtype)
    flat = dy.reshape(ids.size, features)
    blocks = -(-features // _COLUMNS)
    launch(_scatter_add, blocks, _COLUMNS, ids.reshape(-1), flat, dtable)
    return dtable
