"""S5: distributions, graphs and Gaussian processes against SciPy, networkx, scikit-learn.

Seeds were written down before the first run. A family of tests shares an error of 1e-3
by Holm's method: that any of them fails by luck is that unlikely.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..case import Work
from .synth_quality import once
from .synth_speed import bank

SEED = 20_261_126
DRAWS = 100_000
FAMILY = 1e-3
P = dict[str, float]


def rejected(values: P, family: float = FAMILY) -> list[str]:
    """Names that Holm's method rejects."""
    out = []
    ordered = sorted(values, key=lambda k: values[k])
    for i, name in enumerate(ordered):
        if values[name] > family / (len(ordered) - i):
            break
        out.append(f"{name} (p = {values[name]:.1e})")
    return out


def failing(variant: str) -> Work:
    """How many tests of a family fail."""

    def count() -> tuple[float, str]:
        values = {
            "distributions": distributions,
            "graphs": graphs,
            "theory": theory,
            "covariances": covariances,
        }[variant]()
        wrong = rejected(values, 0.01 if variant == "graphs" else FAMILY)
        least = min(values, key=lambda k: values[k])
        said = f"of {len(values)}; least p {values[least]:.2g}: {least}"
        return float(len(wrong)), "; ".join([said, *wrong])

    return once(count)


# -------------------------------------------------------------------------- distributions
def distributions() -> P:
    """p of every distribution that generators draw from, and of declared factors."""
    from scipy import stats

    weights = np.array([1.0, 2.0, 3.0, 10.0])
    rows = 1000
    each = DRAWS // rows
    continuous: dict[str, tuple[Callable[[Any], Any], Any]] = {
        "uniform": (lambda d: d.uniform(each), stats.uniform()),
        "uniform53": (lambda d: d.uniform53(each), stats.uniform()),
        "normal": (lambda d: d.normal(each), stats.norm()),
        "exponential": (lambda d: d.exponential(each, 3.0), stats.expon(scale=3)),
        "laplace": (lambda d: d.laplace(each, 2.0), stats.laplace(scale=2)),
        "pareto": (lambda d: d.pareto(2.5, each), stats.pareto(2.5)),
        "gamma 0.4": (lambda d: d.gamma(0.4, each), stats.gamma(0.4)),
        "gamma 7": (lambda d: d.gamma(7.0, each), stats.gamma(7)),
    }
    discrete: dict[str, tuple[Callable[[Any], Any], Any]] = {
        "integers": (lambda d: d.integers(-3, 97, each), stats.randint(-3, 97)),
        "below": (
            lambda d: d.below(np.full((rows, each), 41)),
            stats.randint(0, 41),
        ),
        "bernoulli": (lambda d: d.bernoulli(0.3, each), stats.bernoulli(0.3)),
        "geometric": (lambda d: d.geometric(0.2, each), stats.geom(0.2, loc=-1)),
        "poisson 3": (lambda d: d.poisson(3.0, each), stats.poisson(3)),
        "poisson 200": (lambda d: d.poisson(200.0, each), stats.poisson(200)),
        "categorical": (
            lambda d: d.categorical(weights, each),
            stats.rv_discrete(values=(np.arange(4), weights / weights.sum())),
        ),
        "permutation": (
            lambda d: d.permutation(each)[:, :5],
            stats.randint(0, each),
        ),
        "choice": (lambda d: d.choice(1000, 7), stats.randint(0, 1000)),
    }
    out = {
        name: float(stats.kstest(_drawn(name, rows, draw), law.cdf).pvalue)
        for name, (draw, law) in continuous.items()
    }
    out |= {
        name: _chi2(_drawn(name, rows, draw), law)
        for name, (draw, law) in discrete.items()
    }
    # one weight of each vector is a beta variable, independent of other rows'
    simplex = _drawn("dirichlet", DRAWS, lambda d: d.dirichlet(0.7, 3)[:, 0])
    out["dirichlet"] = float(stats.kstest(simplex, stats.beta(0.7, 1.4).cdf).pvalue)
    return out | dict(_factors())


def _drawn(name: str, rows: int, draw: Callable[[Any], Any]) -> np.ndarray:
    from helix_synth import Draws
    from helix_synth._philox import Philox

    key = SEED + sum(name.encode())
    return np.asarray(
        draw(Draws(Philox(key), np.arange(rows, dtype=np.uint64)))
    ).ravel()


def _chi2(values: np.ndarray, law: Any) -> float:
    """Pearson's test; values that are expected less than ten times are one bin."""
    from scipy import stats

    values = values.astype(np.int64)
    support = np.arange(int(law.ppf(1e-9)), int(law.ppf(1 - 1e-9)) + 1)
    want = law.pmf(support) * len(values)
    have = np.array([np.count_nonzero(values == k) for k in support.tolist()])
    common = want >= 10
    want = np.append(want[common], len(values) - want[common].sum())
    have = np.append(have[common], len(values) - have[common].sum())
    if want[-1] < 1e-3:  # nothing is left over; then nothing may be there
        if have[-1]:
            return 0.0
        want, have = want[:-1], have[:-1]
    return float(stats.chisquare(have, want * have.sum() / want.sum()).pvalue)


