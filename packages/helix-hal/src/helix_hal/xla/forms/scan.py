"""Running reductions and the linear scan as JAX functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from .common import Array, accumulated, cast, is_bool

_RUNNING: dict[str, Any] = {
    "sum": lax.cumsum,
    "prod": lax.cumprod,
    "max": lax.cummax,
    "min": lax.cummin,
    "logsumexp": lax.cumlogsumexp,
}


def _cumulative(x: Array, kind: str, axis: int, reverse: bool) -> Array:
    wide = cast(x, np.uint8) if is_bool(x) else accumulated(x)
    return cast(_RUNNING[kind](wide, axis % x.ndim, reverse), x.dtype)


_UNROLL = 8  # steps of a loop on the host: its turns cost more than small states


def _in_order(a: Array, b: Array, h0: Array, reverse: bool) -> Array:
    """Step by step, as written: for the host, where a step is a whole state at once."""

    def step(h: Array, ab: Any) -> tuple[Array, Array]:
        h = lax.add(lax.mul(ab[0], h), ab[1])
        return h, h

    unroll = min(_UNROLL, max(1, len(b)))
    return lax.scan(step, h0, (a, b), reverse=reverse, unroll=unroll)[1]


def _in_parallel(a: Array, b: Array, h0: Array, reverse: bool) -> Array:
    """As a tree of depth log(time), for accelerators."""

    def combine(first: Any, then: Any) -> Any:
        return first[0] * then[0], first[1] * then[0] + then[1]

    at = -1 if reverse else 0
    b = b.at[at].set(a[at] * h0 + b[at])
    return lax.associative_scan(combine, (a, b), reverse=reverse)[1]


def _linear_scan(a: Array, b: Array, h0: Array, axis: int, reverse: bool) -> Array:
    """h_t = a_t h_{t-1} + b_t."""
    if b.size == 0:
        return b
    at, bt = (jnp.moveaxis(accumulated(x), axis, 0) for x in (a, b))
    h = lax.platform_dependent(
        at,
        bt,
        accumulated(h0),
        cpu=lambda a, b, h0: _in_order(a, b, h0, reverse),
        default=lambda a, b, h0: _in_parallel(a, b, h0, reverse),
    )
    return cast(jnp.moveaxis(h, 0, axis), b.dtype)


FORMS: dict[str, Callable[..., Any]] = {
    "cumulative": _cumulative,
    "linear_scan": _linear_scan,
}
