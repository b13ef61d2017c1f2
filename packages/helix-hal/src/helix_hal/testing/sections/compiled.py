"""Whole steps: what ``hx.compile`` replays is what eager code does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import helix_core as hx
import numpy as np
from helix_core import losses, optim

from .._case import Section, case, each
from .._compare import of_largest
from .._values import rng, some

_NEAR = of_largest(2e-5)


class Mlp(hx.Module):
    """Two layers, made of the same numbers on every device."""

    def __init__(self, device: Any) -> None:
        self.a = hx.Parameter(
            hx.tensor(some((16, 8), "float32", 1) * 0.3, device=device)
        )
        self.b = hx.Parameter(hx.tensor(np.zeros(16, np.float32), device=device))
        self.c = hx.Parameter(
            hx.tensor(some((5, 16), "float32", 2) * 0.3, device=device)
        )

    def __call__(self, x: Any) -> Any:
        return hx.linear(hx.linear(x, self.a, self.b, activation="gelu"), self.c)


def train(device: Any, compiled: bool, steps: int, kind: str) -> list[hx.Tensor]:
    """Losses, then parameters."""
    with hx.device(device):
        model = Mlp(device)
        opt = (
            optim.AdamW(model, lr=0.01)
            if kind == "AdamW"
            else optim.SGD(model, lr=0.1, momentum=0.9)
        )
        x = hx.tensor(some((12, 8), "float32", 3), device=device)
        y = hx.tensor(rng(4).integers(0, 5, 12).astype(np.int32), device=device)

        def step(a: Any, b: Any) -> Any:
            loss = losses.cross_entropy(model(a), b)
            loss.backward()
            opt.step()
            return loss

        run: Callable[..., Any] = hx.compile(step) if compiled else step
        out = [run(x, y).detach() for _ in range(steps)]
        return [*out, *[p.value.detach() for p in (model.a, model.b, model.c)]]


class Compiled(Section):
    """Plans: equal to eager, repeatable, and careful with what they are given."""

    @each(["SGD", "AdamW"])
    def training(self, kind: str) -> None:
        t = self.target
        n = t.size(5, 2)
        eager = train(t.device, False, n, kind)
        plan = train(t.device, True, n, kind)
        ref = train(hx.Device("numpy"), False, n, kind)
        for i, (e, p, r) in enumerate(zip(eager, plan, ref, strict=True)):
            want = np.asarray(r.buffer)
            t.values(f"eager result {i}", e, want, _NEAR(want))
            t.values(f"compiled result {i}", p, want, _NEAR(want))

    @case
    def function(self) -> None:
        """The same plan for other values, another for other shapes."""
        t = self.target

        def fn(x: Any, w: Any) -> Any:
            h = hx.softmax(hx.matmul(x, w))
            return hx.sum(h * h, 1), hx.cumsum(h, 1), h.at[0].set(0.0)

        run = hx.compile(fn)
        for seed, n in ((5, 3), (6, 3), (7, 9), (8, 3)):
            x = t.put(some((n, 4), "float32", seed))
            w = t.put(some((4, 6), "float32", seed + 9))
            for i, (a, b) in enumerate(zip(run(x, w), fn(x, w), strict=True)):
                want = np.array(t.get(b))
                t.values(f"output {i}", a, want, _NEAR(want))

    @case
    def inputs_stay(self) -> None:
        """Nothing that somebody holds is overwritten."""
        t = self.target
        model = Mlp(t.device)
        opt = optim.SGD(model, lr=0.5)
        x = t.put(some((12, 8), "float32", 10))
        keep = np.array(t.get(x))

        def step(a: Any) -> Any:
            loss = hx.mean(hx.square(model(a)))
            loss.backward()
            opt.step()
            return loss

        run = hx.compile(step)
        run(x)
        old = model.a.value
        values = np.array(t.get(old))
        loss = run(x)
        first = np.array(t.get(loss))
        for _ in range(3):
            run(x)
        t.values("the input", x, keep)
        t.values("a parameter held from before a step", old, values)
        t.values("a loss held from before a step", loss, first)
        if np.array_equal(values, np.asarray(model.a.value)):
            raise AssertionError("expected the steps to change the parameter")

    @case
    def gradients(self) -> None:
        t = self.target

        def fn(x: Any) -> Any:
            return hx.sum(hx.tanh(x) * hx.exp(x))

        run = hx.compile(hx.value_and_grad(fn))
        x = t.put(some((4, 5), "float32", 11))
        for a, b in zip(run(x), hx.value_and_grad(fn)(x), strict=True):
            want = np.array(t.get(b))
            t.values("value and gradient", a, want, _NEAR(want))

    @case
    def plan(self) -> None:
        """The backend's own plan of a graph, called twice."""
        t = self.target
        x = t.put(some((4, 5), "float32", 12))
        run = hx.trace(lambda a: (a * 2.0 + 1.0, hx.sum(a, 0)))
        first = [np.array(t.get(y)) for y in run(x)]
        again = [np.array(t.get(y)) for y in run(x)]
        want = some((4, 5), "float32", 12)
        for a, b, w in zip(first, again, (want * 2 + 1, want.sum(0)), strict=True):
            t.values("first call", a, w, 1e-5)
            t.values("second call", b, w, 1e-5)
