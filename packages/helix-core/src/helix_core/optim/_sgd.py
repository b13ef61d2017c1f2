"""Stochastic gradient descent with momentum, as torch computes it."""

from __future__ import annotations

from typing import Any

from .. import _ops as ops
from .._tensor import Tensor
from ._base import Optimizer, OptimizerError
from ._rule import update_rule


def _scalars(
    rates: Tensor, decays: Tensor, steps: Tensor, dampening: float, **_: Any
) -> tuple[Tensor, ...]:
    # the first velocity is the gradient itself
    later = ops.cast(ops.gt(steps, 1), rates.dtype)
    return rates, 1.0 - later * dampening


@update_rule("sgd_update", _scalars)
def sgd_update(
    p: Tensor,
    g: Tensor,
    *rest: Tensor,
    decay: float,
    momentum: float,
    dampening: float,
    nesterov: bool,
) -> tuple[Tensor, ...]:
    """Gradient descent: parameters, and with momentum velocities."""
    *velocity, rate, keep = rest
    if decay:
        g = g + p * decay
    if not velocity:
        return (p - rate * g,)
    v = velocity[0] * momentum + g * keep
    return p - rate * (g + v * momentum if nesterov else v), v


class SGD(Optimizer):
    """``v = momentum v + (1 - dampening) g;  p = p - lr v``; Nesterov looks ahead.

    Parameters
    ----------
    params : see `Optimizer`
    lr : float
    momentum, dampening : float
    nesterov : bool
        Needs momentum, and no dampening.
    weight_decay : float
        Added to the gradient (L2).
    """

    rule = sgd_update

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        if not momentum >= 0:
            raise OptimizerError(f"[sgd] expected momentum >= 0; got {momentum}")
        if nesterov and (momentum <= 0 or dampening):
            raise OptimizerError(
                "[sgd] expected momentum > 0 and dampening 0 with nesterov; got "
                f"{momentum}, {dampening}"
            )
        self.momentum, self.dampening = float(momentum), float(dampening)
        self.nesterov = bool(nesterov)
        self.slots = ("velocity",) if momentum else ()
        super().__init__(params, lr, weight_decay)

    def settings(self) -> dict[str, Any]:
        return {
            "momentum": self.momentum,
            "dampening": self.dampening,
            "nesterov": self.nesterov,
        }
