"""A training step of a GPT on ``opencl:0``, beside the same model in tinygrad."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..case import Arrays, Case, Work
from . import torch_gpt
from .xla_gpt import BETAS, DECAY, EPS, GPT, HEADS, LAYERS, LR, problem

CASES = (
    Case(
        name="opencl_gpt",
        variants=(GPT,),
        ours="benchmarks.backends.opencl_gpt:ours",
        reference="benchmarks.backends.opencl_gpt:peer",
        peer_name="tinygrad's CL device, the step in a TinyJit",
        needs=("tinygrad", "pyopencl"),
        target=1.5,
        aim=4.0,
        minutes=3.0,
    ),
)


def ours(variant: str) -> Work:
    """`hx.compile` of loss, backward and AdamW on ``opencl:0``."""
    return torch_gpt.ours(variant, "opencl:0")


def peer(variant: str, device: str = "CL") -> Work:
    """``backward`` and ``nn.optim.AdamW`` on one of tinygrad's devices, jitted as one."""
    os.environ["DEV"] = device
    from tinygrad import Context, Tensor, TinyJit
    from tinygrad.nn.optim import AdamW

    given = problem(variant)
    params = {k: Tensor(v).realize() for k, v in given.weights.items()}
    opt = AdamW(
        list(params.values()),
        lr=LR,
        b1=BETAS[0],
        b2=BETAS[1],
        eps=EPS,
        weight_decay=DECAY,
    )
    x, y = (Tensor(np.ascontiguousarray(a)).realize() for a in given.batch)

    @TinyJit
    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = _loss(params, x, y)
        loss.backward()
        return loss.realize(*opt.schedule_step())

    def call() -> float:
        with Context(TRAINING=1):
            return float(step(x, y).item())

    def arrays(loss: float) -> Arrays:
        """The gradients at the weights that the first step started from."""
        at = {k: Tensor(v).realize() for k, v in given.weights.items()}
        with Context(TRAINING=1):
            _loss(at, x, y).backward()
        Tensor.realize(*[p.grad for p in at.values()])
        grads = {k: p.grad.numpy() for k, p in at.items()}
        return {"loss": np.asarray(loss), **grads}

    return Work(call, arrays)


# ----------------------------------------------------------------- the model in tinygrad
def _loss(params: dict[str, Any], ids: Any, labels: Any) -> Any:
    from tinygrad import Tensor

    def dense(x: Any, at: str) -> Any:
        return x.linear(params[f"{at}.weight"].transpose(), params[f"{at}.bias"])

    def norm(x: Any, at: str) -> Any:
        x = x.layernorm(eps=1e-5)
        return x * params[f"{at}.weight"] + params[f"{at}.bias"]

    table = params["embedding.weight"]
    x = table[ids] + params["positions.weight"][: ids.shape[1]]
    batch, length, width = x.shape
    for i in range(LAYERS):
        at = f"layers.{i}"
        h = dense(norm(x, f"{at}.attention.norm"), f"{at}.attention.mixer.qkv")
        q, k, v = (
            a.reshape(batch, length, HEADS, width // HEADS).transpose(1, 2)
            for a in h.chunk(3, dim=2)
        )
        h = Tensor.scaled_dot_product_attention(q, k, v, is_causal=True)
        h = h.transpose(1, 2).reshape(batch, length, width)
        x = x + dense(h, f"{at}.attention.mixer.out_proj")
        h = dense(norm(x, f"{at}.mlp.norm"), f"{at}.mlp.mixer.up").gelu()
        x = x + dense(h, f"{at}.mlp.mixer.down")
    logits = norm(x, "norm") @ table.transpose()
    return logits.sparse_categorical_crossentropy(labels)
