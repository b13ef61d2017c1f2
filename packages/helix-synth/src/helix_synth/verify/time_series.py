"""Verifiers of time series: what chance drove them is worked out and tested."""

from __future__ import annotations

import math
import re

import numpy as np

from ._checks import Problems, Sample, Spec


def _series(
    spec: Spec, sample: Sample, floats: dict[str, tuple[float, float]], *more: str
) -> tuple[Problems, np.ndarray]:
    p = Problems()
    n = spec["length"]
    good = p.names(sample, "series", *floats, *more)
    good &= p.array(sample, "series", "float32", (n,))
    for name, (low, high) in floats.items():
        good &= p.number(sample, name, low, high)
    return p, sample["series"].astype(float) if good else np.empty(0)


def _standard_normal(p: Problems, z: np.ndarray, what: str = "noise") -> None:
    """Mean, variance, lag-one correlation, tails and symmetry of white noise."""
    n = len(z)
    if n < 12:
        return
    root = math.sqrt(n)
    p.unless(abs(z.mean()) < 5.5 / root, f"{what}: mean {z.mean():.3g}, not 0")
    log_ratio = math.log(max(float((z**2).mean()), 1e-300))
    p.unless(abs(log_ratio) < 5.5 * math.sqrt(2) / root + 12 / n,
             f"{what}: variance {math.exp(log_ratio):.3g}, not 1")  # fmt: skip
    c = float((z[1:] * z[:-1]).mean()) * root
    p.unless(abs(c) < 6.5, f"{what}: neighbours are correlated ({c / root:.3g})")
    p.unless(np.abs(z).max() < 6.7, f"{what}: {np.abs(z).max():.3g} deviations")
    below = float((np.abs(z) < 0.6745).mean())
    p.unless(
        abs(below - 0.5) < 2.75 / root + 2 / n,
        f"{what}: {below:.0%} in the middle half",
    )


def arma(spec: Spec, sample: Sample) -> list[str]:
    r = spec["reach"]
    floats = {"a1": (-2 * r, 2 * r), "a2": (-r * r, r * r), "b": (-0.9, 0.9)}
    p, x = _series(spec, sample, floats)
    if len(x):
        a1, a2, b = sample["a1"], sample["a2"], sample["b"]
        padded = np.concatenate([[0.0, 0.0], x])
        drive = padded[2:] - a1 * padded[1:-1] - a2 * padded[:-2]
        e, shock = np.empty_like(x), 0.0
        for t, d in enumerate(drive.tolist()):
            shock = d - b * shock
            e[t] = shock
        _standard_normal(p, e)
    return p


def random_walk(spec: Spec, sample: Sample) -> list[str]:
    p, x = _series(spec, sample, {"drift": (-0.2, 0.2), "scale": (0.5, 2.0)})
    if len(x):
        steps = np.diff(x, prepend=0.0)
        _standard_normal(p, (steps - sample["drift"]) / sample["scale"], "steps")
    return p


def ornstein_uhlenbeck(spec: Spec, sample: Sample) -> list[str]:
    floats = {"rate": (0.05, 1.0), "mean": (-3.0, 3.0), "scale": (0.2, 2.0)}
    p, x = _series(spec, sample, floats)
    if len(x):
        rate, scale = sample["rate"], sample["scale"]
        y = x - sample["mean"]
        jump = scale * math.sqrt(-math.expm1(-2 * rate) / (2 * rate))
        first = y[0] / (scale / math.sqrt(2 * rate))
        z = (y[1:] - math.exp(-rate) * y[:-1]) / jump
        _standard_normal(p, np.concatenate([[first], z]))
    return p


def garch(spec: Spec, sample: Sample) -> list[str]:
    floats = {"omega": (0.05, 0.5), "alpha": (0.05, 0.25), "beta": (0.3, 0.7)}
    p, x = _series(spec, sample, floats)
    if len(x):
        w, a, b = sample["omega"], sample["alpha"], sample["beta"]
        z, variance = np.empty_like(x), w / (1 - a - b)
        for t, value in enumerate(x.tolist()):
            z[t] = value / math.sqrt(variance)
            variance = w + a * value * value + b * variance
        _standard_normal(p, z, "returns")
    return p


