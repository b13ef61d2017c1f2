"""Saved here, loaded anywhere."""

from __future__ import annotations

import tempfile
from pathlib import Path

import helix_core as hx
import numpy as np
from helix_core import optim

from .._case import Section, case, each
from .._target import same_bits
from .._values import DTYPES, some
from .compiled import Mlp

_SAVED = tuple(d for d in DTYPES if not d.startswith("complex"))


class Checkpoints(Section):
    """Files hold bits: no device, no backend."""

    @each(_SAVED)
    def tensors(self, dtype: str) -> None:
        t = self.target
        t.need(dtype)
        x = some((3, 4), dtype, 1)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.safetensors"
            hx.save({"x": t.put(x), "empty": t.put(x[:0])}, path)
            there = hx.load(path, device="numpy")
            here = hx.load(path, device=t.device)
        if not same_bits(np.ascontiguousarray(there["x"].buffer), x):
            raise AssertionError(f"saved on {t.name}, loaded on numpy: other bits")
        t.values("loaded on the device", here["x"], x)
        t.values("an empty tensor", here["empty"], x[:0])

    @case
    def training_goes_on(self) -> None:
        """Three steps here, three on NumPy, are six."""
        t = self.target
        x = some((6, 8), "float32", 2)

        def go(model: Mlp, opt: optim.Optimizer, device: hx.Device, steps: int) -> None:
            for _ in range(steps):
                with hx.device(device):
                    a = hx.tensor(x, device=device)
                    hx.mean(hx.square(model(a))).backward()
                    opt.step()

        host = hx.Device("numpy")
        whole, part, rest = Mlp(host), Mlp(t.device), Mlp(host)
        makers = [optim.SGD(m, lr=0.1) for m in (whole, part, rest)]
        go(whole, makers[0], host, 4)
        go(part, makers[1], t.device, 2)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.safetensors"
            hx.save(part, path)
            rest.load_state_dict(hx.load(path, device="numpy"))
        go(rest, makers[2], host, 2)
        for name in ("a", "b", "c"):
            want = np.asarray(getattr(whole, name).value)
            got = np.asarray(getattr(rest, name).value)
            t.values(f"parameter {name}", got, want, 2e-5)

    @case
    def random_state(self) -> None:
        """A generator goes on where it was, on another device."""
        t = self.target
        g = hx.Generator(5)
        hx.random_bits((3,), device=t.device, generator=g)
        state = g.state_dict()
        want = np.asarray(hx.random_bits((9,), device=t.device, generator=g))
        h = hx.Generator(0)
        h.load_state_dict(state)
        got = np.asarray(hx.random_bits((9,), device="numpy", generator=h))
        t.values("random bits after a checkpoint", got, want)
