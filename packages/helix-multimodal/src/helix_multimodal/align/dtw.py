"""Dynamic time warping, exactly."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from helix_core import HelixError, ShapeError

from ..samples import Array


class Warp(NamedTuple):
    """The cheapest way through a matrix of costs.

    Attributes
    ----------
    cost : float
        Sum of the costs along it.
    path : (step, 2) int64 array
        Index in the first and in the second sequence, from (0, 0) to both ends. Of equal
        ways the one that goes diagonally, read from the end.
    """

    cost: float
    path: Array


def skewed(costs: Array, fill: float = np.inf) -> Array:
    """Row k holds the anti-diagonal ``i + j = k``: (..., n + m - 1, n) of (..., n, m)."""
    n, m = costs.shape[-2:]
    i = np.arange(n)
    j = np.arange(n + m - 1)[:, None] - i
    inside = (j >= 0) & (j < m)
    return np.where(inside, costs[..., i, np.where(inside, j, 0)], fill)


def pairwise(x: Any, y: Any, metric: str) -> Array:
    """Costs (n, m) of (n, feature) beside (m, feature), in float64."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim == 1 and y.ndim == 1:
        x, y = x[:, None], y[:, None]
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or not x.size * y.size:
        raise ShapeError(
            "[dtw] expected x (n, feature) and y (m, feature), none empty; got "
            f"{x.shape} and {y.shape}"
        )
    if metric == "cosine":
        x, y = (a / np.linalg.norm(a, axis=1, keepdims=True) for a in (x, y))
        return np.asarray(1.0 - x @ y.T)
    if metric not in ("sqeuclidean", "euclidean", "manhattan"):
        raise HelixError(
            "[dtw] expected metric 'sqeuclidean', 'euclidean', 'manhattan' or 'cosine'; "
            f"got {metric!r}"
        )
    out = np.zeros((len(x), len(y)))
    for a, b in zip(x.T, y.T, strict=True):  # differences, not x.x - 2 x.y: equal is 0
        d = a[:, None] - b
        out += np.abs(d) if metric == "manhattan" else d * d
    return np.sqrt(out) if metric == "euclidean" else out


def _accumulated(costs: Array) -> Array:
    """Cheapest sums up to each cell, skewed; an anti-diagonal at a time."""
    s = skewed(costs)
    for k in range(1, len(s)):
        best = s[k - 1].copy()  # from (i, j - 1)
        np.minimum(best[1:], s[k - 1, :-1], out=best[1:])  # from (i - 1, j)
        if k > 1:
            np.minimum(best[1:], s[k - 2, :-1], out=best[1:])  # from (i - 1, j - 1)
        s[k] += best
    return s


def dtw_path(costs: Any, window: int | None = None) -> Warp:
    """The cheapest monotone way from corner to corner of a matrix of costs.

    Parameters
    ----------
    costs : (n, m) array
        Infinite where a pair is impossible.
    window : int, optional
        Sakoe-Chiba band: only pairs within this many steps of the line between the
        corners.

    Returns
    -------
    Warp

    Raises
    ------
    HelixError
        If costs are NaN, or no way through is finite.

    Notes
    -----
    Sakoe and Chiba (1978). Steps are (1, 0), (0, 1) and (1, 1), of equal weight.
    """
    d = np.array(costs, np.float64)
    if d.ndim != 2 or not d.size:
        raise ShapeError(f"[dtw] expected costs (n, m), not empty; got {d.shape}")
    if np.isnan(d).any():
        raise HelixError("[dtw] expected costs without NaN")
    n, m = d.shape
    if window is not None:
        if isinstance(window, bool) or not isinstance(window, int) or window < 0:
            raise HelixError(
                f"[dtw] expected window to be an int from 0; got {window!r}"
            )
        if n > 1 < m:
            slope = (m - 1) / (n - 1)
            reach = max(window, slope / 2, 0.5)  # at least one pair in every row
            far = np.abs(np.arange(m) - slope * np.arange(n)[:, None]) > reach
            d[far] = np.inf
    total = _accumulated(d)
    if not np.isfinite(total[-1, -1]):
        raise HelixError("[dtw] expected a way through with a finite cost; got none")
    i, j = n - 1, m - 1
    path = [(i, j)]
    while i or j:
        ways = []
        if i and j:
            ways.append((total[i + j - 2, i - 1], 0, i - 1, j - 1))
        if i:
            ways.append((total[i + j - 1, i - 1], 1, i - 1, j))
        if j:
            ways.append((total[i + j - 1, i], 2, i, j - 1))
        _, _, i, j = min(ways)
        path.append((i, j))
    return Warp(float(total[-1, -1]), np.array(path[::-1], np.int64))


def dtw(x: Any, y: Any, window: int | None = None, metric: str = "sqeuclidean") -> Warp:
    """Dynamic time warping of two sequences.

    Parameters
    ----------
    x : (n, feature) or (n,) array
    y : (m, feature) or (m,) array
    window : int, optional
        As in `dtw_path`.
    metric : {"sqeuclidean", "euclidean", "manhattan", "cosine"}
        Cost of a pair. aeon's distance is ``cost`` with "sqeuclidean", tslearn's its
        square root.

    Returns
    -------
    Warp

    Examples
    --------
    >>> warp = dtw([0.0, 1.0, 2.0], [0.0, 1.0, 1.0, 2.0])
    >>> warp.cost, warp.path.tolist()
    (0.0, [[0, 0], [1, 1], [1, 2], [2, 3]])
    """
    return dtw_path(pairwise(x, y, metric), window)


def path_error(path: Any, truth: Any) -> float:
    """Mean distance in frames between a path and the true time of each frame.

    Parameters
    ----------
    path : (step, 2) integer array
        From `dtw`.
    truth : (n,) array
        Which frame of the second sequence belongs to each of the first.
    """
    p, t = np.asarray(path), np.asarray(truth, np.float64)
    if p.ndim != 2 or p.shape[1] != 2 or t.ndim != 1 or p[-1, 0] + 1 != len(t):
        raise ShapeError(
            "[path_error] expected a path (step, 2) and truth for each of its first "
            f"sequence's frames; got {p.shape} and {t.shape}"
        )
    found = np.bincount(p[:, 0], p[:, 1]) / np.bincount(p[:, 0])
    return float(np.abs(found - t).mean())


def kendall_tau(order: Any) -> float:
    """How far matched times run in order: 1 forwards, -1 backwards, about 0 at random.

    Parameters
    ----------
    order : (n,) array
        For each frame of one sequence, its match in the other.

    Returns
    -------
    float
        Concordant less discordant pairs, over all pairs (tau-a); NaN below two frames.
    """
    a = np.asarray(order)
    if a.ndim != 1:
        raise ShapeError(f"[kendall_tau] expected (n,); got {a.shape}")
    n = len(a)
    signs = sum(int(np.sign(a[i + 1 :] - a[i]).sum()) for i in range(n - 1))
    return signs / (n * (n - 1) / 2) if n > 1 else float("nan")
