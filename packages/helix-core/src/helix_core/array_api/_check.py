"""What the functions of the standard accept: tensors of certain kinds."""

from __future__ import annotations

import math
from typing import Any

from .. import _dtypes as dt
from .._cell import Cell
from .._errors import DTypeError, ShapeError
from .._ops import operand
from .._primitive import bind
from .._primitives.movement import pad_p
from .._tensor import Tensor

BOOL = ("bool",)
INTEGER = ("int", "uint")
REAL_FLOAT = ("float",)
FLOAT = ("float", "complex")
REAL = (*INTEGER, "float")
NUMERIC = (*REAL, "complex")
BITS = (*BOOL, *INTEGER)
ORDERED = (*BOOL, *REAL)
ALL = (*BOOL, *NUMERIC)

_WORDS = {
    BOOL: "bool",
    INTEGER: "integer",
    REAL_FLOAT: "real floating-point",
    FLOAT: "floating-point",
    REAL: "real numeric",
    NUMERIC: "numeric",
    BITS: "integer or bool",
    ORDERED: "real numeric or bool",
}


def tensor_of(name: str, x: Any, kinds: tuple[str, ...] = ALL) -> Tensor:
    """The operand as a tensor, if it is one of these kinds."""
    if not isinstance(x, (Tensor, Cell)):
        raise TypeError(
            f"[{name}] expected a Tensor; got {type(x).__name__}. Hint: asarray(x)"
        )
    t: Tensor = operand(x)
    if kinds is not ALL and t.dtype.category not in kinds:
        raise DTypeError(f"[{name}] expected a {_WORDS[kinds]} dtype; got {t.aval!r}")
    return t


def pair_of(name: str, x1: Any, x2: Any, kinds: tuple[str, ...]) -> tuple[Any, Any]:
    """Two operands, one of which may be a Python scalar; their joint dtype fits."""
    scalars = (bool, int, float, complex)
    if type(x1) in scalars and type(x2) in scalars:
        raise TypeError(f"[{name}] expected at least one Tensor; got {x1!r} and {x2!r}")
    a, b = (x if type(x) in scalars else tensor_of(name, x) for x in (x1, x2))
    if kinds is not ALL and dt.result_type(a, b).category not in kinds:
        said = ", ".join(
            repr(t.aval) if isinstance(t, Tensor) else repr(t) for t in (a, b)
        )
        raise DTypeError(f"[{name}] expected {_WORDS[kinds]} dtypes; got {said}")
    return a, b


def copied(x: Tensor) -> Tensor:
    """The same values in memory of their own, with their gradient."""
    zero = _zero(x)
    return bind(pad_p, x, zero, pads=((0, 0, 0),) * x.ndim)


def _zero(x: Tensor) -> Tensor:
    from .._create import zeros

    return zeros((), x.dtype, x.device)


def one_axis(name: str, x: Tensor, axis: int | None) -> int:
    """The axis, which may be left out for vectors."""
    if x.ndim == 0:
        raise ShapeError(f"[{name}] expected at least one axis; got {x.aval!r}")
    if axis is None:
        if x.ndim > 1:
            raise ShapeError(
                f"[{name}] expected axis for more than one dimension; got {x.aval!r}"
            )
        return 0
    return axis


def fits_int32(*values: Any) -> bool:
    """Whether whole numbers fit the default integer dtype."""
    return all(
        -(2**31) <= v < 2**31
        for v in values
        if isinstance(v, int) or (isinstance(v, float) and math.isfinite(v))
    )
