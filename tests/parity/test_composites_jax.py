"""Derivatives of composites, up to the third, against JAX: eager, traced, checkpointed."""

import helix_core as hx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

RNG = np.random.default_rng(0)
X, V, W = RNG.normal(size=(3, 3, 5)).astype(np.float32)
G, B = RNG.normal(size=(2, 5)).astype(np.float32)
LABELS = np.array([0, 3, 2], np.int32)
TABLE = RNG.normal(size=(4, 5)).astype(np.float32)


def rms(x, g):
    return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5) * g


def layer(x, g, b):
    d = x - x.mean(-1, keepdims=True)
    return d * jax.lax.rsqrt((d * d).mean(-1, keepdims=True) + 1e-5) * g + b


def cross_entropy(x, w, labels):
    logp = jax.nn.log_softmax(x @ w.T)
    return -jnp.take_along_axis(logp, labels[:, None], 1).mean()


# ours and JAX's, of x alone
CASES = {
    "softmax": (hx.softmax, jax.nn.softmax),
    "log_softmax": (hx.log_softmax, jax.nn.log_softmax),
    "rms_norm": (lambda x: hx.rms_norm(x, G), lambda x: rms(x, G)),
    "rms_norm residual": (
        lambda x: hx.add(*hx.rms_norm(x, G, residual=hx.tensor(V))),
        lambda x: rms(x + V, G) + x + V,
    ),
    "layer_norm": (lambda x: hx.layer_norm(x, G, B), lambda x: layer(x, G, B)),
    "linear_cross_entropy": (
        lambda x: hx.linear_cross_entropy(x, TABLE[:, :5], LABELS % 4),
        lambda x: (
            -jnp.take_along_axis(
                jax.nn.log_softmax(x @ TABLE.T), jnp.asarray(LABELS % 4)[:, None], 1
            ).mean()
        ),
    ),
    "silu": (hx.silu, jax.nn.silu),
    "gelu": (hx.gelu, lambda x: jax.nn.gelu(x, approximate=False)),
    "gelu tanh": (lambda x: hx.gelu(x, "tanh"), jax.nn.gelu),
    "softplus": (hx.softplus, jax.nn.softplus),
    "sigmoid": (hx.sigmoid, jax.nn.sigmoid),
    "mish": (hx.mish, jax.nn.mish),
    "logsumexp": (
        lambda x: hx.logsumexp(x, -1, True),
        lambda x: jax.scipy.special.logsumexp(x, -1, keepdims=True),
    ),
}
RUNS = {
    "eager": lambda f: f,
    "traced": hx.trace,
    "checkpointed": hx.checkpoint,
}


def weighted(f, w):
    """A scalar in which every element of the result counts differently."""

    def loss(x):
        y = f(x)
        return (y * w[:, : y.shape[-1]]).sum() if y.shape else y

    return loss


def derivative(grad, loss, v, order):
    for _ in range(order - 1):
        loss = lambda x, f=loss: (grad(f)(x) * v).sum()
    return grad(loss)


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("name", CASES)
def test_derivatives(name, order, device):
    ours, theirs = CASES[name]
    want = derivative(jax.grad, weighted(theirs, W), V, order)(X)
    scale = np.abs(want).max()
    with hx.device(device):
        x, v, w = map(hx.tensor, (X, V, W))
        for how, wrap in RUNS.items():
            if how == "traced":
                f = hx.trace(derivative(hx.grad, weighted(ours, w), v, order))
            else:
                f = derivative(hx.grad, weighted(wrap(ours), w), v, order)
            got = f(x)
            assert got.dtype is hx.float32
            np.testing.assert_allclose(
                got.numpy(), want, atol=3e-5 * scale, err_msg=f"{how}"
            )


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("reverse", [False, True])
def test_second_derivatives_of_linear_scan(reverse, device):
    a, b, w = (RNG.normal(size=(2, 7, 3)).astype(np.float32) * 0.5 for _ in range(3))

    def ours(ab):
        return (hx.linear_scan(*ab, axis=1, reverse=reverse) * hx.tensor(w)).sum()

    def theirs(ab):
        step = lambda h, x: (x[0] * h + x[1],) * 2
        swap = lambda t: jnp.swapaxes(t, 0, 1)
        init = jnp.zeros((2, 3))
        y = jax.lax.scan(step, init, (swap(ab[0]), swap(ab[1])), reverse=reverse)[1]
        return (swap(y) * w).sum()

    def twice(grad, f):
        return grad(lambda ab: ((grad(f)(ab)[0] * grad(f)(ab)[1]) ** 2).sum())

    want = twice(jax.grad, theirs)((a, b))
    with hx.device(device):
        got = twice(hx.grad, ours)((hx.tensor(a), hx.tensor(b)))
    scale = max(float(jnp.abs(k).max()) for k in want)
    for g, k in zip(got, want, strict=True):
        np.testing.assert_allclose(g.numpy(), k, atol=1e-5 * scale)
