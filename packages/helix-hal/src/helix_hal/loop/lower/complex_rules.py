"""The elementwise primitives on complex numbers: pairs of reals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from helix_core.loop import Expr

from helix_hal.loop.lower.rules import INF, RULES, expm1, is_nan
from helix_hal.loop.lower.scalars import Pair


def add(x: Pair, y: Pair) -> Pair:
    return Pair(x.re + y.re, x.im + y.im)


def mul(x: Pair, y: Pair) -> Pair:
    return Pair(x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re)


def _div(x: Pair, y: Pair) -> Pair:
    """R. L. Smith, "Algorithm 116: Complex division", 1962."""
    wide = y.im.abs() <= y.re.abs()
    big, small = wide.where(y.re, y.im), wide.where(y.im, y.re)
    ratio = small / big
    scale = 1.0 / (big + small * ratio)
    a, b = wide.where(x.re, x.im), wide.where(x.im, x.re)
    re = (a + b * ratio) * scale
    im = wide.where(b - a * ratio, a * ratio - b) * scale
    none = y.re.eq(0) & y.im.eq(0)
    zero = y.re.abs()
    return Pair(none.where(x.re / zero, re), none.where(x.im / zero, im))


def magnitude(x: Pair) -> Expr:
    """hypot: no overflow in between."""
    a, b = x.re.abs(), x.im.abs()
    big, small = a.max(b), a.min(b)
    r = small / big.eq(0).where(1.0, big)
    infinite = a.eq(INF) | b.eq(INF)
    r = infinite.where(0.0, r)
    return infinite.where(INF, big * (r * r + 1.0).sqrt())


def _exp(x: Pair) -> Pair:
    e = x.re.exp()
    flat = x.im.eq(0)  # inf * sin(0) is 0, not NaN
    return Pair(flat.where(e, e * x.im.cos()), flat.where(x.im, e * x.im.sin()))


def angle(x: Pair) -> Expr:
    """atan2(im, re), by the composed rule of the primitive."""
    from helix_hal.loop.lower.body import composed

    result: Expr = composed("atan2", (x.im, x.re), x.re.dtype)
    return result


def log_magnitude(x: Pair) -> Expr:
    """log |x|, accurate where |x| is near 1."""
    a, b = x.re.abs(), x.im.abs()
    big, small = a.max(b), a.min(b)
    near = (big > 0.5) & (big < 2.0)
    safe = near.where(big, 1.0)
    square = near.where(small, 0.0)
    exact = RULES["log1p"]((safe - 1.0) * (safe + 1.0) + square * square) * 0.5
    return near.where(exact, magnitude(x).log())


def _log(x: Pair) -> Pair:
    return Pair(log_magnitude(x), angle(x))


def _sqrt(x: Pair) -> Pair:
    """The root with a real part >= 0; scaled so that nothing overflows in between."""
    m = magnitude(x)
    a = x.re.abs()
    big = m > 1e30
    tiny = m < 1e-30
    scale = big.where(0.0625, tiny.where(float(2**30), 1.0 + 0 * m))
    back = big.where(4.0, tiny.where(1 / 32768.0, 1.0 + 0 * m))
    p = Pair(x.re * scale, x.im * scale)
    t = ((a * scale + magnitude(p)) * 0.5).sqrt()
    other = p.im.abs() / (t.eq(0).where(1.0, t) * 2.0)
    re, im = (x.re < 0).where(other, t) * back, (x.re < 0).where(t, other) * back
    negative = (x.im < 0) | (x.im.eq(0) & (1.0 / x.im < 0))
    im = negative.where(im * -1.0, im)
    wild = x.im.abs().eq(INF)
    left = x.re.eq(-INF)
    re = wild.where(INF, (left & ~is_nan(x.im)).where(0.0, re))
    edge = negative.where(x.im._coerce(-INF), INF)
    im = wild.where(x.im, left.where(edge, im))
    right = x.re.eq(INF) & ~is_nan(x.im) & ~wild
    return Pair(right.where(INF, re), right.where(x.im * 0.0, im))


def _hyperbolic(x: Expr) -> tuple[Expr, Expr]:
    """cosh and sinh."""
    e = expm1(x.abs())
    inverse = 1.0 / (e + 1.0)
    sinh = (e + e * inverse) * 0.5
    sinh = (e.eq(INF)).where(INF, sinh)
    return (e + 1.0 + inverse) * 0.5, (x < 0).where(sinh * -1.0, sinh)


def _sin(x: Pair) -> Pair:
    cosh, sinh = _hyperbolic(x.im)
    return Pair(x.re.sin() * cosh, x.re.cos() * sinh)


def _cos(x: Pair) -> Pair:
    cosh, sinh = _hyperbolic(x.im)
    return Pair(x.re.cos() * cosh, x.re.sin() * sinh * -1.0)


def _rsqrt(x: Pair) -> Pair:
    one = Pair(x.re.abs() * 0.0 + 1.0, x.re.abs() * 0.0)
    return _div(one, _sqrt(x))


COMPLEX: dict[str, Callable[..., Any]] = {
    "add": add,
    "sub": lambda x, y: Pair(x.re - y.re, x.im - y.im),
    "mul": mul,
    "neg": lambda x: Pair(x.re * -1.0, x.im * -1.0),
    "div": _div,
    "abs": magnitude,
    "exp": _exp,
    "log": _log,
    "sqrt": _sqrt,
    "rsqrt": _rsqrt,
    "sin": _sin,
    "cos": _cos,
    "eq": lambda x, y: x.re.eq(y.re) & x.im.eq(y.im),
    "real": lambda x: x.re,
    "imag": lambda x: x.im,
    "conj": lambda x: Pair(x.re, x.im * -1.0),
}
