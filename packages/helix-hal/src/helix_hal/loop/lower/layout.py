"""Buffers seen as (outer, axis, inner)."""

from __future__ import annotations

from math import prod
from typing import Any

from helix_core.loop import Builder, Expr

from helix_hal.loop.buffer import Buffer
from helix_hal.loop.engine import Engine

Strides = tuple[Expr, Expr, Expr]


def around(engine: Engine, x: Buffer, axis: int, ndim: int = 1) -> Buffer:
    """(outer, these axes as one, inner): a view, or of a copy where need be."""
    lead, tail = x.shape[:axis], x.shape[axis + ndim :]
    shape = (prod(lead), prod(x.shape[axis : axis + ndim]), prod(tail))
    view = x.reshape(shape)
    if view is None:
        view = engine.contiguous(x).reshape(shape)
    assert view is not None
    return view


def strides(b: Builder, name: str) -> Strides:
    """The sizes that are a three-dimensional argument's strides."""
    return b.size(f"{name}_o"), b.size(f"{name}_a"), b.size(f"{name}_i")


def at(s: Strides, outer: Expr, axis: Expr, inner: Expr) -> Expr:
    return outer * s[0] + axis * s[1] + inner * s[2]


def given(**buffers: Buffer) -> dict[str, Any]:
    """The values of the sizes that `strides` made."""
    out: dict[str, Any] = {}
    for name, x in buffers.items():
        out |= {f"{name}_{k}": s for k, s in zip("oai", x.strides, strict=True)}
    return out
