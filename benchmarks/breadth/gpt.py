"""A training step of a GPT: forward, backward, AdamW; in float32 and in bfloat16."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np

from ..case import Arrays, Work
from ..sides import helix, pytorch
from . import gpt_model as gm


def ours(variant: str) -> Work:
    return _ours("fp32")


def ours_bf16(variant: str) -> Work:
    return _ours("bf16")


def _ours(precision: str) -> Work:
    hx = helix()
    model = gm.helix_model()
    opt = hx.optim.AdamW(model.parameters(), lr=gm.LR, weight_decay=gm.DECAY)
    x, y = (hx.tensor(a.astype(np.int32)) for a in gm.batch())
    start = {k: np.asarray(v) for k, v in model.state_dict().items()}
    compute = {"fp32": "float32", "bf16": "bfloat16"}[precision]
    model.train()

    def loss_of() -> Any:
        with hx.precision(compute):
            return model.loss(x, y)

    def step() -> float:
        loss = loss_of()
        loss.backward()
        value: float = loss.item()
        opt.step()  # clears the gradients
        return value

    def arrays(loss: Any) -> Arrays:
        """The gradients at the weights that the first step started from."""
        model.load_state_dict(start)
        loss_of().backward()
        named = dict(model.named_parameters())
        found = {
            theirs: gm.turned(theirs, np.asarray(named[ours].grad))
            for theirs, ours in gm.helix_names().items()
        }
        for p in named.values():
            p.grad = None
        return {"loss": np.asarray(loss), **found}

    return Work(step, arrays)


def peer(variant: str) -> Work:
    """torch, eager."""
    return _torch(False)


def peer_autocast(variant: str) -> Work:
    """torch, eager, in bfloat16 autocast."""
    return _torch(True)


def _torch(autocast: bool) -> Work:
    torch = pytorch()
    F = torch.nn.functional
    model = gm.torch_model()
    x, y = map(torch.tensor, gm.batch())
    opt = torch.optim.AdamW(
        model.parameters(), lr=gm.LR, weight_decay=gm.DECAY, fused=True
    )
    model.train()

    def step() -> float:
        opt.zero_grad()
        with torch.autocast("cpu", torch.bfloat16) if autocast else nullcontext():
            out = model(x)
            loss = F.cross_entropy(out.reshape(-1, gm.VOCAB), y.reshape(-1))
        loss.backward()
        opt.step()
        return float(loss.item())

    def arrays(loss: Any) -> Arrays:
        named = dict(model.named_parameters())
        # the step leaves the gradients where it found them
        grads = {k: named[gm.torch_name(k)].grad.numpy() for k in gm.weights()}
        return {
            "loss": np.asarray(loss),
            **{k: gm.turned(k, g) for k, g in grads.items()},
        }

    return Work(step, arrays)
