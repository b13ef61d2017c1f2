"""``Aval``: what is known about a tensor without its values. Interned."""

from __future__ import annotations

from typing import Any

from ._dtypes import DType, as_dtype


class Aval:
    """Shape, dtype and weakness. Equal avals are the same object.

    Attributes
    ----------
    shape : tuple of int
    dtype : DType
    weak : bool
        True for Python scalars and what is computed from them alone.
    """

    __slots__ = ("dtype", "shape", "weak")
    shape: tuple[int, ...]
    dtype: DType
    weak: bool
    _table: dict[Any, Aval] = {}

    def __new__(cls, shape: tuple[int, ...], dtype: DType, weak: bool = False) -> Aval:
        key = (shape, dtype, weak)
        aval = cls._table.get(key)
        if aval is None:
            shape = tuple(int(n) for n in shape)
            dtype = as_dtype(dtype)
            aval = object.__new__(cls)
            aval.shape, aval.dtype, aval.weak = shape, dtype, bool(weak)
            # setdefault: two threads that make the same aval must get one object
            aval = cls._table.setdefault((shape, dtype, bool(weak)), aval)
        return aval

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
