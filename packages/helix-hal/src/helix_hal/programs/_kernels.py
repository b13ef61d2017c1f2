"""What a family registers, and what its kernels take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

FLOATS = ("float16", "bfloat16", "float32", "float64")


class Kernel(NamedTuple):
    """``forward(device, *buffers, **attrs)`` for an op, where ``supports`` is True."""

    op: str
    forward: Callable[..., Any]
    supports: Callable[..., Any]


def floats(device: Any, *avals: Any, **attrs: Any) -> Any:
    """Every float is of one dtype; nothing is empty."""
    kinds = {a.dtype.name for a in avals if a.dtype.inexact}
    if len(kinds) != 1 or not kinds <= set(FLOATS):
        return f"expected real floats of one dtype; got {', '.join(sorted(kinds))}"
    return None if any(0 in a.shape for a in avals) else True


def serves(
    kernels: list[Kernel], *ops: str, supports: Any = floats
) -> Callable[[Any], Any]:
    """Decorator: the function is the kernel of these ops."""

    def wrap(fn: Any) -> Any:
        kernels.extend(Kernel(op, fn, supports) for op in ops)
        return fn

    return wrap


def wide(dtype: str) -> str:
    """What numbers of this dtype are computed in."""
    return "float32" if dtype in ("float16", "bfloat16") else dtype
