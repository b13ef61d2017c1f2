"""Functions of expressions that several families share; floats of 32 or 64 bits."""

from __future__ import annotations

from helix_core.loop import Expr

from helix_hal.loop.lower.rules import log1p


def sigmoid(x: Expr) -> Expr:
    """1 / (1 + exp(-x)); exp of what is negative never overflows."""
    e = (-x.abs()).exp()
    return (x < 0).where(e, 1.0) / (1.0 + e)


def silu(x: Expr) -> Expr:
    return x * sigmoid(x)


def silu_slope(x: Expr) -> Expr:
    s = sigmoid(x)
    return s * (1.0 + x * (1.0 - s))


def softplus(x: Expr) -> Expr:
    """log(1 + exp(x)), without overflow."""
    return x.max(0.0) + log1p((-x.abs()).exp())
