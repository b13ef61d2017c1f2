"""Elementwise primitives. Operands broadcast and have one dtype.

Complex derivatives follow JAX: cotangents are transposed, never conjugated.
"""

from __future__ import annotations

from typing import Any

from .. import _dtypes as dt
from .. import _ops as ops
from .._aval import Aval
from .._errors import DTypeError
from .._primitive import bind, primitive
from ._rules import broadcast_shapes, elementwise, need, same_dtype

E = "ELEMENTWISE"
REAL = ("int", "uint", "float")
NUMBER = (*REAL, "complex")
INEXACT = ("float", "complex")
BITS = ("bool", "int", "uint")
IN, OUT = ((0,),), ((~0,),)  # what a unary gradient reads


def _unary(name: str, kinds: tuple[str, ...], pull: Any = None, **kw: Any) -> Any:
    """``pull(ct, x, out)`` is the gradient."""
    pulls = None if pull is None else (pull,)
    return primitive(name, E, elementwise(name, *kinds), pulls=pulls, **kw)


def _binary(
    name: str, kinds: tuple[str, ...], left: Any = None, right: Any = None, **kw: Any
) -> Any:
    """``left`` and ``right`` are ``f(ct, x, y, out)``: the gradient of each operand."""
    pulls = None if left is None else (left, right)
    return primitive(name, E, elementwise(name, *kinds), pulls=pulls, **kw)


def _widened(f: Any) -> Any:
    """A decomposition that computes 16-bit floats in float32 and rounds once."""

    def run(*xs: Any) -> Any:
        own = xs[0].dtype
        if own.category != "float" or own.itemsize >= 4:
            return f(*xs)
        return ops.cast(f(*[ops.cast(x, dt.float32) for x in xs]), own)

    return run


# ------------------------------------------------------------------------- arithmetic
# of bools: or, and; as in NumPy
add_p = _binary(
    "add",
    ("bool", *NUMBER),
    lambda ct, x, y, out: ct,
    lambda ct, x, y, out: ct,
    reads=((), ()),
    required=True,
)
mul_p = _binary(
    "mul",
    ("bool", *NUMBER),
    lambda ct, x, y, out: ops.mul_p(ct, y),
    lambda ct, x, y, out: ops.mul_p(ct, x),
    reads=((1,), (0,)),
    required=True,
)
neg_p = _unary(
    "neg", NUMBER, lambda ct, x, y: ops.neg_p(ct), reads=((),), required=True
)
sub_p = _binary(
    "sub",
    NUMBER,
    lambda ct, x, y, out: ct,
    lambda ct, x, y, out: ops.neg_p(ct),
    reads=((), ()),
    decompose=lambda x, y: ops.add_p(x, ops.neg_p(y)),
)
div_p = _binary(
    "div",
    INEXACT,
    lambda ct, x, y, out: ops.div_p(ct, y),
    lambda ct, x, y, out: ops.neg_p(ops.mul_p(ct, ops.div_p(out, y))),
    reads=((1,), (1, ~0)),
    required=True,
)


def _pow_left(ct: Any, x: Any, y: Any, out: Any) -> Any:
    # y * x^(y-1), and 0 where y is 0 (also at x = 0)
    one = ops.full_like(y, 1)
    safe = ops.where(ops.eq(y, 0), one, ops.sub_p(y, one))
    return ops.mul_p(ct, ops.mul_p(y, ops.pow_p(x, safe)))


def _pow_right(ct: Any, x: Any, y: Any, out: Any) -> Any:
    # out * log x, and 0 at x = 0 where y >= 0
    zero = ops.eq(x, 0)
    if y.dtype.category == "float":
        zero = ops.logical_and(zero, ops.ge(y, 0))
    log = ops.log(ops.where(zero, ops.full_like(x, 1), x))
    return ops.mul_p(ct, ops.where(zero, ops.zeros_like(out), ops.mul_p(out, log)))


