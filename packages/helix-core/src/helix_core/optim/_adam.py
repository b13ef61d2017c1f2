"""Adam (arXiv:1412.6980) and AdamW (arXiv:1711.05101), as torch computes them."""

from __future__ import annotations

import math
from typing import Any

from .. import _ops as ops
from .._tensor import Tensor
from ._base import Optimizer, OptimizerError
from ._rule import update_rule


def _scalars(
    rates: Tensor,
    decays: Tensor,
    steps: Tensor,
    betas: tuple[float, float],
    decoupled: bool,
    **_: Any,
) -> tuple[Tensor, ...]:
    """Corrected learning rates, roots of the second correction, shrinkages."""
    t = ops.cast(steps, rates.dtype)
    # 1 - beta^t keeps its digits in float32 too
    c1, c2 = (-ops.expm1(t * (math.log(b) if b else -math.inf)) for b in betas)
    shrink = 1.0 - rates * decays
    return rates / c1, ops.sqrt(c2), shrink


@update_rule("adam_update", _scalars)
def adam_update(
    p: Tensor,
    g: Tensor,
    mean: Tensor,
    square: Tensor,
    rate: Tensor,
    root: Tensor,
    shrink: Tensor,
    decay: float,
    betas: tuple[float, float],
    eps: float,
    decoupled: bool,
) -> tuple[Tensor, ...]:
    """Adam, or AdamW where ``decoupled``: parameters, means, squares."""
    b1, b2 = betas
    if decay and decoupled:
        p = p * shrink
    elif decay:
        g = g + p * decay
    mean = mean * b1 + g * (1.0 - b1)
    square = square * b2 + g * g * (1.0 - b2)
    return p - rate * mean / (ops.sqrt(square) / root + eps), mean, square


class Adam(Optimizer):
    """Adaptive moments.

    .. math::
        m = \\beta_1 m + (1 - \\beta_1) g, \\quad v = \\beta_2 v + (1 - \\beta_2) g^2

        p = p - lr \\hat m / (\\sqrt{\\hat v} + \\epsilon)

    Parameters
    ----------
    params : see `Optimizer`
    lr : float
    betas : (float, float)
    eps : float
    weight_decay : float
        Added to the gradient (L2).

    Examples
    --------
    >>> import helix_core as hx
    >>> p = hx.Parameter(hx.tensor([1.0]))
    >>> opt = Adam([p], lr=0.1)
    >>> for _ in range(50):
    ...     hx.square(p).sum().backward()
    ...     opt.step()
    >>> abs(p.item()) < 0.1
    True
    """

    rule = adam_update
    slots = ("mean", "square")
    decoupled = False

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        if not all(0.0 <= b < 1.0 for b in betas) or not eps >= 0:
            raise OptimizerError(
                f"[adam] expected betas in [0, 1) and eps >= 0; got {betas}, {eps}"
            )
        self.betas = (float(betas[0]), float(betas[1]))
        self.eps = float(eps)
        super().__init__(params, lr, weight_decay)

    def settings(self) -> dict[str, Any]:
        return {"betas": self.betas, "eps": self.eps, "decoupled": self.decoupled}


class AdamW(Adam):
    """Adam with decoupled weight decay: ``p`` shrinks by ``lr weight_decay p`` first.

    Parameters
    ----------
    params : see `Optimizer`; ``hx.optim.groups(model, weight_decay=0.1)`` spares norms
        and biases
    lr : float
    betas : (float, float)
    eps : float
    weight_decay : float
    """

    decoupled = True

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)
