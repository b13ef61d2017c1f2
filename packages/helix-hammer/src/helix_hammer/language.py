"""The byte-level language model job: what ``helix train`` and ``helix eval`` run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import helix_core as hx
import numpy as np
from helix_core import files, optim, plugins, schedules

from . import config as configs
from . import corpus as corpora
from .callbacks import EarlyStopping
from .config import TrainConfig
from .trainer import Trainer

LOG2E = 1.4426950408889634
_CALIBRATION = (2, 6)  # steps to warm up, steps to time


def build_model(config: TrainConfig) -> hx.Module:
    """The model of a configuration, with fresh weights from its seed."""
    hx.seed(config.seed)
    factory = plugins.load("models", config.model.name)
    with hx.device(config.device):
        model: hx.Module = factory(dict(config.model.config))
    return model


def bits_per_byte(
    model: Any, data: np.ndarray, length: int, batch: int, limit: int | None = None
) -> float:
    """Mean code length of ``data`` under the model, in bits per byte.

    Every byte is predicted once, from the bytes of its window before it (a window's
    first byte from nothing but the last one of the window before).

    Parameters
    ----------
    data : ndarray of uint8
    length, batch : int
        Window length, and windows at a time.
    limit : int, optional
        Bytes from the start to use.
    """
    data = data if limit is None else data[: max(limit, 2)]
    n = len(data) - 1
    length = max(1, min(length, n))
    ids = data.astype(np.int32)
    total, whole = 0.0, n // length
    rows = ids[: whole * length + 1]
    inputs = rows[:-1].reshape(whole, length)
    labels = rows[1:].reshape(whole, length)
    with hx.no_grad():
        for i in range(0, whole, batch):
            x, y = inputs[i : i + batch], labels[i : i + batch]
            total += model.loss(hx.tensor(x), hx.tensor(y)).item() * y.size
        if rest := n - whole * length:
            x, y = ids[whole * length : -1][None], ids[whole * length + 1 :][None]
            total += model.loss(hx.tensor(x), hx.tensor(y)).item() * rest
    return total / n * LOG2E


def make_trainer(
    config: TrainConfig,
    corpus: corpora.Corpus,
    run_dir: Path | None,
    progress: Any = True,
) -> Trainer:
    """Model, optimizer, schedule and data of a configuration with known steps."""
    model = build_model(config)
    assert config.steps is not None
    opt = optim.AdamW(
        optim.groups(model, weight_decay=config.weight_decay),
        lr=config.lr,
        betas=(0.9, config.beta2),
    )
    warmup = min(config.warmup, max(1, config.steps // 10))
    factor = schedules.cosine(config.steps, warmup=warmup, floor=config.min_lr)
    windows = corpora.ByteWindows(
        corpus.train, config.batch, config.length, config.seed
    )
    callbacks: list[Any] = [plugins.load("callbacks", n)() for n in config.callbacks]
    if config.patience is not None:
        callbacks.append(EarlyStopping("val_bits_per_byte", config.patience))

    def evaluate(m: Any) -> dict[str, float]:
        with hx.device(config.device):
            bits = bits_per_byte(
                m, corpus.validation, 2 * config.length, config.batch, config.eval_bytes
            )
        return {"bits_per_byte": bits}

    def loss(m: Any, batch: Any) -> hx.Tensor:
        x, y = batch
        out: hx.Tensor = m.loss(
            hx.tensor(x, device=config.device), hx.tensor(y, device=config.device)
        )
        return out

    return Trainer(
        model,
        opt,
        windows,
        steps=config.steps,
        loss=loss,
        schedule=factor,
        accumulate=config.accumulate,
        clip=config.clip,
        evaluate=evaluate,
        eval_every=config.eval_every,
        metric="bits_per_byte",
        ema=config.ema,
        run_dir=run_dir,
        save_every=config.save_every,
        keep_last=config.keep_last,
        callbacks=callbacks,
        progress=progress,
        units=("bytes", float(config.batch * config.length)),
    )


def calibrate(config: TrainConfig, corpus: corpora.Corpus) -> float:
    """Seconds a step takes, measured on a model that is thrown away."""
    warm, timed = _CALIBRATION
    trial = config.model_copy(update={"steps": warm + timed, "callbacks": []})
    trainer = make_trainer(trial, corpus, None, progress=False)
    trainer.model.train()
    times = []
    for _ in range(warm + timed):
        start = time.perf_counter()
        trainer._one_step()
        times.append(time.perf_counter() - start)
    return float(np.median(times[warm:]))


def plan_steps(
    config: TrainConfig, corpus: corpora.Corpus, say: Callable[[str], None]
) -> TrainConfig:
    """Turn minutes into steps, once; and choose when to evaluate and save."""
    if config.steps is None:
        minutes = config.minutes or 5.0
        say(f"calibrating: how many steps are {minutes:g} minutes?")
        seconds = calibrate(config, corpus)
        steps = max(1, int(0.96 * 60 * minutes / seconds))
        say(f"one step takes {seconds * 1e3:.0f} ms: {steps} steps")
        config = config.model_copy(update={"steps": steps})
    assert config.steps is not None
    every = max(1, math.ceil(config.steps / 10))
    return config.model_copy(
        update={
            "eval_every": config.eval_every or every,
            "save_every": config.save_every or every,
        }
    )


def start_run(
    config: TrainConfig, run_dir: Path, say: Callable[[str], None], progress: Any = True
) -> tuple[Trainer, corpora.Corpus, TrainConfig]:
    """A trainer for a new or interrupted run; its configuration is on disk first."""
    say(f"reading {config.data or 'the Python standard library'}")
    corpus = corpora.load(config.data)
    if config.data_sha256 is not None and config.data_sha256 != corpus.digest:
        raise corpora.DataError(
            f"[resume] expected the data that the run began with (sha256 "
            f"{config.data_sha256[:12]}...); {corpus.source} is now "
            f"{corpus.digest[:12]}.... Hint: start a new run with --name"
        )
    config = config.model_copy(update={"data_sha256": corpus.digest})
    run_dir.mkdir(parents=True, exist_ok=True)
    configs.write(run_dir, config)
    if config.steps is None or not config.save_every or not config.eval_every:
        config = plan_steps(config, corpus, say)
        configs.write(run_dir, config)
    return make_trainer(config, corpus, run_dir, progress), corpus, config


def load_best(
    run_dir: Path, which: str | int = "latest"
) -> tuple[Any, TrainConfig, int]:
    """The model of a run with the weights of a checkpoint, its config, and the step."""
    config = configs.read(run_dir)
    store = files.CheckpointStore(run_dir / "ckpt", metric="bits_per_byte", mode="min")
    ckpt = store.load(which)
    model = build_model(config)
    model.load_state_dict(ckpt.arrays.get("ema") or ckpt.arrays["model"])
    return model.eval(), config, ckpt.step
