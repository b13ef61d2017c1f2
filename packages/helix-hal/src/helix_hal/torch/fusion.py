"""Equations that torch does in one call: ``where(x <= 0, 0, y)``, as in ReLU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from helix_core._graph import Equation


class Fused:
    """What stands for a primitive in a plan."""

    category = "ELEMENTWISE"
    multi = False

    def __init__(self, name: str, run: Callable[..., Any]) -> None:
        self.name = name
        self.run = run


def _relu(dev: Any, x: Any, out: Any = None) -> Any:
    return torch.relu(x) if out is None else torch.relu_(x)


def _masked(dev: Any, y: Any, x: Any, out: Any = None) -> Any:
    """y where x is above 0, or NaN."""
    if out is y:
        return torch.ops.aten.threshold_backward(y, x, 0, grad_input=y)
    return torch.ops.aten.threshold_backward(y, x, 0)


RELU: Any = Fused("relu", _relu)
MASKED: Any = Fused("masked", _masked)


def masks(flat: Any) -> list[Equation]:
    """The equations of a plan, with ReLU and its gradient as one call each.

    ``x <= 0`` and ``relu(x) <= 0`` are one: the gradient reads the result, which the
    next layer keeps anyway.
    """
    zero = {v for v, b in flat.constants.items() if b.ndim == 0 and not bool(b)}
    sign: dict[int, int] = {}  # mask -> what is compared with 0, or its ReLU
    out = []
    for e in flat.equations:
        if e.op.name == "le" and e.inputs[1] in zero:
            x = flat.avals[e.inputs[0]]
            if x.dtype.category == "float" and x.dtype.itemsize >= 2:
                sign[e.outputs[0]] = e.inputs[0]
        elif e.op.name == "where" and e.inputs[0] in sign and e.inputs[1] in zero:
            mask, _, y = e.inputs
            x = sign[mask]
            a, b = flat.avals[x], flat.avals[y]
            if y == x:
                e = Equation(RELU, (x,), e.outputs, {})
                sign[mask] = e.outputs[0]
            elif a.shape == b.shape and a.dtype is b.dtype:
                e = Equation(MASKED, (y, x), e.outputs, {})
        out.append(e)
    return out
