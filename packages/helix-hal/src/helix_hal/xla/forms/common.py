"""What the forms share: dtypes, broadcasting, and floats of 8 and 16 bits."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import jax.numpy as jnp
import numpy as np
from helix_core._dtypes import as_dtype
from jax import lax

Array = Any


def cast(x: Array, dtype: Any) -> Array:
    """``x`` in a JAX dtype."""
    return x if x.dtype == dtype else lax.convert_element_type(x, dtype)


def category(x: Array) -> str:
    """bool, int, uint, float or complex."""
    return as_dtype(x.dtype).category


def is_bool(x: Array) -> bool:
    return bool(x.dtype == np.bool_)


def small_float(x: Array) -> bool:
    """A float of 8 or 16 bits, whose sums accumulate in float32."""
    return x.dtype.itemsize < 4 and category(x) == "float"


def float8(x: Array) -> bool:
    return x.dtype.itemsize == 1 and category(x) == "float"


def accumulated(x: Array) -> Array:
    """``x`` in the dtype in which its sums accumulate."""
    return cast(x, jnp.float32) if small_float(x) else x


def level(*xs: Array) -> tuple[Array, ...]:
    """Operands of one shape."""
    shape = np.broadcast_shapes(*[x.shape for x in xs])
    return tuple([x if x.shape == shape else jnp.broadcast_to(x, shape) for x in xs])


def binary(f: Callable[..., Array]) -> Callable[..., Array]:
    """A form of operands that broadcast; float8 is computed in float32."""

    @wraps(f)
    def form(x: Array, y: Array) -> Array:
        x, y = level(x, y)
        if not float8(x):
            return f(x, y)
        out = f(cast(x, jnp.float32), cast(y, jnp.float32))
        return out if is_bool(out) else cast(out, x.dtype)

    return form


def unary(f: Callable[..., Array]) -> Callable[..., Array]:
    """A form of one operand; float8 is computed in float32."""

    @wraps(f)
    def form(x: Array) -> Array:
        return cast(f(cast(x, jnp.float32)), x.dtype) if float8(x) else f(x)

    return form
