"""One AdamW step over many tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..case import Work
from ..sides import helix, normal, pytorch

TENSORS, SHAPE = 100, (250, 400)
LR, DECAY = 1e-3, 1e-2


def _problem() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Parameters and gradients."""
    rng = np.random.default_rng(0)
    both = [normal(rng, 2, *SHAPE) for _ in range(TENSORS)]
    return [b[0] for b in both], [b[1] for b in both]


def ours(variant: str) -> Work:
    hx = helix()
    values, grads = _problem()
    params = [hx.Parameter(hx.tensor(v)) for v in values]
    given = [hx.tensor(g) for g in grads]
    opt = hx.optim.AdamW(params, lr=LR, weight_decay=DECAY)

    def call() -> None:
        for p, g in zip(params, given, strict=True):
            p.grad = g
        opt.step()

    return Work(call, lambda _: {"p": np.stack([np.asarray(p.value) for p in params])})


def peer(variant: str) -> Work:
    torch = pytorch()
    values, grads = _problem()
    params = [torch.nn.Parameter(torch.tensor(v)) for v in values]
    given = [torch.tensor(g) for g in grads]
    opt = torch.optim.AdamW(params, lr=LR, weight_decay=DECAY, fused=True)

    def call() -> None:
        for p, g in zip(params, given, strict=True):
            p.grad = g
        opt.step()

    def arrays(_: Any) -> dict[str, np.ndarray]:
        return {"p": torch.stack(params).detach().numpy()}

    return Work(call, arrays)
