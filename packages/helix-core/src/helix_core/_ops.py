"""Elementwise functions of tensors, with promotion; and the facade ``ops`` that gradient
rules and composites use. Shapes, reductions and creation live in their own files.

Names that end in ``_p`` take tensors of one dtype and go straight to the primitive.
"""

from __future__ import annotations

import math
from typing import Any

from . import _dtypes as dt
from ._dtypes import as_dtype
from ._errors import DTypeError
from ._primitive import bind
from ._primitives import elementwise as E
from ._tensor import Tensor

# isort: split
from ._create import (
    arange,
    as_tensor,
    full,
    full_like,
    ones,
    ones_like,
    tensor,
    zeros,
    zeros_like,
)
from ._eager import binary, cast, check_scalar, constant, lift, operand, unary


def _documented(fn: Any, name: str, text: str) -> Any:
    fn.__name__ = fn.__qualname__ = name
    fn.__doc__ = text
    return fn


# ------------------------------------------------------------------ binary arithmetic
# the primitive of tensors, the function of anything, and that function's mirror image
add_p, add, radd = binary(E.add_p)
sub_p, subtract, rsubtract = binary(E.sub_p)
mul_p, mul, rmul = binary(E.mul_p)
div_p, divide, rdivide = binary(E.div_p, inexact=True)
floordiv_p, floor_divide, rfloor_divide = binary(E.floordiv_p)
mod_p, mod, rmod = binary(E.mod_p)
pow_p, _, _ = binary(E.pow_p)
max_p, maximum, _ = binary(E.max_p)
min_p, minimum, _ = binary(E.min_p)
atan2_p, atan2, _ = binary(E.atan2_p, inexact=True)
and_p, bitwise_and, rbitwise_and = binary(E.and_p)
or_p, bitwise_or, rbitwise_or = binary(E.or_p)
xor_p, bitwise_xor, rbitwise_xor = binary(E.xor_p)
shl_p, left_shift, rleft_shift = binary(E.shl_p)
shr_p, right_shift, rright_shift = binary(E.shr_p)
eq_p, eq, _ = binary(E.eq_p)
lt_p, lt, gt = binary(E.lt_p)
le_p, le, ge = binary(E.le_p)
sub = subtract
multiply = mul
for _fn, _name, _text in (
    (add, "add", "x + y, elementwise; operands broadcast and promote."),
    (subtract, "subtract", "x - y, elementwise."),
    (mul, "multiply", "x * y, elementwise."),
    (divide, "divide", "x / y; integers divide as float32."),
    (floor_divide, "floor_divide", "Largest whole number below x / y; dtype kept."),
    (mod, "mod", "x - floor(x / y) y: the sign of y, as Python's %."),
    (maximum, "maximum", "The larger; a NaN wins; ties halve the gradient."),
    (minimum, "minimum", "The smaller; a NaN wins; ties halve the gradient."),
    (bitwise_and, "bitwise_and", "x & y of integers or bools."),
    (bitwise_or, "bitwise_or", "x | y of integers or bools."),
    (bitwise_xor, "bitwise_xor", "x ^ y of integers or bools."),
    (left_shift, "left_shift", "x << y of integers."),
    (right_shift, "right_shift", "x >> y of integers; arithmetic for signed ones."),
    (eq, "equal", "x == y, as bool."),
    (lt, "less", "x < y, as bool."),
    (le, "less_equal", "x <= y, as bool."),
    (gt, "greater", "x > y, as bool."),
    (ge, "greater_equal", "x >= y, as bool."),
    (atan2, "atan2", "The angle of the point (y, x), with y first, in [-pi, pi]."),
):
    _documented(_fn, _name, _text)


def power(x: Any, y: Any) -> Tensor:
    """x ** y. A small whole Python exponent multiplies; an integer base needs y >= 0."""
    x = operand(x)
    if type(y) in (int, float) and type(x) is Tensor:
        if y == 2:
            return mul_p(x, x)
        if x.aval.dtype.inexact:
            if y == 1:
                return x
            if y == 0.5:
                return sqrt(x)
            if y == -0.5:
                return rsqrt(x)
            if y == 3:
                return mul_p(mul_p(x, x), x)
        elif type(y) is int and y < 0:
            raise DTypeError(
                f"[power] expected an exponent >= 0 for integers; got {y}. "
                "Hint: x.astype('float32') ** y"
            )
    return pow_p(*lift(x, y))


