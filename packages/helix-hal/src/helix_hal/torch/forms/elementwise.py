"""Elementwise primitives in torch, with NumPy's values at special points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ..dtypes import FLOAT8, SMALL, TORCH, UNSIGNED, raw
from .common import Tensor, choosing, comparing, narrow, unary, wide, wrapping

_WIDER = {torch.uint16: torch.int32, torch.uint32: torch.int64}
_HALF = 0x7FFFFFFFFFFFFFFF


def is_float(x: Tensor) -> bool:
    return bool(x.dtype.is_floating_point)


# ----------------------------------------------------------------- division of integers
def _divided(x: Tensor, y: Tensor) -> Tensor:
    """Rounded down; 0 by 0, and wrapping where the least is divided by -1."""
    none = y == 0
    safe = torch.where(none, torch.ones_like(y), y)
    if x.dtype.is_signed:
        minus = y == -1
        safe = torch.where(minus, torch.ones_like(y), safe)
        q = torch.div(x, safe, rounding_mode="floor")
        q = torch.where(minus, torch.neg(q), q)
    else:
        q = torch.div(x, safe, rounding_mode="floor")
    return torch.where(none, torch.zeros_like(q), q)


def _halved(x: Tensor) -> Tensor:
    """An unsigned number in the bits of int64, over 2."""
    return (x >> 1) & _HALF


def _below(x: Tensor, y: Tensor) -> Tensor:
    """Whether x < y, as unsigned numbers in the bits of int64."""
    least = -(2**63)
    return (x ^ least) < (y ^ least)


def _unsigned_divided(x: Tensor, y: Tensor) -> Tensor:
    """Of 64 bits without a sign, in int64: by halves, then one correction."""
    large, none = y < 0, y == 0
    safe = torch.where(large | none, torch.ones_like(y), y)
    q = torch.div(_halved(x), safe, rounding_mode="floor") << 1
    q = q + torch.logical_not(_below(x - q * safe, safe)).to(q.dtype)
    q = torch.where(large, torch.logical_not(_below(x, y)).to(q.dtype), q)
    return torch.where(none, torch.zeros_like(q), q)


def _int_divmod(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    dtype = x.dtype
    if dtype in _WIDER:
        x, y = x.to(_WIDER[dtype]), y.to(_WIDER[dtype])
        q = _divided(x, y)
    elif dtype == torch.uint64:
        x, y = raw(x), raw(y)
        q = _unsigned_divided(x, y)
    else:
        q = _divided(x, y)
    r = x - q * y
    r = torch.where(y == 0, torch.zeros_like(r), r)
    if dtype == torch.uint64:
        return q.view(dtype), r.view(dtype)
    return q.to(dtype), r.to(dtype)


def _float_divmod(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The remainder has the divisor's sign, also as a zero."""
    dtype = x.dtype
    if dtype in SMALL or dtype in FLOAT8:
        x, y = x.to(torch.float32), y.to(torch.float32)
    r = torch.remainder(x, y)
    r = torch.where(r == 0, torch.copysign(torch.zeros_like(r), y), r)
    q = torch.div(x, y, rounding_mode="floor")
    return narrow(q, dtype), narrow(r, dtype)