def regimes(spec: Spec, sample: Sample) -> list[str]:
    n, k = spec["length"], spec["regimes"]
    p, x = _series(spec, sample, {}, "states", "levels")
    good = p.array(sample, "states", "int32", (n,), 0, k - 1)
    good &= p.array(sample, "levels", "float64", (k,))
    if not len(x) or not good:
        return p
    s, levels = sample["states"], np.sort(sample["levels"])
    p.unless(np.diff(levels) >= 2 - 1e-9, "levels: less than 2 apart")
    _noise(p, x - sample["levels"][s], spec["noise"])
    stays = int((s[1:] == s[:-1]).sum())
    mean, q = (n - 1) * spec["stay"], 1 - spec["stay"]
    slack = 6.5 * math.sqrt(mean * q) + 8 * (0 < q < 1)
    p.unless(abs(stays - mean) <= slack, f"states: {stays} of {n - 1} steps stay")
    return p


def _noise(p: Problems, error: np.ndarray, scale: float) -> None:
    if scale > 1e-3:
        _standard_normal(p, error / scale)
    else:
        bound = 1e-5 * (1 + np.abs(error)).max() + 7 * scale + 2e-5
        p.unless(np.abs(error) < bound, f"off by {np.abs(error).max():.3g}")


def seasonal(spec: Spec, sample: Sample) -> list[str]:
    n = spec["length"]
    floats = {
        "period": (4.0, n / 4), "slope": (-4.0 / n, 4.0 / n), "intercept": (-2.0, 2.0),
        "amplitude": (0.5, 3.0), "phase": (0.0, 1.0),
    }  # fmt: skip
    p, x = _series(spec, sample, floats)
    if len(x):
        t = np.arange(n)
        wave = np.sin(2 * math.pi * (t / sample["period"] + sample["phase"]))
        want = sample["intercept"] + sample["slope"] * t + sample["amplitude"] * wave
        _noise(p, x - want, spec["noise"])
    return p


def sinusoids(spec: Spec, sample: Sample) -> list[str]:
    n, k = spec["length"], spec["count"]
    p, x = _series(spec, sample, {}, "frequencies", "amplitudes", "phases")
    good = p.array(sample, "frequencies", "float64", (k,), 0.005, 0.45)
    good &= p.array(sample, "amplitudes", "float64", (k,), 0.3, 2.0)
    good &= p.array(sample, "phases", "float64", (k,), 0.0, 1.0)
    if len(x) and good:
        turn = np.outer(np.arange(n), sample["frequencies"]) + sample["phases"]
        _noise(p, x - np.sin(2 * math.pi * turn) @ sample["amplitudes"], 0.0)
    return p


def change_points(spec: Spec, sample: Sample) -> list[str]:
    n, k = spec["length"], spec["changes"]
    p, x = _series(spec, sample, {}, "changes_at", "levels")
    good = p.array(sample, "changes_at", "int32", (k,), 8, n - 8)
    good &= p.array(sample, "levels", "float64", (k + 1,))
    if not len(x) or not good:
        return p
    at = sample["changes_at"].tolist()
    p.unless(np.diff(at) >= 8, "changes_at: closer than 8 steps")
    p.unless(np.abs(np.diff(sample["levels"])) >= 1 - 1e-9, "levels: a jump below 1")
    if not p:
        parts = np.split(x, at)
        error = [
            part - level for part, level in zip(parts, sample["levels"], strict=True)
        ]
        _noise(p, np.concatenate(error), spec["noise"])
        if spec["noise"] > 1e-3:
            for i, e in enumerate(error):  # a change that is moved shows in its parts
                z = abs(e.mean()) / spec["noise"] * math.sqrt(len(e))
                p.unless(z < 6, f"level {i}: off by {e.mean():.3g}")
                edge = np.abs(np.concatenate([e[:2], e[-2:]])).max()
                p.unless(
                    edge < 5.7 * spec["noise"], f"level {i}: its ends belong elsewhere"
                )
    return p


def waves(spec: Spec, sample: Sample) -> list[str]:
    names = ("period", "duty", "offset", "kind")
    p, x = _series(spec, sample, {"height": (0.5, 3.0)}, *names)
    good = p.integer(sample, "period", 4, 40) and p.integer(sample, "kind", 0, 1)
    good = good and p.integer(sample, "duty", 1, sample["period"] - 1)
    good = good and p.integer(sample, "offset", 0, sample["period"] - 1)
    if len(x) and good:
        period, height = sample["period"], sample["height"]
        one = [
            height * (i < sample["duty"] if sample["kind"] == 0 else i / (period - 1))
            for i in range(period)
        ]
        one = one[sample["offset"] :] + one[: sample["offset"]]
        want = np.resize(np.array(one), len(x))
        p.unless(np.abs(x - want) < 1e-6 * height, "not the wave of its parameters")
    return p


