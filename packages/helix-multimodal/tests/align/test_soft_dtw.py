import itertools

import helix_core as hx
import numpy as np
import pytest
from helix_multimodal.align import dtw, soft_dtw, soft_dtw_divergence


def ways(n, m):
    """Every monotone path from corner to corner."""
    if n == 1 and m == 1:
        yield [(0, 0)]
        return
    for a, b in ((1, 0), (0, 1), (1, 1)):
        if n - a >= 1 and m - b >= 1:
            for w in ways(n - a, m - b):
                yield [*w, (n - 1, m - 1)]


def by_definition(x, y, gamma):
    d = ((x[:, None] - y) ** 2).sum(-1)
    costs = np.array([sum(d[i, j] for i, j in w) for w in ways(len(x), len(y))])
    low = costs.min()
    return low - gamma * np.log(np.exp((low - costs) / gamma).sum())


def pair(n, m, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 2)), rng.standard_normal((m, 2))


SIZES = list(itertools.product([1, 2, 4], [1, 3, 5]))


@pytest.mark.parametrize("n, m", SIZES)
@pytest.mark.parametrize("gamma", [0.1, 1.0, 10.0])
def test_it_is_the_soft_minimum_over_all_ways(n, m, gamma):
    x, y = pair(n, m)
    got = soft_dtw(hx.tensor(x), hx.tensor(y), gamma).item()
    assert np.isclose(got, by_definition(x, y, gamma), rtol=1e-12)


@pytest.mark.parametrize("n, m", [(1, 4), (4, 3), (3, 3)])
@pytest.mark.parametrize("loss", [soft_dtw, soft_dtw_divergence])
def test_gradient(loss, n, m):
    x, y = pair(n, m)
    got = hx.grad(lambda a: loss(a, hx.tensor(y), 0.7))(hx.tensor(x)).numpy()
    eps = 1e-6
    for i in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[i] += eps
        down[i] -= eps
        one, two = (loss(hx.tensor(a), hx.tensor(y), 0.7).item() for a in (up, down))
        assert abs(got[i] - (one - two) / (2 * eps)) < 1e-6


def test_towards_0_it_is_the_exact_warp():
    x, y = pair(30, 20)
    soft = soft_dtw(hx.tensor(x), hx.tensor(y), 1e-4).item()
    assert abs(soft - dtw(x, y).cost) < 1e-2


def test_the_divergence_is_least_at_equality():
    x = np.random.default_rng(0).standard_normal((1000, 6, 2))
    y = np.random.default_rng(1).standard_normal((1000, 9, 2))
    found = soft_dtw_divergence(hx.tensor(x), hx.tensor(y), 0.5).numpy()
    assert (found > 0).all()
    same = soft_dtw_divergence(hx.tensor(x), hx.tensor(x), 0.5).numpy()
    assert not same.any()


def test_a_batch_is_its_pairs():
    x = np.random.default_rng(0).standard_normal((3, 5, 2))
    y = np.random.default_rng(1).standard_normal((3, 4, 2))
    got = soft_dtw(hx.tensor(x), hx.tensor(y)).tolist()
    want = [
        soft_dtw(hx.tensor(a), hx.tensor(b)).item() for a, b in zip(x, y, strict=True)
    ]
    np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.parametrize(
    "shapes, gamma",
    [(((2, 3), (2, 2)), 1), (((2, 0, 3), (2, 1, 3)), 1), (((1, 1), (1, 1)), 0)],
)
def test_bad_input(shapes, gamma):
    with pytest.raises(hx.HelixError, match=r"\[soft_dtw\] expected"):
        soft_dtw(*(hx.zeros(s) for s in shapes), gamma)
