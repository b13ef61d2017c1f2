"""Sums over many rows: in parts, then over the parts, always in the same order."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from helix_core.loop import Builder, LoopProgram

from helix_hal.loop.buffer import Buffer
from helix_hal.programs._kernels import wide
from helix_hal.programs._run import empty, launch

_ROWS = 64  # of a part, at least
_PARTS = 64  # at most


def parts(count: int) -> tuple[int, int]:
    """How many parts, and rows in each, for so many rows."""
    n = max(1, min(_PARTS, count // _ROWS))
    each = -(-count // n)
    return -(-count // each), each


@lru_cache
def column_sums(dtype: str, out: str) -> LoopProgram:
    """y (n,) of x (rows, n): neighbouring points read neighbouring columns."""
    b = Builder("column_sums")
    count, n, row = b.size("rows"), b.size("n"), b.size("x_row")
    x, y = b.input("x", dtype), b.output("y", out)
    j = b.axis(n)
    b.serial(count)
    real = wide(dtype)
    with b.scan([0], real) as s:
        s.next(s.state + x[s.step * row + j].cast(real))
    y[j] = s.result.cast(out)
    return b.build()


@lru_cache
def row_parts(dtype: str) -> LoopProgram:
    """y (parts, n), sums over neighbouring rows of x (rows, n)."""
    b, real = Builder("row_parts"), wide(dtype)
    count, n, row = b.size("rows"), b.size("n"), b.size("x_row")
    split, each = b.size("parts"), b.size("each")
    x, y = b.input("x", dtype), b.output("y", real)
    part, j = b.axis(split), b.axis(n)
    b.serial(each)
    with b.scan([0], real) as s:
        i = part * each + s.step
        s.next(s.state + x.load(i * row + j, i < count).cast(real))
    y[part * n + j] = s.result
    return b.build()


def sum_rows(dev: Any, x: Buffer, out: str) -> Buffer:
    """(n,), the sums of x (rows, n) over many rows."""
    count, n = x.shape
    split, each = parts(count)
    if split == 1:
        return add_up(dev, x, out)
    y = empty(dev, (split, n), wide(x.dtype.name))
    sizes = {"rows": count, "n": n, "x_row": x.strides[0]}
    program = row_parts(x.dtype.name)
    launch(dev, program, (x, y), parts=split, each=each, **sizes)
    return add_up(dev, y, out)


def add_up(dev: Any, x: Buffer, out: str) -> Buffer:
    """(n,), the sums of x (parts, n)."""
    y = empty(dev, x.shape[1:], out)
    program = column_sums(x.dtype.name, out)
    count, n = x.shape
    launch(dev, program, (x, y), rows=count, n=n, x_row=x.strides[0])
    return y