def _pow_decomposed(x: Any, y: Any) -> Any:
    if x.dtype.inexact:
        if x.dtype.category == "complex":
            return ops.exp(ops.mul_p(ops.log(x), y))
        # 1 of x = 1, of y = 0, of x = -1 beside an infinity: also beside NaN
        size = ops.abs(x)
        mag = ops.exp(ops.mul_p(ops.log(size), y))
        one = ops.logical_or(ops.eq(y, 0), ops.eq(x, 1))
        both = ops.logical_and(ops.eq(size, 1), ops.isinf(y))
        mag = ops.where(ops.logical_or(one, both), 1.0, mag)
        # odd exponents keep the sign of the base, that of -0.0 too
        odd = ops.eq(ops.mod(y, 2.0), 1.0)
        left = ops.logical_or(ops.lt(x, 0), ops.lt(1.0 / x, 0))
        mag = ops.where(ops.logical_and(left, odd), ops.neg_p(mag), mag)
        broken = ops.logical_and(ops.ne(ops.floor(y), y), ops.isfinite(x))
        bad = ops.logical_and(ops.lt(x, 0), broken)
        return ops.where(bad, float("nan"), mag)
    if x.dtype.category == "int":  # 1 / x^n rounds to 0 but for 1 and -1
        odd = ops.eq(ops.bitwise_and(y, 1), 1)
        unit = ops.where(odd, x, ops.full_like(x, 1))
        unit = ops.where(ops.eq(ops.abs(x), 1), unit, ops.zeros_like(unit))
        power = _int_pow(x, ops.max_p(y, ops.zeros_like(y)))
        return ops.where(ops.lt(y, 0), unit, power)
    return _int_pow(x, y)


def _int_pow(x: Any, y: Any) -> Any:
    """By squaring; wraps."""
    out, base, e = ops.full_like(ops.add_p(x, y), 1), x, y
    for _ in range(x.dtype.itemsize * 8 - (x.dtype.category == "int")):
        odd = ops.eq(ops.bitwise_and(e, 1), 1)
        out = ops.where(odd, ops.mul_p(out, base), out)
        base = ops.mul_p(base, base)
        e = ops.right_shift(e, 1)
    return out


pow_p = _binary(
    "pow",
    NUMBER,
    _pow_left,
    _pow_right,
    reads=((0, 1), (0, 1, ~0)),
    decompose=_widened(_pow_decomposed),
)


def _floordiv_decomposed(x: Any, y: Any) -> Any:
    if x.dtype.category == "float":
        return ops.floor(ops.div_p(x, y))
    q = _int_div(x, y)
    r = ops.sub_p(x, ops.mul_p(q, y))
    if x.dtype.category == "int":
        wrong = ops.logical_and(ops.ne(r, 0), ops.ne(ops.lt(r, 0), ops.lt(y, 0)))
        wrong = ops.logical_and(wrong, ops.ne(y, 0))
        q = ops.where(wrong, ops.sub_p(q, ops.full_like(q, 1)), q)
    return q


def _int_div(x: Any, y: Any) -> Any:
    """Truncated integer division by long division: only shifts and comparisons."""
    signed = x.dtype.category == "int"
    bits = x.dtype.itemsize * 8
    unsigned = dt.as_dtype(f"uint{bits}")
    a, b = ops.broadcast_arrays(x, y)
    ua = ops.bitcast(ops.abs(a), unsigned) if signed else a
    ub = ops.bitcast(ops.abs(b), unsigned) if signed else b
    q, r = ops.zeros_like(ua), ops.zeros_like(ua)
    for k in reversed(range(bits)):
        bit = ops.bitwise_and(ops.right_shift(ua, k), 1)
        r = ops.bitwise_or(ops.left_shift(r, 1), bit)
        fits = ops.le(ub, r)
        r = ops.where(fits, ops.sub_p(r, ub), r)
        q = ops.where(
            fits, ops.bitwise_or(q, ops.left_shift(ops.full_like(q, 1), k)), q
        )
    q = ops.where(ops.eq(ub, 0), ops.zeros_like(q), q)
    if signed:
        q = ops.bitcast(q, x.dtype)
        q = ops.where(ops.ne(ops.lt(a, 0), ops.lt(b, 0)), ops.neg_p(q), q)
    return q


floordiv_p = _binary("floordiv", REAL, decompose=_floordiv_decomposed)


def _mod_decomposed(x: Any, y: Any) -> Any:
    r = ops.sub_p(x, ops.mul_p(ops.floor_divide(x, y), y))
    if x.dtype.inexact:
        return r
    return ops.where(ops.eq(y, 0), ops.zeros_like(r), r)  # by nothing: nothing


