"""gather, scatter and sort as JAX functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from .common import Array, accumulated, cast, float8, is_bool

DROP = lax.GatherScatterMode.FILL_OR_DROP


def _gather(x: Array, idx: Array, axis: int) -> Array:
    """Outside the axis, the nearest element."""
    if x.shape[axis] == 0:  # then there is no index either
        shape = (*x.shape[:axis], *idx.shape, *x.shape[axis + 1 :])
        return jnp.zeros(shape, x.dtype)
    return jnp.take(x, idx, axis=axis, mode="clip")


def _scatter(x: Array, idx: Array, u: Array, axis: int, mode: str) -> Array:
    """Outside the axis nothing is written; of repeated indices the last ``set`` wins."""
    n = x.shape[axis]
    if n == 0 or idx.size == 0 or u.size == 0:
        return x
    at = idx.reshape(-1)
    rows = u.reshape((*u.shape[:axis], at.size, *u.shape[axis + idx.ndim :]))
    at = jnp.where((at < 0) | (at >= n), n, at)
    if mode == "set":
        return _write(lax.scatter, x, _last_of_equals(at, n), rows, axis, True)
    run = {
        "add": lax.scatter_add,
        "mul": lax.scatter_mul,
        "max": lax.scatter_max,
        "min": lax.scatter_min,
    }[mode]
    if is_bool(x):
        y = _write(run, cast(x, np.uint8), at, cast(rows, np.uint8), axis)
        return y != 0
    return cast(_write(run, accumulated(x), at, accumulated(rows), axis), x.dtype)


def _last_of_equals(at: Array, n: int) -> Array:
    """The indices, with ``n`` (outside) for all but the last of equal ones."""
    if at.size == 1:
        return at
    place = lax.iota(np.int32, at.size)
    last = _write(lax.scatter_max, jnp.full((n,), -1, np.int32), at, place, 0)
    return jnp.where(jnp.take(last, at, mode="clip") == place, at, n)


def _write(
    run: Any, x: Array, at: Array, rows: Array, axis: int, unique: bool = False
) -> Array:
    """``x`` with rows along an axis written or combined; outside they are dropped."""
    window = tuple(i for i in range(x.ndim) if i != axis)
    how = lax.ScatterDimensionNumbers(window, (axis,), (axis,))
    if unique:  # those that lose are all outside, where they are dropped
        at = jnp.where(
            at == x.shape[axis], x.shape[axis] + lax.iota(at.dtype, at.size), at
        )
    return run(x, at[:, None], rows, how, mode=DROP, unique_indices=unique)


def _sort(
    *xs: Array, axis: int, num_keys: int, descending: bool, stable: bool
) -> tuple[Array, ...]:
    """NaN is the largest. Reversed before and after, ascending is descending."""
    axis = axis % xs[0].ndim

    def turn(x: Array) -> Array:
        return lax.rev(x, (axis,)) if descending else x

    turned = [turn(x) for x in xs]
    keys = [cast(x, np.float32) if float8(x) else x for x in turned[:num_keys]]
    out = lax.sort(
        (*keys, *turned[num_keys:]),
        dimension=axis,
        num_keys=num_keys,
        is_stable=stable or len(xs) > 1,
    )
    return tuple([cast(turn(y), x.dtype) for x, y in zip(xs, out, strict=True)])


FORMS: dict[str, Callable[..., Any]] = {
    "gather": _gather,
    "scatter": _scatter,
    "sort": _sort,
}
