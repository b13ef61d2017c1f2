"""Tables: what a fit finds in them is what the sample says."""

import numpy as np
from helix_synth import registry


def test_least_squares_finds_the_weights():
    g = registry.generator("regression", rows_count=4000, noise=0.1, informative=3)
    for s in g.stream(5):
        x = np.concatenate([s["x"], np.ones((4000, 1))], 1)
        found, *_ = np.linalg.lstsq(x, s["y"], rcond=None)
        want = np.append(s["weights"], s["bias"])
        assert np.abs(found - want).max() < 5 * 0.1 / np.sqrt(4000)
        assert np.count_nonzero(s["weights"]) == 3


def test_clusters_have_their_means():
    g = registry.generator("blobs", rows_count=3000, spread=0.5)
    for s in g.stream(5):
        for k, centre in enumerate(s["centres"]):
            own = s["x"][s["labels"] == k]
            assert 850 < len(own) < 1150
            assert np.abs(own.mean(0) - centre).max() < 5 * 0.5 / np.sqrt(850)
            assert np.abs(own.std(0) / 0.5 - 1).max() < 5 / np.sqrt(2 * 850)


def test_records_keep_their_rules():
    s = registry.generator("records", rows_count=20_000).sample(0)
    young = s["age"] < 25
    assert not (s["plan"][young] == 2).any()
    old = s["plan"][~young]
    share = np.bincount(old, minlength=3) / len(old)
    np.testing.assert_allclose(share, [0.5, 0.3, 0.2], atol=0.02)
    for plan in range(3):
        orders = s["orders"][s["plan"] == plan]
        rate = 1 + 2 * plan
        assert abs(orders.mean() - rate) < 5 * np.sqrt(rate / len(orders))