mod_p = _binary(
    "mod",
    REAL,
    lambda ct, x, y, out: ct,
    lambda ct, x, y, out: ops.neg_p(ops.mul_p(ct, ops.floor(ops.div_p(x, y)))),
    reads=((), (0, 1)),
    decompose=_mod_decomposed,
)


def _extremum(name: str, first_wins: Any, **kw: Any) -> Any:
    """max and min: NaN of either operand wins; a tie halves the gradient."""

    def side(ct: Any, own: Any, other: Any) -> Any:
        tie = ops.where(ops.eq(own, other), ops.mul(ct, 0.5), ops.zeros_like(ct))
        return ops.where(first_wins(own, other), ct, tie)

    return _binary(
        name,
        ("bool", *REAL),
        lambda ct, x, y, out: side(ct, x, y),
        lambda ct, x, y, out: side(ct, y, x),
        reads=((0, 1), (0, 1)),
        **kw,
    )


max_p = _extremum("max", lambda a, b: ops.lt(b, a), required=True)
min_p = _extremum(
    "min",
    lambda a, b: ops.lt(a, b),
    decompose=lambda x, y: (
        ops.bitwise_and(x, y)
        if x.dtype is dt.bool_
        else ops.bitwise_not(ops.max_p(ops.bitwise_not(x), ops.bitwise_not(y)))
        if not x.dtype.inexact
        else ops.neg_p(ops.max_p(ops.neg_p(x), ops.neg_p(y)))
    ),
)


def _atan2_decomposed(y: Any, x: Any) -> Any:
    """By argument reduction and the Taylor-Chebyshev polynomial of atan on [0, 1]."""
    ax, ay = ops.abs(x), ops.abs(y)
    small, big = ops.minimum(ax, ay), ops.maximum(ax, ay)
    t = ops.where(ops.eq(big, 0), 0.0, small / ops.where(ops.eq(big, 0), 1.0, big))
    both = ops.logical_and(ops.isinf(ax), ops.isinf(ay))
    t = ops.where(both, 1.0, t)
    # halve the angle three times: tan(a/2) = t / (1 + sqrt(1 + t^2))
    for _ in range(3):
        t = t / (1.0 + ops.sqrt(1.0 + t * t))
    s = t * t
    series = ops.full_like(s, 0.0)
    for k in reversed(range(12)):
        series = series * s + (-1.0) ** k / (2 * k + 1)
    a = 8.0 * t * series
    pi = 3.141592653589793
    a = ops.where(ops.lt(ax, ay), pi / 2 - a, a)
    negative_x = ops.logical_or(ops.lt(x, 0), ops.lt(1.0 / x, 0.0))
    a = ops.where(negative_x, pi - a, a)
    negative_y = ops.logical_or(ops.lt(y, 0), ops.lt(1.0 / y, 0.0))
    a = ops.where(negative_y, ops.neg_p(a), a)
    return ops.where(ops.logical_or(ops.isnan(x), ops.isnan(y)), float("nan"), a)


atan2_p = _binary(
    "atan2",
    ("float",),
    lambda ct, y, x, out: ops.mul_p(ct, ops.div_p(x, x * x + y * y)),
    lambda ct, y, x, out: ops.neg_p(ops.mul_p(ct, ops.div_p(y, x * x + y * y))),
    reads=((0, 1), (0, 1)),
    decompose=_widened(_atan2_decomposed),
)


# ------------------------------------------------------------------- unary functions
def _abs_infer(a: Aval) -> tuple[Aval, ...]:
    need("abs", a, "int", "uint", "float", "complex")
    return (Aval(a.shape, dt.real_dtype(a.dtype), a.weak),)


def _abs_vjp(inputs: Any, outputs: Any, cts: Any, wanted: Any) -> Any:
    (x,), (y,), (ct,) = inputs, outputs, cts
    if x.dtype.category != "complex":
        return (ops.mul_p(ct, ops.sign(x)),)
    safe = ops.where(ops.eq(y, 0), ops.full_like(y, 1), y)
    scaled = ops.div_p(ct, safe)
    return (ops.mul(scaled, ops.conj(x)),)


