"""``Aval``: what is known about a tensor without its values. Interned."""

from __future__ import annotations

from threading import RLock
from typing import Any
from weakref import ref

from ._dtypes import DType, as_dtype

_LOCK = RLock()  # two threads that make the same aval must get one object


class Aval:
    """Shape, dtype and weakness. Equal avals are the same object while one is alive.

    Attributes
    ----------
    shape : tuple of int
    dtype : DType
    weak : bool
        True for Python scalars and what is computed from them alone.
    """

    __slots__ = ("__weakref__", "dtype", "shape", "weak")
    shape: tuple[int, ...]
    dtype: DType
    weak: bool

    def __new__(cls, shape: tuple[int, ...], dtype: DType, weak: bool = False) -> Aval:
        ref = _TABLE.get((shape, dtype, weak))
        aval = None if ref is None else ref()
        return _made(shape, dtype, weak) if aval is None else aval

    def __reduce__(self) -> tuple[Any, ...]:
        return Aval, (self.shape, self.dtype, self.weak)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        n = 1
        for s in self.shape:
            n *= s
        return n

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __repr__(self) -> str:
        star = "*" if self.weak else ""
        return f"{self.dtype.name}{star}[{','.join(map(str, self.shape))}]"


class _Ref(ref[Aval]):
    __slots__ = ("key",)
    key: Any


_TABLE: dict[Any, _Ref] = {}


def _made(shape: Any, dtype: Any, weak: Any) -> Aval:
    shape, dtype = tuple(int(n) for n in shape), as_dtype(dtype)
    key = (shape, dtype, bool(weak))
    with _LOCK:
        known = _TABLE.get(key)
        aval = None if known is None else known()
        if aval is None:
            aval = object.__new__(Aval)
            aval.shape, aval.dtype, aval.weak = key
            entry = _Ref(aval, _forget)
            entry.key = key
            _TABLE[key] = entry
    return aval


def _forget(entry: _Ref) -> None:
    """A service that sees every shape once does not grow."""
    with _LOCK:
        if _TABLE.get(entry.key) is entry:
            del _TABLE[entry.key]