def ne(x: Any, y: Any) -> Tensor:
    """x != y, as bool."""
    return bitwise_not(eq(x, y))


# -------------------------------------------------------------------------- unary
neg_p = unary(E.neg_p)
_sign, _abs = unary(E.sign_p), unary(E.abs_p)
floor_any, ceil_any, round_any = (
    unary(p, inexact=False) for p in (E.floor_p, E.ceil_p, E.round_p)
)
exp, log = unary(E.exp_p, True), unary(E.log_p, True)
expm1, log1p = unary(E.expm1_p, True), unary(E.log1p_p, True)
sqrt, rsqrt = unary(E.sqrt_p, True), unary(E.rsqrt_p, True)
sin, cos, tanh = unary(E.sin_p, True), unary(E.cos_p, True), unary(E.tanh_p, True)
erf = unary(E.erf_p, True)
bitwise_not = unary(E.not_p)
negative = neg_p
_documented(negative, "negative", "-x.")
_documented(exp, "exp", "e to the x.")
_documented(log, "log", "Natural logarithm.")
_documented(expm1, "expm1", "exp(x) - 1, exact near 0.")
_documented(log1p, "log1p", "log(1 + x), exact near 0.")
_documented(sqrt, "sqrt", "Square root; NaN below 0.")
_documented(rsqrt, "rsqrt", "1 / sqrt(x).")
_documented(sin, "sin", "Sine of radians.")
_documented(cos, "cos", "Cosine of radians.")
_documented(tanh, "tanh", "Hyperbolic tangent.")
_documented(erf, "erf", "Gauss error function.")
_documented(bitwise_not, "bitwise_not", "~x of integers; logical not of bools.")


def abs(x: Any) -> Tensor:
    """Absolute value; the modulus, real, of a complex tensor."""
    x = as_tensor(operand(x))
    return x if x.aval.dtype is dt.bool_ else _abs(x)


def sign(x: Any) -> Tensor:
    """-1, 0 or 1 (x / abs(x) for complex); NaN stays NaN. Its gradient is zero."""
    return _sign(x)


def _whole(fn: Any, name: str, text: str) -> Any:
    def op(x: Any) -> Tensor:
        x = as_tensor(operand(x))
        return fn(x) if x.aval.dtype.inexact else x

    return _documented(op, name, text)


floor = _whole(floor_any, "floor", "Largest whole number <= x; integers unchanged.")
ceil = _whole(ceil_any, "ceil", "Smallest whole number >= x; integers unchanged.")
round = _whole(round_any, "round", "Nearest whole number, halves to even.")


def trunc(x: Any) -> Tensor:
    """Whole part towards zero."""
    x = as_tensor(operand(x))
    return where(lt(x, 0), ceil(x), floor(x)) if x.aval.dtype.inexact else x


def square(x: Any) -> Tensor:
    """x * x."""
    x = operand(x)
    return mul(x, x)


def reciprocal(x: Any) -> Tensor:
    """1 / x."""
    return divide(1.0, x)


def sigmoid(x: Any) -> Tensor:
    """1 / (1 + exp(-x)), without overflow."""
    from .activations import sigmoid as f

    return f(x)


def logaddexp(x: Any, y: Any) -> Tensor:
    """log(exp(x) + exp(y)), without overflow."""
    x, y = lift(x, y, inexact=True)
    top = detach(maximum(x, y))
    top = where(isfinite(top), top, zeros_like(top))
    dx, dy = sub_p(x, top), sub_p(y, top)
    # 1 + s is the sum; the larger term is 1, and expm1 leaves it out: exact near 0
    s = where(le(y, x), expm1(dx) + exp(dy), exp(dx) + expm1(dy))
    return add_p(log1p(s), top)


def clip(x: Any, low: Any = None, high: Any = None) -> Tensor:
    """Limit to [low, high]; None leaves a side open."""
    if low is not None:
        x = maximum(x, low)
    return minimum(x, high) if high is not None else as_tensor(operand(x))


