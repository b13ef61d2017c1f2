"""Our own matrix products beside NumPy's in float64."""

import numpy as np
import pytest
from helix_hal.cpu import threads
from helix_hal.cpu.kernels.gemm import matmul

TOLERANCE = {"f4": 2e-5, "f8": 1e-13}
SHAPES = [
    (1, 1, 1),
    (12, 16, 32),
    (13, 17, 33),
    (16, 256, 31),
    (24, 257, 64),
    (5, 1000, 3),
    (100, 300, 70),
    (257, 513, 129),
    (48, 256, 600),
]


def draw(rows, columns, layout, dtype, seed):
    rng = np.random.default_rng(seed)
    if layout == "rows":
        return rng.standard_normal((rows, columns)).astype(dtype)
    if layout == "columns":
        return rng.standard_normal((columns, rows)).astype(dtype).T
    if layout == "reversed":
        return rng.standard_normal((rows, columns)).astype(dtype)[::-1, ::-1]
    return rng.standard_normal((2 * rows, 3 * columns)).astype(dtype)[::2, ::3]


def close(got, want, dtype):
    assert np.abs(got - want).max() <= TOLERANCE[dtype] * np.abs(want).max()


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("left", ["rows", "columns", "strided", "reversed"])
@pytest.mark.parametrize("right", ["rows", "columns", "strided", "reversed"])
@pytest.mark.parametrize("shape", SHAPES)
def test_products_in_every_layout(shape, left, right, dtype):
    m, k, n = shape
    x, y = draw(m, k, left, dtype, 1), draw(k, n, right, dtype, 2)
    out = np.full((m, n), np.nan, dtype)
    matmul(x, y, out)
    close(out, x.astype("f8") @ y.astype("f8"), dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    "left,right",
    [
        ((3, 20, 40), (3, 40, 50)),
        ((2, 3, 13, 40), (2, 3, 40, 33)),
        ((3, 20, 40), (1, 40, 50)),
        ((1, 20, 40), (3, 40, 50)),
    ],
)
def test_batches(left, right, dtype):
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal(s).astype(dtype) for s in (left, right))
    batch = np.broadcast_shapes(left[:-2], right[:-2])
    x, y = (np.broadcast_to(a, (*batch, *a.shape[-2:])) for a in (x, y))
    out = np.full((*batch, left[-2], right[-1]), np.nan, dtype)
    matmul(x, y, out)
    close(out, x.astype("f8") @ y.astype("f8"), dtype)


def test_only_the_part_that_is_asked_for_is_written():
    x, y = draw(30, 50, "rows", "f4", 1), draw(50, 45, "rows", "f4", 2)
    whole = np.full((40, 60), 7.0, np.float32)
    matmul(x, y, whole[4:34, 9:54])
    close(whole[4:34, 9:54], x.astype("f8") @ y.astype("f8"), "f4")
    whole[4:34, 9:54] = 7.0
    assert (whole == 7.0).all()


def test_nan_and_infinity_stay_in_their_row_and_column():
    x, y = draw(40, 300, "rows", "f4", 1), draw(300, 70, "rows", "f4", 2)
    x[5, 7], y[9, 60] = np.nan, np.inf
    out = np.empty((40, 70), np.float32)
    matmul(x, y, out)
    bad = np.zeros((40, 70), bool)
    bad[5], bad[:, 60] = True, True
    np.testing.assert_array_equal(~np.isfinite(out), bad)


def test_a_sum_over_nothing_is_zero():
    out = np.full((13, 40), np.nan, np.float32)
    matmul(np.empty((13, 0), np.float32), np.empty((0, 40), np.float32), out)
    assert not out.any()


@pytest.mark.parametrize("shape", [(300, 700, 500), (50, 3000, 40), (2000, 16, 512)])
def test_the_thread_count_changes_no_bit(shape, monkeypatch):
    m, k, n = shape
    x, y = draw(m, k, "rows", "f4", 1), draw(k, n, "columns", "f4", 2)
    results = set()
    for count in (1, 2, 3, 7):
        monkeypatch.setattr(threads, "_num_threads", count)
        out = np.empty((m, n), np.float32)
        matmul(x, y, out)
        results.add(out.tobytes())
    assert len(results) == 1


@pytest.mark.parametrize("shape", [(5, 700, 9000), (5, 9000, 700)])
def test_a_right_operand_that_no_cache_holds(shape):
    m, depth, n = shape
    rng = np.random.default_rng(0)
    x = rng.standard_normal((m, depth), dtype=np.float32)
    y = rng.standard_normal((depth, n), dtype=np.float32)
    out = np.empty((m, n), np.float32)
    matmul(x, y, out)
    want = x.astype(np.float64) @ y
    assert np.abs(out - want).max() <= 1e-5 * np.abs(want).max()