def counts(spec: Spec, sample: Sample) -> list[str]:
    n = spec["length"]
    p, x = _series(spec, sample, {}, "rate")
    if not p.array(sample, "rate", "float64", (n,), 0.05, 40) or not len(x):
        return p
    rate = sample["rate"]
    p.unless((x >= 0) & (x == np.round(x)), "not counts")
    p.unless(
        abs(x.sum() - rate.sum()) < 6 * math.sqrt(rate.sum()) + 6, "not of its rate"
    )
    dispersion = float(((x - rate) ** 2 / rate).mean())
    spread = math.sqrt(float((2 + 1 / rate).mean()) / n)
    p.unless(
        abs(dispersion - 1) < 6.5 * spread + 20 / n, f"dispersion {dispersion:.2f}"
    )
    p.unless(x < rate + 7 * np.sqrt(rate) + 10, "a count far above its rate")
    # two of a rate are equal with probability exp(-2 rate) I0(2 rate), below this
    twice = np.minimum(1 / np.sqrt(1 + 4 * np.minimum(rate[1:], rate[:-1])), 1)
    repeats = int((x[1:] == x[:-1]).sum())
    p.unless(
        repeats <= twice.sum() + 6 * math.sqrt(twice.sum()) + 8,
        f"{repeats} counts are those before them",
    )
    # the rate is a cosine above its mean: a straight recurrence of its differences
    if n >= 64:
        mean = rate.max() / 2 + rate.min() / 2
        d = rate - mean
        ratio = (d[2:] + d[:-2])[np.abs(d[1:-1]) > 0.3 * np.abs(d).max()]
        base = d[1:-1][np.abs(d[1:-1]) > 0.3 * np.abs(d).max()]
        spreads = np.ptp(ratio / base) if len(base) and np.abs(d).max() > 0.3 else 0.0
        p.unless(spreads < 0.1, "rate: not a season")
    return p


def lorenz(spec: Spec, sample: Sample) -> list[str]:
    n, h = spec["length"], spec["step"]
    p, x = _series(spec, sample, {}, "start")
    if not p.array(sample, "start", "float64", (3,), -10, 35) or not len(x):
        return p
    p.unless(abs(10 * x[0] - sample["start"][0]) < 1e-4, "does not start at its start")
    p.unless(np.abs(x) < 4, "leaves the attractor")
    state = tuple(sample["start"].tolist())
    for t in range(min(n, int(25 / h))):  # until chaos has grown the rounding
        if abs(state[0] / 10 - x[t]) > 1e-4:
            p.append(f"series[{t}]: not the flow of its start")
            break
        state = _runge_kutta(state, h)
    return p


State = tuple[float, ...]


def _flow(s: State) -> State:
    x, y, z = s
    return 10 * (y - x), 28 * x - x * z - y, x * y - 8 * z / 3


def _runge_kutta(s: State, h: float) -> State:
    def ahead(k: State, part: float) -> State:
        return tuple(a + part * h * b for a, b in zip(s, k, strict=True))

    k1 = _flow(s)
    k2 = _flow(ahead(k1, 0.5))
    k3 = _flow(ahead(k2, 0.5))
    k4 = _flow(ahead(k3, 1.0))
    return tuple(
        a + h * (p + 2 * q + 2 * r + u) / 6
        for a, p, q, r, u in zip(s, k1, k2, k3, k4, strict=True)
    )


def logistic_map(spec: Spec, sample: Sample) -> list[str]:
    p, x = _series(spec, sample, {"r": (3.5, 4.0), "start": (0.1, 0.9)})
    if len(x):
        r = sample["r"]
        p.unless(abs(x[0] - sample["start"]) < 1e-6, "does not start at its start")
        p.unless((x >= 0) & (x[1:].max() <= r / 4 + 1e-6), "outside of the map")
        error = np.abs(x[1:] - r * x[:-1] * (1 - x[:-1]))
        p.unless(error < 2e-6, f"a step is off by {error.max():.3g}")
    return p


