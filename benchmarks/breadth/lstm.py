"""An LSTM layer over whole sequences: outputs, and gradients of inputs and weights."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..case import Arrays, Work
from ..sides import helix, normal, pytorch

NAMES = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def _problem(variant: str) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    hidden, length, batch = map(int, re.findall(r"\d+", variant)[:3])
    rng = np.random.default_rng(0)
    bound = hidden**-0.5
    shapes = ((4 * hidden, hidden),) * 2 + ((4 * hidden,),) * 2
    weights = {
        name: rng.uniform(-bound, bound, shape).astype(np.float32)
        for name, shape in zip(NAMES, shapes, strict=True)
    }
    x, ct = (normal(rng, batch, length, hidden) for _ in range(2))
    return weights, x, ct


def ours(variant: str) -> Work:
    hx = helix()
    from helix_layers import LSTM

    weights, x, ct = _problem(variant)
    layer = LSTM.from_torch(weights)
    cells = dict(layer.named_parameters())
    assert set(cells) == set(NAMES)
    x = hx.Parameter(hx.tensor(x))
    dy = hx.tensor(ct)

    def call() -> Any:
        for p in (x, *cells.values()):
            p.grad = None
        y = layer(x)[0]
        hx.sum(y * dy).backward()
        return y, x.grad, {k: p.grad for k, p in cells.items()}

    return Work(call, lambda out: _named(*out))


def peer(variant: str) -> Work:
    torch = pytorch()
    weights, x, ct = _problem(variant)
    layer = torch.nn.LSTM(x.shape[2], x.shape[2], batch_first=True)
    layer.load_state_dict({k: torch.tensor(v) for k, v in weights.items()})
    x = torch.tensor(x, requires_grad=True)
    dy = torch.tensor(ct)

    def call() -> Any:
        for p in (x, *layer.parameters()):
            p.grad = None
        y = layer(x)[0]
        (y * dy).sum().backward()
        return y.detach(), x.grad, {k: p.grad for k, p in layer.named_parameters()}

    return Work(call, lambda out: _named(*out))


def _named(y: Any, dx: Any, grads: dict[str, Any]) -> Arrays:
    found = {"y": np.asarray(y), "dx": np.asarray(dx)}
    return {**found, **{f"d{k}": np.asarray(g) for k, g in grads.items()}}
