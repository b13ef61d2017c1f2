"""What each elementwise primitive is in scalar ops: one rule per primitive.

A rule takes and returns expressions of one dtype (comparisons return bool). Floats are
float32 or float64 here; integers have any width and wrap. Values at special points are
those of the NumPy reference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from helix_core._dtypes import as_dtype
from helix_core.loop import Expr

INF = float("inf")


def is_nan(x: Expr) -> Expr:
    return ~x.eq(x)


def is_float(x: Expr) -> bool:
    return "float" in x.dtype


def _lowest(x: Expr) -> Any:
    from helix_core._primitives.cumulative import lowest

    return lowest(as_dtype(x.dtype))


def _add(x: Expr, y: Expr) -> Expr:
    return x | y if x.dtype == "bool" else x + y


def _mul(x: Expr, y: Expr) -> Expr:
    return x & y if x.dtype == "bool" else x * y


def _neg(x: Expr) -> Expr:
    return x * -1.0 if is_float(x) else 0 - x


def larger(x: Expr, y: Expr) -> Expr:
    return x | y if x.dtype == "bool" else x.max(y)


def smaller(x: Expr, y: Expr) -> Expr:
    return x & y if x.dtype == "bool" else x.min(y)


def _lt(x: Expr, y: Expr) -> Expr:
    return ~x & y if x.dtype == "bool" else x < y


def _le(x: Expr, y: Expr) -> Expr:
    return ~x | y if x.dtype == "bool" else x <= y


# ------------------------------------------------------------------ integer division
def _quotient(x: Expr, y: Expr) -> tuple[Expr, Expr]:
    """Truncated quotient and remainder: 0 and 0 where y is 0; nothing traps."""
    signed = as_dtype(x.dtype).category == "int"
    bad = y.eq(0) | y.eq(-1) if signed else y.eq(0)
    safe = bad.where(1, y)
    q, r = x._with("div", safe), x._with("rem", safe)
    if signed:
        q = y.eq(-1).where(0 - x, q)
        r = bad.where(0, r)
    return y.eq(0).where(0, q), y.eq(0).where(0, r)


def _floordiv(x: Expr, y: Expr) -> Expr:
    if is_float(x):
        return _floor_parts(x, y)[0]
    q, r = _quotient(x, y)
    if as_dtype(x.dtype).category == "uint":
        return q
    return (~r.eq(0) & ((r < 0) ^ (y < 0))).where(q - 1, q)


def _mod(x: Expr, y: Expr) -> Expr:
    if is_float(x):
        return _floor_parts(x, y)[1]
    _, r = _quotient(x, y)
    if as_dtype(x.dtype).category == "uint":
        return r
    return (~r.eq(0) & ((r < 0) ^ (y < 0))).where(r + y, r)


def _split(x: Expr) -> tuple[Expr, Expr]:
    """The upper and lower half of a float's digits (Veltkamp)."""
    big = x * float(2 ** (12 if x.dtype == "float32" else 27) + 1)
    high = big - (big - x)
    return high, x - high


def _floor_parts(x: Expr, y: Expr) -> tuple[Expr, Expr]:
    """floor(x / y) and x - floor(x / y) y, the product exact (Dekker)."""
    q = x / y
    low = q.floor()
    whole = q < 0
    t = whole.where(0 - (0 - q).floor(), low)  # towards zero
    p = t * y
    th, tl = _split(t)
    yh, yl = _split(y)
    e = ((th * yh - p) + th * yl + tl * yh) + tl * yl
    e = (e.abs() < INF).where(e, 0.0)
    r = (x - p) - e
    # the quotient was rounded: it may be one too large or too small
    over = ~r.eq(0) & ((r < 0) ^ (x < 0))
    side = ((x < 0) ^ (y < 0)).where(-1.0, 1.0 + 0 * x)
    t, r = over.where(t - side, t), over.where(r + side * y, r)
    wrong = ~r.eq(0) & ((r < 0) ^ (y < 0))
    t, r = wrong.where(t - 1, t), wrong.where(r + y, r)
    r = r.eq(0).where(y * 0.0, r)
    # an infinite divisor; a divisor of zero, or infinite x, gives NaN by itself
    far = y.abs().eq(INF) & (x.abs() < INF)
    same = x.eq(0) | ((x < 0) ^ (y > 0))
    t = far.where(same.where(x * 0.0 * y.max(-1.0).min(1.0), -1.0), t)
    r = far.where(same.where(x, y), r)
    undefined = y.eq(0) | is_nan(x) | is_nan(y) | x.abs().eq(INF)
    nan = 0 * x.abs() + float("nan")
    return undefined.where(q, t), undefined.where(nan, r)


