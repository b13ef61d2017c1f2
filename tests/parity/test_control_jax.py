"""scan, cond and while_loop against JAX's, with gradients of gradients."""

import helix_core as hx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_vjp

RNG = np.random.default_rng(0)
W = RNG.normal(size=(3, 3)) * 0.5
H = RNG.normal(size=(3,))
XS = RNG.normal(size=(6, 3))


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def ours(w, h, xs, reverse=False):
    def body(c, x):
        h, n = c
        h = hx.tanh(h @ w + x) * (n + 1)
        return (h, n + 1), hx.sin(h) * x

    (h, _), ys = hx.scan(body, (h, 0), xs, reverse=reverse)
    return h, ys


def theirs(w, h, xs, reverse=False):
    def body(c, x):
        h, n = c
        h = jnp.tanh(h @ w + x) * (n + 1)
        return (h, n + 1), jnp.sin(h) * x

    (h, _), ys = jax.lax.scan(body, (h, 0), xs, reverse=reverse)
    return h, ys


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_and_its_gradient(reverse):
    y, pull = hx.vjp(lambda *a: ours(*a, reverse), *map(hx.tensor, (W, H, XS)))
    want, theirs_pull = jax.vjp(lambda *a: theirs(*a, reverse), W, H, XS)
    for a, b in zip(y, want, strict=True):
        np.testing.assert_allclose(np.asarray(a), b, rtol=1e-10)
    cts = [RNG.normal(size=np.shape(v)) for v in want]
    got = pull(tuple(map(hx.tensor, cts)))
    for a, b in zip(got, theirs_pull(tuple(cts)), strict=True):
        np.testing.assert_allclose(np.asarray(a), b, rtol=1e-9, atol=1e-12)


def test_second_and_third_derivatives_of_scan():
    def o(x):
        return hx.scan(lambda c, w: (hx.sin(c * w) + c, None), x, hx.tensor(H))[0]

    def t(x):
        return jax.lax.scan(lambda c, w: (jnp.sin(c * w) + c, None), x, jnp.asarray(H))[
            0
        ]

    for _ in range(3):
        o, t = hx.grad(o), jax.grad(t)
        np.testing.assert_allclose(
            o(hx.tensor(0.7, "float64")).item(), t(0.7), rtol=1e-9
        )


def test_hessian_vector_product_through_weights():
    v = RNG.normal(size=W.shape)
    g = lambda w: (
        hx.grad(lambda w: ours(w, hx.tensor(H), hx.tensor(XS))[1].sum())(w) * v
    ).sum()
    j = lambda w: (jax.grad(lambda w: theirs(w, H, XS)[1].sum())(w) * v).sum()
    got, want = hx.grad(g)(hx.tensor(W)), jax.grad(j)(jnp.asarray(W))
    np.testing.assert_allclose(np.asarray(got), want, rtol=1e-8, atol=1e-10)


def test_scan_check_vjp():
    def run(*a):
        return tuple(
            np.asarray(t) for t in ours(*[hx.tensor(np.asarray(v)) for v in a])
        )

    def run_vjp(*a):
        y, pull = hx.vjp(ours, *[hx.tensor(np.asarray(v)) for v in a])
        back = lambda cts: tuple(
            np.asarray(g) for g in pull(tuple(hx.tensor(np.asarray(c)) for c in cts))
        )
        return tuple(np.asarray(t) for t in y), back

    check_vjp(run, run_vjp, (W, H, XS))


@pytest.mark.parametrize("x", [0.5, -0.5])
def test_cond(x):
    def o(x, y):
        return hx.cond(
            x > 0.0, lambda a, b: hx.sin(a) * b, lambda a, b: a * a * b, x, y
        )

    def t(x, y):
        return jax.lax.cond(
            x > 0.0, lambda a, b: jnp.sin(a) * b, lambda a, b: a * a * b, x, y
        )

    y, pull = hx.vjp(o, hx.tensor(np.array(x)), hx.tensor(H))
    want, theirs_pull = jax.vjp(t, x, jnp.asarray(H))
    np.testing.assert_allclose(np.asarray(y), want)
    for a, b in zip(pull(hx.tensor(H)), theirs_pull(jnp.asarray(H)), strict=True):
        np.testing.assert_allclose(np.asarray(a), b, rtol=1e-12)


def test_while_loop():
    body = lambda s: (s[0] * 1.5, s[1] + 1)
    got = hx.while_loop(lambda s: s[0] < 100.0, body, (hx.tensor(1.0), hx.tensor(0)))
    want = jax.lax.while_loop(lambda s: s[0] < 100.0, body, (jnp.float32(1.0), 0))
    assert [t.item() for t in got] == [v.item() for v in want]
