"""Whether cells may be overwritten: only values that nothing else can reach.

Tensors are immutable, so an update may reuse memory only where no one can tell. That is
so when the cell has the one reference to its tensor, the tensor the one to its buffer,
and every array down to the one that owns the memory is held by the next one alone. An
export to NumPy, a view, a detached copy, a tape that still needs the value or a variable
of the caller's each adds a reference, and a new buffer is made then.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from typing import Any
from weakref import getweakrefcount

import numpy as np

from ._aval import Aval
from ._cell import Cell
from ._device import Device
from ._dtypes import float32
from ._tensor import Tensor


def exclusive(cells: Sequence[Cell]) -> bool:
    """Whether every cell is the only way to its value, and may be written in place.

    Values are whole C-contiguous host arrays then, or buffers that their backend
    ``owns(buffer)``, where it says so. The cells hold tensors, not None.
    """
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return False  # counts are estimates without the lock
    tensors, level = _levels(cells)
    alone = _counts()
    if set(map(sys.getrefcount, tensors)) != {alone[0]} or any(
        map(getweakrefcount, tensors)
    ):
        return False
    owns = getattr(tensors[0].device.backend, "owns", None)
    if owns is not None:
        return set(map(sys.getrefcount, level)) == {alone[1]} and all(map(owns, level))
    if set(map(type, level)) != {np.ndarray} or not all(
        [b.flags.carray for b in level]
    ):
        return False
    while level:
        if set(map(sys.getrefcount, level)) != {alone[1]} or any(
            map(getweakrefcount, level)
        ):
            return False
        kinds = set(map(type, level))
        if not all(issubclass(k, np.ndarray) for k in kinds):
            return False
        if all(getattr(k, "sole_owner", False) for k in kinds):
            break  # of memory that only it can reach, as its pool knows
        bases = [a.base for a in level]
        if not all(
            [a.flags.owndata for a, b in zip(level, bases, strict=True) if b is None]
        ):
            return False
        level = [b for b in bases if b is not None]
        del bases  # it would count as a reference
    return True


def _levels(cells: Sequence[Cell]) -> tuple[list[Tensor], list[Any]]:
    tensors: list[Tensor] = [c._value for c in cells]
    return tensors, [t.buffer for t in tensors]


@cache
def _counts() -> tuple[int, int]:
    """What ``getrefcount`` says of a tensor and a buffer that nobody else holds."""
    aval, dev = Aval((), float32), Device("numpy")
    cells = [Cell(Tensor(np.zeros(()), aval, dev)) for _ in range(2)]
    tensors, level = _levels(cells)
    (t,), (b,) = set(map(sys.getrefcount, tensors)), set(map(sys.getrefcount, level))
    return t, b
