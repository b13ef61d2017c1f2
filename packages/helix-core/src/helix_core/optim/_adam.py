"""Adam (arXiv:1412.6980) and AdamW (arXiv:1711.05101), as torch computes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _ops as ops
from .._composite import composite
from .._tensor import Tensor
from ._base import Optimizer, OptimizerError, State, flat_lists, rate


@composite("adam_update")
def adam_update(
    *flat: Tensor,
    n: int,
    betas: tuple[float, float],
    eps: float,
    decays: tuple[float, ...],
    scales: tuple[float, ...],
    decoupled: bool,
) -> tuple[Tensor, ...]:
    """One update of n parameters.

    Inputs: lr and step (0-d), then n parameters, n gradients, n means, n squares.
    Outputs: n parameters, n means, n squares.
    """
    lr, step = flat[:2]
    params, grads, means, squares = flat_lists(flat[2:], n, 4)
    b1, b2 = betas
    out: tuple[list[Tensor], list[Tensor], list[Tensor]] = ([], [], [])
    t = ops.cast(step, "float64")
    c1 = 1.0 - ops.power(ops.full((), b1, "float64", lr.device), t)
    c2 = 1.0 - ops.power(ops.full((), b2, "float64", lr.device), t)
    for i in range(n):
        p, g, m, v = params[i], grads[i], means[i], squares[i]
        step_size = ops.cast(lr * scales[i] / c1, p.dtype)
        root = ops.cast(ops.sqrt(c2), p.dtype)
        if decoupled:
            p = p * (1.0 - rate(lr, p, scales[i]) * decays[i])
        elif decays[i]:
            g = g + p * decays[i]
        m = m * b1 + g * (1.0 - b1)
        v = v * b2 + g * g * (1.0 - b2)
        out[0].append(p - step_size * m / (ops.sqrt(v) / root + eps))
        out[1].append(m)
        out[2].append(v)
    return (*out[0], *out[1], *out[2])


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
        if not all(0.0 <= b < 1.0 for b in betas) or eps < 0:
            raise OptimizerError(
                f"[adam] expected betas in [0, 1) and eps >= 0; got {betas}, {eps}"
            )
        self.betas = (float(betas[0]), float(betas[1]))
        self.eps = float(eps)
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
        out = adam_update(
            *(lr, step, *params, *grads, *state["mean"], *state["square"]),
            n=n,
            betas=self.betas,
            eps=self.eps,
            decays=tuple(decays),
            scales=tuple(scales),
            decoupled=self.decoupled,
        )
        p, m, v = flat_lists(out, n, 3)
        return list(p), {"mean": list(m), "square": list(v)}


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
