"""What the forms share: integers without a sign, and floats of 8 and 16 bits."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch

from ..dtypes import FLOAT8, SMALL, UNSIGNED, raw

Tensor = Any  # of torch, which is not typed here
_LEAST = {torch.int16: -(2**15), torch.int32: -(2**31), torch.int64: -(2**63)}
Form = Callable[..., Tensor]


def wide(x: Tensor) -> Tensor:
    """float8 as float32; anything else as it is."""
    return x.to(torch.float32) if x.dtype in FLOAT8 else x


def narrow(x: Tensor, dtype: torch.dtype) -> Tensor:
    """``x`` rounded to a dtype; what float8_e4m3fn cannot hold is NaN there."""
    if x.dtype == dtype:
        return x
    if dtype == torch.float8_e4m3fn:
        x = x if x.dtype.is_floating_point else x.to(torch.float32)
        x = torch.where(x.abs() > 464.0, torch.nan, x)
    return x.to(dtype)


def accumulated(x: Tensor) -> torch.dtype:
    """The dtype in which sums of ``x`` accumulate."""
    return torch.float32 if x.dtype in SMALL or x.dtype in FLOAT8 else x.dtype


def ordered(x: Tensor) -> Tensor:
    """A tensor with the order of ``x`` in a dtype that torch compares."""
    if x.dtype in UNSIGNED:
        s = raw(x)
        return s ^ _LEAST[s.dtype]
    return wide(x)


def unordered(x: Tensor, dtype: torch.dtype) -> Tensor:
    """The inverse of `ordered`."""
    if dtype in UNSIGNED:
        return (x ^ _LEAST[x.dtype]).view(dtype)
    return narrow(x, dtype)


def moving(f: Form) -> Form:
    """A form of one operand that only moves elements."""

    @wraps(f)
    def form(x: Tensor, *args: Any, **attrs: Any) -> Tensor:
        if x.dtype in UNSIGNED or x.dtype in FLOAT8:
            return f(raw(x), *args, **attrs).view(x.dtype)
        return f(x, *args, **attrs)

    return form


def unary(f: Form) -> Form:
    """A form of one operand, computed in float32 for float8, wrapping for integers."""

    @wraps(f)
    def form(x: Tensor, out: Tensor | None = None) -> Tensor:
        if x.dtype in UNSIGNED:
            return f(raw(x)).view(x.dtype)
        if x.dtype in FLOAT8:
            return narrow(f(wide(x)), x.dtype)
        return f(x) if out is None else f(x, out=out)

    return form


def wrapping(f: Form) -> Form:
    """A form of two operands whose low bits do not depend on a sign."""

    @wraps(f)
    def form(x: Tensor, y: Tensor, out: Tensor | None = None) -> Tensor:
        if x.dtype in UNSIGNED:
            return f(raw(x), raw(y)).view(x.dtype)
        if x.dtype in FLOAT8:
            return narrow(f(wide(x), wide(y)), x.dtype)
        return f(x, y) if out is None else f(x, y, out=out)

    return form


def comparing(f: Form) -> Form:
    """A form of two operands with bools as its result."""

    @wraps(f)
    def form(x: Tensor, y: Tensor, out: Tensor | None = None) -> Tensor:
        # bools over an operand that is bool too
        return f(ordered(x), ordered(y)) if out is None else f(x, y, out=out)

    return form


def choosing(f: Form) -> Form:
    """A form of two operands that gives one of them, by their order."""

    @wraps(f)
    def form(x: Tensor, y: Tensor, out: Tensor | None = None) -> Tensor:
        if x.dtype in UNSIGNED or x.dtype in FLOAT8:
            return unordered(f(ordered(x), ordered(y)), x.dtype)
        return f(x, y) if out is None else f(x, y, out=out)

    return form
