"""``linear_scan`` beside a loop over time in double precision."""

import numpy as np
import pytest
from helix_hal.cpu import threads
from helix_hal.cpu.kernels.linear_scan import linear_scan

DTYPES = {"f4": 2e-6, "f8": 1e-14, "c8": 2e-6, "c16": 1e-14}


def loop(a, b, h0, axis, reverse):
    wide = np.complex128 if a.dtype.kind == "c" else np.float64
    a, b = (np.moveaxis(x.astype(wide), axis, 0) for x in (a, b))
    h, state = np.empty_like(b), h0.astype(wide)
    for t in reversed(range(len(b))) if reverse else range(len(b)):
        h[t] = state = a[t] * state + b[t]
    return np.moveaxis(h, 0, axis)


def draw(shape, axis, dtype, size=1.0):
    rng = np.random.default_rng(sum(shape))

    def normal(*shape):
        x = rng.standard_normal(shape)
        return x + 1j * rng.standard_normal(shape) if dtype[0] == "c" else x

    a = normal(*shape)
    a = size * a / np.maximum(np.abs(a), 1)  # stable: no product grows
    rest = shape[:axis] + shape[axis + 1 :]
    return [np.asarray(x, dtype) for x in (a, normal(*shape), normal(*rest))]


CASES = [
    *[((length,), 0) for length in (1, 2, 33, 1000)],
    *[((5, 40), axis) for axis in (0, 1)],
    *[((3, 37, 4), axis) for axis in (0, 1, 2)],
    *[((2, 9, inner), 1) for inner in (1, 15, 255, 256, 257, 700)],
    ((300, 20, 2), 1),
    ((2, 3, 4, 5), 2),
]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape,axis", CASES)
def test_every_state(shape, axis, dtype, reverse):
    a, b, h0 = draw(shape, axis, dtype)
    h = linear_scan(a, b, h0, axis=axis, reverse=reverse)
    want = loop(a, b, h0, axis, reverse)
    assert h.shape == shape and h.dtype == np.dtype(dtype)
    assert np.abs(h - want).max() <= DTYPES[dtype] * np.abs(want).max()


def test_strided_operands_are_read_as_they_look():
    a, b, h0 = draw((6, 50, 7), 1, "f4")
    want = linear_scan(a, b, h0, axis=1, reverse=False)
    a, b, h0 = (np.asfortranarray(x) for x in (a, b, h0))
    np.testing.assert_array_equal(linear_scan(a, b, h0, axis=1, reverse=False), want)


def test_nan_stays_in_its_lane_and_in_the_future():
    a, b, h0 = draw((2, 40, 9), 1, "f4")
    b[1, 20, 3] = np.nan
    for reverse in (False, True):
        nan = np.isnan(linear_scan(a, b, h0, axis=1, reverse=reverse))
        past = nan[1, :21, 3] if reverse else nan[1, 20:, 3]
        assert past.all() and nan.sum() == past.size


@pytest.mark.parametrize("shape", [(0, 5, 3), (2, 0, 3), (2, 5, 0)])
def test_empty(shape):
    a, b, h0 = draw(shape, 1, "f4")
    assert linear_scan(a, b, h0, axis=1, reverse=False).shape == shape


def test_the_thread_count_changes_no_bit(monkeypatch):
    a, b, h0 = draw((3, 50, 2000), 1, "f4")
    results = set()
    for n in (1, 2, 3, 7):
        monkeypatch.setattr(threads, "_num_threads", n)
        results.add(linear_scan(a, b, h0, axis=1, reverse=True).tobytes())
    assert len(results) == 1
