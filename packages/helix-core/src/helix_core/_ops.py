"""Elementwise functions of tensors, with promotion; and the facade ``ops`` that gradient
rules and composites use. Shapes, reductions and creation live in their own files.

Names that end in ``_p`` take tensors of one dtype and go straight to the primitive.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import _dtypes as dt
from ._aval import Aval
from ._cell import Cell, Parameter
from ._dtypes import DType, as_dtype, promote
from ._errors import DTypeError, HelixError
from ._primitive import bind, check_concrete, mixed_devices
from ._primitives import elementwise as E
from ._state import STATE
from ._tape import Node
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

_SCALARS = (bool, int, float, complex)
_CONSTANTS: dict[Any, Tensor] = {}


def constant(value: Any, dtype: DType, device: Any) -> Tensor:
    """A cached 0-d weak tensor for a Python scalar; a literal of the trace in one."""
    trace = STATE.get().trace
    # 0.0 and -0.0 are equal keys, and True == 1 == 1.0: type and sign belong to the key
    key: Any = (value, type(value), dtype, device)
    if not value and type(value) is not int:
        key = (*key, str(value))
    table = _CONSTANTS if trace is None else trace.literals
    hit = table.get(key)
    if hit is None:
        check_scalar(value, dtype)
        hit = bind(
            E_full(), device=device, shape=(), value=value, dtype=dtype, weak=True
        )
        if len(table) > 10_000:
            table.clear()
        if value == value:  # NaN is no key
            table[key] = hit
    return hit


def E_full() -> Any:
    from ._primitives.create import full_p

    return full_p


def check_scalar(value: Any, dtype: DType) -> None:
    """A Python int must fit the integer dtype that it meets."""
    if type(value) is int and dtype.category in ("int", "uint"):
        info = np.iinfo(dtype.dtype)
        if not info.min <= value <= info.max:
            raise DTypeError(
                f"[promote] expected an integer that fits {dtype}; got {value}. "
                "Hint: x.astype('int64'), or hx.tensor(value)"
            )


def operand(x: Any) -> Any:
    """A Tensor or a Python scalar from anything that may stand in an expression."""
    kind = type(x)
    if kind is Parameter:
        return x.value
    if kind is Tensor or kind in _SCALARS:
        return x
    if isinstance(x, Cell):
        value = x.value
        if value is None:
            raise TypeError(f"[operand] expected a value; the cell {x.name!r} is empty")
        return value
    if isinstance(x, Tensor):
        return x
    return as_tensor(x)


def lift(*xs: Any, device: Any = None) -> list[Tensor]:
    """Promote operands to tensors of one dtype; scalars take that dtype and stay weak."""
    xs = tuple([operand(x) for x in xs])
    dev = device
    known = []
    for x in xs:
        if type(x) is Tensor:
            dev = dev or x.device
            known.append((x.aval.dtype, x.aval.weak))
        else:
            known.append((as_dtype(type(x)), type(x) is not bool))
    first = known[0]
    dtype = (
        first[0]
        if builtins.all(k[0] is first[0] for k in known)
        else promote(*known)[0]
    )
    dev = dev or STATE.get().device or _default()
    return [
        (x if x.aval.dtype is dtype else cast(x, dtype))
        if type(x) is Tensor
        else constant(x, dtype, dev)
        for x in xs
    ]


def _default() -> Any:
    from ._device import default_device

    return default_device()


def _binary(prim: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """``(prim_level, user_level)``: one closure does everything an eager op needs."""
    memo: dict[Any, Aval] = {}
    name, get, rule = prim.name, STATE.get, prim.vjp

    differentiable = rule is not None
    # (keep x, keep y, keep out) for wanted x, wanted y, both
    keep = {
        w: (*prim.saves(w, 1)[0], *prim.saves(w, 1)[1])
        for w in ((True, False), (False, True), (True, True))
    }

    def direct(x: Tensor, y: Tensor) -> Tensor:
        s = get()
        dev = x.device
        if s.trace is not None:
            return s.trace.record(prim, (x, y), {}, False)  # type: ignore[no-any-return]
        if dev is not y.device:
            mixed_devices(name, (x, y))
        key = (x.aval, y.aval)
        aval = memo.get(key)
        if aval is None:
            if len(memo) > 20_000:
                memo.clear()
            aval = memo[key] = prim.infer(*key)[0]
        try:
            out = dev.table[name](dev, x.buffer, y.buffer)
        except HelixError:
            raise
        except Exception:
            check_concrete(name, (x, y))
            raise
        nx, ny = x.node, y.node
        if nx is None and ny is None:
            return Tensor(out, aval, dev)
        active = s.active
        mx = 0 if nx is None else nx.mask & active
        my = 0 if ny is None else ny.mask & active
        mask = mx | my
        if not mask or not differentiable:
            return Tensor(out, aval, dev)
        kx, ky, ko = keep[mx != 0, my != 0]
        if not kx:
            x = Tensor(None, x.aval, dev, nx, x.index)
        if not ky:
            y = Tensor(None, y.aval, dev, ny, y.index)
        outs = (out,) if ko else None
        return Tensor(out, aval, dev, Node(prim, (x, y), {}, (aval,), mask, outs, dev))

    def op(x: Any, y: Any) -> Tensor:
        if type(x) is not Tensor:
            x = operand(x)
        if type(y) is not Tensor:
            kind = type(y)
            if kind is Parameter:
                y = y.value
            elif type(x) is not Tensor:
                y = operand(y)
            elif (kind is float and x.aval.dtype.inexact) or (
                kind is int and x.aval.dtype is not dt.bool_
            ):
                y = constant(y, x.aval.dtype, x.device)
            else:
                y = operand(y)
        if (
            type(x) is not Tensor
            or type(y) is not Tensor
            or x.aval.dtype is not y.aval.dtype
        ):
            x, y = lift(x, y)
        return direct(x, y)

    op.__name__ = op.__qualname__ = name
    return direct, op


def _unary(prim: Any, inexact: bool = False) -> Callable[..., Any]:
    """User level; ``inexact``: integers are computed as float32."""
    memo: dict[Any, Aval] = {}
    name, get, differentiable = prim.name, STATE.get, prim.vjp is not None
    (keep_in,), (keep_out,) = prim.saves((True,), 1)

    def op(x: Any) -> Tensor:
        if type(x) is not Tensor:
            x = as_tensor(operand(x))
        s = get()
        aval = memo.get(x.aval)
        if aval is None:
            if inexact and not x.aval.dtype.inexact:
                return op(cast(x, dt.float32))
            aval = memo[x.aval] = prim.infer(x.aval)[0]
        if s.trace is not None:
            return s.trace.record(prim, (x,), {}, False)  # type: ignore[no-any-return]
        dev, nx = x.device, x.node
        try:
            out = dev.table[name](dev, x.buffer)
        except HelixError:
            raise
        except Exception:
            check_concrete(name, (x,))
            raise
        if nx is None or not differentiable:
            return Tensor(out, aval, dev)
        mask = nx.mask & s.active
        if not mask:
            return Tensor(out, aval, dev)
        if not keep_in:
            x = Tensor(None, x.aval, dev, nx, x.index)
        outs = (out,) if keep_out else None
        return Tensor(out, aval, dev, Node(prim, (x,), {}, (aval,), mask, outs, dev))

    op.__name__ = op.__qualname__ = name
    return op


def _documented(fn: Any, name: str, text: str) -> Any:
    fn.__name__ = fn.__qualname__ = name
    fn.__doc__ = text
    return fn


# ------------------------------------------------------------------ binary arithmetic
add_p, add = _binary(E.add_p)
sub_p, subtract = _binary(E.sub_p)
mul_p, mul = _binary(E.mul_p)
div_p, _divide = _binary(E.div_p)
floordiv_p, floor_divide = _binary(E.floordiv_p)
mod_p, mod = _binary(E.mod_p)
pow_p, _power = _binary(E.pow_p)
max_p, maximum = _binary(E.max_p)
min_p, minimum = _binary(E.min_p)
atan2_p, _atan2 = _binary(E.atan2_p)
and_p, bitwise_and = _binary(E.and_p)
or_p, bitwise_or = _binary(E.or_p)
xor_p, bitwise_xor = _binary(E.xor_p)
shl_p, left_shift = _binary(E.shl_p)
shr_p, right_shift = _binary(E.shr_p)
eq_p, eq = _binary(E.eq_p)
lt_p, lt = _binary(E.lt_p)
le_p, le = _binary(E.le_p)
sub = subtract
multiply = mul
for _fn, _name, _text in (
    (add, "add", "x + y, elementwise; operands broadcast and promote."),
    (subtract, "subtract", "x - y, elementwise."),
    (mul, "multiply", "x * y, elementwise."),
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
):
    _documented(_fn, _name, _text)


def _inexact_pair(x: Any, y: Any) -> list[Tensor]:
    pair = lift(x, y)
    if not pair[0].aval.dtype.inexact:
        pair = [cast(v, dt.float32) for v in pair]
    return pair


def divide(x: Any, y: Any) -> Tensor:
    """x / y; integers divide as float32."""
    if type(x) is Tensor and type(y) is Tensor and x.aval.dtype is y.aval.dtype:
        if x.aval.dtype.inexact:
            return div_p(x, y)
    elif type(x) is Tensor and type(y) is float and x.aval.dtype.inexact:
        return div_p(x, constant(y, x.aval.dtype, x.device))
    return div_p(*_inexact_pair(x, y))


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


def atan2(y: Any, x: Any) -> Tensor:
    """The angle of the point (x, y) in [-pi, pi]."""
    return atan2_p(*_inexact_pair(y, x))


def ne(x: Any, y: Any) -> Tensor:
    """x != y, as bool."""
    return bitwise_not(eq(x, y))


def gt(x: Any, y: Any) -> Tensor:
    """x > y, as bool."""
    return lt_p(*reversed(lift(x, y)))


def ge(x: Any, y: Any) -> Tensor:
    """x >= y, as bool."""
    return le_p(*reversed(lift(x, y)))


# -------------------------------------------------------------------------- unary
neg_p = _unary(E.neg_p)
_sign, _abs = _unary(E.sign_p), _unary(E.abs_p)
floor_any, ceil_any, round_any = (
    _unary(p, inexact=False) for p in (E.floor_p, E.ceil_p, E.round_p)
)
exp, log = _unary(E.exp_p, True), _unary(E.log_p, True)
expm1, log1p = _unary(E.expm1_p, True), _unary(E.log1p_p, True)
sqrt, rsqrt = _unary(E.sqrt_p, True), _unary(E.rsqrt_p, True)
sin, cos, tanh = _unary(E.sin_p, True), _unary(E.cos_p, True), _unary(E.tanh_p, True)
erf = _unary(E.erf_p, True)
bitwise_not = _unary(E.not_p)
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
    x, y = _inexact_pair(x, y)
    top = maximum(x, y)
    safe = where(isfinite(top), top, zeros_like(top))
    return add_p(log(add_p(exp(sub_p(x, safe)), exp(sub_p(y, safe)))), safe)


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
    return bind(E.where_p, c, x, y)  # type: ignore[no-any-return]


def cast(x: Any, dtype: Any) -> Tensor:
    """The same values in another dtype; the tensor itself where it has that dtype."""
    dtype = as_dtype(dtype)
    x = as_tensor(operand(x))
    if x.aval.dtype is dtype and not x.aval.weak:
        return x
    return bind(E.cast_p, x, dtype=dtype)  # type: ignore[no-any-return]


def bitcast(x: Any, dtype: Any) -> Tensor:
    """The same bits read as another dtype of the same width."""
    return bind(E.bitcast_p, as_tensor(operand(x)), dtype=as_dtype(dtype))  # type: ignore


def real(x: Any) -> Tensor:
    """Real part; a real tensor itself."""
    x = as_tensor(operand(x))
    return bind(E.real_p, x) if x.aval.dtype.category == "complex" else x  # type: ignore


def imag(x: Any) -> Tensor:
    """Imaginary part; zeros for a real tensor."""
    x = as_tensor(operand(x))
    return bind(E.imag_p, x) if x.aval.dtype.category == "complex" else zeros_like(x)  # type: ignore


def conj(x: Any) -> Tensor:
    """Complex conjugate; a real tensor itself."""
    x = as_tensor(operand(x))
    return bind(E.conj_p, x) if x.aval.dtype.category == "complex" else x  # type: ignore


def complex_(re: Any, im: Any) -> Tensor:
    """re + i im from float32 or float64 parts."""
    return bind(E.complex_p, *_inexact_pair(re, im))  # type: ignore[no-any-return]


# the facade: shapes, reductions and products for gradient rules and composites
from ._contract import dot_general, einsum, matmul  # noqa: E402
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
    pad,
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
