"""The elementary functions that are no primitives: composites with exact derivatives.

Real bodies follow the usual identities over ``expm1``, ``log1p`` and ``atan2``; complex
ones W. Kahan, "Branch cuts for complex elementary functions" (1987). NumPy devices run
NumPy's functions instead, which also give C99's values at infinities and NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from . import _dtypes as dt
from . import _ops as ops
from ._composite import COMPOSITES, Composite
from ._create import as_tensor
from ._primitives._rules import need
from ._tensor import Tensor

_LN2, _LN10 = math.log(2.0), math.log(10.0)
_BIG = 1e8  # where 1 + x^2 rounds to x^2, far from overflow


def _declare(name: str, real: Any, pull: Any, complex_: Any = None) -> Composite:
    """A function of one operand; ``pull(x, y)`` is its derivative."""

    def body(x: Tensor) -> Tensor:
        d = x.dtype
        if d.category == "complex":
            return complex_(x)
        if d.itemsize < 4:  # 16-bit floats are computed in float32
            return ops.cast(real(ops.cast(x, dt.float32)), d)
        return real(x)

    def bwd(inputs: Any, outputs: Any, residuals: Any, cts: Any) -> Any:
        return (ops.mul(cts[0], pull(inputs[0], outputs[0])),)

    c = COMPOSITES[name] = Composite(name, body, lambda x: (body(x),), bwd)
    return c


def _public(c: Composite, text: str) -> Callable[[Any], Tensor]:
    def op(x: Any) -> Tensor:
        x = as_tensor(ops.operand(x))
        out: Tensor = c(x if x.dtype.inexact else ops.cast(x, dt.float32))
        return out

    op.__name__ = op.__qualname__ = c.name
    op.__doc__ = text
    return op


def _odd(x: Tensor, magnitude: Tensor) -> Tensor:
    """The magnitude with the sign of x; x itself where it is 0 or NaN."""
    y = ops.where(ops.lt(x, 0), ops.neg_p(magnitude), magnitude)
    return ops.where(ops.logical_or(ops.eq(x, 0), ops.isnan(x)), x, y)


def _parts(z: Tensor) -> tuple[Tensor, Tensor]:
    return ops.real(z), ops.imag(z)


def _times_i(z: Tensor) -> Tensor:
    x, y = _parts(z)
    return ops.complex_(ops.neg_p(y), x)


def _over_i(z: Tensor) -> Tensor:
    x, y = _parts(z)
    return ops.complex_(y, ops.neg_p(x))


# ------------------------------------------------------------------------- hyperbolic
def _sinh(x: Tensor) -> Tensor:
    a = ops.abs(x)
    t = ops.expm1(a)
    half = ops.exp(0.5 * a)
    y = ops.where(ops.lt(20.0, a), 0.5 * half * half, 0.5 * (t + t / (t + 1.0)))
    return _odd(x, y)


def _cosh(x: Tensor) -> Tensor:
    a = ops.abs(x)
    half = ops.exp(0.5 * a)
    return ops.where(
        ops.lt(20.0, a), 0.5 * half * half, 0.5 * (ops.exp(a) + ops.exp(-a))
    )


def _sinh_complex(z: Tensor) -> Tensor:
    x, y = _parts(z)
    return ops.complex_(_sinh(x) * ops.cos(y), _cosh(x) * ops.sin(y))


def _cosh_complex(z: Tensor) -> Tensor:
    x, y = _parts(z)
    return ops.complex_(_cosh(x) * ops.cos(y), _sinh(x) * ops.sin(y))


sinh_c = _declare("sinh", _sinh, lambda x, y: cosh(x), _sinh_complex)
cosh_c = _declare("cosh", _cosh, lambda x, y: sinh(x), _cosh_complex)
sinh: Callable[[Any], Tensor] = _public(sinh_c, "Hyperbolic sine.")
cosh: Callable[[Any], Tensor] = _public(cosh_c, "Hyperbolic cosine.")


def _asinh(x: Tensor) -> Tensor:
    a = ops.abs(x)
    s = ops.minimum(a, _BIG)
    near = ops.log1p(s + s * s / (1.0 + ops.sqrt(1.0 + s * s)))
    return _odd(x, ops.where(ops.lt(a, _BIG), near, ops.log(a) + _LN2))


def _acosh(x: Tensor) -> Tensor:
    t = ops.minimum(x, _BIG) - 1.0
    near = ops.log1p(t + ops.sqrt(t) * ops.sqrt(t + 2.0))
    return ops.where(ops.lt(_BIG, x), ops.log(x) + _LN2, near)


def _atanh(x: Tensor) -> Tensor:
    a = ops.abs(x)
    return _odd(x, 0.5 * ops.log1p(2.0 * a / (1.0 - a)))


def _asinh_complex(z: Tensor) -> Tensor:
    return _over_i(_asin_complex(_times_i(z)))


def _acosh_complex(z: Tensor) -> Tensor:
    (a, b), (c, d) = _parts(ops.sqrt(z - 1.0)), _parts(ops.sqrt(z + 1.0))
    return ops.complex_(_asinh(a * c + b * d), 2.0 * ops.atan2(b, c))


def _atanh_complex(z: Tensor) -> Tensor:
    x, y = _parts(z)
    a = ops.abs(x)
    y = ops.where(ops.lt(x, 0), ops.neg_p(y), y)  # odd: for Re z >= 0
    yy = y * y
    re = 0.25 * ops.log1p(4.0 * a / ((1.0 - a) * (1.0 - a) + yy))
    im = 0.5 * ops.atan2(2.0 * y, (1.0 - a) * (1.0 + a) - yy)
    flip = ops.lt(x, 0)
    return ops.complex_(
        ops.where(flip, ops.neg_p(re), re), ops.where(flip, ops.neg_p(im), im)
    )


def _root_plus(x: Tensor) -> Tensor:
    """sqrt(1 + x^2), without overflow for real x."""
    if x.dtype.category == "complex":
        return ops.sqrt(x * x + 1.0)
    return hypot(x, ops.full_like(x, 1))


asinh_c = _declare(
    "asinh", _asinh, lambda x, y: ops.reciprocal(_root_plus(x)), _asinh_complex
)
acosh_c = _declare(
    "acosh",
    _acosh,
    lambda x, y: ops.reciprocal(ops.sqrt(x - 1.0) * ops.sqrt(x + 1.0)),
    _acosh_complex,
)
atanh_c = _declare(
    "atanh",
    _atanh,
    lambda x, y: ops.reciprocal((1.0 - x) * (1.0 + x)),
    _atanh_complex,
)
asinh = _public(asinh_c, "Inverse hyperbolic sine.")
acosh = _public(acosh_c, "Inverse hyperbolic cosine; NaN below 1.")
atanh = _public(atanh_c, "Inverse hyperbolic tangent; NaN outside [-1, 1].")


# ---------------------------------------------------------------------- trigonometric
def _tan(x: Tensor) -> Tensor:
    return ops.sin(x) / ops.cos(x)


def _asin(x: Tensor) -> Tensor:
    return ops.atan2(x, ops.sqrt((1.0 - x) * (1.0 + x)))


def _acos(x: Tensor) -> Tensor:
    return ops.atan2(ops.sqrt((1.0 - x) * (1.0 + x)), x)


def _atan(x: Tensor) -> Tensor:
    return ops.atan2(x, ops.full_like(x, 1))


def _asin_complex(z: Tensor) -> Tensor:
    (a, b), (c, d) = _parts(ops.sqrt(1.0 - z)), _parts(ops.sqrt(1.0 + z))
    return ops.complex_(ops.atan2(ops.real(z), a * c - b * d), _asinh(a * d - b * c))


def _acos_complex(z: Tensor) -> Tensor:
    (a, b), (c, d) = _parts(ops.sqrt(1.0 - z)), _parts(ops.sqrt(1.0 + z))
    return ops.complex_(2.0 * ops.atan2(a, c), _asinh(c * b - d * a))


tan_c = _declare(
    "tan",
    _tan,
    lambda x, y: y * y + 1.0,
    lambda z: _over_i(ops.tanh(_times_i(z))),
)
asin_c = _declare(
    "asin",
    _asin,
    lambda x, y: ops.reciprocal(ops.sqrt(1.0 - x) * ops.sqrt(1.0 + x)),
    _asin_complex,
)
acos_c = _declare(
    "acos",
    _acos,
    lambda x, y: ops.neg_p(ops.reciprocal(ops.sqrt(1.0 - x) * ops.sqrt(1.0 + x))),
    _acos_complex,
)
atan_c = _declare(
    "atan",
    _atan,
    lambda x, y: ops.reciprocal(x * x + 1.0),
    lambda z: _over_i(_atanh_complex(_times_i(z))),
)
tan = _public(tan_c, "Tangent of radians.")
asin = _public(asin_c, "Inverse sine, in [-pi/2, pi/2]; NaN outside [-1, 1].")
acos = _public(acos_c, "Inverse cosine, in [0, pi]; NaN outside [-1, 1].")
atan = _public(atan_c, "Inverse tangent, in [-pi/2, pi/2].")


# ------------------------------------------------------------------------- logarithms
log2_c = _declare(
    "log2",
    lambda x: ops.log(x) / _LN2,
    lambda x, y: ops.reciprocal(x * _LN2),
    lambda x: ops.log(x) / _LN2,
)
log10_c = _declare(
    "log10",
    lambda x: ops.log(x) / _LN10,
    lambda x, y: ops.reciprocal(x * _LN10),
    lambda x: ops.log(x) / _LN10,
)
log2 = _public(log2_c, "Logarithm to base 2.")
log10 = _public(log10_c, "Logarithm to base 10.")


def exp2(x: Any) -> Tensor:
    """2 to the x."""
    x = as_tensor(ops.operand(x))
    return ops.power(2.0, x if x.dtype.inexact else ops.cast(x, dt.float32))


# -------------------------------------------------------------------- of two operands
def _word(x: Tensor, signed: bool = False) -> Tensor:
    """The bits of a float as an integer of its width."""
    bits = 8 * x.dtype.itemsize
    return ops.bitcast(x, dt.as_dtype(f"{'int' if signed else 'uint'}{bits}"))


def _hypot(x: Tensor, y: Tensor) -> Tensor:
    if x.dtype.itemsize < 4:
        wide = _hypot(ops.cast(x, dt.float32), ops.cast(y, dt.float32))
        return ops.cast(wide, x.dtype)
    x, y = ops.abs(x), ops.abs(y)
    big, small = ops.maximum(x, y), ops.minimum(x, y)
    r = small / ops.where(ops.eq(big, 0), 1.0, big)
    out = big * ops.sqrt(1.0 + r * r)
    infinite = ops.logical_or(ops.isinf(x), ops.isinf(y))  # also beside NaN
    return ops.where(infinite, ops.full_like(out, math.inf), out)


def _hypot_bwd(inputs: Any, outputs: Any, residuals: Any, cts: Any) -> Any:
    (x, y), r = inputs, outputs[0]
    scaled = cts[0] / ops.where(ops.eq(r, 0), ops.full_like(r, 1), r)
    return scaled * x, scaled * y


def _copysign(x: Tensor, y: Tensor) -> Tensor:
    sign = 1 << (8 * x.dtype.itemsize - 1)
    a = ops.bitwise_and(_word(x), sign - 1)
    b = ops.bitwise_and(_word(y), sign)
    return ops.bitcast(ops.bitwise_or(a, b), x.dtype)


def _copysign_bwd(inputs: Any, outputs: Any, residuals: Any, cts: Any) -> Any:
    """Of abs(x) times the sign of y: like `abs`, with 0 at x = 0."""
    x, y = inputs
    turn = ops.mul_p(ops.sign(x), _copysign(ops.full_like(y, 1), y))
    return ops.mul(cts[0], turn), None


def _nextafter(x: Tensor, y: Tensor) -> Tensor:
    """One step of the bits, which order the floats of one sign as integers."""
    w = _word(x, signed=True)
    away = ops.eq(ops.lt(x, y), ops.lt(0, x))  # from zero
    step = ops.where(away, ops.full_like(w, 1), ops.full_like(w, -1))
    moved = ops.bitcast(ops.add_p(w, step), x.dtype)
    tiny = _copysign(ops.bitcast(ops.full_like(w, 1), x.dtype), y)
    out = ops.where(ops.eq(x, 0), tiny, moved)
    out = ops.where(ops.eq(x, y), y, out)
    nan = ops.logical_or(ops.isnan(x), ops.isnan(y))
    return ops.where(nan, ops.add_p(x, y), out)


hypot_c = COMPOSITES["hypot"] = Composite(
    "hypot", _hypot, lambda x, y: (_hypot(x, y),), _hypot_bwd
)
copysign_c = COMPOSITES["copysign"] = Composite(
    "copysign", _copysign, lambda x, y: (_copysign(x, y),), _copysign_bwd
)
nextafter_c = COMPOSITES["nextafter"] = Composite("nextafter", _nextafter)


def _pair(c: Composite, x: Any, y: Any) -> Tensor:
    """The composite of operands of one shape and one float dtype."""
    xs = ops.lift(x, y, inexact=True)
    for t in xs:
        need(c.name, t.aval, "float")
    out: Tensor = c(*ops.broadcast_arrays(*xs))
    return out


def hypot(x: Any, y: Any) -> Tensor:
    """sqrt(x^2 + y^2), without overflow. Its gradient at (0, 0) is zero.

    >>> import helix_core as hx
    >>> hypot(hx.tensor([3.0]), hx.tensor([4.0])).tolist()
    [5.0]
    """
    return _pair(hypot_c, x, y)


def copysign(x: Any, y: Any) -> Tensor:
    """abs(x) with the sign of y, also of zeros and NaN."""
    return _pair(copysign_c, x, y)


def nextafter(x: Any, y: Any) -> Tensor:
    """The float after x towards y. No gradient flows through it."""
    return ops.detach(_pair(nextafter_c, x, y))


def signbit(x: Any) -> Tensor:
    """True where the sign is minus, also of -0.0 and of NaN."""
    x = as_tensor(ops.operand(x))
    need("signbit", x.aval, "int", "uint", "float")
    return ops.lt(_word(x, signed=True) if x.dtype.inexact else x, 0)


def positive(x: Any) -> Tensor:
    """+x: the numbers themselves."""
    x = as_tensor(ops.operand(x))
    need("positive", x.aval, "int", "uint", "float", "complex")
    return x
