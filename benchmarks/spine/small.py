"""Operations on eight numbers: what a call costs, whatever it computes."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from statistics import median
from typing import Any

import numpy as np

from ..case import Arrays, Work
from ..sides import helix, pytorch

REPEATS, LOOPS = 7, 3000
LINKS = 50

_A = np.arange(8, dtype=np.float32)
_B = np.linspace(0.5, 1.5, 8, dtype=np.float32)
_SCALAR = 1.5
_OTHERS = ("tensor", "scalar", "parameter")


def _loop(x: Any, y: Any) -> float:
    """Seconds of one ``x + y``."""
    start = time.perf_counter()
    for _ in range(LOOPS):
        x + y
    return (time.perf_counter() - start) / LOOPS


# ----------------------------------------------------------------------------- adding
def add(variant: str) -> Work:
    """A Tensor plus a Tensor, a scalar, a Parameter; recording a gradient or not."""
    hx = helix()
    tracked = hx.Parameter(hx.tensor(_A)) * 1.0  # a Tensor that wants a gradient
    others = {
        "tensor": hx.tensor(_B),
        "scalar": _SCALAR,
        "parameter": hx.Parameter(hx.tensor(_B)),
    }
    pairs = {
        f"{name}{', gradient' if gradient else ''}": (gradient, others[name])
        for name in _OTHERS
        for gradient in (False, True)
    }
    seen: dict[str, list[float]] = {k: [] for k in pairs}
    plain = hx.tensor(_A)

    def mode(gradient: bool) -> Any:
        return nullcontext() if gradient else hx.no_grad()

    def one(name: str) -> tuple[Any, Any, Any]:
        gradient, other = pairs[name]
        return mode(gradient), tracked if gradient else plain, other

    def call() -> dict[str, Any]:
        out = {}
        for name in pairs:
            context, x, y = one(name)
            with context:
                out[name] = x + y
        return out

    def sample() -> float:
        for name in pairs:
            base = _SCALAR if name.startswith("scalar") else _B
            over = []
            for _ in range(REPEATS):
                numpy_seconds = _loop(_A, base)
                context, x, y = one(name)
                with context:
                    over.append(_loop(x, y) - numpy_seconds)
            seen[name].append(median(over))
        return max(values[-1] for values in seen.values())

    def note() -> str:
        return "; ".join(f"{k} {median(v) * 1e6:.2f} us" for k, v in seen.items() if v)

    return Work(call, _arrays(np.asarray), sample, note)


def add_numpy(variant: str) -> Work:
    """The right sums."""

    def call() -> dict[str, Any]:
        return {
            f"{name}{gradient}": _A + (_SCALAR if name == "scalar" else _B)
            for name in _OTHERS
            for gradient in ("", ", gradient")
        }

    return Work(call, _arrays(np.asarray))


def _arrays(to_numpy: Callable[[Any], np.ndarray]) -> Callable[[Any], Arrays]:
    return lambda out: {k: to_numpy(v) for k, v in out.items()}


# ----------------------------------------------------------------------------- a chain
def chain(variant: str) -> Work:
    """Fifty multiplications and their gradient."""
    hx = helix()
    p, c, one = hx.Parameter(hx.tensor(_A)), hx.tensor(_B), hx.ones((8,))

    def call() -> dict[str, Any]:
        p.grad = None
        y = p
        for _ in range(LINKS):
            y = y * c
        y.backward(one)
        return {"y": y, "grad": p.grad}

    return Work(call, _arrays(np.asarray))


def chain_torch(variant: str) -> Work:
    torch = pytorch()
    p = torch.tensor(_A, requires_grad=True)
    c, one = torch.tensor(_B), torch.ones(8)

    def call() -> dict[str, Any]:
        p.grad = None
        y = p
        for _ in range(LINKS):
            y = y * c
        y.backward(one)
        return {"y": y, "grad": p.grad}

    return Work(call, _arrays(lambda t: t.detach().numpy()))
