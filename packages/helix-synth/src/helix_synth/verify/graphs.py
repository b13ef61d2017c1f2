"""Verifiers of graphs: structure edge by edge, counts within what chance allows."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from ._checks import Problems, Sample, Spec

_SIGMAS = 6.5  # of a count: a false alarm in ten thousand million


def _graph(
    sample: Sample, n: int, *more: str
) -> tuple[Problems, np.ndarray, np.ndarray, bool]:
    """A simple graph in its order; its lower and higher ends."""
    p = Problems()
    good = p.names(sample, "nodes", "edges", *more)
    good &= p.unless(sample.get("nodes") == n, f"nodes: expected {n}")
    good &= p.array(sample, "edges", "int32", (None, 2), 0, n - 1)
    if not good:
        return p, np.empty(0, int), np.empty(0, int), False
    u, v = sample["edges"].astype(np.int64).T
    good = p.unless(u < v, "edges: not u < v, so a loop or a turned edge")
    rank = v * n + u
    good &= p.unless(rank[1:] > rank[:-1], "edges: repeated or out of order")
    return p, u, v, good


def _count(p: Problems, what: str, found: int, total: int, chance: float) -> None:
    """A binomial count; exact for few trials, by its deviation for many."""
    mean = total * chance
    slack = _SIGMAS * math.sqrt(max(mean * (1 - chance), 0.0)) + 8 * (0 < chance < 1)
    p.unless(
        abs(found - mean) <= slack, f"{what}: {found}, where {mean:.1f} are expected"
    )


def _components(n: int, u: np.ndarray, v: np.ndarray) -> int:
    root = list(range(n))

    def find(a: int) -> int:
        while root[a] != a:
            root[a] = root[root[a]]
            a = root[a]
        return a

    parts = n
    for a, b in zip(u.tolist(), v.tolist(), strict=True):
        a, b = find(a), find(b)
        if a != b:
            root[a] = b
            parts -= 1
    return parts


def erdos_renyi(spec: Spec, sample: Sample) -> list[str]:
    n = spec["nodes"]
    p, u, v, good = _graph(sample, n)
    if good:
        _count(p, "edges", len(u), n * (n - 1) // 2, spec["p"])
        if n >= 16:  # no part of the graph has more than its share
            half = n // 2
            _count(p, "edges of the first half", int((v < half).sum()),
                   half * (half - 1) // 2, spec["p"])  # fmt: skip
    return p


def watts_strogatz(spec: Spec, sample: Sample) -> list[str]:
    n, k = spec["nodes"], spec["neighbours"]
    p, u, v, good = _graph(sample, n)
    if good:
        p.unless(len(u) == n * k // 2, f"edges: expected {n * k // 2}; got {len(u)}")
        apart = v - u
        ring = int((np.minimum(apart, n - apart) <= k // 2).sum())
        # an edge that moves may land in the ring again
        stay = 1 - spec["p"] * (1 - spec["p"] * k / (n - 1))
        _count(p, "edges of the ring", ring, n * k // 2, stay)
        degree = np.bincount(np.concatenate([u, v]), minlength=n)
        p.unless(degree >= k // 2, "a node lost an end that is its own")
    return p


def barabasi_albert(spec: Spec, sample: Sample) -> list[str]:
    n, m = spec["nodes"], spec["m"]
    p, u, v, good = _graph(sample, n)
    if not good:
        return p
    own = np.bincount(v, minlength=n)
    star = own[: m + 1] == np.array([0] + [1] * m)
    p.unless(star.all() and (u[:m] == 0).all(), "it does not begin with a star")
    p.unless(own[m + 1 :] == m, f"a node that does not bring {m} edges")
    if n >= 200 and not p:  # preferential: the sum of squared degrees grows as n log n
        degree = np.bincount(np.concatenate([u, v]), minlength=n)
        p.unless(degree.max() > 1.1 * m * n**0.25, "no hubs: not preferential")
    return p


def random_regular(spec: Spec, sample: Sample) -> list[str]:
    n, d = spec["nodes"], spec["degree"]
    p, u, v, good = _graph(sample, n)
    if good:
        degree = np.bincount(np.concatenate([u, v]), minlength=n)
        p.unless(degree == d, f"a node without {d} edges")
    return p


def random_tree(spec: Spec, sample: Sample) -> list[str]:
    n = spec["nodes"]
    p, u, v, good = _graph(sample, n)
    if good:
        p.unless(len(u) == n - 1, f"edges: expected {n - 1}; got {len(u)}")
        p.unless(_components(n, u, v) == 1, "not connected")
    return p


def _blocks(spec: Spec, sample: Sample, mean_weight: float, *more: str) -> list[str]:
    k, s = spec["groups"], spec["group_size"]
    n = k * s
    p, u, v, good = _graph(sample, n, "labels", *more)
    if not p.array(sample, "labels", "int32", (n,), 0, k - 1) or not good:
        return p
    label = sample["labels"]
    p.unless(np.bincount(label, minlength=k) == s, f"groups are not of {s} nodes")
    inside = int((label[u] == label[v]).sum())
    factor = mean_weight**2
    _count(p, "edges inside", inside, k * s * (s - 1) // 2, spec["p_in"] * factor)
    _count(p, "edges between", len(u) - inside, k * (k - 1) // 2 * s * s,
           spec["p_out"] * factor)  # fmt: skip
    return p


def block_model(spec: Spec, sample: Sample) -> list[str]:
    return _blocks(spec, sample, 1.0)


def degree_corrected(spec: Spec, sample: Sample) -> list[str]:
    n = spec["groups"] * spec["group_size"]
    p = Problems()
    if not p.array(sample, "weights", "float64", (n,), 1.0, spec["cap"]):
        return p
    w = sample["weights"]
    p += _blocks(spec, sample, float(w.mean()), "weights")
    if not p and n >= 200:
        degree = np.bincount(sample["edges"].reshape(-1), minlength=n).astype(float)
        share = float(degree[w > w.mean()].sum() / max(degree.sum(), 1))
        want = float(w[w > w.mean()].sum() / w.sum())
        slack = _SIGMAS * math.sqrt(0.5 / max(degree.sum(), 1))
        p.unless(abs(share - want) < slack, "edges do not follow the weights")
    return p


def caveman(spec: Spec, sample: Sample) -> list[str]:
    k, s = spec["cliques"], spec["size"]
    n = k * s
    p, u, v, good = _graph(sample, n, "labels")
    if not p.array(sample, "labels", "int32", (n,), 0, k - 1) or not good:
        return p
    p.unless(sample["labels"] == np.arange(n) // s, "labels: not clique after clique")
    total = k * s * (s - 1) // 2
    p.unless(len(u) <= total, f"edges: more than {total}")
    inside = int((u // s == v // s).sum())
    # moved edges that fall back into their clique repeat an edge or fill a gap
    _count(p, "edges inside", inside, total, 1 - spec["p"] * (1 - spec["p"] / k))
    outside = len(u) - inside
    _count(p, "edges between", outside, total, spec["p"] * (1 - 1 / k))
    return p


def lfr(spec: Spec, sample: Sample) -> list[str]:
    n = spec["nodes"]
    p, u, v, good = _graph(sample, n, "labels")
    if not p.array(sample, "labels", "int32", (n,), 0, n - 1) or not good:
        return p
    label = sample["labels"]
    sizes = np.bincount(label)
    low, high = spec["min_group"], spec["max_group"]
    p.unless((sizes >= low) & (sizes <= 2 * high), f"groups of {sizes.tolist()} nodes")
    degree = np.bincount(np.concatenate([u, v]), minlength=n)
    p.unless(degree <= spec["max_degree"], f"a degree of {degree.max()}")
    ks = np.arange(spec["min_degree"], spec["max_degree"] + 1.0)
    weight = ks ** -spec["degree_exponent"]
    mean = float((ks * weight).sum() / weight.sum())
    deviation = math.sqrt(float((ks**2 * weight).sum() / weight.sum()) - mean**2)
    slack = 0.12 * mean + _SIGMAS * deviation / math.sqrt(n)
    p.unless(abs(degree.mean() - mean) < slack, f"mean degree {degree.mean():.2f}")
    out = float((label[u] != label[v]).mean())
    p.unless(abs(out - spec["mixing"]) < 0.12, f"{out:.2f} of the edges leave a group")
    return p


def bipartite(spec: Spec, sample: Sample) -> list[str]:
    a, b = spec["left"], spec["right"]
    p, u, v, good = _graph(sample, a + b, "labels")
    if not p.array(sample, "labels", "int32", (a + b,), 0, 1) or not good:
        return p
    label = sample["labels"]
    p.unless(label == (np.arange(a + b) >= a), "labels: sides out of place")
    p.unless(label[u] != label[v], "an edge inside of a side")
    _count(p, "edges", len(u), a * b, spec["p"])
    return p


def random_geometric(spec: Spec, sample: Sample) -> list[str]:
    n, r = spec["nodes"], spec["radius"]
    p, u, v, good = _graph(sample, n, "positions")
    if not p.array(sample, "positions", "float64", (n, 2), 0, 1) or not good:
        return p
    at = sample["positions"]
    # sweep from left to right: only points within the radius in x can be joined
    order = np.argsort(at[:, 0])
    x = at[order, 0]
    ends = np.searchsorted(x, x + r + 1e-12, side="right")
    near: set[tuple[int, int]] = set()
    edge: set[tuple[int, int]] = set()
    for i in range(n):
        others = order[i + 1 : ends[i]]
        gap = np.hypot(*(at[others] - at[order[i]]).T)
        near.update(
            (min(order[i], j), max(order[i], j)) for j in others[gap < r - 1e-12]
        )
        edge.update(
            (min(order[i], j), max(order[i], j)) for j in others[abs(gap - r) <= 1e-12]
        )
    found = set(zip(u.tolist(), v.tolist(), strict=True))
    p.unless(near <= found, f"{len(near - found)} near pairs are not joined")
    p.unless(found <= near | edge, f"{len(found - near - edge)} far pairs are joined")
    return p


def _distinct(spec: Spec) -> tuple[float, float]:
    """Mean and a bound of the variance of how many different edges R-MAT draws."""
    s, a, b = spec["scale"], spec["a"], spec["b"]
    d = 1 - a - 2 * b
    mean = 0.0
    for i in range(s + 1):
        for j in range(1, s - i + 1):  # no step off the diagonal is a loop
            cells = math.comb(s, i) * math.comb(s - i, j) * 2.0 ** (j - 1)
            p = min(2 * a**i * b**j * max(d, 0.0) ** (s - i - j), 1.0)
            mean += cells * (1 - (1 - p) ** spec["draws"])
    return mean, mean


def _near(p: Problems, what: str, found: int, mean: float, variance: float) -> None:
    slack = _SIGMAS * math.sqrt(variance) + 8
    p.unless(abs(found - mean) <= slack, f"{what}: {found}, where {mean:.1f} are usual")


def rmat(spec: Spec, sample: Sample) -> list[str]:
    n = 1 << spec["scale"]
    p, u, v, good = _graph(sample, n)
    if not good:
        return p
    _near(p, "edges", len(u), *_distinct(spec))
    if spec["draws"] * 8 <= n * n and len(u) > 100:
        # repeats and loops thin the first quadrant alone, and not much
        half, b = n // 2, spec["b"]
        cross = int(((u < half) & (v >= half)).sum())
        _count(p, "edges across the halves", cross, spec["draws"], 2 * b) if len(
            u
        ) > 0.97 * (spec["draws"]) else p.unless(
            cross <= 2 * b * spec["draws"] + _SIGMAS * math.sqrt(spec["draws"]),
            f"edges across the halves: {cross}",
        )
        d = 1 - spec["a"] - 2 * b
        last = int((u >= half).sum())
        p.unless(
            last <= d * spec["draws"] + _SIGMAS * math.sqrt(spec["draws"] * d + 1) + 8,
            f"edges of the last quadrant: {last}",
        )
        if spec["a"] > d + 0.1:
            first = len(u) - cross - last
            p.unless(first > last, "the first quadrant is not the fullest")
    return p


def grid(spec: Spec, sample: Sample) -> list[str]:
    h, w = spec["height"], spec["width"]
    n = h * w
    p, u, v, good = _graph(sample, n, "positions")
    if not p.array(sample, "positions", "int32", (n, 2), 0) or not good:
        return p
    at = sample["positions"].astype(int)
    cells = Counter(map(tuple, at.tolist()))
    full = len(cells) == n and max(cells) == (h - 1, w - 1)
    p.unless(full and at[:, 1].max() == w - 1, "positions: not each cell once")
    p.unless(
        np.abs(at[u] - at[v]).sum(1) == 1, "an edge between cells that do not touch"
    )
    total = h * (w - 1) + w * (h - 1)
    _count(p, "edges", len(u), total, 1 - spec["missing"])
    return p


def motifs(spec: Spec, sample: Sample) -> list[str]:
    t, k = spec["tree"], spec["motifs"]
    n = t + 5 * k
    p, u, v, good = _graph(sample, n, "labels")
    if not p.array(sample, "labels", "int32", (n,), 0, 4) or not good:
        return p
    label = sample["labels"]
    p.unless((label[:t] == 0).all() and (label[t:] > 0).all(), "labels: out of place")
    p.unless(int((v < t).sum()) == t - 1, "the tree does not have its edges")
    p.unless(
        np.bincount(v[v < t], minlength=t)[1:] == 1, "a tree node without one parent"
    )
    degrees = {
        1: [2, 2, 2, 3, 3],  # house
        2: [2, 2, 2, 2, 2],  # cycle
        3: [1, 1, 1, 1, 4],  # star
        4: [4, 4, 4, 4, 4],  # clique
    }
    for i in range(k):
        first = t + 5 * i
        inner = (u >= first) & (v < first + 5)
        hooks = (u < first) & (v >= first) & (v < first + 5)
        p.unless(
            hooks.sum() == 1 and u[hooks].max(initial=0) < t,
            f"motif {i}: not hung once",
        )
        p.unless(
            len(set(label[first : first + 5].tolist())) == 1, f"motif {i}: two labels"
        )
        local = np.concatenate([u[inner], v[inner]]) - first
        got = sorted(np.bincount(local, minlength=5).tolist())
        want = degrees.get(int(label[first]))
        p.unless(
            got == want, f"motif {i}: degrees {got} are not of label {label[first]}"
        )
    return p
