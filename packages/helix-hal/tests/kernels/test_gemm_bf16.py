"""Products in bfloat16 beside NumPy's in float64, of operands that NumPy rounded."""

import os
import re

import helix_core as hx
import ml_dtypes
import numpy as np
import pytest
from helix_hal.cpu import blas, threads
from helix_hal.cpu.kernels import gemm

BF16 = ml_dtypes.bfloat16
SHAPES = [
    (1, 1, 1),
    (12, 16, 32),
    (13, 17, 33),
    (16, 512, 31),
    (24, 513, 64),
    (5, 2001, 3),
    (2, 1, 40),
    (100, 300, 70),
    (257, 1030, 129),
    (48, 256, 600),
]


@pytest.fixture(params=["own", "fallback"], autouse=True)
def route(request, monkeypatch):
    """Both ways to compute, where the processor has both."""
    if request.param == "fallback":
        monkeypatch.setattr(blas, "_pairs", lambda: False)
    elif not blas.compiles_for("avx512bf16"):
        pytest.skip("this processor has no AVX512-BF16")
    else:
        monkeypatch.setattr(blas, "_OWN_PAIRS", 0)
    return request.param


def draw(rows, columns, layout, seed):
    rng = np.random.default_rng(seed)
    if layout == "rows":
        return rng.standard_normal((rows, columns)).astype("f4")
    if layout == "columns":
        return rng.standard_normal((columns, rows)).astype("f4").T
    if layout == "reversed":
        return rng.standard_normal((rows, columns)).astype("f4")[::-1, ::-1]
    return rng.standard_normal((2 * rows, 3 * columns)).astype("f4")[::2, ::3]


def product(x, y):
    out = np.full((*x.shape[:-1], y.shape[-1]), np.nan, np.float32)
    blas.matmul(x, y, out, "bfloat16")
    return out


def expected(x, y):
    return x.astype(BF16).astype("f8") @ y.astype(BF16).astype("f8")


def close(got, want):
    assert np.abs(got - want).max() <= 1e-5 * np.abs(want).max()


@pytest.mark.parametrize("left", ["rows", "columns", "strided", "reversed"])
@pytest.mark.parametrize("right", ["rows", "columns", "strided", "reversed"])
@pytest.mark.parametrize("shape", SHAPES)
def test_products_in_every_layout(shape, left, right):
    m, k, n = shape
    x, y = draw(m, k, left, 1), draw(k, n, right, 2)
    close(product(x, y), expected(x, y))


@pytest.mark.parametrize("left", ["rows", "columns"])
@pytest.mark.parametrize("right", ["rows", "columns"])
@pytest.mark.parametrize("shape", SHAPES)
def test_operands_of_bfloat16_give_the_same_as_rounded_ones(shape, left, right):
    m, k, n = shape
    x, y = draw(m, k, left, 1), draw(k, n, right, 2)
    half = [np.asarray(a.astype(BF16), order="K") for a in (x, y)]
    np.testing.assert_array_equal(product(*half), product(x, y))


@pytest.mark.parametrize(
    "left,right",
    [
        ((3, 20, 40), (3, 40, 50)),
        ((2, 3, 13, 41), (2, 3, 41, 33)),
        ((3, 20, 40), (1, 40, 50)),
        ((1, 20, 40), (3, 40, 50)),
        ((0, 20, 40), (0, 40, 50)),
    ],
)
def test_batches(left, right):
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal(s).astype("f4") for s in (left, right))
    batch = np.broadcast_shapes(left[:-2], right[:-2])
    x, y = (np.broadcast_to(a, (*batch, *a.shape[-2:])) for a in (x, y))
    out = np.full((*batch, left[-2], right[-1]), np.nan, "f4")
    blas.matmul(x, y, out, "bfloat16")
    if out.size:
        close(out, expected(x, y))


@pytest.mark.parametrize("shape", [(0, 5, 6), (5, 0, 6), (5, 6, 0)])
def test_an_axis_of_length_zero(shape):
    m, k, n = shape
    out = product(np.ones((m, k), "f4"), np.ones((k, n), "f4"))
    np.testing.assert_array_equal(out, np.zeros((m, n)))


def test_rounding_is_to_nearest_with_ties_to_even():
    x = np.array([1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, -1 - 2**-8], "f4")
    got = product(x.reshape(-1, 1), np.ones((1, 40), "f4"))
    want = np.array([1, 1 + 2**-6, 1 + 2**-7, -1], "f4")
    np.testing.assert_array_equal(got, np.tile(want[:, None], (1, 40)))


def test_sums_are_float32():
    """A bfloat16 would stop growing at 256."""
    out = product(np.ones((13, 5000), "f4"), np.ones((5000, 33), "f4"))
    assert (out == 5000).all()