def _pow(x: Expr, y: Expr) -> Expr:
    if is_float(x):
        return x.pow(y)
    dtype = as_dtype(x.dtype)
    signed = dtype.category == "int"
    e = y.max(0) if signed else y
    out, base = x * 0 + 1, x
    for k in range(dtype.itemsize * 8 - signed):
        out = ((e >> k) & 1).eq(1).where(out * base, out)
        base = base * base
    if not signed:
        return out
    one = x.eq(1) | x.eq(-1)
    odd = (y & 1).eq(1)
    return (y < 0).where(one.where(odd.where(x, 1), 0), out)


# --------------------------------------------------------------------- unary functions
def _abs(x: Expr) -> Expr:
    return x if as_dtype(x.dtype).category == "uint" else x.abs()


def _sign(x: Expr) -> Expr:
    if as_dtype(x.dtype).category == "uint":
        return x.min(1)
    if not is_float(x):
        return x.min(1).max(-1)
    s = (x > 0).where(1.0, (x < 0).where(-1.0, x * 0.0))
    return is_nan(x).where(x, s)


def _ceil(x: Expr) -> Expr:
    return _neg(_neg(x).floor())


def expm1(x: Expr) -> Expr:
    """Kahan: (u - 1) x / log u with u = exp x."""
    u = x.exp()
    d = u - 1.0
    plain = u.eq(1) | u.eq(0) | u.eq(INF)
    out = d * (x / plain.where(2.0, u).log())
    return u.eq(1).where(x, plain.where(d, out))


def log1p(x: Expr) -> Expr:
    """Kahan: log(u) x / (u - 1) with u = 1 + x."""
    u = x + 1.0
    d = u - 1.0
    out = u.log() * (x / d.eq(0).where(1.0, d))
    return d.eq(0).where(x, u.eq(INF).where(u, out))


def _shift(op: str) -> Callable[[Expr, Expr], Expr]:
    """Counts outside the width: zeros, or the sign for a right shift."""

    def rule(x: Expr, y: Expr) -> Expr:
        dtype = as_dtype(x.dtype)
        bits = 8 * dtype.itemsize
        signed = dtype.category == "int"
        bad = (y > bits - 1) | (y < 0) if signed else y > bits - 1
        out = x._with(op, bad.where(0, y))
        fill = (x < 0).where(x * 0 - 1, 0) if signed and op == "shr" else x * 0
        found: Expr = bad.where(fill, out)
        return found

    return rule


RULES: dict[str, Callable[..., Expr]] = {
    "add": _add,
    "sub": lambda x, y: x - y,
    "mul": _mul,
    "neg": _neg,
    "div": lambda x, y: x / y,
    "floordiv": _floordiv,
    "mod": _mod,
    "pow": _pow,
    "max": larger,
    "min": smaller,
    "abs": _abs,
    "sign": _sign,
    "floor": lambda x: x.floor(),
    "ceil": _ceil,
    "round": lambda x: x.round(),
    "exp": lambda x: x.exp(),
    "log": lambda x: x.log(),
    "expm1": expm1,
    "log1p": log1p,
    "sqrt": lambda x: x.sqrt(),
    "rsqrt": lambda x: 1.0 / x.sqrt(),
    "sin": lambda x: x.sin(),
    "cos": lambda x: x.cos(),
    "tanh": lambda x: x.tanh(),
    "erf": lambda x: x.erf(),
    "not": lambda x: ~x,
    "and": lambda x, y: x & y,
    "or": lambda x, y: x | y,
    "xor": lambda x, y: x ^ y,
    "shl": _shift("shl"),
    "shr": _shift("shr"),
    "eq": lambda x, y: x.eq(y),
    "lt": _lt,
    "le": _le,
}
