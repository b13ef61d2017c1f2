"""Solids against their volumes and areas, by the divergence theorem."""

from math import pi, sqrt

import numpy as np
import pytest
from helix_synth.points.solids import SOLIDS
from helix_synth.verify.points import distance

PHI = (1 + sqrt(5)) / 2
ICO, DODECA = 2 / sqrt(1 + PHI**2), 2 / PHI / sqrt(3)  # edges in the unit sphere

# 3 * volume / area, from the formulas of solid geometry
THREE_V_OVER_A = {
    "sphere": 1.0,
    "hemisphere": 3 * (2 * pi / 3) / (3 * pi),
    "torus": 3 * (2 * pi**2 * 0.7 * 0.09) / (4 * pi**2 * 0.7 * 0.3),
    "capsule": 3 * (pi * 0.16 + 4 / 3 * pi * 0.064) / (2 * pi * 0.4 + 4 * pi * 0.16),
    "cylinder": 3 * (pi * 0.36 * 1.4) / (2 * pi * 0.6 * (0.6 + 1.4)),
    "disc": 3 * (pi * 0.81 * 0.2) / (2 * pi * 0.9 * (0.9 + 0.2)),
    "cone": (pi * 0.64 * 1.4) / (pi * 0.8 * (0.8 + sqrt(0.64 + 1.96))),
    "frustum": (pi * 1.2 * (0.64 + 0.32 + 0.16))
    / (pi * (0.64 + 0.16 + 1.2 * sqrt(0.16 + 1.44))),
    "bicone": (pi * 0.49 * 1.8) / (2 * pi * 0.7 * sqrt(0.49 + 0.81)),
    "tube": 3 * (pi * 0.39 * 1.2) / (2 * pi * 1.3 * 1.2 + 2 * pi * 0.39),
    "spool": 3 * (2 * pi * 0.49 * 0.3 + pi * 0.09 * 0.8)
    / (4 * pi * 0.49 - 2 * pi * 0.09 + 2 * 2 * pi * 0.7 * 0.3 + 2 * pi * 0.3 * 0.8),
    "cube": 0.58,
    "brick": 3 * 0.8 * 0.5 * 0.3 / (0.8 * 0.5 + 0.5 * 0.3 + 0.3 * 0.8),
    "tetrahedron": 1 / 3,
    "octahedron": 1 / sqrt(3),
    "icosahedron": PHI**2 / (2 * sqrt(3)) * ICO,
    "dodecahedron": sqrt((25 + 11 * sqrt(5)) / 10) / 2 * DODECA,
}  # fmt: skip


@pytest.mark.parametrize("name", SOLIDS)
def test_points_lie_on_the_surface_spread_by_area(name):
    n = 40_000
    p, normal = SOLIDS[name](np.random.default_rng(1).random((n, 3)))
    np.testing.assert_allclose(np.linalg.norm(normal, axis=1), 1, atol=1e-12)
    assert distance(name, p).max() < 1e-7
    # over a closed surface normals cancel, if points are spread by area
    assert np.abs(normal.mean(0)).max() < 5 / sqrt(n)
    if name in THREE_V_OVER_A:
        height = (p * normal).sum(1)
        error = abs(height.mean() - THREE_V_OVER_A[name])
        assert error < 5 * height.std() / sqrt(n) + 1e-9


def test_the_distance_of_the_verifier_is_that_of_its_solid():
    far = np.array([[0.0, 0.0, 3.0]])
    want = {"sphere": 2, "capsule": 2.1, "cylinder": 2.3, "cube": 2.42, "prism6": 2.4}
    for name, height in want.items():
        assert distance(name, far)[0] == pytest.approx(height)
    assert distance("torus", np.zeros((1, 3)))[0] == pytest.approx(0.4)