def _divmod(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return (_float_divmod if is_float(x) else _int_divmod)(x, y)


# --------------------------------------------------------------------------------- powers
def _pow(x: Tensor, y: Tensor, out: Tensor | None = None) -> Tensor:
    dtype = x.dtype
    if dtype in FLOAT8:
        return narrow(torch.pow(wide(x), wide(y)), dtype)
    if is_float(x) or dtype.is_complex:
        return torch.pow(x, y)
    if dtype.is_signed:
        return _signed_pow(x, y)
    if dtype == torch.uint64:
        e, b = raw(y), raw(x)
        half = _squares(b, _halved(e))
        odd = torch.where((e & 1) == 1, b, torch.ones_like(b))
        return (half * half * odd).view(dtype)
    to = _WIDER.get(dtype, torch.int32)
    return _squares(x.to(to), y.to(to)).to(dtype)


def _squares(x: Tensor, e: Tensor) -> Tensor:
    """x^e by squaring, wrapping; e >= 0."""
    x, e = torch.broadcast_tensors(x, e)
    one = torch.ones_like(x)
    out = one
    for _ in range(8 * x.element_size() - 1):
        out = torch.where((e & 1) == 1, out * x, out)
        x, e = x * x, e >> 1
    return out


def _signed_pow(x: Tensor, y: Tensor) -> Tensor:
    """1 / x^n rounds to zero, but for bases of one."""
    power = _squares(x, torch.clamp(y, min=0))
    one, zero = torch.ones_like(power), torch.zeros_like(power)
    unit = torch.where((y & 1) == 1, x, one)
    tiny = torch.where(torch.abs(x) == 1, unit, zero)
    return torch.where(y < 0, tiny, power)


# --------------------------------------------------------------------------- others
def _abs(x: Tensor, out: Tensor | None = None) -> Tensor:
    if x.dtype in UNSIGNED:
        return x.clone()
    if x.dtype in FLOAT8:
        return narrow(torch.abs(wide(x)), x.dtype)
    return torch.abs(x)


def _sign(x: Tensor, out: Tensor | None = None) -> Tensor:
    if x.dtype.is_complex:
        return torch.sgn(x)
    if x.dtype in UNSIGNED:
        return (raw(x) != 0).to(x.dtype)
    if not is_float(x):
        return torch.sign(x)
    a = wide(x)
    return narrow(torch.where(torch.isnan(a), a, torch.sign(a)), x.dtype)


def _shl(x: Tensor, y: Tensor, out: Tensor | None = None) -> Tensor:
    """Counts outside the width give 0; a count without sign may look negative."""
    return (raw(x) << raw(y)).view(x.dtype)


def _shr(x: Tensor, y: Tensor, out: Tensor | None = None) -> Tensor:
    """Counts outside the width give the sign."""
    if x.dtype in _WIDER:
        to = _WIDER[x.dtype]
        return (x.to(to) >> y.to(to)).to(x.dtype)
    if x.dtype == torch.uint64:
        a, n = raw(x), raw(y)
        r = _halved(a) >> torch.clamp(n - 1, 0, 63)
        r = torch.where((n < 0) | (n > 63), torch.zeros_like(r), r)
        return torch.where(n == 0, a, r).view(x.dtype)
    return x >> y


def _complex(x: Tensor, y: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.complex(*torch.broadcast_tensors(x, y))


def _part(f: Any) -> Callable[..., Tensor]:
    def form(x: Tensor, out: Tensor | None = None) -> Tensor:
        return f(x).clone()

    return form


def _where(c: Tensor, x: Tensor, y: Tensor, out: Tensor | None = None) -> Tensor:
    if x.dtype in UNSIGNED or x.dtype in FLOAT8:
        return torch.where(c, raw(x), raw(y)).view(x.dtype)
    word = _WORDS.get(x.dtype)
    if word is not None and c.numel() >= _MANY and c.device.type == "cpu":
        return _chosen(c, x.view(word), y.view(word)).view(x.dtype)
    return torch.where(c, x, y) if out is None else torch.where(c, x, y, out=out)


# torch's where takes one element at a time on the CPU; its bit operations do not
_MANY = 1 << 13
_WORDS = {torch.float32: torch.int32, torch.int32: torch.int32}


def _chosen(c: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """x where c, else y, by bits: y ^ ((x ^ y) & -c)."""
    mask = c.to(x.dtype).neg_()
    if x.ndim == 0 and not bool(x):
        return mask.bitwise_not_().bitwise_and(y)
    return torch.bitwise_xor(torch.bitwise_xor(x, y) & mask, y)


def cast(x: Tensor, dtype: Any, out: Tensor | None = None) -> Tensor:
    to = TORCH[dtype]
    if to == torch.bool:
        return wide(x) != 0
    return narrow(wide(x) if to in FLOAT8 else x, to)


def _bitcast(x: Tensor, dtype: Any, out: Tensor | None = None) -> Tensor:
    return x.view(TORCH[dtype])


def _reciprocal_root(x: Tensor, out: Tensor | None = None) -> Tensor:
    if x.dtype.is_complex:
        return torch.reciprocal(torch.sqrt(x))
    return torch.rsqrt(x) if out is None else torch.rsqrt(x, out=out)


def _erf(x: Tensor, out: Tensor | None = None) -> Tensor:
    if x.dtype in SMALL:  # torch's own is 0 for the smallest of bfloat16
        return torch.erf(x.to(torch.float32)).to(x.dtype)
    return torch.erf(x) if out is None else torch.erf(x, out=out)


FORMS: dict[str, Callable[..., Any]] = {
    "add": wrapping(torch.add),
    "mul": wrapping(torch.mul),
    "sub": wrapping(torch.sub),
    "div": wrapping(torch.div),
    "neg": unary(torch.neg),
    "pow": _pow,
    "floordiv": lambda x, y, out=None: _divmod(x, y)[0],
    "mod": lambda x, y, out=None: _divmod(x, y)[1],
    "max": choosing(torch.maximum),
    "min": choosing(torch.minimum),
    "atan2": wrapping(torch.atan2),
    "abs": _abs,
    "sign": _sign,
    "floor": unary(torch.floor),
    "ceil": unary(torch.ceil),
    "round": unary(torch.round),
    "exp": unary(torch.exp),
    "log": unary(torch.log),
    "expm1": unary(torch.expm1),
    "log1p": unary(torch.log1p),
    "sqrt": unary(torch.sqrt),
    "rsqrt": unary(_reciprocal_root),
    "sin": unary(torch.sin),
    "cos": unary(torch.cos),
    "tanh": unary(torch.tanh),
    "erf": unary(_erf),
    "not": unary(torch.bitwise_not),
    "and": wrapping(torch.bitwise_and),
    "or": wrapping(torch.bitwise_or),
    "xor": wrapping(torch.bitwise_xor),
    "shl": _shl,
    "shr": _shr,
    "eq": comparing(torch.eq),
    "lt": comparing(torch.lt),
    "le": comparing(torch.le),
    "complex": _complex,
    "real": _part(torch.real),
    "imag": _part(torch.imag),
    "conj": unary(torch.conj_physical),
    "where": _where,
    "cast": cast,
    "bitcast": _bitcast,
}
