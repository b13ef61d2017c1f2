"""A diagonal state space over long sequences: filter, transforms, and gradients."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..case import Arrays, Work
from ..sides import helix, normal, pytorch, torch_gradients

STATES = 64


def _problem(variant: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    d, length = map(int, re.findall(r"\d+", variant)[:2])
    rng = np.random.default_rng(0)
    n = STATES // 2
    inputs = {
        "x": normal(rng, 1, length, d),
        "log_dt": rng.uniform(np.log(1e-3), np.log(1e-1), d),
        "log_A_real": np.full((d, n), np.log(0.5)),
        "A_imag": np.tile(np.pi * np.arange(n), (d, 1)),
        "C": normal(rng, d, n, 2) * 0.5**0.5,
        "D": normal(rng, d),
    }
    inputs = {k: np.ascontiguousarray(v, np.float32) for k, v in inputs.items()}
    return inputs, normal(rng, 1, length, d)


def ours(variant: str) -> Work:
    hx = helix()
    from helix_layers import S4DMixer

    inputs, ct = _problem(variant)
    mixer = S4DMixer(inputs["x"].shape[2], STATES)
    kernel = mixer.kernel
    cells = {
        "x": hx.Parameter(hx.tensor(inputs["x"])),
        "log_dt": kernel.log_dt,
        "log_A_real": kernel.log_A_real,
        "A_imag": kernel.A_imag,
        "C": kernel.C,
        "D": mixer.D,
    }
    for name, cell in cells.items():
        cell.value = hx.tensor(inputs[name])
    dy = hx.tensor(ct)

    def call() -> Any:
        for cell in cells.values():
            cell.grad = None
        y = mixer.scan(cells["x"].value)[0]
        hx.sum(y * dy).backward()
        return y, {name: cell.grad for name, cell in cells.items()}

    def arrays(out: Any) -> Arrays:
        y, grads = out
        return {
            "y": np.asarray(y),
            **{f"d{name}": np.asarray(g) for name, g in grads.items()},
        }

    return Work(call, arrays)


def peer(variant: str) -> Work:
    """The paper's minimal implementation, which holds (channel, state, time)."""
    torch = pytorch()

    def scan(x: Any, log_dt: Any, log_a: Any, a_imag: Any, c: Any, skip: Any) -> Any:
        length = x.shape[1]
        a = -log_a.exp() + 1j * a_imag
        z = a * log_dt.exp()[:, None]
        c = torch.view_as_complex(c) * (torch.exp(z) - 1.0) / a
        powers = torch.exp(z[..., None] * torch.arange(length))
        k = 2 * torch.einsum("hn,hnl->hl", c, powers).real
        u = x.transpose(1, 2)
        n = 2 * length
        y = torch.fft.irfft(torch.fft.rfft(u, n=n) * torch.fft.rfft(k, n=n), n=n)
        return (y[..., :length] + u * skip[:, None]).transpose(1, 2)

    return torch_gradients(scan, *_problem(variant))
