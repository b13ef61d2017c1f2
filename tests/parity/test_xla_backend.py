"""The ``xla`` backend beside JAX itself, and models that train alike on xla:0 and cpu."""

import helix_core as hx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helix_core import losses
from helix_layers import MambaConfig, MambaLM, TransformerConfig, TransformerLM
from jax import lax

XLA = hx.Device("xla:0")
RNG = np.random.default_rng(0)


def draw(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def near(got, want, tol=1e-5):
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape and got.dtype == want.dtype
    assert np.abs(got - want).max() <= tol * max(1.0, np.abs(want).max())


X, Y, W, V = draw(4, 6), draw(4, 6), draw(6, 5), draw(6)
Q, K, U = (draw(2, 7, 4, 8) for _ in range(3))
IMAGE, KERNEL = draw(2, 4, 9, 8), draw(6, 2, 3, 2)
LABELS = np.array([0, 3, 1, 4], np.int32)
IDS = np.array([[3, 0, 3], [1, 3, 2]], np.int32)

CASES = {
    "chain": (
        lambda x, w: hx.tanh(x @ w) * hx.exp(-hx.square(x @ w)),
        lambda x, w: jnp.tanh(x @ w) * jnp.exp(-jnp.square(x @ w)),
        (X, W),
    ),
    "softmax": (hx.softmax, jax.nn.softmax, (X,)),
    "gelu": (hx.gelu, lambda x: jax.nn.gelu(x, approximate=False), (X,)),
    "silu": (hx.silu, jax.nn.silu, (X,)),
    "logsumexp": (
        lambda x: hx.logsumexp(x, 1),
        lambda x: jax.nn.logsumexp(x, 1),
        (X,),
    ),
    "attention": (
        lambda q, k, v: hx.attention(q, k, v, causal=True),
        lambda q, k, v: jax.nn.dot_product_attention(q, k, v, is_causal=True),
        (Q, K, U),
    ),
    "cross entropy": (
        lambda x, w: losses.cross_entropy(x @ w, hx.tensor(LABELS, device=XLA)),
        lambda x, w: (
            -jnp.take_along_axis(jax.nn.log_softmax(x @ w), LABELS[:, None], 1).mean()
        ),
        (X, W),
    ),
    "convolution": (
        lambda x, w: hx.conv(x, w, (2, 1), ((1, 1), (1, 1)), feature_groups=2),
        lambda x, w: lax.conv_general_dilated(
            x, w, (2, 1), ((1, 1), (1, 1)), feature_group_count=2
        ),
        (IMAGE, KERNEL),
    ),
    "gather": (
        lambda x: hx.take(x, hx.tensor(IDS, device=XLA), axis=0),
        lambda x: x[IDS],
        (X,),
    ),
    "sort": (lambda x: hx.sort(x, axis=1), lambda x: jnp.sort(x, axis=1), (X,)),
    "cumulative": (
        lambda x: hx.cumsum(hx.exp(x), 1),
        lambda x: jnp.cumsum(jnp.exp(x), 1),
        (X,),
    ),
    "extrema": (
        lambda x, y: hx.max(hx.maximum(x, y), 1) - hx.min(x, 1),
        lambda x, y: jnp.max(jnp.maximum(x, y), 1) - jnp.min(x, 1),
        (X, Y),
    ),
    "spectrum": (
        lambda x: hx.square(hx.abs(hx.fft.rfft(x))),
        lambda x: jnp.square(jnp.abs(jnp.fft.rfft(x))),
        (X,),
    ),
    "loop": (
        lambda x, c: hx.scan(lambda c, x: (hx.tanh(c * x), c + x), c, x)[1],
        lambda x, c: lax.scan(lambda c, x: (jnp.tanh(c * x), c + x), c, x)[1],
        (X, V),
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("how", ["eager", "compiled"])
def test_values_and_gradients_are_those_of_jax(name, how):
    ours, theirs, arrays = CASES[name]
    want, pull = jax.vjp(theirs, *arrays)
    ct = np.cos(np.arange(want.size, dtype=np.float32)).reshape(want.shape)

    def both(ct, *xs):
        y, back = hx.vjp(ours, *xs)
        grads = back(ct)
        return y, (grads if isinstance(grads, tuple) else (grads,))

    run = hx.compile(both) if how == "compiled" else both
    got, grads = run(*[hx.tensor(a, device=XLA) for a in (ct, *arrays)])
    assert got.device is XLA
    near(got, want)
    for g, w in zip(grads, pull(jnp.asarray(ct)), strict=True):
        near(g, w)


@pytest.mark.parametrize(
    "fn,native",
    [("sinh", "sinh"), ("atanh", "arctanh"), ("log2", "log2"), ("acos", "arccos")],
)
def test_elementary_functions_at_the_edges(fn, native):
    x = np.array([0.0, -0.0, 1.0, -1.0, 0.5, 2.0, np.inf, -np.inf, np.nan], np.float32)
    with np.errstate(all="ignore"):
        want = getattr(np, native)(x)
    for run in (getattr(hx, fn), hx.compile(getattr(hx, fn))):
        got = run(hx.tensor(x, device=XLA)).numpy()
        np.testing.assert_allclose(got, want, rtol=1e-6, equal_nan=True)


# ------------------------------------------------------------------------- whole models
MODELS = {
    "transformer": lambda **kw: TransformerLM(
        TransformerConfig(d_model=32, n_layers=2, n_heads=2, dropout=0.1), **kw
    ),
    "mamba": lambda **kw: MambaLM(MambaConfig(d_model=16, n_layers=2), **kw),
}


def train(make, device, steps=20):
    """Losses of a compiled step, and the trained weights."""
    text = np.random.default_rng(0).integers(0, 256, (2, 17)).astype(np.int32)
    with hx.device(device):
        hx.seed(0)
        model = make(device=device)
        model.train()
        opt = hx.optim.AdamW(model, lr=1e-3)
        x, y = (hx.tensor(np.ascontiguousarray(a)) for a in (text[:, :-1], text[:, 1:]))

        @hx.compile
        def step(x, y):
            loss = model.loss(x, y)
            loss.backward()
            opt.step()
            return loss

        losses = [step(x, y).item() for _ in range(steps)]
    return losses, {k: np.array(v) for k, v in model.state_dict().items()}


@pytest.mark.parametrize("name", MODELS)
def test_models_train_as_on_the_cpu(name):
    (ours, weights), (want, same) = (train(MODELS[name], d) for d in ("xla:0", "cpu"))
    np.testing.assert_allclose(ours, want, rtol=1e-3)
    assert want[-1] < 0.98 * want[0]
    for k in same:
        near(weights[k], same[k], 1e-2)


def test_eager_and_compiled_steps_are_alike():
    def losses(wrap):
        hx.seed(1)
        model = MODELS["transformer"](device=XLA)
        model.train(False)
        opt = hx.optim.AdamW(model, lr=1e-3)
        x = hx.tensor(np.arange(32, dtype=np.int32).reshape(2, 16), device=XLA)

        def step(x):
            loss = model.loss(x, x)
            loss.backward()
            opt.step()
            return loss

        run = wrap(step)
        return [run(x).item() for _ in range(3)]

    np.testing.assert_allclose(losses(lambda f: f), losses(hx.compile), rtol=1e-5)


def test_a_checkpoint_moves_between_backends():
    model = MODELS["mamba"](device=XLA)
    other = MODELS["mamba"](device="cpu")
    other.load_state_dict(model.state_dict())
    ids = np.arange(8, dtype=np.int32)[None]
    near(model(hx.tensor(ids, device=XLA)), other(hx.tensor(ids)), 1e-4)
