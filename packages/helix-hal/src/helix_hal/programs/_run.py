"""What adapters ask of a kernel backend: memory, dense views, launches, primitives."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from helix_core._dtypes import as_dtype
from helix_core.loop import LoopProgram

from helix_hal.loop.buffer import Buffer


def empty(dev: Any, shape: Sequence[int], dtype: Any) -> Buffer:
    """Fresh memory in C order."""
    out: Buffer = engine(dev).empty(tuple(shape), as_dtype(dtype))
    return out


def engine(dev: Any) -> Any:
    return dev.backend.engine(dev)


def vectors(dev: Any) -> bool:
    """Whether lanes become vectors of a CPU, and points run one after the other."""
    e = engine(dev)
    return bool(getattr(e.device, "on_cpu", e.features.group == 1))


def like(dev: Any, x: Buffer) -> Buffer:
    return empty(dev, x.shape, x.dtype)


def launch(
    dev: Any, program: LoopProgram, buffers: Sequence[Buffer], **sizes: int
) -> None:
    """Run a program; ``buffers`` in the order of its arguments."""
    engine(dev).run(program, buffers, sizes)


def call(dev: Any, primitive: str, *buffers: Buffer, **attrs: Any) -> Any:
    """A primitive as the device lowers it."""
    return dev.table[primitive](dev, *buffers, **attrs)


def dense(dev: Any, x: Buffer) -> Buffer:
    """In C order; itself where it is so already."""
    out: Buffer = engine(dev).contiguous(x)
    return out


def rows(dev: Any, x: Buffer) -> Buffer:
    """(rows, features), features side by side in memory; a copy where need be."""
    n = x.shape[-1]
    flat = x.reshape((prod(x.shape[:-1]), n)) if n == 1 or x.strides[-1] == 1 else None
    if flat is None:
        flat = dense(dev, x).reshape((prod(x.shape[:-1]), n))
    assert flat is not None
    return flat


def channels_last(dev: Any, x: Buffer) -> Buffer:
    """Neighbours of the last axis are neighbours in memory; a copy where need be."""
    return x if x.shape[-1] == 1 or x.strides[-1] == 1 else dense(dev, x)


def flat(dev: Any, x: Buffer) -> Buffer:
    """One axis, in C order."""
    out = dense(dev, x).reshape((x.size,))
    assert out is not None
    return out


def shaped(x: Buffer, shape: Sequence[int]) -> Buffer:
    """A dense buffer with other axes."""
    out = x.reshape(tuple(shape))
    assert out is not None
    return out
