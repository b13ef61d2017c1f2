"""Elementwise functions: those of ``hx``, for the kinds of dtypes that the standard has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _elementary, _ops
from .._tensor import Tensor
from ._check import (
    ALL,
    BITS,
    BOOL,
    FLOAT,
    INTEGER,
    NUMERIC,
    REAL,
    REAL_FLOAT,
    pair_of,
    tensor_of,
)


def _named(op: Any, name: str, fn: Any) -> Any:
    op.__name__ = op.__qualname__ = name
    op.__doc__ = fn.__doc__
    op.__module__ = "helix_core.array_api"
    return op


def _unary(name: str, fn: Any, kinds: tuple[str, ...]) -> Callable[[Tensor], Tensor]:
    def op(x: Tensor, /) -> Tensor:
        return fn(tensor_of(name, x, kinds))

    return _named(op, name, fn)


def _binary(
    name: str, fn: Any, kinds: tuple[str, ...]
) -> Callable[[Tensor | complex, Tensor | complex], Tensor]:
    def op(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
        return fn(*pair_of(name, x1, x2, kinds))

    return _named(op, name, fn)


def _round(x: Tensor) -> Tensor:
    """Nearest whole number, halves to even; of both parts of a complex number."""
    if x.dtype.category == "complex":
        return _ops.complex_(_ops.round(x.real), _ops.round(x.imag))
    return _ops.round(x)


def _reciprocal(x: Tensor) -> Tensor:
    """1 / x."""
    if x.dtype.category != "complex":
        return _ops.reciprocal(x)
    one = _ops.ones_like(x.real)  # 1 - 0j: a real x + 0j gives a - 0j, as its conjugate
    return _ops.divide(_ops.complex_(one, _ops.negative(one - one)), x)


def _pow(x1: Any, x2: Any) -> Tensor:
    """x1 to the x2. Integers to negative powers round towards zero."""
    return _ops.pow_p(*_ops.lift(x1, x2))


# of one operand
abs = _unary("abs", _ops.abs, NUMERIC)
acos = _unary("acos", _elementary.acos, FLOAT)
acosh = _unary("acosh", _elementary.acosh, FLOAT)
asin = _unary("asin", _elementary.asin, FLOAT)
asinh = _unary("asinh", _elementary.asinh, FLOAT)
atan = _unary("atan", _elementary.atan, FLOAT)
atanh = _unary("atanh", _elementary.atanh, FLOAT)
bitwise_invert = _unary("bitwise_invert", _ops.bitwise_not, BITS)
ceil = _unary("ceil", _ops.ceil, REAL)
conj = _unary("conj", _ops.conj, NUMERIC)
cos = _unary("cos", _ops.cos, FLOAT)
cosh = _unary("cosh", _elementary.cosh, FLOAT)
exp = _unary("exp", _ops.exp, FLOAT)
expm1 = _unary("expm1", _ops.expm1, FLOAT)
floor = _unary("floor", _ops.floor, REAL)
imag = _unary("imag", _ops.imag, NUMERIC)
isfinite = _unary("isfinite", _ops.isfinite, NUMERIC)
isinf = _unary("isinf", _ops.isinf, NUMERIC)
isnan = _unary("isnan", _ops.isnan, NUMERIC)
log = _unary("log", _ops.log, FLOAT)
log10 = _unary("log10", _elementary.log10, FLOAT)
log1p = _unary("log1p", _ops.log1p, FLOAT)
log2 = _unary("log2", _elementary.log2, FLOAT)
logical_not = _unary("logical_not", _ops.logical_not, BOOL)
negative = _unary("negative", _ops.negative, NUMERIC)
positive = _unary("positive", _elementary.positive, NUMERIC)
real = _unary("real", _ops.real, NUMERIC)
reciprocal = _unary("reciprocal", _reciprocal, FLOAT)
round = _unary("round", _round, NUMERIC)
sign = _unary("sign", _ops.sign, NUMERIC)
signbit = _unary("signbit", _elementary.signbit, REAL_FLOAT)
sin = _unary("sin", _ops.sin, FLOAT)
sinh = _unary("sinh", _elementary.sinh, FLOAT)
sqrt = _unary("sqrt", _ops.sqrt, FLOAT)
square = _unary("square", _ops.square, NUMERIC)
tan = _unary("tan", _elementary.tan, FLOAT)
tanh = _unary("tanh", _ops.tanh, FLOAT)
trunc = _unary("trunc", _ops.trunc, REAL)

# of two operands
add = _binary("add", _ops.add, NUMERIC)
atan2 = _binary("atan2", _ops.atan2, REAL_FLOAT)
bitwise_and = _binary("bitwise_and", _ops.bitwise_and, BITS)
bitwise_left_shift = _binary("bitwise_left_shift", _ops.left_shift, INTEGER)
bitwise_or = _binary("bitwise_or", _ops.bitwise_or, BITS)
bitwise_right_shift = _binary("bitwise_right_shift", _ops.right_shift, INTEGER)
bitwise_xor = _binary("bitwise_xor", _ops.bitwise_xor, BITS)
copysign = _binary("copysign", _elementary.copysign, REAL_FLOAT)
divide = _binary("divide", _ops.divide, FLOAT)
equal = _binary("equal", _ops.eq, ALL)
floor_divide = _binary("floor_divide", _ops.floor_divide, REAL)
greater = _binary("greater", _ops.gt, REAL)
greater_equal = _binary("greater_equal", _ops.ge, REAL)
hypot = _binary("hypot", _elementary.hypot, REAL_FLOAT)
less = _binary("less", _ops.lt, REAL)
less_equal = _binary("less_equal", _ops.le, REAL)
logaddexp = _binary("logaddexp", _ops.logaddexp, REAL_FLOAT)
logical_and = _binary("logical_and", _ops.logical_and, BOOL)
logical_or = _binary("logical_or", _ops.logical_or, BOOL)
logical_xor = _binary("logical_xor", _ops.logical_xor, BOOL)
maximum = _binary("maximum", _ops.maximum, REAL)
minimum = _binary("minimum", _ops.minimum, REAL)
multiply = _binary("multiply", _ops.mul, NUMERIC)
nextafter = _binary("nextafter", _elementary.nextafter, REAL_FLOAT)
not_equal = _binary("not_equal", _ops.ne, ALL)
pow = _binary("pow", _pow, NUMERIC)
remainder = _binary("remainder", _ops.mod, REAL)
subtract = _binary("subtract", _ops.subtract, NUMERIC)


def clip(
    x: Tensor,
    /,
    min: Tensor | float | None = None,
    max: Tensor | float | None = None,
) -> Tensor:
    """Limit to [min, max]; None leaves a side open. The dtype stays that of x.

    Raises
    ------
    DTypeError
        For complex and bool tensors, and float limits of an integer tensor.
    """
    x = tensor_of("clip", x, REAL)
    y = x
    for limit, pick in ((min, _ops.maximum), (max, _ops.minimum)):
        if limit is None:
            continue
        low, high = _range(x)
        if type(limit) is int and low is not None:  # one outside the dtype binds or not
            limit = low if limit < low else high if limit > high else limit
        pair_of("clip", x, limit, REAL if x.dtype.inexact else INTEGER)
        y = pick(y, limit)
    return _ops.cast(y, x.dtype)


def _range(x: Tensor) -> tuple[Any, Any]:
    if x.dtype.inexact:
        return None, None
    from ._dtypes import iinfo

    info = iinfo(x.dtype)
    return info.min, info.max
