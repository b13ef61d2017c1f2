"""Softmax and its logarithm: a point per row."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from helix_core.loop import Builder, LoopProgram

from helix_hal.programs._kernels import Kernel, serves, wide
from helix_hal.programs._run import launch, like, rows

KERNELS: list[Kernel] = []


@lru_cache
def softmax(dtype: str, log: bool) -> LoopProgram:
    """y (rows, n) of x (rows, n)."""
    b, real = Builder("log_softmax" if log else "softmax"), wide(dtype)
    count, n, row = b.size("rows"), b.size("n"), b.size("x_row")
    x, y = b.input("x", dtype), b.output("y", dtype)
    i = b.axis(count)
    b.serial(n)
    with b.reduce("max", real) as r:
        r.take(x[i * row + r.step].cast(real))
    top = r.result
    with b.reduce("add", real) as r:
        r.take((x[i * row + r.step].cast(real) - top).exp())
    total = r.result.log() if log else r.result
    with b.map() as m:
        d = x[i * row + m.step].cast(real) - top
        new = d - total if log else d.exp() / total
        y[i * n + m.step] = new.cast(dtype)
    return b.build()


@lru_cache
def softmax_backward(dtype: str, log: bool) -> LoopProgram:
    """dx (rows, n) of y and dy (rows, n)."""
    b = Builder("log_softmax_backward" if log else "softmax_backward")
    real = wide(dtype)
    count, n = b.size("rows"), b.size("n")
    y_row, dy_row = b.size("y_row"), b.size("dy_row")
    y, dy, dx = b.input("y", dtype), b.input("dy", dtype), b.output("dx", dtype)
    i = b.axis(count)
    b.serial(n)
    with b.reduce("add", real) as r:
        g = dy[i * dy_row + r.step].cast(real)
        r.take(g if log else g * y[i * y_row + r.step].cast(real))
    total = r.result
    with b.map() as m:
        p = y[i * y_row + m.step].cast(real)
        g = dy[i * dy_row + m.step].cast(real)
        new = g - p.exp() * total if log else p * (g - total)
        dx[i * n + m.step] = new.cast(dtype)
    return b.build()


def _serve(op: str, log: bool) -> None:
    @serves(KERNELS, op, f"{op}.fwd")
    def forward(dev: Any, x: Any) -> Any:
        xs, y = rows(dev, x), like(dev, x)
        count, n = xs.shape
        program = softmax(x.dtype.name, log)
        launch(dev, program, (xs, y), rows=count, n=n, x_row=xs.strides[0])
        return y

    @serves(KERNELS, f"{op}.bwd")
    def backward(dev: Any, y: Any, dy: Any) -> Any:
        ys, gs, dx = rows(dev, y), rows(dev, dy), like(dev, y)
        count, n = ys.shape
        strides = {"y_row": ys.strides[0], "dy_row": gs.strides[0]}
        program = softmax_backward(y.dtype.name, log)
        launch(dev, program, (ys, gs, dx), rows=count, n=n, **strides)
        return dx


_serve("softmax", False)
_serve("log_softmax", True)
