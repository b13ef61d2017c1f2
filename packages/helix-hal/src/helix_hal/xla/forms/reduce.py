"""Reductions as JAX functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from .common import Array, accumulated, cast, float8, is_bool, small_float


def _sum(x: Array, axes: Any) -> Array:
    return cast(lax.reduce_sum(accumulated(x), axes), x.dtype)


def _prod(x: Array, axes: Any) -> Array:
    return cast(lax.reduce_prod(accumulated(x), axes), x.dtype)


def _extremum(reduce: Any, of_bools: Any) -> Callable[..., Array]:
    def form(x: Array, axes: Any) -> Array:
        if is_bool(x):
            return of_bools(x, axes)
        wide = cast(x, np.float32) if float8(x) else x
        return cast(reduce(wide, axes), x.dtype)

    return form


def _arg(find: Any) -> Callable[..., Array]:
    """The first of equals; the first NaN before all others."""

    def form(x: Array, axis: int) -> Array:
        if is_bool(x):
            x = cast(x, np.uint8)
        elif small_float(x):
            x = cast(x, jnp.float32)
        return find(x, axis % x.ndim, np.int32)

    return form


FORMS: dict[str, Callable[..., Any]] = {
    "reduce_sum": _sum,
    "reduce_prod": _prod,
    "reduce_max": _extremum(lax.reduce_max, lax.reduce_or),
    "reduce_min": _extremum(lax.reduce_min, lax.reduce_and),
    "argmax": _arg(lax.argmax),
    "argmin": _arg(lax.argmin),
}