# -------------------------------------------------------------------- logic and tests
def _as_bool(x: Any) -> Tensor:
    x = as_tensor(operand(x))
    return x if x.aval.dtype is dt.bool_ else ne(x, 0)


def logical_and(x: Any, y: Any) -> Tensor:
    """True where both are true (nonzero)."""
    return and_p(_as_bool(x), _as_bool(y))


def logical_or(x: Any, y: Any) -> Tensor:
    """True where one or both are true (nonzero)."""
    return or_p(_as_bool(x), _as_bool(y))


def logical_xor(x: Any, y: Any) -> Tensor:
    """True where exactly one is true (nonzero)."""
    return xor_p(_as_bool(x), _as_bool(y))


def logical_not(x: Any) -> Tensor:
    """True where x is false (zero)."""
    return bitwise_not(_as_bool(x))


def isnan(x: Any) -> Tensor:
    """True where x is NaN."""
    x = as_tensor(operand(x))
    return ne(x, x)


def isinf(x: Any) -> Tensor:
    """True where x is +inf or -inf."""
    x = as_tensor(operand(x))
    if not x.aval.dtype.inexact:
        return zeros(x.shape, dt.bool_, x.device)
    if x.aval.dtype.category == "complex":
        return logical_or(isinf(real(x)), isinf(imag(x)))
    return eq(abs(x), math.inf)


def isfinite(x: Any) -> Tensor:
    """True where x is neither NaN nor infinite."""
    x = as_tensor(operand(x))
    if not x.aval.dtype.inexact:
        return ones(x.shape, dt.bool_, x.device)
    if x.aval.dtype.category == "complex":
        return logical_and(isfinite(real(x)), isfinite(imag(x)))
    return lt(abs(x), math.inf)


# -------------------------------------------------------------- select, cast, complex
def where(condition: Any, x: Any, y: Any) -> Tensor:
    """x where the condition is true, else y; all three broadcast."""
    c = as_tensor(operand(condition))
    if c.aval.dtype is not dt.bool_:
        c = ne(c, 0)
    x, y = lift(x, y, device=c.device)
    return bind(E.where_p, c, x, y)


def bitcast(x: Any, dtype: Any) -> Tensor:
    """The same bits read as another dtype of the same width."""
    return bind(E.bitcast_p, as_tensor(operand(x)), dtype=as_dtype(dtype))


def real(x: Any) -> Tensor:
    """Real part; a real tensor itself."""
    x = as_tensor(operand(x))
    return bind(E.real_p, x) if x.aval.dtype.category == "complex" else x


def imag(x: Any) -> Tensor:
    """Imaginary part; zeros for a real tensor."""
    x = as_tensor(operand(x))
    return bind(E.imag_p, x) if x.aval.dtype.category == "complex" else zeros_like(x)


def conj(x: Any) -> Tensor:
    """Complex conjugate; a real tensor itself."""
    x = as_tensor(operand(x))
    return bind(E.conj_p, x) if x.aval.dtype.category == "complex" else x


def complex_(re: Any, im: Any) -> Tensor:
    """re + i im from float32 or float64 parts."""
    return bind(E.complex_p, *lift(re, im, inexact=True))


# the facade: shapes, reductions and products for gradient rules and composites
from ._contract import dot_general, einsum, matmul  # noqa: E402
from ._pad import pad  # noqa: E402
from ._reduce import (  # noqa: E402
    all,
    any,
    argmax,
    argmin,
    cumulative,
    logsumexp,
    max,
    mean,
    min,
    prod,
    reduce_max_p,
    reduce_min_p,
    reduce_sum_p,
    std,
    sum,
    var,
)
from ._shape import (  # noqa: E402
    barrier,
    broadcast_arrays,
    broadcast_p,
    broadcast_to,
    concat,
    copy_to,
    detach,
    expand_dims,
    flip,
    flip_p,
    moveaxis,
    narrow,
    pad_p,
    permute_dims,
    permute_p,
    repeat,
    reshape,
    reshape_p,
    roll,
    slice_p,
    split,
    squeeze,
    stack,
    swapaxes,
    tile,
    transpose,
    tril,
    triu,
)
