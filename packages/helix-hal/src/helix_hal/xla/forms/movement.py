"""Movement and creation as JAX functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from .common import Array


def _full(shape: Any, value: Any, dtype: Any, weak: bool = False) -> Array:
    # the value wraps and rounds as NumPy's fill does
    scalar = np.empty((), dtype.dtype)
    scalar.fill(value)
    return lax.full(shape, scalar, dtype.dtype)


def _iota(n: int, dtype: Any) -> Array:
    kind = dtype.category
    if kind in ("int", "uint") or (dtype.itemsize >= 4 and kind == "float"):
        return lax.iota(dtype.dtype, n)
    return lax.convert_element_type(lax.iota(np.int64, n), dtype.dtype)


FORMS: dict[str, Callable[..., Any]] = {
    "identity": lambda x: x,
    "stop_gradient": lambda x: x,
    "reshape": lambda x, shape: lax.reshape(x, shape),
    "permute": lambda x, axes: lax.transpose(x, axes),
    "broadcast": lambda x, shape: jnp.broadcast_to(x, shape),
    "pad": lambda x, value, pads: lax.pad(x, value, pads),
    "slice": lambda x, start, stop, step: lax.slice(
        x, start, tuple(map(max, start, stop)), step
    ),
    "flip": lambda x, axes: lax.rev(x, axes),
    "concat": lambda *xs, axis: lax.concatenate(xs, axis),
    "full": _full,
    "iota": _iota,
}
