"""Products of int8 beside NumPy's in int64: exact."""

import numpy as np
import pytest
from helix_hal.cpu import blas, threads
from helix_hal.cpu.kernels import gemm_int8
from helix_hal.cpu.kernels.gemm_int8 import matmul_int8, pack_int8

RNG = np.random.default_rng(0)
SHAPES = [
    *[(1, 1, 1), (6, 64, 64), (7, 65, 66), (5, 3, 130), (100, 300, 70), (33, 2, 17)],
    *[(0, 5, 6), (5, 0, 6), (5, 6, 0), (1, 4096, 512)],
]


@pytest.fixture(params=["AVX512-VNNI", "float64"], autouse=True)
def route(request, monkeypatch):
    """Both ways to compute, where the processor has both."""
    if request.param == "float64":
        monkeypatch.setattr(gemm_int8, "compiles_for", lambda feature: False)
    elif not blas.compiles_for("avx512vnni"):
        pytest.skip("this processor has no AVX512-VNNI")
    assert gemm_int8.tiles() == request.param


def draw(rows, columns, layout="rows"):
    if layout == "columns":
        return draw(columns, rows).T
    if layout == "strided":
        return draw(2 * rows, 3 * columns)[::2, ::3]
    return RNG.integers(-128, 128, (rows, columns)).astype(np.int8)


def exact(x, w):
    return x.astype(np.int64) @ w.astype(np.int64)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("left", ["rows", "columns", "strided"])
@pytest.mark.parametrize("right", ["rows", "columns", "strided"])
def test_products_are_exact(shape, left, right):
    m, k, n = shape
    x, w = draw(m, k, left), draw(k, n, right)
    y = matmul_int8(x, w)
    assert y.dtype == np.int32 and y.shape == (m, n)
    np.testing.assert_array_equal(y, exact(x, w))


@pytest.mark.parametrize("a", [-128, 127])
@pytest.mark.parametrize("b", [-128, 127])
def test_the_largest_numbers(a, b):
    x, w = np.full((7, 1000), a, np.int8), np.full((1000, 65), b, np.int8)
    assert (matmul_int8(x, w) == 1000 * a * b).all()


def test_weights_are_packed_once():
    w = draw(130, 90)
    packed = pack_int8(w)
    for m in (1, 20):
        x = draw(m, 130)
        np.testing.assert_array_equal(matmul_int8(x, packed), exact(x, w))


def test_long_sums_wrap():
    x, w = np.full((1, 140_000), -128, np.int8), np.full((140_000, 3), -128, np.int8)
    want = np.full((1, 3), 140_000 * 128 * 128).astype(np.int32)
    np.testing.assert_array_equal(matmul_int8(x, w), want)


def test_the_thread_count_changes_no_bit(monkeypatch):
    x, w = draw(500, 300), draw(300, 200)
    for count in (1, 2, 3, 7):
        monkeypatch.setattr(threads, "_num_threads", count)
        np.testing.assert_array_equal(matmul_int8(x, w), exact(x, w))


def test_errors_name_the_operand():
    with pytest.raises(TypeError, match="expected x to be a matrix of int8; got uint8"):
        matmul_int8(np.ones((2, 2), np.uint8), draw(2, 2))
    with pytest.raises(TypeError, match=r"expected w .* int8 of shape \(2,\)"):
        matmul_int8(draw(2, 2), np.ones(2, np.int8))
    with pytest.raises(ValueError, match=r"expected w with 3 rows.*got 2"):
        matmul_int8(draw(2, 3), draw(2, 3))


def test_the_sum_is_vpdpbusd(route):
    if gemm_int8.tiles() == "float64":
        return
    flat, size = np.zeros(64, np.int32), 1
    text = gemm_int8._run.assembly(0, 1, 1, flat, size, flat, flat, flat, 1, 1)
    assert text.count("vpdpbusd") >= 24
