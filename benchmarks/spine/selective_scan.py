"""Mamba's scan, forward and backward: ours, mambapy's parallel scan, ``lax.scan``.

All three get step sizes and decay rates ready made: softplus, gate and convolution,
which ours would fuse, stay outside, because mambapy's function has none of them.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..case import Work
from ..sides import helix, helix_gradients, normal, pytorch, torch_gradients


def _problem(variant: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Inputs by name, and the cotangent of y (batch, time, d)."""
    b, t, d, n = map(int, re.findall(r"\d+", variant)[:4])
    rng = np.random.default_rng(0)
    inputs = {
        "u": normal(rng, b, t, d),
        "dt": np.exp(rng.uniform(np.log(1e-3), np.log(1e-1), (b, t, d))),
        "A": -np.broadcast_to(np.arange(1.0, n + 1), (d, n)),
        "B": normal(rng, b, t, n),
        "C": normal(rng, b, t, n),
        "D": normal(rng, d),
    }
    inputs = {k: np.ascontiguousarray(v, np.float32) for k, v in inputs.items()}
    return inputs, normal(rng, b, t, d)


def ours(variant: str) -> Work:
    hx = helix()

    def scan(u: Any, dt: Any, A: Any, B: Any, C: Any, D: Any) -> Any:
        return hx.selective_scan(u, dt, A, B, C, D, softplus=False)

    return helix_gradients(scan, *_problem(variant))


def peer(variant: str) -> Work:
    """mambapy, through the method that its block calls."""
    pytorch()
    from mambapy.mamba import MambaBlock, MambaConfig

    inputs, ct = _problem(variant)
    d, n = inputs["A"].shape
    block = MambaBlock(MambaConfig(d_model=d // 2, n_layers=1, d_state=n))
    return torch_gradients(block.selective_scan, inputs, ct)


def jax_peer(variant: str) -> Work:
    import jax
    import jax.numpy as jnp

    inputs, ct = _problem(variant)

    def scan(u: Any, dt: Any, A: Any, B: Any, C: Any, D: Any) -> Any:
        def step(h: Any, now: Any) -> Any:
            u, dt, B, C = now
            h = jnp.exp(dt[..., None] * A) * h + (dt * u)[..., None] * B[:, None]
            return h, jnp.einsum("bdn,bn->bd", h, C)

        start = jnp.zeros((u.shape[0], *A.shape), u.dtype)
        times = [jnp.swapaxes(x, 0, 1) for x in (u, dt, B, C)]
        _, y = jax.lax.scan(step, start, times)
        return jnp.swapaxes(y, 0, 1) + D * u

    @jax.jit
    def both(xs: Any, dy: Any) -> Any:
        y, pull = jax.vjp(scan, *xs)
        return y, pull(dy)

    xs = [jnp.asarray(v) for v in inputs.values()]
    dy = jnp.asarray(ct)

    def arrays(out: Any) -> dict[str, np.ndarray]:
        y, grads = out
        named = {f"d{k}": np.asarray(g) for k, g in zip(inputs, grads, strict=True)}
        return {"y": np.asarray(y), **named}

    return Work(lambda: jax.block_until_ready(both(xs, dy)), arrays)