_TOKEN = re.compile(r"[()+*]|[a-z]+\([^()]*\)")


def _covariance(text: str, s: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The covariance of an expression between times s and t, kernel by kernel."""
    stack: list[object] = []
    for token in _TOKEN.findall(text):
        if token == ")":
            b, sign, a = stack.pop(), stack.pop(), stack.pop()
            stack.pop()
            stack.append(a * b if sign == "*" else a + b)  # type: ignore[operator]
        elif token in "(+*":
            stack.append(token)
        else:
            stack.append(_kernel(token, s, t))
    (k,) = stack
    return np.asarray(k)


def _kernel(token: str, s: np.ndarray, t: np.ndarray) -> np.ndarray:
    kind, _, value = token[:-1].partition("(")
    v = float(value)
    d = s - t
    if kind == "periodic":
        return np.asarray(np.exp(-2 * np.sin(math.pi * d * 1024 / v) ** 2))
    if kind == "dot":
        return np.asarray(v * v + s * t)
    if kind == "rbf":
        return np.asarray(np.exp(-(d**2) / (2 * v * v)))
    if kind == "rq":
        return np.asarray((1 + d**2 / (2 * v)) ** -v)
    if kind == "white":
        return np.where(d == 0, v, 0.0)
    if kind == "constant":
        return np.full(d.shape, v)
    raise ValueError(kind)


def _bends(p: Problems, text: str, x: np.ndarray) -> None:
    """Every value, and every second difference, against its own deviation."""
    t = np.arange(len(x)) / (len(x) - 1)
    variance = _covariance(text, t, t)
    p.unless(x * x <= 49 * variance * (1 + 1e-6) + 1e-12, "a value out of its kernel")
    one, two = _covariance(text, t[:-1], t[1:]), _covariance(text, t[:-2], t[2:])
    of = variance[:-2] + 4 * variance[1:-1] + variance[2:]
    of = of - 4 * one[:-1] - 4 * one[1:] + 2 * two
    rounding = 4e-7 * float(np.abs(x).max()) + 1e-7 * np.sqrt(variance.max())
    bend = x[:-2] - 2 * x[1:-1] + x[2:]
    p.unless(bend**2 <= 49 * np.maximum(of, 0) + 49 * rounding**2, "a spike")
    moving = of > 100 * rounding**2
    if moving.sum() > 50:
        still = float((np.abs(bend[moving]) <= rounding).mean())
        p.unless(still < 0.2, f"{still:.0%} of it stand still")


def kernel_synth(spec: Spec, sample: Sample) -> list[str]:
    n = spec["length"]
    p, x = _series(spec, sample, {}, "kernel")
    if not len(x):
        return p
    text = sample["kernel"]
    leaves = re.findall(r"[a-z]+\(", text)
    if not p.unless(
        1 <= len(leaves) <= spec["kernels"], f"kernel: {len(leaves)} kernels"
    ):
        return p
    at = np.unique(np.linspace(0, n - 1, min(n, 48)).round().astype(int))
    at = np.unique(np.concatenate([at, np.arange(n // 3, min(n // 3 + 16, n))]))
    try:
        times = at / (n - 1)
        k = _covariance(text, times[:, None], times)
    except (ValueError, IndexError, TypeError) as e:
        p.append(f"kernel: {text!r} is no expression ({e})")
        return p
    values, vectors = np.linalg.eigh(k)
    # float32 rounds; what lies below that is not tested
    scale = max(values[-1], float(np.abs(x).max()) ** 2)
    kept = values > 1e-9 * scale
    z = (vectors.T @ x[at])[kept] / np.sqrt(values[kept])
    rest = (vectors.T @ x[at])[~kept]
    p.unless(np.abs(rest) < 1e-3 * math.sqrt(scale), "varies where its kernel does not")
    m = len(z)
    # Wilson and Hilferty: the cube root of a chi-squared variable is nearly normal
    w = ((float(z @ z) / m) ** (1 / 3) - (1 - 2 / (9 * m))) / math.sqrt(2 / (9 * m))
    p.unless(-5.5 < w < 5.2, f"not of its kernel ({w:.1f} deviations)")
    p.unless(np.abs(z) < 6.5, "not of its kernel (a direction)")
    if n >= 16:
        _bends(p, text, x)
    return p
