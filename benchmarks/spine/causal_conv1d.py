"""The short depthwise convolution and its SiLU, forward and backward.

Each side gets its arrays in the layout it wants: ours (batch, time, channel), torch's
(batch, channel, time).
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..case import Work
from ..sides import helix, helix_gradients, normal, pytorch, torch_gradients


def _problem(variant: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    b, t, d, k = map(int, re.findall(r"\d+", variant)[:4])
    rng = np.random.default_rng(0)
    inputs = {
        "x": normal(rng, b, t, d),
        "weight": normal(rng, d, k),
        "bias": normal(rng, d),
    }
    return inputs, normal(rng, b, t, d)


def ours(variant: str) -> Work:
    hx = helix()
    return helix_gradients(
        lambda x, w, b: hx.causal_conv1d(x, w, b, activation="silu"),
        *_problem(variant),
    )


def _layout(name: str, a: np.ndarray) -> np.ndarray:
    if name == "weight":
        return a[:, None, :]
    return np.swapaxes(a, 1, 2) if a.ndim == 3 else a


def _back(name: str, a: np.ndarray) -> np.ndarray:
    if name == "weight":
        return a[:, 0]
    return np.swapaxes(a, 1, 2) if a.ndim == 3 else a


def peer(variant: str) -> Work:
    torch = pytorch()
    F = torch.nn.functional

    def conv(x: Any, w: Any, b: Any) -> Any:
        d, _, k = w.shape
        return F.silu(F.conv1d(x, w, b, padding=k - 1, groups=d)[..., : x.shape[-1]])

    return torch_gradients(conv, *_problem(variant), _layout, _back)
