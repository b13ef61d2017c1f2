"""Causal attention, forward and backward; each side in the layout it wants."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..case import Work
from ..sides import helix, helix_gradients, normal, pytorch, torch_gradients


def _problem(variant: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    b, t, h, d = map(int, re.findall(r"\d+", variant)[:4])
    rng = np.random.default_rng(0)
    inputs = {name: normal(rng, b, t, h, d) for name in ("q", "k", "v")}
    return inputs, normal(rng, b, t, h, d)


def ours(variant: str) -> Work:
    hx = helix()
    return helix_gradients(
        lambda q, k, v: hx.attention(q, k, v, causal=True), *_problem(variant)
    )


def _heads_first(name: str, a: np.ndarray) -> np.ndarray:
    return np.swapaxes(a, 1, 2)


def peer(variant: str) -> Work:
    F = pytorch().nn.functional

    def attention(q: Any, k: Any, v: Any) -> Any:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    return torch_gradients(attention, *_problem(variant), _heads_first, _heads_first)
