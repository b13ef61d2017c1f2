"""Sums of exponentials beside the sums themselves, in complex128."""

import numpy as np
import pytest
from helix_hal.cpu import threads
from helix_hal.cpu.kernels.s4d import exponential_moments, exponential_sums

F32 = np.float32


def draw(rows, length, h, n, seed=0):
    rng = np.random.default_rng(seed)
    a = -np.abs(rng.standard_normal((h, n))) * 0.05 + 1j * rng.standard_normal((h, n))
    a = a.real.astype(F32) + 1j * a.imag.astype(F32)
    c = rng.standard_normal((rows, h, n)) + 1j * rng.standard_normal((rows, h, n))
    c = c.real.astype(F32) + 1j * c.imag.astype(F32)
    x = rng.standard_normal((rows, length, h)).astype(F32)
    return a, c, x


def parts(z):
    return z.real.astype(F32), z.imag.astype(F32)


def close(got, want):
    assert got.shape == want.shape and got.dtype == F32
    assert np.abs(got - want).max() <= 3e-6 * np.abs(want).max()


SIZES = [
    *[(1, length, 16, 4) for length in (1, 31, 32, 127, 128, 129, 700, 3000)],
    *[(2, 150, h, 3) for h in (1, 15, 17, 40)],
    *[(1, 260, 16, n) for n in (1, 2, 32)],
    (3, 5000, 16, 2),
]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_values(size, backwards):
    length = size[1]
    a, c, x = draw(*size)
    steps = np.arange(length)[:, None, None]
    powers = np.exp(a.astype(np.complex128) * steps)  # (time, channel, state)
    want = np.einsum("bhn,lhn->blh", c, powers).real
    order = slice(None, None, -1 if backwards else 1)
    got = exponential_sums(*parts(a), *parts(c), length, backwards=backwards)
    close(got, want[:, order])
    s0 = np.einsum("blh,lhn->bhn", x[:, order], powers)
    s1 = np.einsum("blh,lhn->bhn", x[:, order], powers * steps)
    got = exponential_moments(x, *parts(a), backwards=backwards)
    close(got, np.stack([s0.real, s0.imag]))
    got = exponential_moments(x, *parts(a), backwards=backwards, lags=True)
    close(got[:2], np.stack([s0.real, s0.imag]))
    close(got[2:], np.stack([s1.real, s1.imag]))


def test_phases_stay_exact_over_long_times():
    """An undamped exponential after 100 000 steps, where float32 angles are off by 0.01."""
    a = np.full((1, 1), 1j * F32(3.0))
    c = np.ones((1, 1, 1), complex)
    got = exponential_sums(*parts(a), *parts(c), 100_000)[0, :, 0]
    want = np.cos(3.0 * np.arange(100_000))
    assert np.abs(got - want).max() <= 2e-6


def test_the_number_of_threads_changes_no_bit():
    a, c, x = draw(2, 900, 20, 5)
    before, results = threads.get_num_threads(), set()
    try:
        for count in (1, 2, 3, 7):
            threads.set_num_threads(count)
            out = exponential_sums(*parts(a), *parts(c), 900)
            sums = exponential_moments(x, *parts(a), lags=True)
            results.add(out.tobytes() + sums.tobytes())
    finally:
        threads.set_num_threads(before)
    assert len(results) == 1


def test_strided_input():
    a, _, x = draw(2, 100, 16, 3)
    turned = np.ascontiguousarray(x.swapaxes(1, 2)).swapaxes(1, 2)
    np.testing.assert_array_equal(
        exponential_moments(turned, *parts(a)), exponential_moments(x, *parts(a))
    )
