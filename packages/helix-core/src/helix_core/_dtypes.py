"""The data types: one small immutable record each, and how they combine.

Promotion is JAX's lattice with weak Python scalars: ``int8 + 1.5`` is float32,
``float16 * 2.0`` stays float16. Default dtypes are float32 and int32.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import ml_dtypes
import numpy as np

from ._errors import DTypeError


class DType:
    """A data type. Compare with ``is``, ``==`` to a name or a NumPy dtype.

    ``np.dtype(helix_dtype)`` works, because NumPy reads the ``dtype`` attribute.
    """

    __slots__ = ("category", "dtype", "inexact", "itemsize", "name")

    def __init__(self, name: str, category: str, np_dtype: Any) -> None:
        self.name = name
        self.category = category  # bool, int, uint, float, complex
        self.dtype = np.dtype(np_dtype)
        self.itemsize = self.dtype.itemsize
        self.inexact = category in ("float", "complex")

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Any, ...]:
        return as_dtype, (self.name,)

    # by identity, in C: dtypes are parts of keys that every eager op looks up
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if other is None or type(other) is DType:
            return False
        try:
            return as_dtype(other) is self
        except TypeError:
            return False


bool_ = DType("bool", "bool", np.bool_)
int8 = DType("int8", "int", np.int8)
int16 = DType("int16", "int", np.int16)
int32 = DType("int32", "int", np.int32)
int64 = DType("int64", "int", np.int64)
uint8 = DType("uint8", "uint", np.uint8)
uint16 = DType("uint16", "uint", np.uint16)
uint32 = DType("uint32", "uint", np.uint32)
uint64 = DType("uint64", "uint", np.uint64)
float16 = DType("float16", "float", np.float16)
bfloat16 = DType("bfloat16", "float", ml_dtypes.bfloat16)
float32 = DType("float32", "float", np.float32)
float64 = DType("float64", "float", np.float64)
complex64 = DType("complex64", "complex", np.complex64)
complex128 = DType("complex128", "complex", np.complex128)
float8_e4m3fn = DType("float8_e4m3fn", "float", ml_dtypes.float8_e4m3fn)
float8_e5m2 = DType("float8_e5m2", "float", ml_dtypes.float8_e5m2)

ALL = (
    bool_,
    *(int8, int16, int32, int64, uint8, uint16, uint32, uint64),
    *(float16, bfloat16, float32, float64, complex64, complex128),
    *(float8_e4m3fn, float8_e5m2),
)
_BY_KEY: dict[Any, DType] = {d.dtype: d for d in ALL}
_BY_KEY |= {d.name: d for d in ALL} | {d: d for d in ALL}
_BY_KEY |= {bool: bool_, int: int32, float: float32, complex: complex64}


def as_dtype(value: Any) -> DType:
    """A DType from a DType, a name, a NumPy dtype or scalar type, or a Python type.

    Raises
    ------
    DTypeError
        If the value names no data type of this library (strings, objects, ...).
    """
    try:
        return _BY_KEY[value]
    except (KeyError, TypeError):
        pass
    try:
        return _BY_KEY[np.dtype(value)]
    except (KeyError, TypeError):
        names = ", ".join(d.name for d in ALL)
        raise DTypeError(f"[dtype] expected one of {names}; got {value!r}") from None


def foreign(dtype: np.dtype[Any]) -> bool:
    """A dtype of ml_dtypes: many functions of NumPy do not know it."""
    return dtype.isbuiltin == 2


_EDGES = {
    "bool": ["i*"],
    "i*": ["uint8", "int8"],
    "uint8": ["int16", "uint16"],
    "uint16": ["int32", "uint32"],
    "uint32": ["int64", "uint64"],
    "uint64": ["f*"],
    "int8": ["int16"],
    "int16": ["int32"],
    "int32": ["int64"],
    "int64": ["f*"],
    "f*": ["c*", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"],
    "float16": ["float32"],
    "bfloat16": ["float32"],
    "float32": ["float64", "complex64"],
    "float64": ["complex128"],
    "c*": ["complex64"],
    "complex64": ["complex128"],
}
_WEAK = {"i*": int32, "f*": float32, "c*": complex64}


@cache
def _above(node: str) -> frozenset[str]:
    up = {node}
    for n in _EDGES.get(node, ()):
        up |= _above(n)
    return frozenset(up)


@cache
def _join(a: str, b: str) -> str | None:
    common = _above(a) & _above(b)
    for n in common:
        if common == _above(n):
            return n
    return None


@cache
def promote(*operands: tuple[DType, bool]) -> tuple[DType, bool]:
    """The joint ``(dtype, weak)`` of operands given as ``(dtype, weak)``.

    Raises
    ------
    DTypeError
        For float8 storage types beside another float type: cast first.
    """
    nodes = []
    for dtype, weak in operands:
        weak_node = {"int": "i*", "uint": "i*", "float": "f*", "complex": "c*"}
        nodes.append(weak_node.get(dtype.category, "bool") if weak else dtype.name)
    out: str | None = nodes[0]
    for n in nodes[1:]:
        nxt = _join(out, n)
        if nxt is None:
            raise DTypeError(
                f"[promote] expected dtypes with a common type; got {out} and {n}. "
                "Hint: cast one of them with .astype()"
            )
        out = nxt
    assert out is not None
    if out in _WEAK:
        same = {d for d, _ in operands}
        dtype = same.pop() if len(same) == 1 else _WEAK[out]
        return dtype, True
    return as_dtype(out), False


def result_type(*values: Any) -> DType:
    """The dtype that an operation on these tensors, dtypes or scalars works in.

    >>> result_type(int8, 1.5)
    float32
    """
    operands = []
    for v in values:
        aval = getattr(v, "aval", None)
        if aval is not None:
            operands.append((aval.dtype, aval.weak))
        elif type(v) in (bool, int, float, complex):
            operands.append((as_dtype(type(v)), type(v) is not bool))
        elif isinstance(v, np.ndarray):
            operands.append((as_dtype(v.dtype), False))
        else:
            operands.append((as_dtype(v), False))
    return promote(*operands)[0]


def to_inexact(dtype: DType) -> DType:
    """The dtype itself if float or complex, else the default float32."""
    return dtype if dtype.inexact else float32


def real_dtype(dtype: DType) -> DType:
    """float32 of complex64, float64 of complex128; others unchanged."""
    if dtype is complex64:
        return float32
    return float64 if dtype is complex128 else dtype


def accumulate_dtype(dtype: DType) -> DType:
    """The dtype in which sums of this dtype accumulate: float32 for 16 and 8 bit."""
    return float32 if dtype.category == "float" and dtype.itemsize < 4 else dtype
