"""Matrix products: bfloat16 in all layouts, and a linear layer with its epilogue."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..case import Arrays, Work
from ..sides import helix, normal, pytorch


def _sizes(variant: str) -> tuple[int, int, int]:
    m, k, n = map(int, re.findall(r"\d+", variant)[:3])
    return m, k, n


# ------------------------------------------------------------------------- bfloat16
def _operands(variant: str) -> tuple[np.ndarray, np.ndarray, str]:
    """Operands as they are stored, (k, m) or (m, k) and (k, n) or (n, k)."""
    m, k, n = _sizes(variant)
    layout = variant.split()[1]
    rng = np.random.default_rng(0)
    a = normal(rng, *((m, k) if layout[0] == "N" else (k, m)))
    b = normal(rng, *((k, n) if layout[1] == "N" else (n, k)))
    return a, b, layout


def _one(y: np.ndarray) -> Arrays:
    return {"y": y}


def bfloat16(variant: str) -> Work:
    """From float32 operands, which are rounded while they are packed."""
    hx = helix()
    a, b, layout = _operands(variant)
    x, y = hx.tensor(a), hx.tensor(b)
    dims = (((int(layout[0] == "N"),), (int(layout[1] == "T"),)), ((), ()))
    return Work(
        lambda: hx.dot_general(x, y, dims, compute="bfloat16"),
        lambda out: _one(np.asarray(out)),
    )


def bfloat16_peer(variant: str) -> Work:
    """From operands that are bfloat16 already, to bfloat16."""
    torch = pytorch()
    a, b, layout = _operands(variant)
    x, y = (torch.from_numpy(v).bfloat16() for v in (a, b))
    x, y = (x if layout[0] == "N" else x.T), (y if layout[1] == "N" else y.T)
    return Work(lambda: x @ y, lambda out: _one(out.float().numpy()))


# ------------------------------------------------------------------------- epilogue
def _layer(variant: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    m, k, n = _sizes(variant)
    rng = np.random.default_rng(0)
    return normal(rng, m, k), normal(rng, n, k) * np.float32(k**-0.5), normal(rng, n)


def epilogue(variant: str) -> Work:
    hx = helix()
    x, w, b = map(hx.tensor, _layer(variant))
    return Work(
        lambda: hx.linear(x, w, b, activation="gelu"),
        lambda out: _one(np.asarray(out)),
    )


def epilogue_peer(variant: str) -> Work:
    torch = pytorch()
    F = torch.nn.functional
    x, w, b = map(torch.from_numpy, _layer(variant))

    def call() -> Any:
        with torch.no_grad():
            return F.gelu(F.linear(x, w, b))

    return Work(call, lambda out: _one(out.numpy()))
