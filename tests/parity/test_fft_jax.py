"""Fourier transforms and their complex gradients against JAX's."""

import helix_core as hx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_vjp

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(3, 4, 6))
COMPLEX = REAL + 1j * RNG.normal(size=REAL.shape)

ONE = [
    (name, n, axis, norm)
    for name in ("fft", "ifft", "rfft", "irfft")
    for n, axis, norm in (
        (None, -1, None),
        (5, 0, "ortho"),
        (8, 1, "forward"),
        (1, 2, None),
    )
]
MANY = [
    (name, s, axes)
    for name in ("fftn", "ifftn", "rfftn", "irfftn")
    for s, axes in ((None, (1, 2)), ((4, 5), (2, 0)), (None, (0, 1, 2)))
]


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def compare(ours, theirs, x):
    y, pull = hx.vjp(ours, hx.tensor(x))
    want, theirs_pull = jax.vjp(theirs, jnp.asarray(x))
    assert y.dtype == want.dtype
    np.testing.assert_allclose(np.asarray(y), want, rtol=1e-10, atol=1e-12)
    ct = RNG.normal(size=want.shape)
    if np.iscomplexobj(want):
        ct = ct + 1j * RNG.normal(size=want.shape)
    got = pull(hx.tensor(ct))
    want_g = theirs_pull(jnp.asarray(ct))[0]
    np.testing.assert_allclose(np.asarray(got), want_g, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name, n, axis, norm", ONE)
def test_one_axis(name, n, axis, norm):
    x = REAL if name == "rfft" else COMPLEX
    compare(
        lambda x: getattr(hx.fft, name)(x, n, axis, norm),
        lambda x: getattr(jnp.fft, name)(x, n, axis, norm),
        x,
    )


@pytest.mark.parametrize("name, s, axes", MANY)
def test_several_axes(name, s, axes):
    x = REAL if name == "rfftn" else COMPLEX
    compare(
        lambda x: getattr(hx.fft, name)(x, s, axes),
        lambda x: getattr(jnp.fft, name)(x, s, axes),
        x,
    )


def test_the_gradient_of_a_real_loss_of_a_complex_tensor():
    ours = hx.grad(lambda z: (hx.abs(hx.fft.ifft(z)) ** 3).sum())(hx.tensor(COMPLEX))
    want = jax.grad(lambda z: (jnp.abs(jnp.fft.ifft(z)) ** 3).sum())(
        jnp.asarray(COMPLEX)
    )
    np.testing.assert_allclose(np.asarray(ours), want, rtol=1e-9)


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft"])
def test_check_vjp(name):
    f = getattr(hx.fft, name)

    def run(x):
        return np.asarray(f(hx.tensor(np.asarray(x))))

    def run_vjp(x):
        y, pull = hx.vjp(f, hx.tensor(np.asarray(x)))
        return np.asarray(y), lambda ct: (np.asarray(pull(hx.tensor(np.asarray(ct)))),)

    check_vjp(run, run_vjp, (REAL if name == "rfft" else COMPLEX,))
