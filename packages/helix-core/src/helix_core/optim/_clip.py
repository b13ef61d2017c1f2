"""Limits on gradients, between ``backward`` and ``step``."""

from __future__ import annotations

from collections.abc import Iterable

from .. import _ops as ops
from .._cell import Parameter
from .._composite import composite
from .._state import no_grad
from .._tensor import Tensor
from ._base import OptimizerError


@composite("clip_by_norm")
def clip_by_norm(*grads: Tensor, limit: float) -> tuple[Tensor, ...]:
    """Gradients scaled to a global norm of at most ``limit``, then that norm before."""
    total = None
    for g in grads:
        s = ops.sum(
            ops.cast(ops.square(g), "float32" if g.dtype.itemsize < 4 else g.dtype)
        )
        total = s if total is None else total + ops.cast(s, total.dtype)
    assert total is not None
    norm = ops.sqrt(total)
    # torch's rule: the small number keeps 0 / 0 away
    scale = ops.minimum(limit / (norm + 1e-6), 1.0)
    return (*[g * ops.cast(scale, g.dtype) for g in grads], norm)


def clip_grad_norm(params: Iterable[Parameter], max_norm: float) -> Tensor:
    """Scale all gradients so that their joint 2-norm is at most ``max_norm``.

    Returns
    -------
    Tensor ()
        The norm before.
    """
    if max_norm <= 0:
        raise OptimizerError(f"[clip_grad_norm] expected max_norm > 0; got {max_norm}")
    live = [p for p in params if p.grad is not None]
    if not live:
        return ops.zeros(())
    with no_grad():
        *grads, norm = clip_by_norm(*[p.grad for p in live], limit=float(max_norm))
        for p, g in zip(live, grads, strict=True):
            p.grad = g
    return norm


def clip_grad_value(params: Iterable[Parameter], limit: float) -> None:
    """Limit every element of the gradients to [-limit, limit]."""
    with no_grad():
        for p in params:
            if p.grad is not None:
                p.grad = ops.clip(p.grad, -limit, limit)
