"""Warps beside tslearn's."""

import helix_core as hx
import numpy as np
import pytest
from helix_multimodal.align import dtw, soft_dtw

metrics = pytest.importorskip("tslearn.metrics", reason="the peer of warps")


@pytest.mark.parametrize("n, m", [(40, 40), (31, 57), (1, 9)])
def test_dtw(n, m):
    rng = np.random.default_rng(n)
    x, y = rng.standard_normal((n, 3)), rng.standard_normal((m, 3))
    path, distance = metrics.dtw_path(x, y)
    warp = dtw(x, y)
    assert np.isclose(np.sqrt(warp.cost), distance, rtol=1e-12)
    assert warp.path.tolist() == [list(p) for p in path]


@pytest.mark.parametrize("gamma", [0.01, 1.0, 30.0])
def test_soft_dtw(gamma):
    rng = np.random.default_rng(7)
    x, y = rng.standard_normal((25, 3)), rng.standard_normal((18, 3))
    got = soft_dtw(hx.tensor(x), hx.tensor(y), gamma).item()
    assert np.isclose(got, metrics.soft_dtw(x, y, gamma=gamma), rtol=1e-9)
