"""Random numbers against XLA's Philox and SciPy's distributions."""

import helix_core as hx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helix_core._primitives.random import random_bits_p
from scipy import special, stats


@pytest.mark.parametrize("seed", [(0, 0), (1, 2), (0xA4093822, 0x299F31D0)])
@pytest.mark.parametrize("n", [4, 4096, 40_000])
def test_bits_are_xlas_philox(seed, n):
    """XLA's counter is (block, seed): ours, where the stream has the seed's value."""
    with jax.enable_x64(True):
        state = jnp.array([seed[0] | seed[1] << 32, 0], jnp.uint64)
        philox = jax.lax.RandomAlgorithm.RNG_PHILOX
        _, want = jax.lax.rng_bit_generator(state, (n,), jnp.uint32, philox)
        want = np.asarray(want)
    key = hx.tensor(np.array([*seed, *seed], np.uint32))
    got = hx.bind(random_bits_p, key, shape=(n,), bits=32)
    np.testing.assert_array_equal(np.asarray(got), want)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "draw, cdf",
    [
        (hx.random_uniform, stats.uniform.cdf),
        (hx.random_normal, stats.norm.cdf),
        (hx.random_exponential, stats.expon.cdf),
    ],
)
def test_distributions(draw, cdf, dtype):
    x = draw((50_000,), dtype=dtype, generator=hx.Generator(3))
    assert stats.kstest(np.asarray(x).astype(np.float64), cdf).pvalue > 1e-3


def test_normal_quantiles_in_the_tails():
    z = np.asarray(hx.random_normal((400_000,), generator=hx.Generator(1)))
    for q in (3.0, 3.5, 4.0):
        want = 2 * stats.norm.sf(q) * z.size
        assert abs((np.abs(z) > q).sum() - want) < 5 * np.sqrt(want)


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("dtype, width, ulp", [("float32", 32, 4), ("float64", 64, 8)])
def test_normal_numbers_are_scipys(dtype, width, ulp, device):
    """SciPy's inverse distribution function at the same bits, in float64."""
    n, digits = 50_000, {32: 23, 64: 52}[width]
    with hx.device(device):
        z = np.asarray(hx.random_normal((n,), dtype=dtype, generator=hx.Generator(8)))
        w = np.asarray(hx.random_bits((n,), width, generator=hx.Generator(8)))
    m = (w >> w.dtype.type(width - 1 - digits)) & w.dtype.type(2**digits - 1)
    p = (m.astype(np.float64) + 0.5) * 2.0 ** -(digits + 1)
    want = -special.ndtri(p) * np.where(w >> w.dtype.type(width - 1), -1.0, 1.0)
    np.testing.assert_array_almost_equal_nulp(z, want.astype(dtype), ulp)


def test_permutations_are_uniform():
    g = hx.Generator(2)
    seen = [tuple(hx.random_permutation(4, generator=g).tolist()) for _ in range(2400)]
    counts = np.unique(seen, axis=0, return_counts=True)[1]
    assert counts.size == 24 and stats.chisquare(counts).pvalue > 1e-3


def test_integers_are_uniform():
    x = hx.random_integers((65_000,), -3, 10, generator=hx.Generator(4))
    values, counts = np.unique(np.asarray(x), return_counts=True)
    assert values.tolist() == list(range(-3, 10))
    assert stats.chisquare(counts).pvalue > 1e-3
