"""Limits on gradients, between ``backward`` and ``step``."""

from __future__ import annotations

from collections.abc import Iterable

from .. import _ops as ops
from .._aval import Aval
from .._cell import Parameter
from .._composite import composite
from .._state import STATE, no_grad
from .._tensor import Tensor
from ._base import OptimizerError
from ._inplace import exclusive, writer
from ._rule import wide_dtype


@composite("clip_by_norm")
def clip_by_norm(*grads: Tensor, limit: float) -> tuple[Tensor, ...]:
    """Gradients scaled to a global norm of at most ``limit``, then that norm before."""
    squares = [ops.sum(ops.square(ops.cast(g, wide_dtype(g)))) for g in grads]
    total, *rest = ops.lift(*squares)
    for s in rest:
        total = total + s
    norm = ops.sqrt(total)
    # torch's rule: the small number keeps 0 / 0 away
    scale = ops.minimum(limit / (norm + 1e-6), 1.0)
    return (*[g * ops.cast(scale, g.dtype) for g in grads], norm)


def clip_grad_norm(params: Iterable[Parameter], max_norm: float) -> Tensor:
    """Scale all gradients so that their joint 2-norm is at most ``max_norm``.

    An infinite or NaN norm makes gradients zero or NaN, as in torch: look at what is
    returned. ``max_norm=math.inf`` only measures.

    Returns
    -------
    Tensor ()
        The norm before.

    Examples
    --------
    >>> import helix_core as hx
    >>> p = hx.Parameter(hx.tensor([3.0, 4.0]))
    >>> p.grad = hx.tensor([3.0, 4.0])
    >>> clip_grad_norm([p], 1.0).item()
    5.0
    >>> [round(g, 5) for g in p.grad.tolist()]
    [0.6, 0.8]
    """
    if not max_norm > 0:
        raise OptimizerError(f"[clip_grad_norm] expected max_norm > 0; got {max_norm}")
    cells = [p._grad for p in params if p.grad is not None]
    if not cells:
        return ops.zeros(())
    attrs = {"limit": float(max_norm)}
    with no_grad():
        alone = STATE.get().trace is None and exclusive(cells)
        grads = [c.value for c in cells]
        kernel = writer(clip_by_norm.name, grads, attrs) if alone else None
        if kernel is not None:
            dev = grads[0].device
            norm = kernel(dev, *[g.buffer for g in grads], **attrs)
            return Tensor(norm, Aval((), grads[0].dtype), dev)
        *grads, total = clip_by_norm(*grads, **attrs)
        for c, g in zip(cells, grads, strict=True):
            c.value = g
    return total


def clip_grad_value(params: Iterable[Parameter], limit: float) -> None:
    """Limit every element of the gradients to [-limit, limit]."""
    if not limit > 0:
        raise OptimizerError(f"[clip_grad_value] expected limit > 0; got {limit}")
    with no_grad():
        for p in params:
            if p.grad is not None:
                p.grad = ops.clip(p.grad, -limit, limit)