def _abs_decomposed(x: Any) -> Any:
    if x.dtype.category == "complex":
        re, im = ops.abs(ops.real(x)), ops.abs(ops.imag(x))
        big, small = ops.maximum(re, im), ops.minimum(re, im)
        r = small / ops.where(ops.eq(big, 0), 1.0, big)
        r = ops.where(ops.isinf(big), 0.0, r)
        return big * ops.sqrt(1.0 + r * r)
    if x.dtype.category == "uint":
        return x
    if x.dtype.category == "float":  # by the sign bit: also right for -0.0 and NaN
        word = dt.as_dtype(f"uint{8 * x.dtype.itemsize}")
        mask = 2 ** (8 * x.dtype.itemsize - 1) - 1
        return ops.bitcast(ops.bitwise_and(ops.bitcast(x, word), mask), x.dtype)
    return ops.where(ops.lt(x, 0), ops.neg_p(x), x)


abs_p = primitive(
    "abs", E, _abs_infer, _abs_vjp, reads=((0, ~0),), decompose=_abs_decomposed
)


def _sign_decomposed(x: Any) -> Any:
    if x.dtype.category == "complex":
        m = ops.abs(x)
        return ops.where(ops.eq(m, 0), ops.zeros_like(x), x / ops.where(m == 0, 1.0, m))
    one, zero = ops.full_like(x, 1), ops.zeros_like(x)
    if x.dtype.category == "uint":
        return ops.where(ops.eq(x, 0), zero, one)
    out = ops.where(ops.lt(x, 0), ops.neg_p(one), ops.where(ops.lt(zero, x), one, zero))
    return ops.where(ops.eq(x, x), out, x) if x.dtype.inexact else out


sign_p = _unary("sign", NUMBER, decompose=_sign_decomposed)
floor_p = _unary("floor", ("float",), required=True)
ceil_p = _unary(
    "ceil", ("float",), decompose=lambda x: ops.neg_p(ops.floor(ops.neg_p(x)))
)


def _round_decomposed(x: Any) -> Any:
    """Half to even."""
    f = ops.floor(x)
    d = x - f
    odd = ops.eq(ops.mod(f, 2.0), 1.0)
    up = ops.logical_or(ops.lt(0.5, d), ops.logical_and(ops.eq(d, 0.5), odd))
    out = ops.where(up, f + 1.0, f)
    out = ops.where(ops.eq(out, 0), ops.mul(x, 0.0), out)  # keeps -0.0
    return ops.where(ops.isfinite(x), out, x)


round_p = _unary("round", ("float",), decompose=_round_decomposed)
exp_p = _unary(
    "exp", INEXACT, lambda ct, x, y: ops.mul_p(ct, y), reads=OUT, required=True
)
log_p = _unary(
    "log", INEXACT, lambda ct, x, y: ops.div_p(ct, x), reads=IN, required=True
)
expm1_p = _unary(
    "expm1",
    INEXACT,
    lambda ct, x, y: ops.mul_p(ct, y + 1.0),
    reads=OUT,
    decompose=_widened(lambda x: _expm1_decomposed(x)),
)
log1p_p = _unary(
    "log1p",
    INEXACT,
    lambda ct, x, y: ops.div_p(ct, x + 1.0),
    reads=IN,
    decompose=_widened(lambda x: _log1p_decomposed(x)),
)


def _log1p_decomposed(x: Any) -> Any:
    u = x + 1.0  # Kahan: log(u) * x / (u - 1) is exact where u != 1
    d = u - 1.0
    safe = ops.where(ops.eq(d, 0), ops.full_like(d, 1), d)
    out = ops.where(ops.eq(d, 0), x, ops.log(u) * (x / safe))
    return (
        ops.where(ops.eq(u, float("inf")), u, out)
        if x.dtype.category == "float"
        else out
    )


def _expm1_decomposed(x: Any) -> Any:
    if x.dtype.category == "complex":
        a, b = ops.real(x), ops.imag(x)
        half = ops.sin(0.5 * b)
        re = ops.expm1(a) * ops.cos(b) - 2.0 * half * half
        return ops.complex_(re, ops.exp(a) * ops.sin(b))
    u = ops.exp(x)  # Kahan: (u - 1) * x / log(u)
    d = u - 1.0
    plain = ops.logical_or(ops.eq(u, 1), ops.eq(u, 0))
    if x.dtype.category == "float":
        plain = ops.logical_or(plain, ops.eq(u, float("inf")))
    log = ops.log(ops.where(plain, ops.full_like(u, 2), u))
    out = ops.where(plain, d, d * (x / log))
    return ops.where(ops.eq(u, 1), x, out)


