"""How kernels are registered: which operands they take, and 16-bit floats."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from helix_core.contracts import KernelSpec

from ..dtypes import SMALL
from ..session import guarded

SPECS: list[KernelSpec] = []
Tensor = Any  # of torch, which is not typed here
_FLOATS = ("float16", "bfloat16", "float32", "float64")


def floats(device: Any, *avals: Any, **attrs: Any) -> Any:
    """Floats of one dtype, 16 bits or more; integers beside them as they come."""
    kinds = {a.dtype.name for a in avals if a.dtype.inexact}
    if len(kinds) != 1 or not kinds <= set(_FLOATS):
        return None  # the body serves what is rare
    return None if any(0 in a.shape for a in avals) else True


def full(device: Any, *avals: Any, **attrs: Any) -> Any:
    """Only float32 or float64."""
    ok = floats(device, *avals)
    small = any(a.dtype.itemsize < 4 and a.dtype.inexact for a in avals)
    return None if small else ok


def serves(
    *ops: str, supports: Any = floats, widen: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register ``fn(device, *tensors, **attrs)`` for these ops.

    With ``widen`` floats of 16 bits are computed in float32, and results rounded.
    """

    def wrap(fn: Callable[..., Any]) -> Callable[..., Any]:
        run = _widened(fn) if widen else fn
        for op in ops:
            kernel = guarded(op, run)
            SPECS.append(
                KernelSpec(op, "torch", kernel, supports=supports, priority=100)
            )
        return fn

    return wrap


def _widened(fn: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(fn)
    def run(dev: Any, *xs: Tensor, **attrs: Any) -> Any:
        small = next((x.dtype for x in xs if x.dtype in SMALL), None)
        if small is None:
            return fn(dev, *xs, **attrs)
        out = fn(dev, *[x.float() if x.dtype in SMALL else x for x in xs], **attrs)
        if not isinstance(out, tuple):
            return out.to(small)
        return tuple([y.to(small) if y.dtype == torch.float32 else y for y in out])

    return run


def rows(x: Tensor) -> Tensor:
    """(rows, features)."""
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