def _factors() -> Iterator[tuple[str, float]]:
    """Factors that specs declare as uniform, over samples of a generator."""
    from helix_synth import registry
    from scipy import stats

    def made(name: str, n: int, **spec: Any) -> Iterator[Any]:
        yield from registry.generator(name, seed=SEED, **spec).blocks(n)

    def uniform(values: Sequence[np.ndarray], low: int, high: int) -> float:
        return _chi2(
            np.concatenate([v.ravel() for v in values]), stats.randint(low, high)
        )

    yield "parity: bits", uniform([b["inputs"] for b in made("parity", 800)], 0, 2)
    copied = [b["inputs"] for b in made("sorting", 1500)]
    values, counts = np.unique(
        np.concatenate([c[:, :64] for c in copied]), return_counts=True
    )
    yield f"sorting: {len(values)} tokens", float(stats.chisquare(counts).pvalue)
    drawn = [b["label"] for b in made("solids", 20_000, points=1)]
    yield "solids: kinds", uniform(drawn, 0, 20)
    drawn = [b["label"] for b in made("glyphs", 20_000, side=8)]
    yield "glyphs: digits", uniform(drawn, 0, 10)
    steps = np.concatenate(
        [_mqar_gaps(b["targets"], 4) for b in made("mqar", 4000, length=64, pairs=4)]
    )
    # four of 28 places, more at the front: the first place is a query more often
    space = 28
    weight = np.arange(1.0, space + 1) ** (0.01 - 1.0)
    chosen = _inclusion(weight, 4)
    have = np.bincount(steps, minlength=space)
    z = (have - 4000 * chosen) / np.sqrt(4000 * chosen * (1 - chosen))
    yield "mqar: places of queries", float(2 * len(z) * stats.norm.sf(np.abs(z).max()))


def _mqar_gaps(targets: np.ndarray, pairs: int) -> np.ndarray:
    return (np.nonzero(targets >= 0)[1] - 2 * pairs) // 2


def _inclusion(weight: np.ndarray, k: int) -> np.ndarray:
    """P(place is among the first k of an exponential race), by integration over time.

    The probability that place i is chosen is that fewer than k others come before it.
    """
    quantile = (np.arange(4000) + 0.5) / 4000
    out = np.empty(len(weight))
    for i, w in enumerate(weight):
        t = -np.log(1 - quantile) / w
        come = 1 - np.exp(-np.delete(weight, i)[:, None] * t)  # (other, time)
        p = np.zeros((k, len(t)))
        p[0] = 1
        for c in come:
            p[1:] = p[1:] * (1 - c) + p[:-1] * c
            p[0] *= 1 - c
        out[i] = p.sum(0).mean()
    return out


# ------------------------------------------------------------------------------- graphs
_GRAPHS, _NODES = 200, 300
_MODELS: dict[str, dict[str, Any]] = {
    "erdos_renyi": {"nodes": _NODES, "p": 0.03},
    "watts_strogatz": {"nodes": _NODES, "neighbours": 6, "p": 0.1},
    "barabasi_albert": {"nodes": _NODES, "m": 4},
    "block_model": {"groups": 3, "group_size": 100, "p_in": 0.08, "p_out": 0.01},
}


def _statistics(edges: np.ndarray) -> tuple[float, float, float, float]:
    """Mean degree, its deviation, largest degree, transitivity."""
    a = np.zeros((_NODES, _NODES), np.float32)
    a[edges[:, 0], edges[:, 1]] = a[edges[:, 1], edges[:, 0]] = 1
    degree = a.sum(1)
    wedges = float((degree * (degree - 1)).sum())
    closed = float(((a @ a) * a).sum())
    mean = float(degree.mean())
    return mean, float(degree.std()), float(degree.max()), closed / max(wedges, 1.0)


def _ours(name: str) -> np.ndarray:
    from helix_synth import registry

    g = registry.generator(name, seed=SEED, **_MODELS[name])
    return np.array([_statistics(s["edges"]) for s in g.stream(_GRAPHS)])


def _theirs(name: str) -> np.ndarray:
    import networkx as nx

    chances = np.full((3, 3), 0.01) + 0.07 * np.eye(3)
    make: dict[str, Callable[[int], Any]] = {
        "erdos_renyi": lambda s: nx.fast_gnp_random_graph(_NODES, 0.03, seed=s),
        "watts_strogatz": lambda s: nx.watts_strogatz_graph(_NODES, 6, 0.1, seed=s),
        "barabasi_albert": lambda s: nx.barabasi_albert_graph(_NODES, 4, seed=s),
        "block_model": lambda s: nx.stochastic_block_model([100] * 3, chances, seed=s),
    }
    return np.array(
        [_statistics(np.array(make[name](SEED + i).edges)) for i in range(_GRAPHS)]
    )


