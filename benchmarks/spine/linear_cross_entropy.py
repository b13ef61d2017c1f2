"""A language model's head and its loss: gradients of features and weights."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..case import Arrays, Work
from ..sides import helix, normal, pytorch


def _problem(variant: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n, d, v = map(int, re.findall(r"\d+", variant)[:3])
    rng = np.random.default_rng(0)
    weight = normal(rng, v, d) * np.float32(d**-0.5)
    return normal(rng, n, d), weight, rng.integers(0, v, n)


def _named(loss: Any, dx: Any, dw: Any) -> Arrays:
    return {"loss": np.asarray(loss), "dx": np.asarray(dx), "dweight": np.asarray(dw)}


def ours(variant: str) -> Work:
    hx = helix()
    import numba  # noqa: F401  (an import, not memory of the loss)

    x, w, labels = map(hx.tensor, _problem(variant))
    both = hx.value_and_grad(lambda xw: hx.linear_cross_entropy(*xw, labels))

    def call() -> Any:
        loss, (dx, dw) = both((x, w))
        return loss, dx, dw

    return Work(call, lambda out: _named(*out))


def peer(variant: str) -> Work:
    torch = pytorch()
    F = torch.nn.functional
    x, w, labels = map(torch.from_numpy, _problem(variant))
    x.requires_grad_()
    w.requires_grad_()

    def call() -> Any:
        loss = F.cross_entropy(F.linear(x, w), labels)
        return loss.detach(), *torch.autograd.grad(loss, (x, w))

    return Work(call, lambda out: _named(*out))
