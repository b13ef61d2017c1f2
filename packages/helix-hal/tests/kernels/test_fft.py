"""Transforms of sixteen channels: evaluation of polynomials, and back."""

import numpy as np
import pytest
from helix_hal.cpu.jit import kernel
from helix_hal.cpu.kernels.fft import ELEMENT, W, forward, inverse, plan, sizes


@kernel
def there(lo, hi, a, size, levels, tw):
    forward(a, 0, size, levels, 0, len(levels), 0, tw)


@kernel
def back(lo, hi, a, size, levels, tw):
    inverse(a, 0, size, levels, 0, len(levels), 0, tw)


def packed(z):
    out = np.empty((len(z), ELEMENT), np.float32)
    out[:, :W], out[:, W:] = z.real, z.imag
    return out.reshape(-1)


def unpacked(a):
    a = a.reshape(-1, ELEMENT).astype(np.float64)
    return a[:, :W] + 1j * a[:, W:]


@pytest.mark.parametrize("size", [16, 24, 32, 48, 64, 128, 192, 1024, 1536])
def test_values_at_the_roots_of_i(size):
    p = plan(size)
    assert p.rows * p.columns == size == np.prod(p.levels[:, 0])
    rng = np.random.default_rng(size)
    z = rng.standard_normal((size, W)) + 1j * rng.standard_normal((size, W))
    z = unpacked(packed(z))
    a = packed(z)
    there(0, 1, a, size, p.levels, p.twiddles)
    # the roots of z^size = i, in whatever order
    roots = np.exp(2j * np.pi * (0.25 + np.arange(size)) / size)
    want = roots[:, None] ** np.arange(size) @ z
    got = unpacked(a)
    place = [np.abs(want - g).sum(1).argmin() for g in got]
    assert sorted(place) == list(range(size))
    assert np.abs(want[place] - got).max() <= 1e-6 * np.abs(want).max()
    back(0, 1, a, size, p.levels, p.twiddles)
    assert np.abs(unpacked(a) / size - z).max() <= 1e-6 * np.abs(z).max()


def test_sizes_are_the_next_ones():
    assert sizes(1) == [16, 24] and sizes(17) == [24, 32] and sizes(25) == [32, 48]
    assert sizes(1000) == [1024, 1536] and sizes(1025) == [1536, 2048]
    for least in range(1, 300):
        first, second = sizes(least)
        assert least <= first < second
        for m in (first, second):
            odd = m // (m & -m)
            assert odd in (1, 3) and m >= 16
