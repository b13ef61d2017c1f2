"""Initialisers: distributions, bounds, orthogonality, determinism."""

import math
from statistics import NormalDist

import helix_core as hx
import numpy as np
import pytest
from helix_core import init

SHAPE = (200, 100, 3)  # fan_in 300, fan_out 600
GEN = lambda seed=0: hx.Generator(seed)


def _draw(fn, *args, **kw):
    return np.asarray(fn(*args, generator=GEN(), **kw), np.float64).ravel()


def _distance(x, cdf):
    """Kolmogorov-Smirnov statistic times sqrt(n); below 1.95 with chance 0.999."""
    x = np.sort(x)
    f = np.array([cdf(v) for v in x.tolist()])
    n = x.size
    up = np.arange(1, n + 1) / n - f
    down = f - np.arange(n) / n
    return max(up.max(), down.max()) * math.sqrt(n)


def _uniform_cdf(bound):
    return lambda v: min(1.0, max(0.0, (v + bound) / (2 * bound)))


def test_fans_follow_torchs_convention():
    assert init.fans((7, 5)) == (5, 7)
    assert init.fans(SHAPE) == (300, 600)


@pytest.mark.parametrize(
    "name,bound",
    [
        ("xavier_uniform", math.sqrt(6 / 900)),
        ("kaiming_uniform", math.sqrt(6 / 300)),
    ],
)
def test_uniform_ones(name, bound):
    x = _draw(getattr(init, name), SHAPE)
    assert np.abs(x).max() <= bound and np.abs(x).max() > 0.99 * bound
    assert _distance(x[:20_000], _uniform_cdf(bound)) < 1.95


@pytest.mark.parametrize(
    "name,args,std",
    [
        ("xavier_normal", {}, math.sqrt(2 / 900)),
        ("kaiming_normal", {}, math.sqrt(2 / 300)),
        ("kaiming_normal", {"mode": "fan_out"}, math.sqrt(2 / 600)),
        ("kaiming_normal", {"gain": 1.0}, math.sqrt(1 / 300)),
        ("scaled_normal", {"std": 0.02, "depth": 8}, 0.02 / 4),
        ("normal", {"std": 3.0}, 3.0),
    ],
)
def test_normal_ones(name, args, std):
    x = _draw(getattr(init, name), SHAPE, **args)
    assert _distance(x[:20_000], NormalDist(0.0, std).cdf) < 1.95


CUTS = [(-2.0, 2.0), (-1.0, 3.0), (0.5, 0.75), (2.0, 9.0), (5.0, 6.0), (-40.0, -7.0)]


@pytest.mark.parametrize("low,high", CUTS)
@pytest.mark.parametrize("mean,std", [(0.0, 1.0), (0.25, 0.5)])
def test_truncated_normal_against_its_distribution(low, high, mean, std):
    x = _draw(
        init.truncated_normal, (20_000,), mean, std, low=low, high=high, dtype="float64"
    )
    assert low <= x.min() and x.max() <= high

    def tail(v):  # P(X > v), exact far out where 1 - cdf is not
        return 0.5 * math.erfc((v - mean) / std / math.sqrt(2))

    def head(v):
        return tail(2 * mean - v)

    side = tail if low > mean else head
    a, b = side(low), side(high)
    assert _distance(x, lambda v: (side(v) - a) / (b - a)) < 1.95


def test_truncated_normal_is_exact_at_known_quantiles():
    p = np.array([1e-300, 1e-50, 1e-10, 0.01, 0.3, 0.5, 0.9, 1 - 1e-10])
    want = [NormalDist().inv_cdf(v) for v in p]
    np.testing.assert_allclose(init._quantile(p), want, rtol=1e-14, atol=1e-16)


def test_truncated_normal_without_spread():
    x = init.truncated_normal((3,), 0.5, 0.0)
    assert x.tolist() == [0.5] * 3
    with pytest.raises(init.InitError, match="expected mean in"):
        init.truncated_normal((3,), 5.0, 0.0)


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (4, 3, 2), (1, 6)])
@pytest.mark.parametrize("gain", [1.0, 2.5])
def test_orthogonal(shape, gain):
    w = np.asarray(init.orthogonal(shape, gain, generator=GEN(), dtype="float64"))
    assert w.shape == shape
    w = w.reshape(shape[0], -1)
    small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(small, gain**2 * np.eye(len(small)), atol=1e-12)


def test_orthogonal_matrices_are_uniform():
    """Of the signs of 2x2 determinants and first elements, each half is positive."""
    g = GEN(3)
    ws = [np.asarray(init.orthogonal((2, 2), generator=g)) for _ in range(400)]
    signs = [np.sign(np.linalg.det(w)) for w in ws] + [np.sign(w[0, 0]) for w in ws]
    assert abs(np.sum(signs[:400])) < 80 and abs(np.sum(signs[400:])) < 80


ALL = {
    "uniform": {},
    "normal": {},
    "truncated_normal": {},
    "xavier_uniform": {},
    "xavier_normal": {},
    "kaiming_uniform": {},
    "kaiming_normal": {},
    "scaled_normal": {"std": 0.02, "depth": 2},
    "orthogonal": {},
}


@pytest.mark.parametrize("name", ALL)
def test_a_generator_decides_everything(name):
    def draw(**kw):
        return getattr(init, name)((8, 6), **ALL[name], **kw)

    g = GEN(5)
    first, second = draw(generator=g), draw(generator=g)
    np.testing.assert_array_equal(first.numpy(), draw(generator=GEN(5)).numpy())
    assert not np.array_equal(first.numpy(), second.numpy())
    assert not np.array_equal(first.numpy(), draw(generator=GEN(6)).numpy())
    hx.seed(5)
    np.testing.assert_array_equal(first.numpy(), draw().numpy())


@pytest.mark.parametrize("name", ALL)
def test_dtype_and_device(name):
    for dtype in ("float32", "float64", "bfloat16"):
        w = getattr(init, name)((4, 6), **ALL[name], dtype=dtype, device="numpy")
        assert w.dtype == dtype and w.device is hx.Device("numpy")
    assert getattr(init, name)((0, 6), **ALL[name]).shape == (0, 6)


def test_gains_keep_the_variance_of_activations():
    """Theory for relu and leaky_relu: the second moment of a unit normal is kept."""
    x = _draw(init.normal, (200_000,))
    for name, fn in (
        ("relu", lambda v: np.maximum(v, 0)),
        ("leaky_relu", lambda v: np.where(v > 0, v, 0.01 * v)),
    ):
        assert np.mean((init.gain(name) * fn(x)) ** 2) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(
    "call",
    [
        lambda: init.fans((3,)),
        lambda: init.xavier_uniform((3,)),
        lambda: init.orthogonal((3,)),
        lambda: init.gain("relu7"),
        lambda: init.kaiming_normal((3, 3), mode="fan"),
        lambda: init.normal((3,), std=-1.0),
        lambda: init.normal((3,), std=math.nan),
        lambda: init.uniform((3,), 1.0, 0.0),
        lambda: init.truncated_normal((3,), low=1.0, high=1.0),
        lambda: init.scaled_normal((3,), 0.02, 0),
    ],
)
def test_numbers_that_do_not_fit(call):
    with pytest.raises(hx.HelixError, match=r"^\[[a-z_]+\] expected .*; got"):
        call()
