"""What the factories share: threads, conversions, a call with its gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .case import Arrays, Work
from .environment import THREADS


def helix() -> Any:
    """helix_core, on the CPU backend, with the threads of the benchmark."""
    import helix_core as hx

    hx.Device("cpu").backend.set_num_threads(THREADS)
    return hx


def pytorch() -> Any:
    """torch with the threads of the benchmark."""
    import torch

    torch.set_num_threads(THREADS)
    return torch


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Standard normal float32."""
    return rng.standard_normal(shape, dtype=np.float32)


Transform = Callable[[str, np.ndarray], np.ndarray]


def as_is(name: str, array: np.ndarray) -> np.ndarray:
    return array


def helix_gradients(
    fn: Callable[..., Any], inputs: dict[str, np.ndarray], ct: np.ndarray
) -> Work:
    """Work: ``fn``'s value and the gradient of each input."""
    hx = helix()
    xs = [hx.tensor(v) for v in inputs.values()]
    dy = hx.tensor(ct)

    def call() -> Any:
        y, pull = hx.vjp(fn, *xs)
        grads = pull(dy)
        return y, (grads if len(xs) > 1 else (grads,))

    return Work(call, lambda out: _named(inputs, out, np.asarray, as_is))


def torch_gradients(
    fn: Callable[..., Any],
    inputs: dict[str, np.ndarray],
    ct: np.ndarray,
    layout: Transform = as_is,
    back: Transform = as_is,
) -> Work:
    """The same in torch; ``layout`` prepares its arrays and ``back`` undoes that."""
    torch = pytorch()
    xs = [
        torch.tensor(layout(k, v)).contiguous().requires_grad_()
        for k, v in inputs.items()
    ]
    dy = torch.tensor(layout("y", ct)).contiguous()

    def call() -> Any:
        y = fn(*xs)
        return y, torch.autograd.grad(y, xs, dy)

    return Work(
        call, lambda out: _named(inputs, out, lambda t: t.detach().numpy(), back)
    )


def _named(
    inputs: dict[str, np.ndarray],
    out: tuple[Any, Sequence[Any]],
    to_numpy: Callable[[Any], np.ndarray],
    back: Transform,
) -> Arrays:
    y, grads = out
    found = {"y": back("y", to_numpy(y))}
    for name, g in zip(inputs, grads, strict=True):
        found[f"d{name}"] = back(name, to_numpy(g))
    return found