sqrt_p = _unary(
    "sqrt",
    INEXACT,
    lambda ct, x, y: ops.div_p(ops.mul(ct, 0.5), y),
    reads=OUT,
    required=True,
)
rsqrt_p = _unary(
    "rsqrt",
    INEXACT,
    lambda ct, x, y: ops.mul_p(ops.mul(ct, -0.5), ops.div_p(y, x)),
    reads=((0, ~0),),
    decompose=_widened(lambda x: ops.div_p(ops.full_like(x, 1), ops.sqrt(x))),
)
sin_p = _unary(
    "sin",
    INEXACT,
    lambda ct, x, y: ops.mul_p(ct, ops.cos(x)),
    reads=IN,
    required=True,
)
cos_p = _unary(
    "cos",
    INEXACT,
    lambda ct, x, y: ops.neg_p(ops.mul_p(ct, ops.sin(x))),
    reads=IN,
    decompose=_widened(lambda x: ops.sin(x + 1.5707963267948966)),
)


def _tanh_decomposed(x: Any) -> Any:
    if x.dtype.category == "complex":
        left = ops.lt(ops.real(x), 0)
        t = ops.expm1(-2.0 * ops.where(left, ops.neg_p(x), x))
        y = t / (t + 2.0)
        return ops.where(left, y, ops.neg_p(y))
    t = ops.expm1(-2.0 * ops.abs(x))
    out = -t / (t + 2.0)
    return ops.where(ops.lt(x, 0), -out, ops.where(ops.eq(x, 0), x, out))


tanh_p = _unary(
    "tanh",
    INEXACT,
    lambda ct, x, y: ops.mul_p(ct, 1.0 - y * y),
    reads=OUT,
    decompose=_widened(_tanh_decomposed),
)


def _erf_decomposed(x: Any) -> Any:
    """Series below 3 (all terms positive: no cancellation), else 1 - erfc by fraction."""
    a = ops.abs(x)
    small = ops.minimum(a, 3.0)
    s = small * small
    term = ops.full_like(s, 1.0)
    total = ops.full_like(s, 1.0)
    for k in range(1, 60):  # e^{-x^2} 2/sqrt(pi) sum 2^k x^{2k+1} / (2k+1)!!
        term = term * s * (2.0 / (2 * k + 1))
        total = total + term
    series = 1.1283791670955126 * small * ops.exp(-s) * total
    b = ops.maximum(a, 3.0)
    f = ops.zeros_like(b)
    for k in reversed(range(1, 40)):
        f = (0.5 * k) / (b + f)
    tail = 1.0 - ops.exp(-b * b) * 0.5641895835477563 / (b + f)
    out = ops.where(ops.lt(a, 3.0), series, tail)
    out = ops.where(ops.isinf(a), 1.0, out)
    out = ops.where(ops.lt(x, 0), -out, out)
    keep = ops.logical_or(ops.isnan(x), ops.eq(x, 0))  # NaN, and the sign of zero
    return ops.where(keep, x, out)


erf_p = _unary(
    "erf",
    ("float",),
    lambda ct, x, y: ops.mul_p(ct, 1.1283791670955126 * ops.exp(-x * x)),
    reads=IN,
    decompose=_widened(_erf_decomposed),
)


# --------------------------------------------------------------- logic and comparison
not_p = _unary("not", BITS, required=True)
and_p = _binary("and", BITS, required=True)
or_p = _binary("or", BITS, required=True)
xor_p = _binary(
    "xor",
    BITS,
    decompose=lambda x, y: ops.bitwise_and(
        ops.bitwise_or(x, y), ops.bitwise_not(ops.bitwise_and(x, y))
    ),
)
shl_p = _binary("shl", ("int", "uint"), required=True)
shr_p = _binary("shr", ("int", "uint"), required=True)
eq_p = primitive("eq", E, elementwise("eq", out=dt.bool_), required=True)
lt_p = primitive("lt", E, elementwise("lt", "bool", *REAL, out=dt.bool_), required=True)
le_p = primitive(
    "le",
    E,
    elementwise("le", "bool", *REAL, out=dt.bool_),
    decompose=lambda x, y: ops.bitwise_or(ops.lt(x, y), ops.eq(x, y)),
)


