"""Matrix products and convolutions as JAX functions.

float32 operands keep their precision on every platform (a TPU's default would round
them to bfloat16), and floats of 8 and 16 bits accumulate in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from .common import Array, cast, float8, small_float

FULL = lax.Precision.HIGHEST


def rounded(x: Array, compute: str) -> Array:
    """float32 as bfloat16 holds it, where ``compute`` says so."""
    if compute != "bfloat16" or x.dtype != np.float32:
        return x
    return lax.reduce_precision(x, exponent_bits=8, mantissa_bits=7)


def _dot(x: Array, y: Array, dims: Any, compute: str = "float32") -> Array:
    x, y = rounded(x, compute), rounded(y, compute)
    if float8(x):
        x, y, dtype = cast(x, jnp.float32), cast(y, jnp.float32), x.dtype
        return cast(lax.dot_general(x, y, dims, precision=FULL), dtype)
    wide = np.float32 if small_float(x) else x.dtype
    out = lax.dot_general(x, y, dims, precision=FULL, preferred_element_type=wide)
    return cast(out, x.dtype)


FORMS: dict[str, Callable[..., Any]] = {"dot_general": _dot}
