"""Global norms, clipping and averages over many arrays at once."""

import math

import numpy as np
import pytest
from helix_hal.cpu.kernels import clip

SHAPES = [(3, 5), (1,), (20_000,), (0, 4), (), (130, 70)]


def _draw(dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.standard_normal(s), dtype) for s in SHAPES]


def _close(got, expected, tol):
    for a, b in zip(got, expected, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=tol, atol=tol)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_norm(dtype):
    g = _draw(dtype)
    want = math.sqrt(math.fsum(float(x) ** 2 for a in g for x in a.ravel()))
    assert clip.norm(g) == pytest.approx(want, rel=1e-12)


def test_the_norm_of_huge_float32_numbers_does_not_overflow():
    g = [np.full(100, 1e30, np.float32)]
    assert clip.norm(g) == pytest.approx(1e31, rel=1e-6)


@pytest.mark.parametrize("inplace", [False, True])
def test_clipping_scales_to_the_limit(inplace):
    g = _draw()
    want = [a * (2.0 / (clip.norm(g) + 1e-6)) for a in g]
    got, before = clip.clip_by_norm(g, 2.0, inplace=inplace)
    _close(got, want, 1e-14)
    assert before == pytest.approx(clip.norm(_draw()))
    assert (got[0] is g[0]) == inplace


@pytest.mark.parametrize("inplace", [False, True])
def test_clipping_leaves_a_small_norm_alone(inplace):
    g = _draw()
    got, _ = clip.clip_by_norm(g, 1e9, inplace=inplace)
    assert all(a is b for a, b in zip(got, g, strict=True))


def test_a_nan_gradient_makes_all_nan_and_an_infinite_one_zeros():
    g = [np.ones(3), np.array([1.0, np.nan])]
    got, before = clip.clip_by_norm(g, 1.0)
    assert np.isnan(before) and all(np.isnan(a).all() for a in got)
    g = [np.ones(3), np.array([1.0, np.inf])]
    got, before = clip.clip_by_norm(g, 1.0)
    assert before == np.inf and got[0].tolist() == [0.0] * 3 and np.isnan(got[1][1])


@pytest.mark.parametrize("inplace", [False, True])
def test_ema(inplace):
    a, x = _draw(), _draw(seed=1)
    want = [0.9 * b + (1 - 0.9) * c for b, c in zip(a, x, strict=True)]
    got = clip.ema(a, x, 0.9, inplace=inplace)
    _close(got, want, 1e-15)
    assert (got[0] is a[0]) == inplace
