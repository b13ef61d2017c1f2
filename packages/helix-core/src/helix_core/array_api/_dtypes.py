"""Data types and what they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from .. import _dtypes as dt
from .._device import Device
from .._dtypes import DType
from .._errors import DTypeError
from .._ops import cast
from .._shape import broadcast_arrays as _broadcast_arrays
from .._shape import broadcast_to as _broadcast_to
from .._shape import copy_to
from .._tensor import Tensor
from ._check import copied, tensor_of

_KINDS = {
    "bool": ("bool",),
    "signed integer": ("int",),
    "unsigned integer": ("uint",),
    "integral": ("int", "uint"),
    "real floating": ("float",),
    "complex floating": ("complex",),
    "numeric": ("int", "uint", "float", "complex"),
}


@dataclass(frozen=True, slots=True)
class FInfo:
    """Limits of a floating-point dtype; of a complex one, of its parts."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


@dataclass(frozen=True, slots=True)
class IInfo:
    """Limits of an integer dtype."""

    bits: int
    max: int
    min: int
    dtype: DType


def _dtype(x: Any) -> DType:
    return x.dtype if hasattr(x, "aval") else dt.as_dtype(x)


def astype(
    x: Tensor, dtype: DType, /, *, copy: bool = True, device: Device | None = None
) -> Tensor:
    """The values in another dtype, on another device where one is given.

    Raises
    ------
    DTypeError
        From complex to real: take ``real(x)`` or ``abs(x)``.
    """
    x = tensor_of("astype", x)
    if device is not None:
        x = copy_to(x, device)
    y = cast(x, dtype)
    return copied(y) if copy and y is x else y


def can_cast(from_: DType | Tensor, to: DType, /) -> bool:
    """Whether promotion inside a kind (or from real to complex floats) leads there."""
    a, b = _dtype(from_), dt.as_dtype(to)
    pairs = {("int", "int"), ("uint", "uint"), ("uint", "int")}
    pairs |= {("float", "float"), ("float", "complex"), ("complex", "complex")}
    if a is b:
        return True
    if (a.category, b.category) not in pairs:
        return False
    try:
        return dt.result_type(a, b) is b
    except DTypeError:
        return False


def finfo(type: DType | Tensor, /) -> FInfo:
    """The limits of a floating-point dtype."""
    d = _dtype(type)
    if not d.inexact:
        raise DTypeError(f"[finfo] expected a floating-point dtype; got {d}")
    real = dt.real_dtype(d)
    limits: Any = ml_dtypes.finfo
    info = limits(real.dtype)
    return FInfo(
        bits=8 * real.itemsize,
        eps=float(info.eps),
        max=float(info.max),
        min=float(info.min),
        smallest_normal=float(info.smallest_normal),
        dtype=real,
    )


def iinfo(type: DType | Tensor, /) -> IInfo:
    """The limits of an integer dtype."""
    d = _dtype(type)
    if d.category not in ("int", "uint"):
        raise DTypeError(f"[iinfo] expected an integer dtype; got {d}")
    info = np.iinfo(d.dtype)
    return IInfo(bits=8 * d.itemsize, max=int(info.max), min=int(info.min), dtype=d)


def isdtype(dtype: DType, kind: DType | str | tuple[DType | str, ...]) -> bool:
    """Whether a dtype is one of the given dtypes and kinds.

    Kinds: "bool", "signed integer", "unsigned integer", "integral", "real floating",
    "complex floating", "numeric".
    """
    if not isinstance(dtype, DType):
        raise TypeError(f"[isdtype] expected a dtype; got {dtype!r}")
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    if isinstance(kind, DType):
        return dtype is kind
    if not isinstance(kind, str):
        raise TypeError(f"[isdtype] expected a dtype or a kind; got {kind!r}")
    if kind not in _KINDS:
        raise ValueError(f"[isdtype] expected one of {', '.join(_KINDS)}; got {kind!r}")
    return dtype.category in _KINDS[kind]


def result_type(*arrays_and_dtypes: Any) -> DType:
    """The dtype that an operation on these tensors, dtypes and scalars has."""
    scalars = (bool, int, float, complex)
    if all(type(x) in scalars for x in arrays_and_dtypes):
        raise ValueError(
            "[result_type] expected at least one tensor or dtype; got none"
        )
    return dt.result_type(*arrays_and_dtypes)


def broadcast_arrays(*arrays: Tensor) -> list[Tensor]:
    """All in their common shape."""
    if not arrays:
        return []
    return _broadcast_arrays(*[tensor_of("broadcast_arrays", x) for x in arrays])


def broadcast_to(x: Tensor, /, shape: tuple[int, ...]) -> Tensor:
    """Repeated along new and size-1 axes."""
    return _broadcast_to(tensor_of("broadcast_to", x), shape)
