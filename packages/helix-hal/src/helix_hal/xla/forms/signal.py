"""Fourier transforms and random bits as JAX functions."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import jax.numpy as jnp
import numpy as np
from helix_core._primitives.random import MULTIPLIERS, ROUNDS, WEYL
from jax import lax

from .common import Array, cast


def _fft(x: Array, kind: str, axes: Any, sizes: Any) -> Array:
    """Axis by axis: XLA transforms three at most, and the last ones only."""
    *others, last = zip(axes, sizes, strict=True)
    if kind == "rfft":
        x = _along(x, "rfft", *last)
    for axis, n in others:
        x = _along(x, "fft" if kind in ("fft", "rfft") else "ifft", axis, n)
    return x if kind == "rfft" else _along(x, kind, *last)


def _along(x: Array, kind: str, axis: int, n: int) -> Array:
    if x.size == 0:
        return getattr(jnp.fft, kind)(x, n, axis)
    y = lax.fft(jnp.moveaxis(x, axis, -1), kind, (n,))
    return jnp.moveaxis(y, -1, axis)


_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def _halves(x: Array, m: int) -> tuple[Array, Array]:
    """The upper and the lower 32 bits of x m."""
    wide = lax.mul(cast(x, np.uint64), jnp.full_like(x, np.uint64(m), np.uint64))
    return cast(wide >> _HALF, np.uint32), cast(wide & _LOW, np.uint32)


def _random_bits(key: Array, shape: Any, bits: int) -> Array:
    """Philox4x32-10: words of block b from the counter (b, stream) under the seed."""
    n = prod(shape)
    blocks = -(-n // (128 // bits))
    place = lax.iota(np.uint64, blocks)
    k0, k1, s0, s1 = (key[i] for i in range(4))
    c0, c1 = cast(place & _LOW, np.uint32), cast(place >> _HALF, np.uint32)
    c2, c3 = jnp.broadcast_to(s0, (blocks,)), jnp.broadcast_to(s1, (blocks,))
    for _ in range(ROUNDS):
        h0, l0 = _halves(c0, MULTIPLIERS[0])
        h1, l1 = _halves(c2, MULTIPLIERS[1])
        c0, c1, c2, c3 = h1 ^ c1 ^ k0, l1, h0 ^ c3 ^ k1, l0
        k0, k1 = k0 + np.uint32(WEYL[0]), k1 + np.uint32(WEYL[1])
    words = [c0, c1, c2, c3]
    if bits == 64:
        wide = [cast(c, np.uint64) for c in words]
        words = [wide[i] | (wide[i + 1] << _HALF) for i in (0, 2)]
    return jnp.stack(words, 1).reshape(-1)[:n].reshape(shape)


FORMS: dict[str, Callable[..., Any]] = {"fft": _fft, "random_bits": _random_bits}