# --------------------------------------------------------------------------- complex
def _complex_infer(a: Aval, b: Aval) -> tuple[Aval, ...]:
    dtype = same_dtype("complex", a, b)
    if dtype not in (dt.float32, dt.float64):
        raise DTypeError(f"[complex] expected float32 or float64; got {a!r}, {b!r}")
    out = dt.complex64 if dtype is dt.float32 else dt.complex128
    return (Aval(broadcast_shapes("complex", a, b), out),)


def _part_infer(name: str) -> Any:
    def infer(a: Aval) -> tuple[Aval, ...]:
        need(name, a, "complex")
        return (Aval(a.shape, dt.real_dtype(a.dtype)),)

    return infer


def _to_complex(ct: Any, imag: bool = False) -> Any:
    zero = ops.zeros_like(ct)
    return bind(complex_p, zero, ops.neg_p(ct)) if imag else bind(complex_p, ct, zero)


complex_p = primitive(
    "complex",
    E,
    _complex_infer,
    lambda inputs, outputs, cts, wanted: (
        ops.real(cts[0]) if wanted[0] else None,
        ops.neg_p(ops.imag(cts[0])) if wanted[1] else None,
    ),
    reads=((), ()),
)
real_p = primitive(
    "real",
    E,
    _part_infer("real"),
    lambda inputs, outputs, cts, wanted: (_to_complex(cts[0]),),
    reads=((),),
)
imag_p = primitive(
    "imag",
    E,
    _part_infer("imag"),
    lambda inputs, outputs, cts, wanted: (_to_complex(cts[0], imag=True),),
    reads=((),),
)
conj_p = _unary(
    "conj",
    ("complex",),
    lambda ct, x, y: ops.conj(ct),
    reads=((),),
    decompose=lambda x: bind(complex_p, ops.real(x), ops.neg_p(ops.imag(x))),
)


# ------------------------------------------------------------------- select and cast
def _where_infer(c: Aval, a: Aval, b: Aval) -> tuple[Aval, ...]:
    need("where", c, "bool")
    dtype = same_dtype("where", a, b)
    return (Aval(broadcast_shapes("where", c, a, b), dtype, a.weak and b.weak),)


def _where_vjp(inputs: Any, outputs: Any, cts: Any, wanted: Any) -> Any:
    c, ct = inputs[0], cts[0]
    zero = ops.zeros((), ct.dtype, ct.device)
    return (
        None,
        bind(where_p, c, ct, zero) if wanted[1] else None,
        bind(where_p, c, zero, ct) if wanted[2] else None,
    )


where_p = primitive(
    "where", E, _where_infer, _where_vjp, reads=((), (0,), (0,)), required=True
)


def _cast_infer(a: Aval, dtype: Any) -> tuple[Aval, ...]:
    if a.dtype.category == "complex" and dtype.category not in ("complex", "bool"):
        raise DTypeError(
            f"[cast] expected a complex target for complex input; got {a!r} to {dtype}. "
            "Hint: x.real or hx.abs(x)"
        )
    return (Aval(a.shape, dtype),)


def _cast_vjp(inputs: Any, outputs: Any, cts: Any, wanted: Any, dtype: Any) -> Any:
    x, ct = inputs[0], cts[0]
    if ct.dtype.category == "complex" and x.dtype.category != "complex":
        ct = ops.real(ct)
    return (ops.cast(ct, x.dtype),)


cast_p = primitive("cast", E, _cast_infer, _cast_vjp, reads=((),), required=True)


def _bitcast_infer(a: Aval, dtype: Any) -> tuple[Aval, ...]:
    if dtype.itemsize != a.dtype.itemsize or "bool" in (dtype.name, a.dtype.name):
        raise DTypeError(
            f"[bitcast] expected dtypes of one width; got {a!r} to {dtype}"
        )
    return (Aval(a.shape, dtype),)


bitcast_p = primitive("bitcast", E, _bitcast_infer, required=True)
