"""Stochastic gradient descent with momentum, as torch computes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _ops as ops
from .._composite import composite
from .._tensor import Tensor
from ._base import Optimizer, OptimizerError, State, flat_lists, rate


@composite("sgd_update")
def sgd_update(
    *flat: Tensor,
    n: int,
    momentum: float,
    dampening: float,
    nesterov: bool,
    decays: tuple[float, ...],
    scales: tuple[float, ...],
) -> tuple[Tensor, ...]:
    """One update of n parameters.

    Inputs: lr and step (0-d), n parameters, n gradients, and with momentum n velocities.
    Outputs: n parameters, and with momentum n velocities.
    """
    lr, step = flat[:2]
    params, grads = flat_lists(flat[2:], n, 2)
    velocities = flat[2 + 2 * n :]
    out: tuple[list[Tensor], list[Tensor]] = ([], [])
    for i in range(n):
        p, g = params[i], grads[i]
        if decays[i]:
            g = g + p * decays[i]
        if momentum:
            # the first velocity is the gradient itself
            keep = ops.where(ops.le(step, 1), 1.0, 1.0 - dampening)
            v = velocities[i] * momentum + g * ops.cast(keep, p.dtype)
            out[1].append(v)
            g = g + v * momentum if nesterov else v
        out[0].append(p - rate(lr, p, scales[i]) * g)
    return (*out[0], *out[1])


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

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        if nesterov and (momentum <= 0 or dampening):
            raise OptimizerError(
                "[sgd] expected momentum > 0 and dampening 0 with nesterov; got "
                f"{momentum}, {dampening}"
            )
        self.momentum, self.dampening = float(momentum), float(dampening)
        self.nesterov = nesterov
        self.slots = ("velocity",) if momentum else ()
        super().__init__(params, lr, weight_decay)

    def update(
        self,
        grads: Sequence[Tensor],
        state: State,
        params: Sequence[Tensor],
        lr: Tensor,
        step: Tensor,
        decays: Sequence[float],
        scales: Sequence[float],
    ) -> tuple[list[Tensor], State]:
        n = len(params)
        out = sgd_update(
            *(lr, step, *params, *grads, *state.get("velocity", ())),
            n=n,
            momentum=self.momentum,
            dampening=self.dampening,
            nesterov=self.nesterov,
            decays=tuple(decays),
            scales=tuple(scales),
        )
        return list(out[:n]), {"velocity": list(out[n:])} if self.momentum else {}
