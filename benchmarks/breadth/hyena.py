"""A Hyena operator: projections, short convolution, filter network, gated long
convolution; outputs, and gradients of inputs and weights."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Any

import numpy as np

from ..case import Arrays, Work
from ..sides import helix, normal, pytorch

EMBEDDING, WIDTH, FREQ, SHIFT = 5, 64, 10.0, 0.05  # HyenaDNA's


def _sizes(variant: str) -> tuple[int, int, int]:
    d, length, batch = map(int, re.findall(r"\d+", variant)[:3])
    return d, length, batch


def _mixer(d: int, length: int) -> Any:
    hx = helix()
    from helix_layers import HyenaMixer

    return HyenaMixer(
        d,
        l_max=length,
        filter_width=WIDTH,
        emb_dim=EMBEDDING,
        freq=FREQ,
        shift=SHIFT,
        generator=hx.Generator(0),
    )


@lru_cache(maxsize=1)
def _weights(d: int, length: int) -> dict[str, np.ndarray]:
    return {k: np.array(p.value) for k, p in _mixer(d, length).named_parameters()}


def _problem(variant: str) -> tuple[np.ndarray, np.ndarray]:
    d, length, batch = _sizes(variant)
    rng = np.random.default_rng(0)
    return normal(rng, batch, length, d), normal(rng, batch, length, d)


def ours(variant: str) -> Work:
    hx = helix()
    import numba  # noqa: F401  (an import, not memory of the operator)

    d, length, _ = _sizes(variant)
    mixer = _mixer(d, length)
    x, ct = _problem(variant)
    x, dy = hx.Parameter(hx.tensor(x)), hx.tensor(ct)
    cells = {"x": x, **dict(mixer.named_parameters())}

    def call() -> Any:
        for cell in cells.values():
            cell.grad = None
        y = mixer(x.value)
        hx.sum(y * dy).backward()
        return y, {k: c.grad for k, c in cells.items() if c.grad is not None}

    return Work(call, _named)


def _named(out: tuple[Any, dict[str, Any]]) -> Arrays:
    y, grads = out
    return {"y": np.asarray(y), **{f"d{k}": np.asarray(g) for k, g in grads.items()}}


def peer(variant: str) -> Work:
    torch = pytorch()
    d, length, _ = _sizes(variant)
    x, ct = _problem(variant)
    p = {
        k: torch.tensor(v, requires_grad=k != "filter.deltas")
        for k, v in _weights(d, length).items()
    }
    x = torch.tensor(x, requires_grad=True)
    dy = torch.tensor(ct)
    wanted = {"x": x, **{k: t for k, t in p.items() if t.requires_grad}}

    def call() -> Any:
        for t in wanted.values():
            t.grad = None
        y = _operator(torch, p, x)
        (y * dy).sum().backward()
        return y.detach(), {k: t.grad for k, t in wanted.items()}

    return Work(call, _named)


def _operator(torch: Any, p: dict[str, Any], x: Any) -> Any:
    """As in HyenaDNA: (batch, channel, time), transforms of twice the length."""
    F = torch.nn.functional
    n, d = x.shape[1], x.shape[2]
    u = F.linear(x, p["in_proj.weight"], p["in_proj.bias"]).transpose(1, 2)
    u = F.conv1d(u, p["conv_weight"][:, None], p["conv_bias"], padding=2, groups=3 * d)[
        ..., :n
    ]
    x0, x1, v = u.split(d, 1)
    k = _filter(torch, p, n).T
    v = v * x1
    product = torch.fft.rfft(v, n=2 * n) * torch.fft.rfft(k, n=2 * n)
    y = torch.fft.irfft(product, n=2 * n)[..., :n] + v * p["filter.bias"][:, None]
    return F.linear((y * x0).transpose(1, 2), p["out_proj.weight"], p["out_proj.bias"])


def _filter(torch: Any, p: dict[str, Any], n: int) -> Any:
    """(time, channel)."""
    F = torch.nn.functional
    t = torch.linspace(0, 1, n)[:, None]
    w = 2 * math.pi * torch.arange(n)[:, None] / n
    bands = (EMBEDDING - 1) // 2
    f = torch.linspace(1e-4, bands - 1, bands)
    h = torch.cat([t, torch.cos(-f * w), torch.sin(-f * w)], -1)
    for i in range(3):
        at = f"filter.layers.{i}"
        h = F.linear(h, p[f"{at}.weight"], p[f"{at}.bias"])
        h = torch.sin(p["filter.freq"] * h)
    h = F.linear(h, p["filter.layers.3.weight"])
    return h * (torch.exp(-t * p["filter.deltas"].abs()) + SHIFT)
