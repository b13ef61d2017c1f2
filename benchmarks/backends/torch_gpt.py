"""A training step on ``torch:cpu``: a GPT and an MLP, beside the same in plain torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..case import Arrays, Case, Work
from ..environment import THREADS
from ..sides import pytorch
from .xla_gpt import (
    BETAS,
    DECAY,
    EPS,
    GPT,
    HEADS,
    LAYERS,
    LR,
    MLP,
    WIDTHS,
    _helix_model,
    problem,
)

CASES = (
    Case(
        name="torch_gpt",
        variants=(GPT, MLP),
        ours="benchmarks.backends.torch_gpt:ours",
        reference="benchmarks.backends.torch_gpt:peer",
        peer_name="torch: autograd and fused AdamW",
        needs=("torch",),
        target=0.9,
        aim=1.0,
        minutes=1.5,
    ),
)


# ------------------------------------------------------------------------------- sides
def ours(variant: str, device: str = "torch:cpu") -> Work:
    """`hx.compile` of loss, backward and AdamW."""
    import helix_core as hx

    dev = hx.Device(device)
    dev.backend.set_num_threads(THREADS)
    model, given = _helix_model(variant, dev), problem(variant)
    model.load_state_dict(given.weights)
    opt = hx.optim.AdamW(model, lr=LR, betas=BETAS, eps=EPS, weight_decay=DECAY)
    x, y = (hx.tensor(np.ascontiguousarray(a), device=dev) for a in given.batch)

    @hx.compile
    def step(x: Any, y: Any) -> Any:
        loss = model.loss(x, y)
        loss.backward()
        opt.step()
        return loss

    @hx.compile
    def gradients(x: Any, y: Any) -> None:
        model.loss(x, y).backward()

    def arrays(loss: float) -> Arrays:
        """The gradients at the weights that the first step started from."""
        trained = {k: np.array(v) for k, v in model.state_dict().items()}
        model.load_state_dict(given.weights)
        gradients(x, y)
        found = {k: np.array(p.grad) for k, p in model.named_parameters()}
        for _, p in model.named_parameters():
            p.grad = None
        model.load_state_dict(trained)
        return {"loss": np.asarray(loss), **found}

    return Work(lambda: step(x, y).item(), arrays)


def peer(variant: str) -> Work:
    """The model in `torch.nn.functional`, ``backward`` and `torch.optim.AdamW`."""
    torch = pytorch()
    given = problem(variant)
    params = {k: torch.tensor(v, requires_grad=True) for k, v in given.weights.items()}
    opt = torch.optim.AdamW(
        params.values(), lr=LR, betas=BETAS, eps=EPS, weight_decay=DECAY, fused=True
    )
    x, y = (torch.tensor(np.ascontiguousarray(a)) for a in given.batch)
    y = y.long()
    loss_of = _gpt_loss if variant == GPT else _mlp_loss

    def call() -> float:
        opt.zero_grad()
        loss = loss_of(params, x, y)
        loss.backward()
        opt.step()
        return float(loss.detach())

    def arrays(loss: float) -> Arrays:
        at = {k: torch.tensor(v, requires_grad=True) for k, v in given.weights.items()}
        loss_of(at, x, y).backward()
        grads = {k: p.grad.numpy() for k, p in at.items()}
        return {"loss": np.asarray(loss), **grads}

    return Work(call, arrays)


# ---------------------------------------------------------------- the models in torch
def _mlp_loss(params: dict[str, Any], x: Any, y: Any) -> Any:
    from torch.nn.functional import cross_entropy, relu

    n = len(WIDTHS) - 1
    for i in range(n):
        x = x @ params[f"w.{i}"] + params[f"b.{i}"]
        x = relu(x) if i < n - 1 else x
    return cross_entropy(x, y)


def _gpt_loss(params: dict[str, Any], ids: Any, labels: Any) -> Any:
    from torch.nn import functional

    def dense(x: Any, at: str) -> Any:
        return functional.linear(x, params[f"{at}.weight"], params[f"{at}.bias"])

    def norm(x: Any, at: str) -> Any:
        w, b = params[f"{at}.weight"], params[f"{at}.bias"]
        return functional.layer_norm(x, w.shape, w, b, 1e-5)

    table = params["embedding.weight"]
    x = functional.embedding(ids, table) + params["positions.weight"][: ids.shape[1]]
    for i in range(LAYERS):
        at = f"layers.{i}"
        h = dense(norm(x, f"{at}.attention.norm"), f"{at}.attention.mixer.qkv")
        q, k, v = (
            a.unflatten(2, (HEADS, -1)).transpose(1, 2) for a in h.chunk(3, dim=2)
        )
        h = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        h = h.transpose(1, 2).flatten(2)
        x = x + dense(h, f"{at}.attention.mixer.out_proj")
        h = dense(norm(x, f"{at}.mlp.norm"), f"{at}.mlp.mixer.up")
        h = functional.gelu(h, approximate="tanh")
        x = x + dense(h, f"{at}.mlp.mixer.down")
    logits = norm(x, "norm") @ table.t()
    return functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
