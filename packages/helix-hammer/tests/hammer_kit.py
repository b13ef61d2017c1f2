"""What the tests train: a tiny language model as a plugin, and a small regression."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import helix_core as hx
import numpy as np
from helix_hammer import Batches, Trainer, mean_loss

TINY = '''
import helix_core as hx


class TinyLM(hx.Module):
    """The next byte from the last one, with dropout."""

    def __init__(self, d_model=8, dropout=0.0):
        if d_model < 1:
            raise hx.HelixError(f"[tiny_lm] expected d_model >= 1; got {d_model}")
        self.embedding = hx.Parameter(hx.random_normal((256, d_model), std=0.3))
        self.head = hx.Parameter(hx.random_normal((d_model, 256), std=0.3))
        self.dropout = dropout

    def loss(self, ids, labels):
        h = hx.embedding(ids, self.embedding)
        h = hx.dropout(h, self.dropout, self.training)
        logits = hx.reshape(h @ self.head, (-1, 256))
        return hx.losses.cross_entropy(logits, hx.reshape(labels, (-1,)))

    def generate(self, prompt, count, temperature=1.0, top_k=None, top_p=None, seed=0):
        return [32 + (seed + i) % 64 for i in range(count)]


def build(config):
    unknown = set(config) - {"d_model", "dropout"}
    if unknown:
        raise hx.HelixError(f"[tiny_lm] expected d_model, dropout; got {unknown}")
    return TinyLM(**config)


class Broken(TinyLM):
    """Its loss is not a number from the given step on."""

    calls = 0

    def loss(self, ids, labels):
        type(self).calls += self.training
        loss = super().loss(ids, labels)
        return loss * float("nan") if self.calls > 12 else loss


def build_broken(config):
    Broken.calls = 0
    return Broken(**config)


class Witness:
    """A callback that has only the events it needs."""

    seen = []

    def on_step(self, trainer, row):
        self.seen.append(row["step"])


def logger(run_dir):
    def log(row):
        with open(run_dir / "third.txt", "a") as f:
            f.write(f"{row['step']}\\n")
    return log


def staircase(steps, tread=2):
    return lambda step: 1.0 - (step // tread) / steps
'''

PLUGIN = """
from helix_core.contracts import CallbackSpec, LoggerSpec, ModelSpec, ScheduleSpec
from helix_core.plugins import hookimpl


@hookimpl
def helix_models():
    return [
        ModelSpec(name="tiny_lm", factory="tiny_pkg.parts:build"),
        ModelSpec(name="broken_lm", factory="tiny_pkg.parts:build_broken"),
    ]


@hookimpl
def helix_callbacks():
    return [CallbackSpec(name="witness", factory="tiny_pkg.parts:Witness")]


@hookimpl
def helix_loggers():
    return [LoggerSpec(name="third", factory="tiny_pkg.parts:logger")]


@hookimpl
def helix_schedules():
    return [ScheduleSpec(name="staircase", factory="tiny_pkg.parts:staircase")]
"""

COMMAND = [sys.executable, "-c", "from helix_core.cli import main; main()"]


class Net(hx.Module):
    """A small regression with dropout and a running mean that is no parameter."""

    def __init__(self, dropout: float = 0.0, width: int = 8) -> None:
        self.w1 = hx.Parameter(hx.random_normal((4, width), std=0.5), "w1")
        self.w2 = hx.Parameter(hx.random_normal((width, 1), std=0.5), "w2")
        self.seen = hx.Cell(hx.zeros(()), "seen")
        self.dropout = dropout

    def loss(self, x, y):
        if self.training:
            self.seen.value = self.seen.value * 0.9 + x.mean().detach() * 0.1
        h = hx.dropout(hx.tanh(x @ self.w1), self.dropout, self.training)
        return hx.square(h @ self.w2 - y).mean()


def regression(n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)
    return x, np.sin(x.sum(axis=1, keepdims=True))


def make_trainer(
    steps: int = 10, width: int = 8, dropout: float = 0.0, lr: float = 0.02, **kw
) -> Trainer:
    """A trainer of `Net` that is silent and whose every part can be replaced."""
    hx.seed(0)
    model = Net(dropout, width)
    kw.setdefault("data", Batches(*regression(), batch=8, seed=1))
    kw.setdefault("evaluate", mean_loss([regression(16)]))
    kw.setdefault("progress", False)
    opt = hx.optim.AdamW(model.parameters(), lr=lr)
    return Trainer(model, opt, kw.pop("data"), steps=steps, **kw)


TIMES = ("seconds", "bytes_per_s", "batches_per_s")


def rows(run_dir: Path) -> list[dict]:
    """``metrics.jsonl`` without what a clock decides."""
    lines = (Path(run_dir) / "metrics.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return [{k: v for k, v in r.items() if k not in TIMES} for r in found]


def checkpoint(run_dir: Path, step: int) -> dict[str, bytes]:
    """Files of a checkpoint."""
    folder = Path(run_dir) / "ckpt" / f"step_{step:08d}"
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}
