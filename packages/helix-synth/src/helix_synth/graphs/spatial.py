"""Graphs of places and of structure: near points, grids, recursive matrices, motifs."""

from __future__ import annotations

import numpy as np

from .._block import Column, Ragged
from .._fields import field
from ..distributions import Draws
from ..errors import SpecError
from ._base import GraphModel, edges, graph, ordered

MOTIFS = ("house", "cycle", "star", "clique")
_MOTIF_EDGES = {
    "house": [(0, 1), (1, 2), (2, 3), (0, 3), (0, 4), (1, 4)],
    "cycle": [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4)],
    "star": [(0, 1), (0, 2), (0, 3), (0, 4)],
    "clique": [(a, b) for b in range(5) for a in range(b)],
}


class RandomGeometric(GraphModel):
    """Points of the unit square, joined where they are at most ``radius`` apart.

    ``positions`` (node, 2) float64.
    """

    name = "random_geometric"
    chunk = 32
    nodes: int = field(200, 1, 1 << 14, "points")
    radius: float = field(0.12, 0.0, 1.5, "how far apart joined points may be")

    def rows(self, draws: Draws) -> dict[str, Column]:
        n = self.nodes
        at = draws.uniform((n, 2))
        found = []
        for x, y in zip(at[..., 0], at[..., 1], strict=True):
            near = (x[:, None] - x) ** 2 + (y[:, None] - y) ** 2 <= self.radius**2
            v, u = np.nonzero(np.tril(near, -1))
            found.append(edges(u, v))
        return graph(draws, n, Ragged.of(found), positions=at)


class RMAT(GraphModel):
    """Edges that fall into quadrants of a matrix, again and again (Chakrabarti 2004).

    ``draws`` pairs of 2**scale nodes; loops and repeated ones are left out.
    """

    name = "rmat"
    scale: int = field(10, 1, 20, "nodes are 2 to this power")
    draws: int = field(8000, 1, 1 << 22, "pairs that are drawn")
    a: float = field(0.57, 0.0, 1.0, "probability of the first quadrant")
    b: float = field(0.19, 0.0, 1.0, "of the second, and of the third")

    def check(self) -> None:
        if self.a + 2 * self.b > 1:
            raise SpecError(
                f"[rmat] expected a + 2 b <= 1; got a={self.a}, b={self.b}. Hint: b=0.19"
            )

    def rows(self, draws: Draws) -> dict[str, Column]:
        rows, count = len(draws), self.draws
        u, v = np.zeros((2, rows, count), np.int64)
        for _ in range(self.scale):
            x = draws.uniform(count)
            low = x >= self.a + self.b
            right = ((x >= self.a) & ~low) | (x >= self.a + 2 * self.b)
            u, v = 2 * u + low, 2 * v + right
        row = np.repeat(np.arange(rows), count)
        n = 1 << self.scale
        return graph(draws, n, ordered(row, u.reshape(-1), v.reshape(-1), rows, n))


class Grid(GraphModel):
    """A lattice whose nodes are shuffled and some of whose edges are missing.

    ``positions`` (node, 2) int32: row and column of each node.
    """

    name = "grid"
    height: int = field(10, 1, 1 << 10, "rows")
    width: int = field(10, 1, 1 << 10, "columns")
    missing: float = field(0.0, 0.0, 1.0, "probability that an edge is missing")

    def rows(self, draws: Draws) -> dict[str, Column]:
        rows, n = len(draws), self.height * self.width
        cell = np.arange(n).reshape(self.height, self.width)
        u = np.concatenate([cell[:, :-1].reshape(-1), cell[:-1].reshape(-1)])
        v = np.concatenate([cell[:, 1:].reshape(-1), cell[1:].reshape(-1)])
        place = draws.permutation(n)
        kept = ~draws.bernoulli(self.missing, len(u))
        row, edge = np.nonzero(kept)
        found = ordered(row, place[row, u[edge]], place[row, v[edge]], rows, n)
        positions = np.empty((rows, n, 2), np.int32)
        cells = np.stack(np.divmod(np.arange(n), self.width), 1).astype(np.int32)
        positions[np.arange(rows)[:, None], place] = cells
        return graph(draws, n, found, positions=positions)


class Motifs(GraphModel):
    """A random tree with small motifs hung on it: which nodes are of which?

    ``labels`` is 0 for the tree, else 1 + the motif: house, cycle, star, clique. The tree
    is a recursive one: each node's parent is uniform among those before it.
    """

    name = "motifs"
    tree: int = field(40, 1, 1 << 16, "nodes of the tree; they come first")
    motifs: int = field(8, 0, 1 << 12, "motifs of five nodes")

    def rows(self, draws: Draws) -> dict[str, Column]:
        rows, t = len(draws), self.tree
        n = t + 5 * self.motifs
        child = np.arange(1, t)
        parents = draws.below(np.broadcast_to(child, (rows, t - 1)))
        kinds = draws.integers(0, len(MOTIFS), self.motifs)
        hooks = draws.integers(0, t, self.motifs)
        base = t + 5 * np.arange(self.motifs)
        parts = [_flat(rows, parents, np.broadcast_to(child, parents.shape))]
        parts.append(_flat(rows, hooks, np.broadcast_to(base, hooks.shape)))
        for k, name in enumerate(MOTIFS):
            row, which = np.nonzero(kinds == k)
            pairs = np.array(_MOTIF_EDGES[name])
            u, v = (base[which][:, None] + pairs[:, i] for i in (0, 1))
            parts.append((np.repeat(row, len(pairs)), u.reshape(-1), v.reshape(-1)))
        row, u, v = (np.concatenate([p[i] for p in parts]) for i in range(3))
        labels = np.zeros((rows, n), np.int32)
        labels[:, t:] = np.repeat(kinds + 1, 5, axis=1)
        return graph(draws, n, ordered(row, u, v, rows, n), labels=labels)


def _flat(
    rows: int, u: np.ndarray, v: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    row = np.repeat(np.arange(rows), u.shape[1])
    return row, u.reshape(-1), v.reshape(-1)
