"""A training step as one XLA program: a GPT and an MLP, beside the same in plain JAX."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..case import Arrays, Case, Work
from ..sides import normal

LR, DECAY, BETAS, EPS = 1e-3, 1e-2, (0.9, 0.999), 1e-8
VOCAB, D_MODEL, LAYERS, HEADS, BATCH, LENGTH = 256, 128, 4, 4, 8, 128
WIDTHS, ROWS = (784, 1024, 1024, 10), 128

GPT = f"{LAYERS}-layer d={D_MODEL} GPT, {BATCH} x {LENGTH} bytes, float32"
MLP = f"MLP {'-'.join(map(str, WIDTHS))}, batch {ROWS}, float32"

CASES = (
    Case(
        name="xla_gpt",
        variants=(GPT, MLP),
        ours="benchmarks.backends.xla_gpt:ours",
        reference="benchmarks.backends.xla_gpt:peer",
        peer_name="JAX, jitted and donated",
        needs=("jax",),
        target=0.85,
        aim=1.0,
        minutes=1.5,
    ),
)


class Problem(NamedTuple):
    """The same on both sides: weights by our names, and a batch."""

    weights: dict[str, np.ndarray]
    batch: tuple[np.ndarray, np.ndarray]


def _helix_model(variant: str, device: Any) -> Any:
    import helix_core as hx
    from helix_layers import TransformerConfig, TransformerLM

    if variant == GPT:
        config = TransformerConfig(
            d_model=D_MODEL,
            n_layers=LAYERS,
            n_heads=HEADS,
            norm="layer_norm",
            mlp="gelu_tanh",
            positions="learned",
            max_positions=LENGTH,
            d_ff=4 * D_MODEL,
            bias=True,
        )
        return TransformerLM(config, device=device)

    class MLP(hx.Module):
        def __init__(self) -> None:
            self.w = [
                hx.Parameter(hx.zeros((m, n), device=device))
                for m, n in itertools.pairwise(WIDTHS)
            ]
            self.b = [hx.Parameter(hx.zeros((n,), device=device)) for n in WIDTHS[1:]]

        def loss(self, x: Any, y: Any) -> Any:
            for w, b in zip(self.w[:-1], self.b[:-1], strict=True):
                x = hx.relu(x @ w + b)
            return hx.losses.cross_entropy(x @ self.w[-1] + self.b[-1], y)

    return MLP()


def problem(variant: str) -> Problem:
    rng = np.random.default_rng(0)
    model = _helix_model(variant, "numpy")
    weights = {}
    for name, p in model.named_parameters():
        if p.ndim == 1:
            one = np.float32("norm" in name and name.endswith("weight"))
            weights[name] = np.full(p.shape, one, np.float32)
        else:
            scale = 0.02 if name.startswith(("embedding", "positions")) else 0.05
            weights[name] = np.float32(scale) * normal(rng, *p.shape)
    if variant == GPT:
        text = rng.integers(0, VOCAB, (BATCH, LENGTH + 1)).astype(np.int32)
        return Problem(weights, (text[:, :-1], text[:, 1:]))
    labels = rng.integers(0, WIDTHS[-1], ROWS).astype(np.int32)
    return Problem(weights, (normal(rng, ROWS, WIDTHS[0]), labels))


# ------------------------------------------------------------------------------- sides
def ours(variant: str) -> Work:
    """`hx.compile` of loss, backward and AdamW on ``xla:0``."""
    import helix_core as hx

    dev = hx.Device("xla:0")
    model, given = _helix_model(variant, dev), problem(variant)
    start = given.weights
    model.load_state_dict(start)
    opt = hx.optim.AdamW(model, lr=LR, betas=BETAS, eps=EPS, weight_decay=DECAY)
    x, y = (hx.tensor(np.ascontiguousarray(a), device=dev) for a in given.batch)

    @hx.compile
    def step(x: Any, y: Any) -> Any:
        loss = model.loss(x, y)
        loss.backward()
        opt.step()
        return loss

    @hx.compile
    def gradients(x: Any, y: Any) -> None:
        model.loss(x, y).backward()

    def arrays(loss: float) -> Arrays:
        """The gradients at the weights that the first step started from."""
        trained = {k: np.array(v) for k, v in model.state_dict().items()}
        model.load_state_dict(start)
        gradients(x, y)
        found = {k: np.array(p.grad) for k, p in model.named_parameters()}
        for _, p in model.named_parameters():
            p.grad = None
        model.load_state_dict(trained)
        return {"loss": np.asarray(loss), **found}

    return Work(lambda: step(x, y).item(), arrays)


def peer(variant: str) -> Work:
    """`jax.value_and_grad` and AdamW in one `jax.jit`, its arguments donated."""
    import jax
    import jax.numpy as jnp

    given = problem(variant)
    loss_of = _gpt_loss if variant == GPT else _mlp_loss
    value_and_grad = jax.value_and_grad(loss_of)
    b1, b2 = BETAS

    def update(p: Any, g: Any, m: Any, v: Any, t: Any) -> Any:
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        rate = LR / (1 - b1**t)
        root = jnp.sqrt(v) / jnp.sqrt(1 - b2**t)
        return p * (1 - LR * DECAY) - rate * m / (root + EPS), m, v

    def step(state: Any, x: Any, y: Any) -> Any:
        params, means, squares, t = state
        loss, grads = value_and_grad(params, x, y)
        t = t + 1.0
        new = {
            k: update(p, grads[k], means[k], squares[k], t) for k, p in params.items()
        }
        parts = [{k: n[i] for k, n in new.items()} for i in range(3)]
        return (*parts, t), loss

    run = jax.jit(step, donate_argnums=0)
    params = {k: jnp.array(v) for k, v in given.weights.items()}
    state = [
        (
            params,
            {k: jnp.zeros_like(v) for k, v in params.items()},
            {k: jnp.zeros_like(v) for k, v in params.items()},
            jnp.zeros(()),
        )
    ]
    x, y = map(jnp.array, given.batch)

    def call() -> float:
        state[0], loss = run(state[0], x, y)
        return float(loss)

    def arrays(loss: float) -> Arrays:
        at = {k: jnp.array(v) for k, v in given.weights.items()}
        grads = jax.jit(jax.grad(loss_of))(at, x, y)
        return {
            "loss": np.asarray(loss),
            **{k: np.asarray(g) for k, g in grads.items()},
        }

    return Work(call, arrays)


# ----------------------------------------------------------------- the models in JAX
def _mlp_loss(params: dict[str, Any], x: Any, y: Any) -> Any:
    import jax

    n = len(WIDTHS) - 1
    for i in range(n):
        x = x @ params[f"w.{i}"] + params[f"b.{i}"]
        x = jax.nn.relu(x) if i < n - 1 else x
    return _cross_entropy(x, y)


def _gpt_loss(params: dict[str, Any], ids: Any, labels: Any) -> Any:
    import jax

    def dense(x: Any, at: str) -> Any:
        return x @ params[f"{at}.weight"].T + params[f"{at}.bias"]

    x = params["embedding.weight"][ids] + params["positions.weight"][: ids.shape[1]]
    for i in range(LAYERS):
        at = f"layers.{i}"
        h = _layer_norm(x, params, f"{at}.attention.norm")
        q, k, v = (
            a.reshape(*a.shape[:2], HEADS, -1)
            for a in jax.numpy.split(dense(h, f"{at}.attention.mixer.qkv"), 3, 2)
        )
        h = jax.nn.dot_product_attention(q, k, v, is_causal=True)
        x = x + dense(h.reshape(x.shape), f"{at}.attention.mixer.out_proj")
        h = _layer_norm(x, params, f"{at}.mlp.norm")
        h = jax.nn.gelu(dense(h, f"{at}.mlp.mixer.up"), approximate=True)
        x = x + dense(h, f"{at}.mlp.mixer.down")
    x = _layer_norm(x, params, "norm")
    return _cross_entropy(x @ params["embedding.weight"].T, labels)


def _layer_norm(x: Any, params: dict[str, Any], at: str) -> Any:
    import jax

    mean = x.mean(-1, keepdims=True)
    scale = jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-5)
    return (x - mean) * scale * params[f"{at}.weight"] + params[f"{at}.bias"]


def _cross_entropy(logits: Any, labels: Any) -> Any:
    import jax
    import jax.numpy as jnp

    logp: Callable[..., Any] = jax.nn.log_softmax
    picked = jnp.take_along_axis(logp(logits), labels[..., None], -1)
    return -picked.mean()
