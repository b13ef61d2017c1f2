"""The selective scan of Mamba: blocks of time, whose states are held one at a time."""

from __future__ import annotations

from typing import Any

import torch
from helix_core._composites.selective_scan import CHUNK, OPTIONAL
from torch.nn import functional

from .specs import Tensor, serves

aten = torch.ops.aten


def _named(rest: Any, flags: dict[str, Any]) -> dict[str, Any]:
    it = iter(rest)
    return {k: next(it) if flags[k] else None for k in OPTIONAL}


def _steps(dt: Tensor, o: dict[str, Any], softplus: bool) -> tuple[Tensor, Tensor]:
    """Step sizes, before and after softplus."""
    raw = dt if o["dt_bias"] is None else dt + o["dt_bias"]
    return raw, functional.softplus(raw, 1.0, 80.0) if softplus else raw


def _block(
    dt: Tensor, du: Tensor, A: Tensor, B: Tensor, at: slice
) -> tuple[Tensor, Tensor]:
    """Decays and drives of a block, time first: (time, b, d, n)."""
    d = dt[:, at].transpose(0, 1).unsqueeze(-1)
    decay = torch.exp(d * A)
    x = du[:, at].transpose(0, 1).unsqueeze(-1)
    return decay, x * B[:, at].transpose(0, 1).unsqueeze(2)


def _walked(decay: Tensor, drive: Tensor, h: Tensor) -> Tensor:
    """Every state of the block, over the drives."""
    for t in range(len(drive)):
        h = drive[t].addcmul_(decay[t], h)
    return drive


def _forward(
    u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, rest: Any, f: Any
) -> Any:
    o = _named(rest, f)
    _, dt = _steps(dt, o, f["softplus"])
    b, n, d = u.shape
    h = u.new_zeros((b, d, A.shape[1])) if o["h0"] is None else o["h0"]
    du, y, starts = (
        dt * u,
        torch.empty_like(u, memory_format=torch.contiguous_format),
        [],
    )
    for i in range(0, n, CHUNK):
        at = slice(i, min(i + CHUNK, n))
        starts.append(h)
        decay, drive = _block(dt, du, A, B, at)
        states = _walked(decay, drive, h)
        h = states[-1].clone()
        row = C[:, at].transpose(0, 1).unsqueeze(-1)  # (time, b, n, 1)
        y[:, at] = torch.matmul(states, row).squeeze(-1).transpose(0, 1)
    if o["D"] is not None:
        y.addcmul_(u, o["D"])
    if o["z"] is not None:
        y = y * functional.silu(o["z"])
    return y, h, torch.stack(starts, 1).transpose(2, 3)


@serves("selective_scan.fwd", widen=True)
def _scan_fwd(dev: Any, *xs: Tensor, **flags: Any) -> Any:
    u, dt, A, B, C, *rest = xs
    return _forward(u, dt, A, B, C, rest, flags)


@serves("selective_scan", widen=True)
def _scan(dev: Any, *xs: Tensor, **flags: Any) -> Any:
    u, dt, A, B, C, *rest = xs
    return _forward(u, dt, A, B, C, rest, flags)[:2]


@serves("selective_scan.bwd", widen=True)
def _scan_bwd(dev: Any, *flat: Tensor, **flags: Any) -> Any:
    u, dt, A, B, C, *rest = flat
    *rest, starts, dy, dlast = rest
    o = _named(rest, flags)
    raw, dt = _steps(dt, o, flags["softplus"])
    grads: dict[str, Any] = {}
    gated = dy
    if o["z"] is not None:
        gated = dy * functional.silu(o["z"])
    du_drive, ddt = torch.empty_like(u), torch.empty_like(u)
    dA, dB, dC = torch.zeros_like(A), torch.empty_like(B), torch.empty_like(C)
    y = torch.empty_like(u) if o["z"] is not None else None
    du, n, g = dt * u, u.shape[1], dlast
    for c in reversed(range(starts.shape[1])):
        at = slice(c * CHUNK, min((c + 1) * CHUNK, n))
        decay, drive = _block(dt, du, A, B, at)
        first = starts[:, c].transpose(1, 2)
        h = _walked(decay, drive, first)
        Ct = C[:, at].transpose(0, 1)  # (time, b, n)
        Bt = B[:, at].transpose(0, 1)
        ct = gated[:, at].transpose(0, 1)  # (time, b, d)
        if y is not None:
            y[:, at] = torch.matmul(h, Ct.unsqueeze(-1)).squeeze(-1).transpose(0, 1)
        dC[:, at] = torch.matmul(ct.unsqueeze(2), h).squeeze(2).transpose(0, 1)
        # g_t: of the state after step t
        G = ct.unsqueeze(-1) * Ct.unsqueeze(2)
        G[-1].add_(g)
        for t in reversed(range(len(G) - 1)):
            G[t].addcmul_(decay[t + 1], G[t + 1])
        g = decay[0] * G[0]
        step = torch.matmul(G, Bt.unsqueeze(-1)).squeeze(-1)  # of dt u: (time, b, d)
        x = du[:, at].transpose(0, 1).unsqueeze(2)
        dB[:, at] = torch.matmul(x, G).squeeze(2).transpose(0, 1)
        G.mul_(decay)
        G[1:].mul_(h[:-1])
        G[0].mul_(first)  # of dt A
        ddt[:, at] = (G * A).sum(-1).transpose(0, 1)
        dA.add_((G * dt[:, at].transpose(0, 1).unsqueeze(-1)).sum((0, 1)))
        du_drive[:, at] = step.transpose(0, 1)
    ddt.addcmul_(du_drive, u)
    grads["u"] = du_drive.mul_(dt)
    if o["D"] is not None:
        grads["D"] = (gated * u).sum((0, 1))
        grads["u"] = grads["u"].addcmul_(gated, o["D"])
    if y is not None:
        y = y if o["D"] is None else y.addcmul_(u, o["D"])
        grads["z"] = aten.silu_backward(dy * y, o["z"])
    ddt = ddt * torch.sigmoid(raw) if flags["softplus"] else ddt
    if o["dt_bias"] is not None:
        grads["dt_bias"] = ddt.sum((0, 1))
    if o["h0"] is not None:
        grads["h0"] = g.contiguous()
    more = [grads[k] for k in OPTIONAL if k in grads]
    return (grads["u"], ddt, dA, dB, dC, *more)
