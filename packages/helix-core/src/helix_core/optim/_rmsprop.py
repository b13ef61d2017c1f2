"""RMSprop (Hinton's lecture 6.5), as torch computes it."""

from __future__ import annotations

from typing import Any

from .. import _ops as ops
from .._tensor import Tensor
from ._base import Optimizer, OptimizerError
from ._rule import update_rule


def _scalars(rates: Tensor, decays: Tensor, steps: Tensor, **_: Any) -> tuple[Tensor]:
    return (rates,)


@update_rule("rmsprop_update", _scalars)
def rmsprop_update(
    p: Tensor,
    g: Tensor,
    square: Tensor,
    *rest: Tensor,
    decay: float,
    alpha: float,
    eps: float,
    momentum: float,
    centered: bool,
) -> tuple[Tensor, ...]:
    """RMSprop: parameters, squares, with momentum velocities, centered means."""
    *more, rate = rest
    if decay:
        g = g + p * decay
    square = square * alpha + g * g * (1.0 - alpha)
    new = [square]
    spread = square
    if centered:
        mean = more[-1] + (g - more[-1]) * (1.0 - alpha)
        new.append(mean)
        spread = square - mean * mean
    move = g / (ops.sqrt(spread) + eps)
    if momentum:
        move = more[0] * momentum + move
        new.insert(1, move)
    return p - rate * move, *new


class RMSprop(Optimizer):
    """The gradient over a running root mean square of itself.

    Parameters
    ----------
    params : see `Optimizer`
    lr : float
    alpha : float
        Smoothing of the squares.
    eps : float
    momentum : float
    centered : bool
        Subtract the squared running mean: divide by a standard deviation.
    weight_decay : float
        Added to the gradient (L2).
    """

    rule = rmsprop_update

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        centered: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        if not 0.0 <= alpha < 1.0 or not eps >= 0 or not momentum >= 0:
            raise OptimizerError(
                "[rmsprop] expected 0 <= alpha < 1 and eps, momentum >= 0; got "
                f"{alpha}, {eps}, {momentum}"
            )
        self.alpha, self.eps = float(alpha), float(eps)
        self.momentum, self.centered = float(momentum), bool(centered)
        velocity = ("velocity",) if momentum else ()
        self.slots = ("square", *velocity, *(("mean",) if centered else ()))
        super().__init__(params, lr, weight_decay)

    def settings(self) -> dict[str, Any]:
        return {
            "alpha": self.alpha,
            "eps": self.eps,
            "momentum": self.momentum,
            "centered": self.centered,
        }
