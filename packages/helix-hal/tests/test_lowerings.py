"""Primitives that the CPU backend lowers itself, beside the reference, when large."""

import helix_core as hx
import numpy as np
import pytest
from helix_hal.cpu import threads


def _draw(*shape, dtype="f4"):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def both(fn, *arrays):
    """The results on the cpu device and on the reference device."""
    out = []
    for device in ("cpu", "numpy"):
        r = fn(*[hx.tensor(a, device=device) for a in arrays])
        out.append(np.asarray(r))
    return out


def close(got, want, tol):
    assert got.dtype == want.dtype and got.shape == want.shape
    scale = np.abs(want).max()
    assert np.abs(got - want).max() <= tol * scale


@pytest.mark.parametrize("kind", ["fft", "ifft", "rfft"])
@pytest.mark.parametrize("dtype,tol", [("f4", 1e-6), ("f8", 1e-14)])
@pytest.mark.parametrize("n", [None, 1500, 3001])
def test_large_transforms(kind, dtype, tol, n):
    x = _draw(30, 2000, dtype=dtype)
    got, want = both(lambda t: getattr(hx.fft, kind)(t, n), x)
    close(got, want, tol)


@pytest.mark.parametrize("n", [2000, 2001])
def test_large_inverse_real_transforms(n):
    x = (_draw(40, 1001) + 1j * _draw(40, 1001)).astype("c8")
    got, want = both(lambda t: hx.fft.irfft(t, n), x)
    close(got, want, 1e-6)


def test_the_number_of_threads_changes_no_bit_of_a_transform():
    x = hx.tensor(_draw(64, 4096), device="cpu")
    before, results = threads.get_num_threads(), set()
    try:
        for n in (1, 2, 3, 7):
            threads.set_num_threads(n)
            results.add(np.asarray(hx.fft.rfft(x)).tobytes())
    finally:
        threads.set_num_threads(before)
    assert len(results) == 1
