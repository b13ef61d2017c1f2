"""Graphs whose nodes belong to groups."""

from __future__ import annotations

import numpy as np

from .._block import Column, Ragged
from .._elementary import power
from .._fields import field
from ..distributions import Draws
from ..errors import SpecError
from ._base import GraphModel, edges, graph, ordered, some_of, unpair


class BlockModel(GraphModel):
    """Groups of equal size: edges inside and between have their own probability.

    Holland et al. 1983. ``labels`` are the groups, spread over the nodes at random.
    """

    name = "block_model"
    groups: int = field(4, 1, 1 << 10, "groups")
    group_size: int = field(250, 1, 1 << 16, "nodes of a group")
    p_in: float = field(0.02, 0.0, 1.0, "probability of an edge inside a group")
    p_out: float = field(0.002, 0.0, 1.0, "probability of an edge between groups")

    def rows(self, draws: Draws) -> dict[str, Column]:
        place = draws.permutation(self.groups * self.group_size)
        return self._spread(draws, place, *self._pairs(draws, self.p_in, self.p_out))

    def _pairs(
        self, draws: Draws, p_in: float, p_out: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row, u and v of every edge, the nodes of a group side by side."""
        rows, k, s = np.arange(len(draws)), self.groups, self.group_size
        each = s * (s - 1) // 2
        inner, inner_counts = some_of(draws, k * each, p_in)
        outer, outer_counts = some_of(draws, k * (k - 1) // 2 * s * s, p_out)
        group, pair = np.divmod(inner, max(each, 1))
        a, b = unpair(pair)
        groups, pair = np.divmod(outer, s * s)
        g, h = unpair(groups)
        row = np.concatenate(
            [np.repeat(rows, inner_counts), np.repeat(rows, outer_counts)]
        )
        u = np.concatenate([group * s + a, g * s + pair // s])
        v = np.concatenate([group * s + b, h * s + pair % s])
        return row, u, v

    def _spread(
        self,
        draws: Draws,
        place: np.ndarray,
        row: np.ndarray,
        u: np.ndarray,
        v: np.ndarray,
    ) -> dict[str, Column]:
        n = self.groups * self.group_size
        group = np.repeat(np.arange(self.groups, dtype=np.int32), self.group_size)
        labels = np.empty(place.shape, np.int32)
        np.put_along_axis(labels, place, np.broadcast_to(group, place.shape), 1)
        found = ordered(row, place[row, u], place[row, v], len(draws), n)
        return graph(draws, n, found, labels=labels)


class DegreeCorrected(BlockModel):
    """Groups whose nodes have weights of a power law (Karrer and Newman 2011).

    ``weights`` (node,) float64 lie in [1, cap]; the probability of an edge is that of
    `BlockModel` times both ends' weights.
    """

    name = "degree_corrected"
    p_in: float = field(0.01, 0.0, 0.1, "probability inside, at weight 1")
    p_out: float = field(0.001, 0.0, 0.1, "probability between groups, at weight 1")
    exponent: float = field(2.5, 1.0, 10.0, "the weights' tail")
    cap: float = field(3.0, 1.0, 3.0, "largest weight")

    def rows(self, draws: Draws) -> dict[str, Column]:
        place = draws.permutation(self.groups * self.group_size)
        weights = np.minimum(draws.pareto(self.exponent, place.shape[1]), self.cap)
        most = self.cap * self.cap
        # more edges than wanted, each kept by its weights: the coins follow the edges
        row, u, v = self._pairs(draws, self.p_in * most, self.p_out * most)
        order = np.argsort(row, kind="stable")
        row, u, v = row[order], u[order], v[order]
        counts = np.bincount(row, minlength=len(draws))
        at = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        coins = draws.apart().uniform(int(counts.max(initial=0)))[row, at]
        kept = coins < weights[row, u] * weights[row, v] / most
        out = self._spread(draws, place, row[kept], u[kept], v[kept])
        spread = np.empty(weights.shape)
        np.put_along_axis(spread, place, weights, 1)
        return {**out, "weights": spread}


class Caveman(GraphModel):
    """Cliques, some of whose edges lead to other cliques (Watts 1999, relaxed)."""

    name = "caveman"
    cliques: int = field(8, 2, 1 << 10, "groups")
    size: int = field(6, 2, 1 << 8, "nodes of a group")
    p: float = field(0.1, 0.0, 1.0, "probability that an edge is moved")

    def rows(self, draws: Draws) -> dict[str, Column]:
        rows, k, s = len(draws), self.cliques, self.size
        each = s * (s - 1) // 2
        a, b = unpair(np.arange(each))
        base = np.repeat(np.arange(k) * s, each)
        u, v = base + np.tile(a, k), base + np.tile(b, k)
        moved = draws.bernoulli(self.p, k * each)
        goal = np.where(moved, draws.integers(0, k * s, k * each), v)
        row = np.repeat(np.arange(rows), k * each)
        found = ordered(row, np.tile(u, rows), goal.reshape(-1), rows, k * s)
        labels = np.broadcast_to(np.repeat(np.arange(k), s), (rows, k * s))
        return graph(draws, k * s, found, labels=labels.astype(np.int32))


class LFR(GraphModel):
    """Degrees and groups of power laws (Lancichinetti, Fortunato and Radicchi 2008).

    A share ``mixing`` of each node's edges leads out of its group. Stubs are paired at
    random; pairs that loop or repeat are paired again a few times, then left out.
    """

    name = "lfr"
    nodes: int = field(250, 40, 1 << 14, "nodes of the graph")
    min_degree: int = field(4, 1, 100, "smallest degree")
    max_degree: int = field(25, 2, 1000, "largest degree")
    degree_exponent: float = field(2.5, 1.0, 5.0, "the degrees' power law")
    min_group: int = field(20, 3, 1000, "smallest group")
    max_group: int = field(60, 3, 4000, "largest group")
    group_exponent: float = field(1.5, 1.0, 5.0, "the groups' power law")
    mixing: float = field(0.2, 0.0, 1.0, "share of edges that leave a group")

    def check(self) -> None:
        if not (
            self.min_degree <= self.max_degree < self.max_group
            and 2 * self.min_group <= self.max_group <= self.nodes
        ):
            raise SpecError(
                "[lfr] expected min_degree <= max_degree < max_group <= nodes and "
                f"2 * min_group <= max_group; got degrees {self.min_degree} to "
                f"{self.max_degree}, groups {self.min_group} to {self.max_group} of "
                f"{self.nodes} nodes. Hint: the defaults"
            )

    def rows(self, draws: Draws) -> dict[str, Column]:
        found, labels = [], []
        for own in draws.each():
            e, group = self._one(own)
            found.append(e)
            labels.append(group)
        return graph(draws, self.nodes, Ragged.of(found), labels=np.stack(labels))

    def _one(self, own: Draws) -> tuple[np.ndarray, np.ndarray]:
        n = self.nodes
        ks = np.arange(self.min_degree, self.max_degree + 1)
        weight = power(ks.astype(float), -self.degree_exponent)
        degree = ks[own.categorical(weight, n)[0]]
        sizes = self._sizes(own)
        inner = np.minimum(np.rint((1 - self.mixing) * degree), sizes.max() - 1).astype(
            int
        )
        # the largest inner degrees choose first among the groups that can hold them
        group = np.empty(n, np.int64)
        room = sizes.copy()
        coins = own.uniform(n)[0]
        for i, node in enumerate(np.argsort(-inner, kind="stable")):
            fits = np.where((room > 0) & (sizes > inner[node]), room, 0)
            if not fits.any():
                fits = room
                inner[node] = min(inner[node], sizes[fits > 0].max() - 1)
            edge = np.cumsum(fits)
            g = int(np.searchsorted(edge, coins[i] * edge[-1], side="right"))
            group[node] = g
            room[g] -= 1
        codes = np.empty(0, np.int64)
        for g in range(len(sizes)):
            stubs = np.repeat(np.flatnonzero(group == g), inner[group == g])
            codes = self._paired(own, stubs, codes, None)
        stubs = np.repeat(np.arange(n), degree - inner)
        codes = np.sort(self._paired(own, stubs, codes, group))
        return edges(codes % n, codes // n), group.astype(np.int32)

    def _sizes(self, own: Draws) -> np.ndarray:
        sizes = np.arange(self.min_group, self.max_group + 1)
        weight = power(sizes.astype(float), -self.group_exponent)
        drawn = sizes[own.categorical(weight, self.nodes // self.min_group + 1)[0]]
        count = int(np.searchsorted(np.cumsum(drawn), self.nodes)) + 1
        drawn = drawn[:count].copy()
        drawn[-1] -= drawn.sum() - self.nodes
        if drawn[-1] < self.min_group and count > 1:
            rest, drawn = int(drawn[-1]), drawn[:-1]
            drawn += rest // len(drawn)
            drawn[: rest % len(drawn)] += 1
        return np.asarray(drawn)

    def _paired(
        self, own: Draws, stubs: np.ndarray, codes: np.ndarray, group: np.ndarray | None
    ) -> np.ndarray:
        n = self.nodes
        for _ in range(10):
            if len(stubs) < 2:
                break
            order = own.permutation(len(stubs))[0]
            half = len(stubs) // 2
            a, b = stubs[order[:half]], stubs[order[half : 2 * half]]
            low, high = np.minimum(a, b), np.maximum(a, b)
            code = high * n + low
            fresh = np.zeros(half, bool)
            fresh[np.unique(code, return_index=True)[1]] = True
            fresh &= (low != high) & ~np.isin(code, codes)
            if group is not None:
                fresh &= group[a] != group[b]
            codes = np.concatenate([codes, code[fresh]])
            stubs = np.concatenate([a[~fresh], b[~fresh]])
        return codes


class Bipartite(GraphModel):
    """Two sides; each pair across is joined with probability ``p``. ``labels``: side."""

    name = "bipartite"
    left: int = field(60, 1, 1 << 16, "nodes of side 0; they come first")
    right: int = field(40, 1, 1 << 16, "nodes of side 1")
    p: float = field(0.1, 0.0, 1.0, "probability of an edge")

    def rows(self, draws: Draws) -> dict[str, Column]:
        pairs, counts = some_of(draws, self.left * self.right, self.p)
        v, u = np.divmod(pairs, self.left)
        side = np.repeat(np.array([0, 1], np.int32), [self.left, self.right])
        labels = np.broadcast_to(side, (len(draws), len(side))).copy()
        n = self.left + self.right
        found = Ragged.counted(edges(u, v + self.left), counts)
        return graph(draws, n, found, labels=labels)
