"""Vectors and rows inside kernels, and the accuracy of their exponential."""

import platform
import subprocess
import sys

import numpy as np
import pytest
from helix_hal.cpu.jit import kernel
from helix_hal.cpu.kernels import simd
from helix_hal.cpu.kernels.simd import (
    add,
    fma,
    load,
    row_access,
    store,
)
from helix_hal.cpu.kernels.simd_math import exp2, sigmoid, softplus

W = simd.WIDTH
F32 = np.float32


@kernel
def each_exp2(lo, hi, x, y):
    for i in range(lo * W, hi * W, W):
        store(y, i, exp2(load(x, i)))


@kernel
def each_sigmoid(lo, hi, x, y):
    for i in range(lo * W, hi * W, W):
        store(y, i, sigmoid(load(x, i)))


@kernel
def each_softplus(lo, hi, x, y):
    for i in range(lo * W, hi * W, W):
        store(y, i, softplus(load(x, i)))


def _apply(run, x):
    x = np.ascontiguousarray(x, F32)
    padded = np.zeros(-(-x.size // W) * W, F32)
    padded[: x.size] = x
    y = np.empty_like(padded)
    run(0, padded.size // W, padded, y)
    return y[: x.size]


def _ulps(y, exact):
    """Distance of float32 `y` from float64 `exact`, in units of `exact`'s last place."""
    with np.errstate(over="ignore"):
        rounded = exact.astype(F32)
    return np.abs(y.astype(np.float64) - exact) / np.spacing(rounded).astype(np.float64)


def _every_size():
    """1.5 million arguments whose powers are finite: 0, subnormal and normal."""
    rng = np.random.default_rng(0)
    return np.concatenate(
        [
            rng.uniform(-160, 128, 1_000_000),
            rng.uniform(-1, 1, 300_000),
            rng.choice([-1, 1], 200_000) * 2.0 ** rng.uniform(-149, 6, 200_000),
            np.arange(-160, 128),
            np.nextafter(np.arange(-126, 128, dtype=F32), F32(-200)),
            np.nextafter(np.arange(-126, 127, dtype=F32), F32(200)),
        ]
    ).astype(F32)


def check_exp2():
    x = _every_size()
    y = _apply(each_exp2, x)
    worst = _ulps(y, np.exp2(x.astype(np.float64))).max()
    assert worst <= 2.0, worst
    whole = np.arange(-149, 128)
    np.testing.assert_array_equal(_apply(each_exp2, whole), 2.0**whole)
    special = _apply(each_exp2, [np.inf, -np.inf, 128.0, 1e30, -150.5, -1e30, -0.0])
    np.testing.assert_array_equal(special, [np.inf, 0, np.inf, np.inf, 0, 0, 1])
    assert np.isnan(_apply(each_exp2, [np.nan])).all()


def test_exp2_is_good_to_two_ulp_over_the_whole_range():
    check_exp2()


@pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"),
    reason="asks the compiler for an x86 without AVX-512",
)
def test_exp2_without_avx512_is_as_good():
    code = (
        "import os\n"
        "os.environ |= {'NUMBA_CPU_NAME': 'haswell', 'HELIX_CACHE': '0',\n"
        "               'NUMBA_CPU_FEATURES': '+avx2,+fma'}\n"
        "import test_simd\n"
        "test_simd.check_exp2()\n"
        "text = test_simd.each_exp2.assembly(0, 1, *[test_simd.np.zeros(16, 'f4')] * 2)\n"
        "assert 'vfmadd' in text and 'ymm' in text and 'zmm' not in text\n"
    )
    folder = __file__.rpartition("test_simd.py")[0]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "run,formula",
    [
        (each_sigmoid, lambda x: 1 / (1 + np.exp(-x))),
        (each_softplus, lambda x: np.logaddexp(x, 0)),
    ],
    ids=["sigmoid", "softplus"],
)
def test_activations_are_accurate_at_every_size(run, formula):
    rng = np.random.default_rng(1)
    x = np.concatenate(
        [rng.uniform(-80, 80, 100_000), rng.uniform(-2, 2, 100_000), [0.0, 1e30]]
    ).astype(F32)
    exact = formula(x.astype(np.float64))
    np.testing.assert_allclose(_apply(run, x), exact, rtol=1e-5, atol=1e-37)


def test_activations_of_infinity_and_nan():
    x = [np.inf, -np.inf, np.nan]
    np.testing.assert_array_equal(_apply(each_sigmoid, x), [1, 0, np.nan])
    np.testing.assert_array_equal(_apply(each_softplus, x), [np.inf, 0, np.nan])


@pytest.mark.parametrize("count", [1, 2, 4, 8, 16])
def test_rows_do_what_vectors_do(count):
    access = row_access(count)
    load_rows, spread_rows, store_rows = access.load, access.spread, access.store
    dot_rows, store_sums = access.dot, access.store_sums

    @kernel
    def run(lo, hi, x, few, y, dot, sums):
        rows = load_rows(x, 0, 3 * W)
        store_rows(y, 0, W, fma(rows, load(x, 0), spread_rows(few, 1)))
        store(dot, 0, dot_rows(rows, add(rows, rows), load(x, 16)))
        store_sums(sums, 1, rows)

    rng = np.random.default_rng(count)
    x = rng.integers(-9, 10, (count, 3, W)).astype(F32)  # sums are exact
    few = rng.integers(-9, 10, count + 1).astype(F32)
    y, dot, sums = np.empty((count, W), F32), np.empty(W, F32), np.zeros(count + 2, F32)
    run(0, 1, x.reshape(-1), few, y.reshape(-1), dot, sums)
    np.testing.assert_array_equal(y, x[:, 0] * x[0, 0] + few[1:, None])
    np.testing.assert_array_equal(dot, x[0, 1] + (2 * x[:, 0] ** 2).sum(0))
    np.testing.assert_array_equal(sums, [0, *x[:, 0].sum(1), 0])


def test_the_lanes_of_a_vector_stay_apart():
    x = np.arange(W, dtype=F32)
    x[5] = np.nan
    y = _apply(each_exp2, x)
    assert np.isnan(y).tolist() == [i == 5 for i in range(W)]
