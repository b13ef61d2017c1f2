"""Elementwise primitives as JAX functions, with NumPy's values at special points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from .common import Array, binary, cast, category, float8, is_bool, level, unary


def _add(x: Array, y: Array) -> Array:
    return lax.bitwise_or(x, y) if is_bool(x) else lax.add(x, y)


def _mul(x: Array, y: Array) -> Array:
    return lax.bitwise_and(x, y) if is_bool(x) else lax.mul(x, y)


def _int_divmod(x: Array, y: Array) -> tuple[Array, Array]:
    """Rounded down; zeros where the divisor is zero."""
    zero, one = jnp.zeros_like(x), jnp.ones_like(x)
    none = y == zero
    safe = jnp.where(none, one, y)
    q, r = lax.div(x, safe), lax.rem(x, safe)
    if category(x) == "int":
        down = (r != zero) & ((r < zero) != (safe < zero))
        q, r = jnp.where(down, q - one, q), jnp.where(down, r + safe, r)
    return jnp.where(none, zero, q), jnp.where(none, zero, r)


def _float_divmod(x: Array, y: Array) -> tuple[Array, Array]:
    """NumPy's: the remainder has the divisor's sign, and the quotient is whole."""
    zero, one = jnp.zeros_like(x), jnp.ones_like(x)
    r = lax.rem(x, y)
    q = lax.div(lax.sub(x, r), y)
    down = (r != zero) & ((r < zero) != (y < zero))
    q = jnp.where(down, q - one, q)
    r = jnp.where(down, r + y, jnp.where(r == zero, _copysign(zero, y), r))
    whole = lax.floor(q)
    whole = jnp.where(q - whole > 0.5 * one, whole + one, whole)
    q = jnp.where(q == zero, _copysign(zero, lax.div(x, y)), whole)
    return jnp.where(y == zero, lax.div(x, y), q), r


def _copysign(x: Array, y: Array) -> Array:
    return jnp.copysign(x, y)


def _divmod(x: Array, y: Array) -> tuple[Array, Array]:
    return (_float_divmod if category(x) == "float" else _int_divmod)(x, y)


def _pow(x: Array, y: Array) -> Array:
    kind = category(x)
    if kind not in ("int", "uint"):
        return lax.pow(x, y)
    zero, one = jnp.zeros_like(x), jnp.ones_like(x)
    e = lax.max(y, zero)
    out, base = one, x
    for k in range(x.dtype.itemsize * 8 - (kind == "int")):
        bit = lax.bitwise_and(lax.shift_right_logical(e, jnp.full_like(e, k)), one)
        out = jnp.where(bit == one, out * base, out)
        base = base * base
    if kind == "uint":
        return out
    # 1 / x^n rounds to zero, but for bases of one
    odd = lax.bitwise_and(y, one) == one
    tiny = jnp.where(lax.abs(x) == one, jnp.where(odd, x, one), zero)
    return jnp.where(y < zero, tiny, out)


def _abs(x: Array) -> Array:
    return x if category(x) == "uint" else lax.abs(x)


def _sign(x: Array) -> Array:
    return lax.sign(x)


def _shift(f: Callable[..., Array]) -> Callable[..., Array]:
    def form(x: Array, y: Array) -> Array:
        x, y = level(x, y)
        if f is lax.shift_right_logical and category(x) == "int":
            return lax.shift_right_arithmetic(x, y)
        return f(x, y)

    return form


def _where(c: Array, x: Array, y: Array) -> Array:
    return lax.select(*level(c, x, y))


def _cast(x: Array, dtype: Any) -> Array:
    to = dtype.dtype
    if to == np.bool_:
        return (cast(x, jnp.float32) if float8(x) else x) != np.zeros((), _plain(x))
    return cast(x, to)


def _plain(x: Array) -> Any:
    return np.float32 if float8(x) else x.dtype


def _bitcast(x: Array, dtype: Any) -> Array:
    to, complex64 = dtype.dtype, np.dtype(np.complex64)
    if x.dtype == to:
        return x
    if x.dtype == complex64:
        pair = jnp.stack([lax.real(x), lax.imag(x)], -1)
        return lax.bitcast_convert_type(pair, to)
    if to == complex64:
        pair = lax.bitcast_convert_type(x, np.float32)
        return lax.complex(pair[..., 0], pair[..., 1])
    return lax.bitcast_convert_type(x, to)


FORMS: dict[str, Callable[..., Any]] = {
    "add": binary(_add),
    "mul": binary(_mul),
    "sub": binary(lax.sub),
    "div": binary(lax.div),
    "neg": unary(lax.neg),
    "pow": binary(_pow),
    "floordiv": binary(lambda x, y: _divmod(x, y)[0]),
    "mod": binary(lambda x, y: _divmod(x, y)[1]),
    "max": binary(lax.max),
    "min": binary(lax.min),
    "atan2": binary(lax.atan2),
    "abs": unary(_abs),
    "sign": unary(_sign),
    "floor": unary(lax.floor),
    "ceil": unary(lax.ceil),
    "round": unary(lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN)),
    "exp": unary(lax.exp),
    "log": unary(lax.log),
    "expm1": unary(lax.expm1),
    "log1p": unary(lax.log1p),
    "sqrt": unary(lax.sqrt),
    "rsqrt": unary(lax.rsqrt),
    "sin": unary(lax.sin),
    "cos": unary(lax.cos),
    "tanh": unary(lax.tanh),
    "erf": unary(lax.erf),
    "not": lax.bitwise_not,
    "and": binary(lax.bitwise_and),
    "or": binary(lax.bitwise_or),
    "xor": binary(lax.bitwise_xor),
    "shl": _shift(lax.shift_left),
    "shr": _shift(lax.shift_right_logical),
    "eq": binary(lax.eq),
    "lt": binary(lax.lt),
    "le": binary(lax.le),
    "complex": binary(lax.complex),
    "real": lax.real,
    "imag": lax.imag,
    "conj": lax.conj,
    "where": _where,
    "cast": _cast,
    "bitcast": _bitcast,
}
