"""What graph models share: pairs as numbers, and edges in one order."""

from __future__ import annotations

from math import ceil, sqrt
from typing import ClassVar

import numpy as np

from .._block import Column, Ragged
from .._elementary import log
from ..distributions import Draws
from ..generator import Generator


class GraphModel(Generator):
    """A model of simple undirected graphs.

    A sample has ``nodes``, a number, and ``edges`` (edge, 2) int32: u < v in each, in the
    order of v, then u; some models have ``labels`` (node,) int32 beside.
    """

    modality: ClassVar[str] = "graph"
    chunk: ClassVar[int] = 64


def unpair(k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """u < v of pair number ``v (v - 1) / 2 + u``."""
    v = ((np.sqrt(8.0 * k + 1.0) + 1.0) * 0.5).astype(np.int64)
    v -= v * (v - 1) // 2 > k
    v += (v + 1) * v // 2 <= k
    return k - v * (v - 1) // 2, v


def some_of(draws: Draws, total: int, p: float) -> tuple[np.ndarray, np.ndarray]:
    """Each of ``range(total)`` with probability p, for each row.

    By gaps of the geometric distribution (Batagelj and Brandes 2005): time and draws grow
    with what is chosen, not with ``total``.

    Returns
    -------
    chosen : (sum of counts,) int64
        Rising within a row.
    counts : (row,) int64
    """
    rows = len(draws)
    own = draws.apart()
    if p <= 0 or total == 0:
        return np.empty(0, np.int64), np.zeros(rows, np.int64)
    if p > 0.25:
        kept = own.uniform(total) < p
        return np.nonzero(kept)[1], kept.sum(1)
    step = -1.0 / float(log(np.array([1.0 - p]))[0])
    wanted = ceil(total * p + 5 * sqrt(total * p) + 8)
    last = np.full(rows, -1, np.int64)
    pieces: list[np.ndarray] = []
    while (last < total).any():
        gaps = np.minimum(-log(1.0 - own.uniform53(wanted)) * step, float(total))
        at = last[:, None] + np.cumsum(gaps.astype(np.int64) + 1, 1)
        pieces.append(at)
        last = at[:, -1]
    at = np.concatenate(pieces, 1) if len(pieces) > 1 else pieces[0]
    inside = at < total
    return at[inside], inside.sum(1)


def edges(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """(edge, 2) int32."""
    out = np.empty((len(u), 2), np.int32)
    out[:, 0], out[:, 1] = u, v
    return out


def ordered(row: np.ndarray, u: np.ndarray, v: np.ndarray, rows: int, n: int) -> Ragged:
    """Edges of any direction and order, sorted; repeated ones and loops left out."""
    low, high = np.minimum(u, v), np.maximum(u, v)
    code = (row * n + high) * n + low
    code = code[low != high]
    code.sort()
    code = code[np.concatenate([[True], code[1:] != code[:-1]])] if len(code) else code
    row, pair = np.divmod(code, n * n)
    v, u = np.divmod(pair, n)
    return Ragged.counted(edges(u, v), np.bincount(row, minlength=rows))


def graph(draws: Draws, n: int, found: Ragged, **more: Column) -> dict[str, Column]:
    """The columns of a sample."""
    return {"nodes": np.full(len(draws), n), "edges": found, **more}
