import itertools

import helix_core as hx
import numpy as np
import pytest
from helix_multimodal.align import forced_align


def best(lp, labels, blank):
    found = (-np.inf, None)
    for path in itertools.product(range(lp.shape[1]), repeat=len(lp)):
        if [k for k, _ in itertools.groupby(path) if k != blank] == list(labels):
            found = max(found, (sum(lp[t, c] for t, c in enumerate(path)), path))
    return found


@pytest.mark.parametrize(
    "time, labels, blank",
    [
        (1, [], 0),
        (1, [1], 0),
        (5, [1, 2], 0),
        (6, [1, 1], 0),
        (6, [2, 0, 2], 3),
        (3, [1, 1], 0),
    ],
)
def test_it_is_the_likeliest_of_all_ways(time, labels, blank):
    rng = np.random.default_rng(time)
    for _ in range(5):
        z = rng.standard_normal((time, 4))
        lp = z - np.log(np.exp(z).sum(1, keepdims=True))
        got = forced_align(lp, labels, blank)
        want, path = best(lp, labels, blank)
        assert np.isclose(got.log_likelihood, want, rtol=1e-12)
        assert got.frames.tolist() == list(path)
        assert [s.label for s in got.spans] == labels
        for s in got.spans:
            assert (got.frames[s.start : s.stop] == s.label).all()
            assert np.isclose(s.score, lp[s.start : s.stop, s.label].mean())
        assert sum(s.stop - s.start for s in got.spans) == (got.frames != blank).sum()


@pytest.mark.parametrize(
    "args, said",
    [
        ((np.zeros((2, 3)), [1, 1]), "at least 3 frames for 2 labels; got 2"),
        ((np.zeros((2, 3)), [3]), r"in \[0, 3\)"),
        ((np.zeros((2, 3)), [0]), "no label being blank"),
        ((np.zeros(3), [1]), r"\(time, class\)"),
        ((np.zeros((2, 3)), [1.5]), "integers"),
        ((np.full((2, 3), np.nan), [1]), "NaN"),
        ((np.array([[0.0, -np.inf]]), [1]), "possible"),
    ],
)
def test_bad_input(args, said):
    with pytest.raises(hx.HelixError, match=said):
        forced_align(*args)