def graphs() -> P:
    """Two-sample KS against networkx, graph by graph, of what varies."""
    from scipy import stats

    out = {}
    for name in _MODELS:
        a, b = _ours(name), _theirs(name)
        for k, what in enumerate(("mean", "deviation", "largest", "transitivity")):
            if np.ptp(np.concatenate([a[:, k], b[:, k]])) > 1e-6:
                out[f"{name}: {what}"] = float(stats.ks_2samp(a[:, k], b[:, k]).pvalue)
            elif abs(a[0, k] - b[0, k]) > 1e-6:
                out[f"{name}: {what}"] = 0.0
    return out


def theory() -> P:
    """Means over graphs against what the models promise, by a t test."""
    from scipy import stats

    n = _NODES
    promised = {
        ("erdos_renyi", 0): 0.03 * (n - 1),
        ("watts_strogatz", 0): 6.0,
        ("barabasi_albert", 0): 2 * 4 * (n - 4) / n,
        ("block_model", 0): 0.08 * 99 + 0.01 * 200,
    }
    out = {}
    for (name, k), want in promised.items():
        have = _ours(name)[:, k]
        if np.ptp(have) < 1e-6:
            out[f"{name}: degree"] = float(abs(have[0] - want) < 1e-4)
        else:
            out[f"{name}: degree"] = float(stats.ttest_1samp(have, want).pvalue)
    # triangles of G(n, p): their number has a mean without approximation
    triangles, wanted = _triangles("erdos_renyi"), 0.03**3 * n * (n - 1) * (n - 2) / 6
    out["erdos_renyi: triangles"] = float(stats.ttest_1samp(triangles, wanted).pvalue)
    pairs, inside, between = 100 * 99 * 98 / 6, 0.08, 0.01
    wanted = 3 * pairs * inside**3
    wanted += 6 * (100 * 99 / 2) * 100 * inside * between**2 + 100**3 * between**3
    triangles = _triangles("block_model")
    out["block_model: triangles"] = float(stats.ttest_1samp(triangles, wanted).pvalue)
    return out


def _triangles(name: str) -> np.ndarray:
    """(graph,): closed / wedges times wedges, from degrees and transitivity."""
    from helix_synth import registry

    g = registry.generator(name, seed=SEED + 1, **_MODELS[name])
    out = []
    for s in g.stream(_GRAPHS):
        a = np.zeros((_NODES, _NODES), np.float32)
        e = s["edges"]
        a[e[:, 0], e[:, 1]] = a[e[:, 1], e[:, 0]] = 1
        out.append(float(((a @ a) * a).sum()) / 6)
    return np.array(out)


# ------------------------------------------------------------------------- KernelSynth
_STEPS, _PROCESSES, _SERIES = 64, 200, 400


def covariances() -> P:
    """p that draws of 200 composed kernels have the covariance of scikit-learn's.

    A fixed projection of a draw is normal, with a variance that the covariance gives; a
    KS test of them for each kernel, on three projections.
    """
    from helix_synth import Draws
    from helix_synth._philox import Philox
    from helix_synth.time_series import kernel_synth as ours
    from scipy import stats

    rng = np.random.default_rng(SEED)
    peers = bank(1024)  # periods count in 1024ths of the interval
    x = np.linspace(0, 1, _STEPS)[:, None]
    directions = np.stack(
        [np.ones(_STEPS), np.cos(np.pi * np.arange(_STEPS)), rng.normal(size=_STEPS)]
    )
    out = {}
    for i in range(_PROCESSES):
        chosen = rng.integers(len(peers), size=rng.integers(1, 6)).tolist()
        terms, kernel = ours._terms(*ours.BANK[chosen[0]]), peers[chosen[0]]
        for c in chosen[1:]:
            other = ours._terms(*ours.BANK[c])
            if rng.random() < 0.5:
                terms, kernel = ours._plus(terms, other), kernel + peers[c]
            else:
                terms, kernel = ours._times(terms, other), kernel * peers[c]
        covariance = kernel(x)
        philox = Philox(SEED + i)
        drawn = np.stack(
            [
                ours.sample(Draws(philox, np.array([s], np.uint64)), terms, _STEPS)
                for s in range(_SERIES)
            ]
        )
        for k, w in enumerate(directions):
            deviation = np.sqrt(w @ covariance @ w)
            if deviation > 1e-4:  # below, ours is exact to 1e-9 of a term's variance
                z = drawn @ w / deviation
                out[f"kernel {i}, projection {k}"] = float(
                    stats.kstest(z, "norm").pvalue
                )
    return out
