"""FUSE: a label that no modality has alone, from written and spoken digits.

"xor" is the exclusive or of the digits' parities, "mod10" their sum's last digit. A late
fusion adds up what each modality says, so it cannot solve either: it is the control that
must fail (at most 75 % of xor, by adding the four inequalities). "single" sees the image
alone, and must stay at chance. In every mode the same encoders read the modalities first,
and are also told which digit they saw: without that a sum modulo 10 takes very long to
begin to be learned, as it gives neither modality a slope of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import helix_core as hx
import numpy as np
from helix_layers import MLP, Linear

from ..fusion import MODES
from ..fusion._attention import Attend
from ..samples import Array
from . import digits

TASKS = {"xor": 2, "mod10": 10}
LEARNERS = ("early", "cross", "bottleneck")
SEEDS = 5
STEPS, BATCH, TEST, RATE = 2000, 128, 1024, 1e-3
D_MODEL = 64


def label(task: str, a: Array, b: Array) -> Array:
    """What pairs of digits are called."""
    return (a + b) % 2 if task == "xor" else (a + b) % 10


@lru_cache(maxsize=2)
def _clips(held_out: bool, n: int = 8) -> tuple[Array, Array]:
    """Tokens of changed clips (clip, change, segment, feature), and what each says."""
    clips, said = digits.spoken()
    rng = np.random.default_rng(1 if held_out else 0)
    each = [
        [digits.audio_tokens(digits.changed_clip(c, rng)) for _ in range(n)]
        for c in clips
    ]
    return np.array(each), said


def pairs(
    task: str, rng: np.random.Generator, size: int, held_out: bool
) -> tuple[Array, Array, Array, Array, Array]:
    """Tokens of images and of clips, labels of pairs, of images and of clips.

    No image is in both halves.
    """
    images, shown = digits.written()
    clips, said = _clips(held_out, 8 if held_out else 64)
    fold = np.random.default_rng(0).permutation(len(images))
    cut = len(images) * 7 // 10
    i = rng.choice(fold[cut:] if held_out else fold[:cut], size)
    j, k = rng.integers(len(clips), size=size), rng.integers(clips.shape[1], size=size)
    changed = np.stack([digits.changed_image(images[n], rng) for n in i])
    a, b = shown[i], said[j]
    y = label(task, a, b).astype(np.int32)
    return digits.image_tokens(changed), clips[j, k], y, a, b


class Classifier(hx.Module):
    """An encoder a modality, a fusion, and an MLP that reads what it pooled.

    Late fusions give their logits themselves.
    """

    def __init__(self, mode: str, classes: int, generator: Any = None) -> None:
        names = ("image",) if mode == "single" else ("image", "audio")
        where = {"device": None, "dtype": None, "generator": generator}
        self.inputs = {
            n: Linear(digits.FEATURES[n], D_MODEL, generator=generator) for n in names
        }
        self.encoders = {n: Attend(D_MODEL, 4, **where) for n in names}
        self.own = {n: Linear(D_MODEL, 10, generator=generator) for n in names}
        settings: dict[str, Any] = (
            {"d_out": classes} if mode == "late" else {"n_heads": 4}
        )
        kind = MODES["early" if mode == "single" else mode]
        sizes = dict.fromkeys(names, D_MODEL)
        self.fusion = kind(sizes, D_MODEL, generator=generator, **settings)
        self.mlp: MLP | None = None
        self.head: Linear | None = None
        if mode != "late":
            self.mlp = MLP(D_MODEL, std=D_MODEL**-0.5, generator=generator)
            self.head = Linear(D_MODEL, classes, generator=generator)

    def forward(
        self, image: hx.Tensor, audio: hx.Tensor
    ) -> tuple[hx.Tensor, list[hx.Tensor]]:
        """(batch, length, feature) each to logits (batch, class), and those of digits."""
        parts, own = [], []
        for name, x in (("image", image), ("audio", audio)):
            if name in self.inputs:
                x = self.inputs[name](x)
                mask = hx.ones(x.shape[:2], dtype="bool", device=x.device)
                x = self.encoders[name](x, mask)
                parts.append((name, x))
                own.append(self.own[name](hx.mean(x, 1)))
        out = self.fusion(parts).pooled
        if self.mlp is not None and self.head is not None:
            out = self.head(out + self.mlp(out))
        return out, own


def _batches(task: str, seed: int, steps: int) -> Iterator[tuple[Array, ...]]:
    rng = np.random.default_rng([seed, 2])
    for _ in range(steps):
        yield pairs(task, rng, BATCH, False)


def train(task: str, mode: str, seed: int, steps: int = STEPS) -> dict[str, Any]:
    """One run: its accuracy on held-out images and changes."""
    model = Classifier(mode, TASKS[task], hx.Generator(seed))
    optimizer = hx.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)

    @hx.compile
    def step(
        image: hx.Tensor, audio: hx.Tensor, y: hx.Tensor, a: hx.Tensor, b: hx.Tensor
    ) -> hx.Tensor:
        logits, own = model(image, audio)
        loss = hx.losses.cross_entropy(logits, y)
        total = loss
        for z, digit in zip(own, (a, b), strict=False):
            total = total + hx.losses.cross_entropy(z, digit)
        total.backward()
        optimizer.step()
        return loss

    loss = hx.tensor(float("nan"))
    for i, batch in enumerate(_batches(task, seed, steps)):
        warm = min(1.0, (i + 1) / 100)
        optimizer.lr = RATE * warm * 0.5 * (1 + np.cos(np.pi * i / steps))
        loss = step(*map(hx.tensor, batch))
    model.eval()
    image, audio, y, *_ = pairs(task, np.random.default_rng([seed, 3]), TEST, True)
    with hx.no_grad():
        logits = model(hx.tensor(image), hx.tensor(audio))[0].numpy()
    right = float((logits.argmax(1) == y).mean())
    return {"accuracy": right, "loss": float(loss.item()), "steps": steps}


class Fuse:
    """The study ``fusion``."""

    version = 1

    def cells(self) -> Sequence[str]:
        modes = (*LEARNERS, "late", "single")
        return [
            f"{task}/{mode}/seed{seed}"
            for seed in range(SEEDS)
            for task in TASKS
            for mode in modes
        ]

    def run(self, cell: str) -> dict[str, Any]:
        task, mode, seed = cell.split("/")
        return train(task, mode, int(seed.removeprefix("seed")))

    def judge(self, results: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
        rows = []
        for task, classes in TASKS.items():
            for mode in (*LEARNERS, "late", "single"):
                values = [
                    r["accuracy"]
                    for cell, r in results.items()
                    if cell.startswith(f"{task}/{mode}/")
                ]
                if not values:
                    continue
                mean = float(np.mean(values))
                if mode in LEARNERS:
                    target, ok, better = 0.95, mean >= 0.95, "higher"
                else:
                    chance = 1 / classes + 3 * (1 / classes / TEST / len(values)) ** 0.5
                    late = 0.75 if task == "xor" else 0.3
                    target = late if mode == "late" else chance
                    ok, better = mean <= target, "lower"
                rows.append(
                    {
                        "goal": f"{task} {mode}: accuracy",
                        "measured": mean,
                        "target": target,
                        "better": better,
                        "runs": len(values),
                        "ok": bool(ok),
                    }
                )
        return rows
