"""The device that ``hx.explain_auto`` chooses, beside the measured best of all devices.

Twenty workloads, each timed on every device of this machine, from host arrays to host
arrays; weights, where there are some, live on the device.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from ..case import Case, Work

CLOSE = 1.1  # times the measured best
SLOW = 1.0  # seconds: what takes longer is run once after its first run
SECONDS = 0.16  # to repeat a workload for

CASES = (
    Case(
        name="device_auto",
        variants=("chosen device within 1.1x of the best, 20 workloads",),
        ours="benchmarks.backends.choice:share",
        target=0.9,
        aim=1.0,
        metric="share",
        unit="share",
        scale=1.0,
        better="higher",
        minutes=1.5,
    ),
)


class Result(NamedTuple):
    """Seconds by device, and the device chosen."""

    seconds: dict[str, float]
    chosen: str

    @property
    def best(self) -> str:
        return min(self.seconds, key=lambda d: self.seconds[d])

    @property
    def ratio(self) -> float:
        chosen = self.seconds.get(self.chosen, math.inf)
        return chosen / self.seconds[self.best]


def share(variant: str) -> Work:
    """Share of workloads whose chosen device is close to the best."""

    def value() -> float:
        found = results()
        close = sum(r.ratio <= CLOSE for r in found.values())
        return len(found) / max(close, 1e-9)  # the case's unit is one over it

    return Work(results, sample=value, note=table)


def table() -> str:
    """The seconds behind the figure, and how often each device is best."""
    found = results()
    names = sorted({d for r in found.values() for d in r.seconds})
    lines = [f"{'ms':26}" + "".join(f"{d:>11}" for d in names) + "  chosen"]
    for work, r in found.items():
        cells = [f"{r.seconds.get(d, math.nan) * 1e3:11.3f}" for d in names]
        ratio = f"{r.chosen} ({r.ratio:.2f}x of {r.best})"
        lines.append(f"{work:26}" + "".join(cells) + "  " + ratio)
    wins = Counter(r.best for r in found.values()).most_common()
    lines.append("best in: " + ", ".join(f"{d} {n}" for d, n in wins))
    return "\n  ".join(lines)


@cache
def results() -> dict[str, Result]:
    """Choose for every workload, then measure it everywhere."""
    import helix_core as hx
    from helix_core._survey import survey

    devices = [f.name for f in survey(fresh=True) if f.profile is not None]
    out = {}
    for name, make in WORKLOADS.items():
        graph = make()
        chosen = hx.explain_auto(graph).device.name
        out[name] = Result(measured(graph, devices), chosen)
    return out


def measured(graph: Any, devices: list[str]) -> dict[str, float]:
    """Seconds on every device that can run it: the best of two visits to each."""
    import helix_core as hx
    from helix_core._auto import run_seconds

    out: dict[str, float] = {}
    for _ in range(2):
        for d in devices:
            if out.get(d, 0.0) > SLOW:
                continue
            try:
                taken = run_seconds(graph, hx.Device(d), SECONDS / 2)
            except hx.HelixError as e:  # an op or dtype that it lacks
                if not isinstance(e, (hx.DTypeError, hx.UnsupportedOp)):
                    raise
                continue
            out[d] = min(taken, out.get(d, math.inf))
    return out


# ------------------------------------------------------------------------- workloads
def _of(fn: Callable[..., Any], *shapes: Any, dtype: str = "float32") -> Any:
    import helix_core as hx

    with hx.device("numpy"):
        args = [hx.ones(s, dtype) for s in shapes]
        return hx.trace(fn).graph(*args)


def _ids(*shape: int) -> Any:
    import helix_core as hx

    return hx.zeros(shape, "int32", "numpy")


def _chain(x: Any) -> Any:
    y = x
    for i in range(12):
        y = y * x if i % 2 else y + x
    return y


def _mlp(x: Any, *weights: Any) -> Any:
    import helix_core as hx

    for w in weights:
        x = hx.relu(x @ w)
    return x


def _mlp_step(rows: int) -> Any:
    """Gradients of a classifier."""
    import helix_core as hx

    def loss(ws: Any, x: Any) -> Any:
        return hx.square(_mlp(x, *ws)).mean()

    def step(x: Any, a: Any, b: Any) -> Any:
        return hx.grad(loss)((a, b), x)

    return _of(step, (rows, 256), (256, 512), (512, 256))


def _rnn() -> Any:
    import helix_core as hx

    def run(x: Any, w: Any) -> Any:
        def step(h: Any, u: Any) -> Any:
            h = hx.tanh(h @ w + u)
            return h, h

        return hx.scan(step, hx.zeros((8, 64), device=x.device), x)[0]

    return _of(run, (128, 8, 64), (64, 64))


def _language(name: str, rows: int, length: int) -> Any:
    """Loss and gradients of a small language model; its weights stay on the device."""
    import helix_core as hx
    from helix_core import plugins

    with hx.device("numpy"):
        model: Any = plugins.load("models", name)({"d_model": 64, "n_layers": 2})
        params = list(model.parameters())

        def step(x: Any, y: Any) -> Any:
            loss = model.loss(x, y)
            loss.backward()
            return loss, [p.grad for p in params]

        x = _ids(rows, length)
        return hx.trace(step).graph(x, x)


def _fft(x: Any) -> Any:
    import helix_core as hx

    return hx.fft.rfft(x)


def _make() -> dict[str, Callable[[], Any]]:
    import helix_core as hx

    big = (1 << 22,)
    return {
        "add, 16": lambda: _of(lambda x: x + x, (16,)),
        "MLP 32 x 64": lambda: _of(_mlp, (32, 64), (64, 64), (64, 64)),
        "12 ops, 4 M": lambda: _of(_chain, big),
        "exp, 4 M": lambda: _of(hx.exp, big),
        "sum, 4 M": lambda: _of(lambda x: x.sum(), big),
        "product 1024": lambda: _of(lambda a, b: a @ b, (1024, 1024), (1024, 1024)),
        "product 512, float64": lambda: _of(
            lambda a, b: a @ b, (512, 512), (512, 512), dtype="float64"
        ),
        "256 products 32": lambda: _of(
            lambda a, b: a @ b, (256, 32, 32), (256, 32, 32)
        ),
        "softmax 512 x 4096": lambda: _of(hx.softmax, (512, 4096)),
        "layer norm 2048 x 512": lambda: _of(
            hx.layer_norm, (2048, 512), (512,), (512,)
        ),
        "linear scan 8 x 1024 x 64": lambda: _of(
            lambda a, b: hx.linear_scan(a, b, axis=1), (8, 1024, 64), (8, 1024, 64)
        ),
        "sort 64 x 8192": lambda: _of(hx.sort, (64, 8192)),
        "FFT 256 x 4096": lambda: _of(_fft, (256, 4096)),
        "conv2d 8 x 32 x 32 x 32": lambda: _of(
            lambda x, w: hx.conv2d(x, w, padding=1), (8, 32, 32, 32), (64, 32, 3, 3)
        ),
        "attention 4 x 256 x 4 x 32": lambda: _of(
            lambda q: hx.attention(q, q, q, causal=True), (4, 256, 4, 32)
        ),
        "solve 256": lambda: _of(hx.linalg.solve, (256, 256), (256, 8)),
        "RNN, 128 steps": _rnn,
        "MLP gradients, 1024 rows": lambda: _mlp_step(1024),
        "Mamba gradients, 4 x 128": lambda: _language("mamba_lm", 4, 128),
        "GPT gradients, 4 x 128": lambda: _language("transformer_lm", 4, 128),
    }


class _Workloads(dict[str, Callable[[], Any]]):
    """Made at first use: this module is imported without helix_core."""

    def items(self) -> Any:
        return _make().items()


WORKLOADS = _Workloads()
