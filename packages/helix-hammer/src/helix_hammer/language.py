"""The byte-level language model job: what ``helix train`` and ``helix eval`` run."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import helix_core as hx
import numpy as np
from helix_core import files, optim, plugins

from . import config as configs
from ._evaluation import evaluating
from .callbacks import EarlyStopping
from .config import TrainConfig
from .corpus import ByteWindows, Corpus, DataError, load
from .progress import make_progress
from .rundir import RunDir
from .trainer import Trainer

LOG2E = 1.0 / math.log(2.0)
METRIC = "bits_per_byte"
_CALIBRATION = (2, 8)  # steps to warm up, least steps to time
_EVALUATIONS = 10  # of a run
_SHARE = 0.1  # of the time, for evaluations
_TRIAL = 10.0  # seconds, to choose a device
_SAVE_SECONDS = 60.0  # between checkpoints


def build_model(config: TrainConfig) -> hx.Module:
    """The model of a configuration, with fresh weights from its seed."""
    with hx.device(config.device):
        hx.seed(config.seed)
        model: hx.Module = _named("models", config.model.name)(config.model.config)
    return model


def _named(kind: str, name: str) -> Any:
    """A plugin by name, with a word on where the models are."""
    try:
        return plugins.load(kind, name)
    except plugins.PluginUnavailable as e:
        if kind == "models" and not plugins.names("models"):
            raise plugins.PluginUnavailable(
                f"{str(e).rstrip('.')}. Hint: pip install helix-layers"
            ) from e
        raise


def make_schedule(config: TrainConfig) -> Callable[[int], float]:
    """A schedule by its name in ``helix.schedules``.

    It gets what it takes of ``steps``, ``warmup``, ``decay`` (a fifth of the steps) and
    ``floor``, and its own settings.
    """
    steps = config.steps or 1
    offered = {
        "steps": steps,
        "warmup": min(config.warmup, max(1, steps // 10)),
        "decay": steps // 5,
        "floor": config.min_lr,
    }
    schedule: Callable[[int], float] = _made("schedule", config.schedule, (), offered)
    return schedule


def make_optimizer(config: TrainConfig, model: hx.Module) -> optim.Optimizer:
    """An optimizer by its name in ``helix.optimizers``.

    It gets the model's parameters in groups with and without decay, what it takes of
    ``lr`` and ``betas``, and its own settings.
    """
    groups = optim.groups(model, weight_decay=config.weight_decay)
    offered = {"lr": config.lr, "betas": (0.9, config.beta2)}
    made: optim.Optimizer = _made("optimizer", config.optimizer, (groups,), offered)
    return made


def _made(
    what: str, named: configs.Named, args: tuple[Any, ...], offered: dict[str, Any]
) -> Any:
    """A plugin, called with those of the offered values that it takes."""
    factory: Any = _named(f"{what}s", named.name)
    takes = inspect.signature(factory).parameters
    given = {k: v for k, v in offered.items() if k in takes}
    try:
        return factory(*args, **{**given, **named.config})
    except TypeError as e:
        own = ", ".join(list(takes)[len(args) :])
        raise configs.ConfigError(
            f"[{what}] expected settings of {named.name!r}: {own}; got "
            f"{named.config}: {e}. Hint: --set {what}.KEY=VALUE"
        ) from e


def bits_per_byte(
    model: Any,
    data: np.ndarray,
    length: int,
    batch: int,
    limit: int | None = None,
    seconds: float = math.inf,
) -> tuple[float, int]:
    """Mean code length of ``data`` under the model.

    Each byte is predicted from those before it in its window; a window's first from the
    last one of the window before.

    Parameters
    ----------
    data : ndarray of uint8
    length, batch : int
        Window length, and windows at a time.
    limit : int, optional
        About so many bytes, in windows spread evenly over the data.
    seconds : float
        Stop when they are over: the result is of the bytes up to there.

    Returns
    -------
    float, int
        Bits per byte, and of how many bytes.
    """
    n = len(data) - 1
    if n < 1:
        raise DataError(
            f"[evaluate] expected at least 2 bytes to evaluate; got {len(data)}"
        )
    length = max(1, min(length, n if limit is None else min(n, limit)))
    whole = n // length
    keep = whole if limit is None else max(1, min(whole, limit // length))
    starts = np.arange(keep) * whole // keep * length
    span = np.arange(length + 1)
    total, done, end = 0.0, 0, time.monotonic() + seconds
    with hx.no_grad():
        for i in range(0, keep, batch):
            rows = data[starts[i : i + batch, None] + span]
            total += _nats(model, rows) * length
            done += len(rows) * length
            if time.monotonic() > end:
                return total / done * LOG2E, done
        if limit is None and done < n:
            total += _nats(model, data[None, done:]) * (n - done)
            done = n
    return total / done * LOG2E, done


def _nats(model: Any, rows: np.ndarray) -> float:
    """Summed over rows, averaged over time."""
    ids = rows.astype(np.int32)
    device = next(model.parameters()).device
    x, y = hx.tensor(ids[:, :-1], device=device), hx.tensor(ids[:, 1:], device=device)
    return float(model.loss(x, y).item()) * len(rows)


def make_trainer(
    config: TrainConfig,
    corpus: Corpus,
    run: RunDir | None = None,
    progress: bool = False,
) -> Trainer:
    """Model, optimizer, schedule and data of a configuration.

    Without a run directory there are no callbacks and loggers either: a trial.
    """
    windows = ByteWindows(corpus.train, config.batch, config.length, config.seed)
    watch = [_named("callbacks", name) for name in config.callbacks]
    record = [_named("loggers", name) for name in config.loggers]
    callbacks = [make() for make in watch] if run is not None else []
    loggers = [make(run.path) for make in record] if run is not None else []
    if config.patience is not None:
        callbacks.append(EarlyStopping(patience=config.patience))
    schedule = make_schedule(config)
    model = build_model(config)
    opt = make_optimizer(config, model)

    def evaluate(m: Any) -> dict[str, float]:
        bits, _ = bits_per_byte(
            m, corpus.validation, 2 * config.length, config.batch, config.eval_bytes
        )
        return {METRIC: bits}

    return Trainer(
        model,
        opt,
        windows,
        steps=config.steps or 0,
        schedule=schedule,
        accumulate=config.accumulate,
        clip=config.clip,
        clip_value=config.clip_value,
        precision=config.precision,
        evaluate=evaluate,
        eval_every=config.eval_every,
        metric=METRIC,
        ema=config.ema,
        run_dir=run,
        save_every=config.save_every,
        config=config.model_dump(exclude={"save_every", "keep_last", "keep_best"}),
        callbacks=callbacks,
        loggers=loggers,
        progress=make_progress(progress, "bits per byte", LOG2E),
        units=("bytes", float(config.batch * config.length)),
    )


def choose_device(
    config: TrainConfig, corpus: Corpus, say: Callable[[str], None]
) -> TrainConfig:
    """The configuration with a device instead of ``"auto"``: where steps are soonest.

    Devices that are predicted to be close train a few steps of a model thrown away.
    """
    if config.device != "auto":
        return config
    x = np.zeros((config.batch, config.length), np.int32)
    model: Any = build_model(config.model_copy(update={"device": "numpy"})).train()

    def gradients(x: Any, y: Any) -> Any:
        loss = model.loss(x, y)
        loss.backward()
        return loss, [p.grad for p in model.parameters()]

    def run(device: hx.Device) -> float:
        trial = config.model_copy(update={"device": device.name, "steps": 1})
        with hx.device(device):
            trainer = make_trainer(trial, corpus)
            trainer.model.train()
            times: list[float] = []
            end = time.perf_counter() + _TRIAL / 10
            while len(times) < 3 or time.perf_counter() < end:
                times.append(trainer.step()["seconds"])
        return min(times)

    with hx.device("numpy"):
        ids = hx.tensor(x)
        graph = hx.trace(gradients).graph(ids, ids)
    found = hx.explain_auto(graph, moved=0.0, compiled=False, trial=_TRIAL, run=run)
    say(f"a step is soonest on {found.line}")
    device: str = found.device.name
    return config.model_copy(update={"device": device})


def calibrate(config: TrainConfig, corpus: Corpus) -> tuple[float, float]:
    """Seconds of a step, and bytes evaluated in a second, of a model thrown away."""
    warm, timed = _CALIBRATION
    trainer = make_trainer(config.model_copy(update={"steps": 1}), corpus)
    trainer.model.train()
    start, budget = time.perf_counter(), 60 * (config.minutes or 5.0)
    times: list[float] = []
    while True:
        times.append(trainer.step()["seconds"])
        passed = time.perf_counter() - start
        enough = len(times) >= warm + timed and passed > 0.02 * budget
        if enough or (len(times) > 1 and passed > 0.1 * budget):
            break
    seconds = float(np.median(times[min(warm, len(times) - 1) :]))
    data = corpus.validation[: 2 * config.length * config.batch + 1]
    with evaluating(trainer.model, trainer.ema):
        for _ in range(2):
            start = time.perf_counter()
            _, done = bits_per_byte(
                trainer.model, data, 2 * config.length, config.batch
            )
            rate = done / (time.perf_counter() - start)
    return seconds, rate


def plan(
    config: TrainConfig, corpus: Corpus, say: Callable[[str], None]
) -> TrainConfig:
    """Turn minutes into steps, and choose when to evaluate and save."""
    new: dict[str, Any] = {}
    step_seconds = 0.0
    steps = config.steps
    if steps is None:
        minutes = config.minutes or 5.0
        say(f"calibrating: how many steps are {minutes:g} minutes?")
        step_seconds, rate = calibrate(config, corpus)
        share = int(_SHARE * 60 * minutes / _EVALUATIONS * rate)
        new["eval_bytes"] = max(2 * config.length, min(config.eval_bytes, share))
        left = 60 * minutes - _EVALUATIONS * new["eval_bytes"] / rate
        steps = max(1, int(0.98 * left / step_seconds))
        new["steps"] = steps
        say(f"one step takes {step_seconds * 1e3:.0f} ms: {steps} steps")
    often = math.ceil(_SAVE_SECONDS / step_seconds) if step_seconds else steps
    every = max(1, math.ceil(steps / _EVALUATIONS))
    new["eval_every"] = config.eval_every or every
    new["save_every"] = config.save_every or min(every, often)
    return config.model_copy(update=new)


def read_data(config: TrainConfig) -> tuple[Corpus, TrainConfig]:
    """The corpus, and the configuration that names its hash.

    Raises
    ------
    DataError
        If it is not the data that the run began with.
    """
    corpus = load(config.data)
    if config.data_sha256 not in (None, corpus.digest):
        raise DataError(
            f"[resume] expected the data that the run began with (sha256 "
            f"{str(config.data_sha256)[:12]}...); {corpus.source} is now "
            f"{corpus.digest[:12]}.... Hint: restore the data, or start another run"
        )
    return corpus, config.model_copy(update={"data_sha256": corpus.digest})


def load_model(
    run_dir: Path, which: str | int = "latest", device: str | None = None
) -> tuple[Any, TrainConfig, int]:
    """The model of a run with the weights of a checkpoint (averaged ones where there are
    some), its configuration, and the step."""
    config = configs.read(run_dir)
    if device is not None:
        config = config.model_copy(update={"device": device})
    store = files.CheckpointStore(run_dir / "ckpt", metric=METRIC, mode="min")
    ckpt = store.load(which)
    model = build_model(config)
    model.load_state_dict(ckpt.arrays.get("ema") or ckpt.arrays["model"])
    return model.eval(), config, ckpt.step
