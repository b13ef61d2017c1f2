"""Optimizer updates: fused where torch has that, else lists of tensors at once.

Beside each op there is ``op.inplace``: it writes over the arrays that it replaces.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from helix_core.contracts import KernelSpec

from ..session import guarded
from .specs import SPECS, Tensor

Lists = list[list[Tensor]]


def _supports(first: int) -> Callable[..., Any]:
    """From this input on, everything is float32, or everything float64."""

    def supports(device: Any, *avals: Any, **attrs: Any) -> Any:
        kinds = {a.dtype.name for a in avals[first:]}
        return True if kinds in ({"float32"}, {"float64"}) else None

    return supports


def _serves(op: str, first: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register ``fn(tensors, inplace, **attrs)`` for the op and for ``op.inplace``."""

    def wrap(fn: Callable[..., Any]) -> Callable[..., Any]:
        for name, inplace in ((op, False), (f"{op}.inplace", True)):

            def run(
                dev: Any, *flat: Tensor, _inplace: bool = inplace, **attrs: Any
            ) -> Any:
                return fn(list(flat), _inplace, **attrs)

            kernel = guarded(name, run)
            supports = _supports(first)
            SPECS.append(
                KernelSpec(name, "torch", kernel, supports=supports, priority=100)
            )
        return fn

    return wrap


def _lists(flat: list[Tensor], n: int) -> Lists:
    return [flat[i : i + n] for i in range(0, len(flat), n)]


def _own(tensors: list[Tensor], inplace: bool) -> list[Tensor]:
    """The tensors to write over."""
    how = torch.contiguous_format
    return tensors if inplace else [t.clone(memory_format=how) for t in tensors]


def _results(new: Sequence[list[Tensor]], inplace: bool) -> tuple[Tensor, ...]:
    return () if inplace else tuple([t for ts in new for t in ts])


def _alike(decays: Any, scales: Any) -> dict[tuple[float, float], list[int]]:
    """Which parameters share their decay and learning rate."""
    out: dict[tuple[float, float], list[int]] = {}
    for i, key in enumerate(zip(decays, scales, strict=True)):
        out.setdefault(key, []).append(i)
    return out


@_serves("adam_update", 2)
def _adam(
    flat: list[Tensor],
    inplace: bool,
    *,
    n: int,
    decays: Any,
    scales: Any,
    betas: tuple[float, float],
    eps: float,
    decoupled: bool,
) -> tuple[Tensor, ...]:
    lr, steps = flat[:2]
    params, grads, means, squares = _lists(flat[2:], n)
    params, means, squares = (_own(t, inplace) for t in (params, means, squares))
    # the fused kernel reads every list in the order of its memory
    grads = [g.contiguous() for g in grads]
    at = list(steps.to(torch.float32).unbind())
    run = torch._fused_adamw_ if decoupled else torch._fused_adam_
    on_cpu = lr.device.type == "cpu"
    rate = float(lr) if on_cpu else lr.to(torch.float32)
    for (decay, scale), ix in _alike(decays, scales).items():
        run(
            [params[i] for i in ix],
            [grads[i] for i in ix],
            [means[i] for i in ix],
            [squares[i] for i in ix],
            [],
            [at[i] for i in ix],
            lr=rate * scale,
            beta1=betas[0],
            beta2=betas[1],
            weight_decay=decay,
            eps=eps,
            amsgrad=False,
            maximize=False,
        )
    return _results((params, means, squares), inplace)


def _rates(lr: Tensor, scales: Any, params: list[Tensor]) -> list[Tensor]:
    """The learning rate of each parameter, 0-d."""
    return [(lr * s).to(p.dtype) for s, p in zip(scales, params, strict=True)]


def _decayed(grads: list[Tensor], params: list[Tensor], decays: Any) -> list[Tensor]:
    if not any(decays):
        return grads
    return list(torch._foreach_add(grads, torch._foreach_mul(params, list(decays))))


@_serves("sgd_update", 2)
def _sgd(
    flat: list[Tensor],
    inplace: bool,
    *,
    n: int,
    decays: Any,
    scales: Any,
    momentum: float,
    dampening: float,
    nesterov: bool,
) -> tuple[Tensor, ...]:
    lr, steps = flat[:2]
    params, grads, *rest = _lists(flat[2:], n)
    grads = _decayed(grads, params, decays)
    params = _own(params, inplace)
    new = [params]
    if rest:
        velocity = _own(rest[0], inplace)
        torch._foreach_mul_(velocity, momentum)
        later = (steps > 1).to(lr.dtype)  # the first velocity is the gradient itself
        keep = [
            (1.0 - x * dampening).to(p.dtype)
            for x, p in zip(later, params, strict=True)
        ]
        kept = torch._foreach_mul(grads, keep) if dampening else grads
        torch._foreach_add_(velocity, kept)
        new.append(velocity)
        grads = (
            list(torch._foreach_add(grads, velocity, alpha=momentum))
            if nesterov
            else velocity
        )
    torch._foreach_sub_(params, torch._foreach_mul(grads, _rates(lr, scales, params)))
    return _results(new, inplace)


@_serves("rmsprop_update", 2)
def _rmsprop(
    flat: list[Tensor],
    inplace: bool,
    *,
    n: int,
    decays: Any,
    scales: Any,
    alpha: float,
    eps: float,
    momentum: float,
    centered: bool,
) -> tuple[Tensor, ...]:
    lr = flat[0]
    params, grads, squares, *rest = _lists(flat[2:], n)
    grads = _decayed(grads, params, decays)
    params, squares = _own(params, inplace), _own(squares, inplace)
    rest = [_own(r, inplace) for r in rest]
    torch._foreach_mul_(squares, alpha)
    torch._foreach_addcmul_(squares, grads, grads, 1.0 - alpha)
    spread = squares
    if centered:
        torch._foreach_lerp_(rest[-1], grads, 1.0 - alpha)
        spread = list(torch._foreach_addcmul(squares, rest[-1], rest[-1], -1.0))
    root = list(torch._foreach_sqrt(spread))
    torch._foreach_add_(root, eps)
    move = list(torch._foreach_div(grads, root))
    if momentum:
        torch._foreach_mul_(rest[0], momentum)
        torch._foreach_add_(rest[0], move)
        move = rest[0]
    torch._foreach_sub_(params, torch._foreach_mul(move, _rates(lr, scales, params)))
    return _results((params, squares, *rest), inplace)


@_serves("clip_by_norm", 0)
def _clip(grads: list[Tensor], inplace: bool, *, limit: float) -> Any:
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
    scale = torch.clamp(limit / (norm + 1e-6), max=1.0)
    if inplace:
        torch._foreach_mul_(grads, scale)
        return norm
    return (*torch._foreach_mul(grads, scale), norm)


@_serves("ema_update", 1)
def _ema(flat: list[Tensor], inplace: bool) -> tuple[Tensor, ...]:
    decay, (averages, values) = flat[0], _lists(flat[1:], (len(flat) - 1) // 2)
    averages = _own(averages, inplace)
    d = decay.to(averages[0].dtype)
    torch._foreach_mul_(averages, d)
    torch._foreach_add_(averages, torch._foreach_mul(values, 1.0 - d))
    return _results((averages,), inplace)
