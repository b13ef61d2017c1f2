"""Classical random graphs."""

from __future__ import annotations

import numpy as np

from .._block import Column, Ragged
from .._fields import field
from ..distributions import Draws
from ..errors import SpecError
from ._base import GraphModel, edges, graph, ordered, some_of, unpair


class ErdosRenyi(GraphModel):
    """Each pair of nodes is joined with probability ``p`` (Gilbert 1959)."""

    name = "erdos_renyi"
    nodes: int = field(1000, 1, 1 << 24, "nodes of the graph")
    p: float = field(0.01, 0.0, 1.0, "probability of an edge")

    def rows(self, draws: Draws) -> dict[str, Column]:
        n = self.nodes
        pairs, counts = some_of(draws, n * (n - 1) // 2, self.p)
        return graph(draws, n, Ragged.counted(edges(*unpair(pairs)), counts))


class WattsStrogatz(GraphModel):
    """A ring of neighbours, some of whose edges lead elsewhere (Watts, Strogatz 1998).

    An edge that is rewired keeps one end; its other end is uniform among the nodes that
    no other edge of it reaches.
    """

    name = "watts_strogatz"
    nodes: int = field(1000, 3, 1 << 20, "nodes of the ring")
    neighbours: int = field(6, 2, 1 << 10, "edges of a node in the ring; even")
    p: float = field(0.1, 0.0, 1.0, "probability that an edge is rewired")

    def check(self) -> None:
        if self.neighbours % 2 or self.neighbours * 2 >= self.nodes:
            raise SpecError(
                f"[watts_strogatz] expected an even number of neighbours below nodes / 2; "
                f"got neighbours={self.neighbours}, nodes={self.nodes}. Hint: neighbours=2"
            )

    def rows(self, draws: Draws) -> dict[str, Column]:
        rows, n, half = len(draws), self.nodes, self.neighbours // 2
        count = n * half
        source = np.tile(np.arange(n), half)
        ring = (source + np.repeat(np.arange(1, half + 1), n)) % n
        goal = np.broadcast_to(ring, (rows, count)).copy()
        moved = draws.bernoulli(self.p, count)
        first = draws.position
        goal = np.where(moved, draws.integers(0, n, count), goal)
        base = np.arange(rows)[:, None]
        attempt = 0
        while True:
            low, high = np.minimum(source, goal), np.maximum(source, goal)
            # kept edges go first, then the moved ones by number: the later one gives way
            code = (base * n + high) * n + low
            rank = np.argsort(code * 2 + moved, axis=None, kind="stable")
            flat = code.reshape(-1)[rank]
            again = np.zeros(rows * count, bool)
            again[rank[1:]] = flat[1:] == flat[:-1]
            again |= (low == high).reshape(-1)
            at = np.flatnonzero(again)
            if not len(at):
                break
            attempt += 1
            goal.reshape(-1)[at] = draws.again(first, at, count, n, attempt)
        row = np.repeat(np.arange(rows), count)
        found = ordered(row, np.tile(source, rows), goal.reshape(-1), rows, n)
        return graph(draws, n, found)


class BarabasiAlbert(GraphModel):
    """Each new node joins ``m`` others, by their degree (Barabasi and Albert 1999).

    Begins with a star of m + 1 nodes; node v's edges to smaller ones are its own m.
    """

    name = "barabasi_albert"
    chunk = 256
    nodes: int = field(1000, 2, 1 << 20, "nodes of the graph")
    m: int = field(5, 1, 1 << 8, "edges that a new node brings")

    def check(self) -> None:
        if self.m >= self.nodes:
            raise SpecError(
                f"[barabasi_albert] expected m < nodes; got m={self.m}, "
                f"nodes={self.nodes}. Hint: m={self.nodes - 1}"
            )

    def rows(self, draws: Draws) -> dict[str, Column]:
        rows, n, m = len(draws), self.nodes, self.m
        steps = n - m - 1
        size = 2 * m * (steps + 1)
        ends = np.empty((size, rows), np.int32)  # every node as often as its degree
        ends[0 : 2 * m : 2] = 0
        ends[1 : 2 * m : 2] = np.arange(1, m + 1)[:, None]
        width = np.repeat(2 * m * np.arange(1, steps + 1), m)
        first = draws.position
        place = draws.below(np.broadcast_to(width, (rows, steps * m)))
        place = np.ascontiguousarray(place.T).reshape(steps, m, rows)
        column = np.arange(rows)
        for s in range(steps):
            filled = 2 * m * (s + 1)
            chosen = ends[place[s], column]  # (m, rows)
            if m > 1:
                inorder = np.sort(chosen, 0)
                clash = np.flatnonzero((inorder[1:] == inorder[:-1]).any(0))
                if len(clash):
                    self._redraw(draws, first, s, chosen, clash, ends[:filled])
            ends[filled : filled + 2 * m : 2] = chosen
            ends[filled + 1 : filled + 2 * m : 2] = s + m + 1
        pairs = ends.reshape(-1, 2, rows)
        u = pairs[:, 0].reshape(-1, m, rows)
        u[1:].sort(1)
        u = np.ascontiguousarray(u.reshape(-1, rows).T)
        v = np.broadcast_to(pairs[:, 1, 0], u.shape)
        found = Ragged.counted(
            edges(u.reshape(-1), v.reshape(-1)), np.full(rows, u.shape[1])
        )
        return graph(draws, n, found)

    def _redraw(
        self,
        draws: Draws,
        first: int,
        s: int,
        chosen: np.ndarray,
        rows: np.ndarray,
        ends: np.ndarray,
    ) -> None:
        """Draw again, one by one, until each row's nodes differ."""
        m = self.m
        n = (self.nodes - m - 1) * m
        for j in range(1, m):
            left, attempt = rows, 0
            while True:
                taken = (chosen[:j, left] == chosen[j, left]).any(0)
                left = left[taken]
                if not len(left):
                    break
                attempt += 1
                at = left * n + s * m + j
                place = draws.again(first, at, n, len(ends), attempt)
                chosen[j, left] = ends[place, left]


class RandomRegular(GraphModel):
    """Every node has the same degree: pairings that are drawn again until simple.

    Pairs that would repeat or loop are pooled and paired again, all over where that
    fails (Steger and Wormald 1999: close to uniform).
    """

    name = "random_regular"
    nodes: int = field(100, 2, 1 << 16, "nodes of the graph")
    degree: int = field(3, 1, 32, "edges of a node; nodes * degree is even")

    def check(self) -> None:
        if self.nodes * self.degree % 2 or self.degree >= self.nodes / 2:
            raise SpecError(
                f"[random_regular] expected nodes * degree even and degree < nodes / 2; "
                f"got nodes={self.nodes}, degree={self.degree}. Hint: degree=2"
            )

    def rows(self, draws: Draws) -> dict[str, Column]:
        n, found = self.nodes, []
        for own in draws.each():
            while (one := self._one(own)) is None:
                pass
            found.append(one)
        return graph(draws, n, Ragged.of(found))

    def _one(self, own: Draws) -> np.ndarray | None:
        n = self.nodes
        stubs = np.repeat(np.arange(n), self.degree)
        codes = np.empty(0, np.int64)
        for _ in range(100):
            order = own.permutation(len(stubs))[0]
            a, b = stubs[order[0::2]], stubs[order[1::2]]
            low, high = np.minimum(a, b), np.maximum(a, b)
            code = high * n + low
            _, where = np.unique(code, return_index=True)
            fresh = np.zeros(len(code), bool)
            fresh[where] = True
            fresh &= (low != high) & ~np.isin(code, codes)
            codes = np.concatenate([codes, code[fresh]])
            stubs = np.concatenate([a[~fresh], b[~fresh]])
            if not len(stubs):
                codes.sort()
                return edges(codes % n, codes // n)
        return None


class RandomTree(GraphModel):
    """A labelled tree, each equally likely, by Pruefer's code."""

    name = "random_tree"
    nodes: int = field(64, 2, 1 << 16, "nodes of the tree")

    def rows(self, draws: Draws) -> dict[str, Column]:
        n, rows = self.nodes, len(draws)
        codes = draws.integers(0, n, n - 2) if n > 2 else np.zeros((rows, 0), np.int64)
        u, v = np.empty((2, rows, n - 1), np.int64)
        for r, code in enumerate(codes.tolist()):
            u[r], v[r] = _decoded(code, n)
        row = np.repeat(np.arange(rows), n - 1)
        return graph(draws, n, ordered(row, u.reshape(-1), v.reshape(-1), rows, n))


def _decoded(code: list[int], n: int) -> tuple[list[int], list[int]]:
    degree = [1] * n
    for c in code:
        degree[c] += 1
    first = degree.index(1)
    leaf = first
    leaves, parents = [], []
    for c in code:
        leaves.append(leaf)
        parents.append(c)
        degree[c] -= 1
        if degree[c] == 1 and c < first:
            leaf = c
        else:
            first = degree.index(1, first + 1)
            leaf = first
    leaves.append(leaf)
    parents.append(n - 1)
    return leaves, parents
