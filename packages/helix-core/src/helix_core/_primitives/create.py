"""Tensors out of nothing."""

from __future__ import annotations

from typing import Any

from .._aval import Aval
from .._errors import ShapeError
from .._primitive import primitive


def _full_infer(shape: Any, value: Any, dtype: Any, weak: bool = False) -> Any:
    if any(n < 0 for n in shape):
        raise ShapeError(f"[full] expected sizes >= 0; got shape={shape}")
    return (Aval(shape, dtype, weak),)


full_p = primitive("full", "CREATE", _full_infer, required=True)


def _iota_infer(n: int, dtype: Any) -> tuple[Aval, ...]:
    if n < 0:
        raise ShapeError(f"[iota] expected n >= 0; got {n}")
    return (Aval((n,), dtype),)


iota_p = primitive("iota", "CREATE", _iota_infer, required=True)
