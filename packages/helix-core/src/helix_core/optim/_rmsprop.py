"""RMSprop (Hinton's lecture 6.5), as torch computes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _ops as ops
from .._composite import composite
from .._tensor import Tensor
from ._base import Optimizer, State, flat_lists, rate


@composite("rmsprop_update")
def rmsprop_update(
    *flat: Tensor,
    n: int,
    alpha: float,
    eps: float,
    momentum: float,
    centered: bool,
    decays: tuple[float, ...],
    scales: tuple[float, ...],
) -> tuple[Tensor, ...]:
    """One update of n parameters.

    Inputs: lr and step (0-d), n parameters, n gradients, n squares, with momentum n
    velocities, centered n means. Outputs: the same without lr, step and gradients.
    """
    lr = flat[0]
    params, grads, squares = flat_lists(flat[2:], n, 3)
    rest = list(flat[2 + 3 * n :])
    velocities = [rest.pop(0) for _ in range(n)] if momentum else []
    means = rest if centered else []
    new: list[list[Tensor]] = [[], [], [], []]
    for i in range(n):
        p, g = params[i], grads[i]
        if decays[i]:
            g = g + p * decays[i]
        v = squares[i] * alpha + g * g * (1.0 - alpha)
        new[1].append(v)
        if centered:
            mean = means[i] + (g - means[i]) * (1.0 - alpha)
            new[3].append(mean)
            v = v - mean * mean
        move = g / (ops.sqrt(v) + eps)
        if momentum:
            move = velocities[i] * momentum + move
            new[2].append(move)
        new[0].append(p - rate(lr, p, scales[i]) * move)
    return tuple(t for ts in new for t in ts)


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
        self.alpha, self.eps = float(alpha), float(eps)
        self.momentum, self.centered = float(momentum), centered
        more = ("velocity",) if momentum else ()
        self.slots = ("square", *more, *(("mean",) if centered else ()))
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
        flat = [t for k in self.slots for t in state[k]]
        out = rmsprop_update(
            *(lr, step, *params, *grads, *flat),
            n=n,
            alpha=self.alpha,
            eps=self.eps,
            momentum=self.momentum,
            centered=self.centered,
            decays=tuple(decays),
            scales=tuple(scales),
        )
        lists = flat_lists(out, n, 1 + len(self.slots))
        return list(lists[0]), {
            k: list(ts) for k, ts in zip(self.slots, lists[1:], strict=True)
        }
