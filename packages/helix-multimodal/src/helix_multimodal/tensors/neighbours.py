"""Exact nearest neighbours in space, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from helix_core import ShapeError
from numpy.typing import NDArray

from ._check import at_least, real

_LEAF = 32  # points of a leaf
_WIDE = 12  # leaves that a step looks into
_BLOCK = 32  # leaves of queries that a step serves


def cloud(op: str, name: str, xyz: Any) -> NDArray[np.float64]:
    """Checked (point, 3) float64 coordinates."""
    x = real(op, name, xyz, 2).astype(np.float64, copy=False)
    if x.ndim != 2 or x.shape[1] != 3:
        raise ShapeError(
            f"[{op}] expected {name} (point, 3); got {name}.shape={x.shape}"
        )
    if not np.isfinite(x).all():
        raise ShapeError(
            f"[{op}] expected finite coordinates; got NaN or infinity in {name}. Hint: "
            f"{name}[np.isfinite({name}).all(1)]"
        )
    return x


class _Leaves:
    """Points in equal leaves of a balanced k-d tree; -1 where a leaf has no point."""

    def __init__(self, x: NDArray[np.float64]) -> None:
        n = len(x)
        levels = max(0, int(np.ceil(np.log2(max(n, 1) / _LEAF))))
        size = -(-n // (1 << levels))
        order = np.full(size << levels, -1)
        order[:n] = np.arange(n)
        padded = np.concatenate([x, np.full((1, 3), np.inf)])
        for level in range(levels):
            nodes = order.reshape(1 << level, -1)
            points = padded[nodes]  # (node, point, 3)
            real = (nodes >= 0)[..., None]
            high = np.max(np.where(real, points, -np.inf), axis=1)
            low = np.min(np.where(real, points, np.inf), axis=1)
            extent = np.where(np.isfinite(high), high, 0) - np.where(
                np.isfinite(low), low, 0
            )
            axis = extent.argmax(axis=1)
            keys = np.take_along_axis(points, axis[:, None, None], axis=2)[..., 0]
            half = nodes.shape[1] // 2
            part = np.argpartition(keys, half, axis=1) if half else keys.argsort(axis=1)
            order = np.take_along_axis(nodes, part, axis=1).reshape(-1)
        self.index = order.reshape(1 << levels, -1)
        self.points = padded[self.index]
        real = (self.index >= 0)[..., None]
        self.low = np.min(np.where(real, self.points, np.inf), axis=1)
        self.high = np.max(np.where(real, self.points, -np.inf), axis=1)


def k_nearest(
    points: Any, k: int, queries: Any = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The k nearest points of each query, by Euclidean distance, exactly.

    Parameters
    ----------
    points : (point, 3) array
    k : int
        At most the number of points.
    queries : (query, 3) array, optional
        The points themselves if left out; each is then its own first neighbour.

    Returns
    -------
    index : (query, k) int64 array
        Nearest first; of equal distances the lower index first.
    distance : (query, k) float64 array

    Raises
    ------
    ShapeError, DTypeError

    Notes
    -----
    Both sets lie in leaves of k-d trees (Bentley, 1975). Leaves of points are looked into
    from near to far until none can hold a nearer point for any query of a leaf.
    """
    op = "k_nearest"
    x = cloud(op, "points", points)
    if at_least(op, "k", k) > len(x):
        raise ShapeError(f"[{op}] expected k at most {len(x)} points; got {k}")
    q = x if queries is None else cloud(op, "queries", queries)
    index = np.empty((len(q), k), np.int64)
    distance = np.empty((len(q), k))
    if not len(q):
        return index, distance
    tree = _Leaves(x)
    ask = tree if queries is None else _Leaves(q)
    for i in range(0, len(ask.index), _BLOCK):
        block = slice(i, i + _BLOCK)
        found, squares = _search(
            tree, ask.points[block], ask.low[block], ask.high[block], k
        )
        rows = ask.index[block]
        there = rows >= 0
        index[rows[there]] = found[there]
        distance[rows[there]] = np.sqrt(squares[there])
    order = np.lexsort((index, distance), axis=1)
    return (
        np.take_along_axis(index, order, axis=1),
        np.take_along_axis(distance, order, axis=1),
    )


def _search(
    tree: _Leaves,
    q: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    k: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(leaf, query, k) indices and squared distances of some leaves of queries."""
    n_leaves, size = len(q), q.shape[1]
    far = np.zeros((n_leaves, len(tree.index)))
    with np.errstate(invalid="ignore"):
        for a in range(3):  # squared distance of boxes
            gap = np.maximum(
                tree.low[:, a] - high[:, a, None], low[:, a, None] - tree.high[:, a]
            )
            far += np.square(np.maximum(gap, 0.0))
    far = np.where(np.isnan(far), np.inf, far)
    best = np.full((n_leaves, size, k), np.inf)
    found = np.full((n_leaves, size, k), -1)
    there = np.isfinite(q[..., 0])
    active = np.flatnonzero(there.any(axis=1))
    q = np.where(there[..., None], q, 0.0)
    wide = max(_WIDE, -(-2 * k // tree.index.shape[1]))
    while active.size:
        take = min(wide, far.shape[1])
        near = np.argpartition(far[active], take - 1, axis=1)[:, :take]
        points = tree.points[near].reshape(len(active), -1, 3)
        names = tree.index[near].reshape(len(active), -1)
        # leaves that were looked into before fill up the last step: not twice
        old = np.isinf(np.take_along_axis(far[active], near, axis=1))
        old = np.repeat(old, tree.index.shape[1], axis=1)[:, None]
        d = np.where(old, np.inf, 0.0)
        for a in range(3):
            d = d + np.square(q[active][:, :, None, a] - points[:, None, :, a])
        d = np.concatenate([best[active], d], axis=2)
        names = np.broadcast_to(names[:, None], (*d.shape[:2], names.shape[1]))
        names = np.concatenate([found[active], names], axis=2)
        keep = np.argpartition(d, k - 1, axis=2)[..., :k]
        best[active] = np.take_along_axis(d, keep, axis=2)
        found[active] = np.take_along_axis(names, keep, axis=2)
        far[active[:, None], near] = np.inf
        worst = np.where(there[active], best[active].max(axis=2), -1.0).max(axis=1)
        nearest = far[active].min(axis=1)
        active = active[(nearest <= worst) & np.isfinite(nearest)]
    return found, best
