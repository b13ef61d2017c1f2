"""``Buffer``: a strided view of device memory. Movement makes views, never copies."""

from __future__ import annotations

from math import prod
from typing import Any

from helix_core._aval import Aval
from helix_core._dtypes import DType


class Buffer:
    """Elements of device memory, addressed by strides.

    Attributes
    ----------
    memory : Block
        Shared by all views of it; goes back to the pool with the last of them.
    offset : int
        Of element (0, ..., 0), in elements.
    shape, strides : tuple of int
        Strides in elements; 0 where an axis is broadcast, negative where it is flipped.
    dtype : DType
    """

    __slots__ = (
        "__weakref__",
        "_aval",
        "dtype",
        "memory",
        "offset",
        "shape",
        "strides",
    )

    def __init__(
        self,
        memory: Any,
        offset: int,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        dtype: DType,
    ) -> None:
        self.memory, self.offset = memory, offset
        self.shape, self.strides, self.dtype = shape, strides, dtype
        self._aval: Aval | None = None

    def __repr__(self) -> str:
        return f"<buffer {self.aval} of {self.memory}>"

    @property
    def aval(self) -> Aval:
        if self._aval is None:
            self._aval = Aval(self.shape, self.dtype)
        return self._aval

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def contiguous(self) -> bool:
        """Whether elements lie in C order without gaps."""
        return 0 in self.shape or all(
            n == 1 or s == t
            for n, s, t in zip(
                self.shape, self.strides, c_strides(self.shape), strict=True
            )
        )

    def view(
        self, shape: tuple[int, ...], strides: tuple[int, ...], move: int = 0
    ) -> Buffer:
        """Other axes over the same memory, beginning ``move`` elements later."""
        return Buffer(self.memory, self.offset + move, shape, strides, self.dtype)

    def permute(self, axes: tuple[int, ...]) -> Buffer:
        shape = tuple([self.shape[i] for i in axes])
        return self.view(shape, tuple([self.strides[i] for i in axes]))

    def broadcast(self, shape: tuple[int, ...]) -> Buffer:
        lead = len(shape) - len(self.shape)
        strides = [0] * lead
        for n, m, s in zip(self.shape, shape[lead:], self.strides, strict=True):
            strides.append(s if n == m else 0)
        return self.view(shape, tuple(strides))

    def slice(
        self, start: tuple[int, ...], stop: tuple[int, ...], step: tuple[int, ...]
    ) -> Buffer:
        shape = tuple(
            [
                max(0, -(-(j - i) // k))
                for i, j, k in zip(start, stop, step, strict=True)
            ]
        )
        move = sum(i * s for i, s in zip(start, self.strides, strict=True))
        strides = tuple([s * k for s, k in zip(self.strides, step, strict=True)])
        return self.view(shape, strides, 0 if 0 in shape else move)

    def flip(self, axes: tuple[int, ...]) -> Buffer:
        move, strides = 0, list(self.strides)
        for i in axes:
            move += max(self.shape[i] - 1, 0) * strides[i]
            strides[i] = -strides[i]
        return self.view(self.shape, tuple(strides), move)

    def reshape(self, shape: tuple[int, ...]) -> Buffer | None:
        """A view of this shape, or None where strides cannot say it."""
        if 0 in self.shape:
            return self.view(shape, c_strides(shape))
        have = [(n, s) for n, s in zip(self.shape, self.strides, strict=True) if n != 1]
        strides, at = [], 0
        left, step = 1, 0  # what is left of the run of axes in hand, outermost first
        for n in shape:
            if n == 1:
                strides.append(0)
                continue
            if left == 1:
                if at == len(have):
                    return None
                left, step = have[at]
                at += 1
                while at < len(have) and step == have[at][0] * have[at][1]:
                    left, step = left * have[at][0], have[at][1]
                    at += 1
            if left % n:
                return None
            left //= n
            strides.append(step * left)
        return self.view(shape, tuple(strides))


def c_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of C order, in elements."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))