def test_only_the_part_that_is_asked_for_is_written():
    x, y = draw(30, 51, "rows", 1), draw(51, 45, "rows", 2)
    whole = np.full((40, 60), 7.0, np.float32)
    blas.matmul(x, y, whole[4:34, 9:54], "bfloat16")
    close(whole[4:34, 9:54], expected(x, y))
    whole[4:34, 9:54] = 7.0
    assert (whole == 7.0).all()


def test_nothing_outside_of_the_operands_counts():
    """Edges of both operands lie beside NaN."""
    x, y = np.full((40, 90), np.nan, "f4"), np.full((90, 100), np.nan, "f4")
    x[:17, :33], y[:33, :41] = draw(17, 33, "rows", 1), draw(33, 41, "rows", 2)
    for a in (x[:17, :33], np.asfortranarray(x)[:17, :33]):
        for b in (y[:33, :41], np.asfortranarray(y)[:33, :41]):
            close(product(a, b), expected(a, b))


def test_nan_and_infinity_stay_in_their_row_and_column():
    x, y = draw(40, 301, "rows", 1), draw(301, 70, "columns", 2)
    x[5, 7], y[9, 60] = np.nan, np.inf
    bad = np.zeros((40, 70), bool)
    bad[5], bad[:, 60] = True, True
    np.testing.assert_array_equal(~np.isfinite(product(x, y)), bad)


@pytest.mark.parametrize("shape", [(300, 700, 500), (50, 3000, 40), (2000, 17, 512)])
def test_the_thread_count_changes_no_bit(shape, monkeypatch):
    m, k, n = shape
    x, y = draw(m, k, "columns", 1), draw(k, n, "columns", 2)
    results = set()
    for count in (1, 2, 3, 7):
        monkeypatch.setattr(threads, "_num_threads", count)
        results.add(product(x, y).tobytes())
    assert len(results) == 1


def test_dot_general_uses_it_also_for_tensors_of_bfloat16(route, monkeypatch):
    seen = []
    real = blas.matmul

    def spy(x, y, out, compute="float32"):
        seen.append((x.dtype.name, compute))
        real(x, y, out, compute)

    monkeypatch.setattr("helix_hal.cpu.lowerings.matmul", spy)
    x, y = draw(64, 80, "rows", 1), draw(80, 48, "columns", 2)
    dims = (((1,), (0,)), ((), ()))
    a, b = (hx.tensor(np.ascontiguousarray(v), device="cpu") for v in (x, y))
    mixed = hx.dot_general(a, b, dims, compute="bfloat16")
    close(np.asarray(mixed), expected(x, y))
    half = hx.dot_general(a.astype("bfloat16"), b.astype("bfloat16"), dims)
    assert half.dtype is hx.bfloat16
    want = expected(x, y).astype(np.float32)
    got = np.asarray(half).astype(np.float32)
    assert np.abs(got - want).max() <= 2**-8 * np.abs(want).max()
    assert seen == [("float32", "bfloat16"), ("bfloat16", "float32")]


def test_a_processor_without_the_instructions_is_told_once(route, monkeypatch):
    if route == "own":
        assert blas.tiles("bfloat16") == "AVX512-BF16"
        return
    monkeypatch.undo()
    monkeypatch.setattr(blas, "compiles_for", lambda feature: False)
    blas._pairs.cache_clear()
    try:
        assert blas.tiles("bfloat16") == "BLAS" == blas.tiles()
        with pytest.warns(UserWarning, match="has no AVX512-BF16"):
            product(draw(30, 40, "rows", 1), draw(40, 20, "rows", 2))
        product(draw(30, 40, "rows", 1), draw(40, 20, "rows", 2))  # errors if it warns
    finally:
        blas._pairs.cache_clear()


@pytest.mark.parametrize("source", ["f4", "u2"])
def test_the_sum_is_vdpbf16ps_of_registers_and_memory(route, source):
    if route != "own":
        pytest.skip("there is one machine code only")
    like, packed = np.empty(0, source), np.empty(0, np.int32)
    none, addresses = np.empty(0, np.int64), np.empty((1, 3), np.int64)
    arrays = none, none, addresses, like, like, packed, np.empty(0, np.float32), none
    text = gemm._run.assembly(0, 1, *arrays)
    if source == "f4":
        assert "vcvtne2ps2bf16" in text
    if os.name == "nt":  # other labels
        return
    loops = re.findall(r"\n(\.?LBB\w+):\n((?:\t.*\n)*?)\tj\w+\t\1\n", text)
    sums = [body for _, body in loops if "vdpbf16ps" in body]
    assert len(sums) == 2  # rows and columns
    for body in sums:
        assert body.count("vdpbf16ps") % 24 == 0
        assert "%rsp" not in body  # nothing but registers, and what was packed
