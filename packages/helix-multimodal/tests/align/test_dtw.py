import helix_core as hx
import numpy as np
import pytest
from helix_multimodal.align import dtw, dtw_path, kendall_tau, path_error


def cheapest(d):
    """By its recursion, cell by cell."""
    n, m = d.shape
    r = np.full((n + 1, m + 1), np.inf)
    r[0, 0] = 0
    for i in range(n):
        for j in range(m):
            r[i + 1, j + 1] = d[i, j] + min(r[i, j], r[i, j + 1], r[i + 1, j])
    return r[n, m]


@pytest.mark.parametrize("n, m", [(1, 1), (1, 6), (6, 1), (2, 3), (7, 7), (12, 5)])
def test_the_way_is_the_cheapest(n, m):
    rng = np.random.default_rng(n * 10 + m)
    for _ in range(20):
        d = rng.integers(0, 9, (n, m)).astype(float)
        warp = dtw_path(d)
        assert warp.cost == cheapest(d) == d[tuple(warp.path.T)].sum()
        steps = np.diff(warp.path, axis=0)
        assert ((steps >= 0) & (steps <= 1)).all() and (steps.sum(1) > 0).all()
        assert warp.path[0].tolist() == [0, 0]
        assert warp.path[-1].tolist() == [n - 1, m - 1]


def test_a_window_of_none_is_the_diagonal():
    x = np.random.default_rng(0).standard_normal((9, 2))
    y = x[::-1]
    warp = dtw(x, y, window=0)
    assert warp.path.tolist() == [[i, i] for i in range(9)]
    assert np.isclose(warp.cost, ((x - y) ** 2).sum())


@pytest.mark.parametrize("n, m", [(3, 10), (10, 3), (1, 5), (50, 7)])
def test_a_narrow_window_still_lets_through(n, m):
    warp = dtw(np.zeros(n), np.zeros(m), window=0)
    assert warp.cost == 0


def test_a_known_warp_is_found():
    t = np.cumsum(np.random.default_rng(1).integers(0, 3, 80))
    y = np.cumsum(np.random.default_rng(2).standard_normal((t[-1] + 1, 3)), 0)
    t = np.unique(np.r_[0, t])
    warp = dtw(y[t], y)
    assert path_error(warp.path, t) < 0.6
    assert kendall_tau([2, 3, 5, 9]) == 1 and kendall_tau([3, 2, 1]) == -1


@pytest.mark.parametrize(
    "metric, want",
    [
        ("sqeuclidean", 25.0),
        ("euclidean", 5.0),
        ("manhattan", 7.0),
        ("cosine", 1 - 0.96),
    ],
)
def test_metrics(metric, want):
    assert np.isclose(dtw([[3.0, 4.0]], [[6.0, 8.0]], metric=metric).cost, want) or (
        metric == "cosine"
        and np.isclose(dtw([[3, 4]], [[4, 3]], None, metric).cost, want)
    )


@pytest.mark.parametrize(
    "args, said",
    [
        (([], [1.0]), "none empty"),
        (([[1.0]], [[1.0, 2.0]]), "none empty; got"),
        (([1.0], [1.0], -1), "window"),
        (([1.0], [1.0], None, "hamming"), "metric"),
        (([np.nan], [1.0]), "NaN"),
    ],
)
def test_bad_input(args, said):
    with pytest.raises(hx.HelixError, match=said):
        dtw(*args)


def test_no_way_through():
    with pytest.raises(hx.HelixError, match="finite cost"):
        dtw_path([[1.0, np.inf], [np.inf, np.inf]])
