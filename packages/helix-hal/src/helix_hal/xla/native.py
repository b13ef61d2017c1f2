"""Elementary composites that JAX has: C99's values at every special point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax

from .forms.common import binary, unary

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sinh": unary(lax.sinh),
    "cosh": unary(lax.cosh),
    "tan": unary(lax.tan),
    "asin": unary(lax.asin),
    "acos": unary(lax.acos),
    "atan": unary(lax.atan),
    "asinh": unary(lax.asinh),
    "acosh": unary(lax.acosh),
    "atanh": unary(lax.atanh),
    "log2": unary(jnp.log2),
    "log10": unary(jnp.log10),
    "hypot": binary(jnp.hypot),
    "copysign": binary(jnp.copysign),
    "nextafter": binary(lax.nextafter),
}
# none has residuals
NATIVE = {f"{name}{part}": f for name, f in _FUNCTIONS.items() for part in ("", ".fwd")}
