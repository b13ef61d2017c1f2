"""``Trainer``: a readable loop around a module, an optimizer and a stream of batches.

A run directory holds ``metrics.jsonl``, ``config.json`` and ``ckpt/``. Everything that
the next step depends on is in a checkpoint, and batch k is a function of k, so a run
that was killed goes on with the same losses, bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import helix_core as hx
import numpy as np
from helix_core import files, optim, platform

from .callbacks import Callback
from .progress import Progress, make_progress
from .stream import as_stream


class TrainingError(hx.HelixError, RuntimeError):
    """Training cannot go on; the last good checkpoint is in place."""


class Trainer:
    """Train a module.

    Parameters
    ----------
    model : Module
    optimizer : Optimizer
        Over the model's parameters.
    data : Stream, sequence or iterable of batches
        See ``as_stream``; one with ``__getitem__`` and no length seeks in O(1).
    steps : int
        Optimizer steps in all.
    loss : callable, optional
        ``loss(model, batch) -> Tensor ()``; default ``model.loss(*batch)``.
    schedule : callable, optional
        ``schedule(step) -> factor`` of the optimizer's learning rate.
    accumulate : int
        Batches to a step; their losses are averaged.
    clip : float, optional
        Largest global norm of the gradient.
    evaluate : callable, optional
        ``evaluate(model) -> dict of float``, run every ``eval_every`` steps and at the
        end, on the averaged weights where there are some.
    metric, mode : str
        Which of its values makes a checkpoint the best, and whether "min" or "max" is.
    ema : float, optional
        Decay of an exponential moving average of the weights, such as 0.999.
    run_dir : path, optional
        Where metrics and checkpoints go; without it nothing is written.
    save_every : int
        Steps between checkpoints; 0 saves at the end only.
    keep_last, keep_best : int
        Checkpoints that stay.
    callbacks : sequence of Callback
    progress : bool or Progress
        A bar in a terminal, plain lines elsewhere; False is silent.
    units : (str, float)
        What a step processes, for the rate: ``("bytes", batch * length)``.

    Raises
    ------
    TrainingError
        From ``fit``: a loss that is not finite.
    """

    def __init__(
        self,
        model: hx.Module,
        optimizer: Any,
        data: Any,
        *,
        steps: int,
        loss: Callable[[Any, Any], hx.Tensor] | None = None,
        schedule: Callable[[int], float] | None = None,
        accumulate: int = 1,
        clip: float | None = 1.0,
        evaluate: Callable[[Any], dict[str, float]] | None = None,
        eval_every: int = 0,
        metric: str = "loss",
        mode: str = "min",
        ema: float | None = None,
        run_dir: str | Path | None = None,
        save_every: int = 0,
        keep_last: int = 3,
        keep_best: int = 1,
        callbacks: Sequence[Callback] = (),
        progress: bool | Progress = True,
        units: tuple[str, float] = ("batches", 1.0),
    ) -> None:
        if steps < 0 or accumulate < 1:
            raise hx.HelixError(
                f"[trainer] expected steps >= 0 and accumulate >= 1; got {steps} and "
                f"{accumulate}"
            )
        self.model = model
        self.optimizer = optimizer
        self.data = as_stream(data)
        self.loss = loss or (lambda m, batch: m.loss(*batch))
        self.schedule = schedule
        self.steps = steps
        self.accumulate = accumulate
        self.clip = clip
        self.evaluate = evaluate
        self.eval_every = eval_every
        self.metric, self.mode = metric, mode
        self.ema = _Average(model, ema) if ema else None
        self.save_every = save_every
        self.callbacks = list(callbacks)
        self.units = units
        self.step = 0
        self.last: dict[str, Any] = {}
        self.base_lr = float(optimizer.lr)
        self._stop: str | None = None
        self._progress = progress
        self.run_dir = Path(run_dir) if run_dir is not None else None
        self.store = None
        if self.run_dir is not None:
            self.store = files.CheckpointStore(
                self.run_dir / "ckpt",
                keep_last=keep_last,
                keep_best=keep_best,
                metric=metric,
                mode=mode,
            )

    def stop(self, reason: str) -> None:
        """End the run after this step; what callbacks call."""
        self._stop = reason

    # --------------------------------------------------------------------- the loop
    def fit(self) -> dict[str, Any]:
        """Run to the last step, from the newest valid checkpoint if there is one.

        Returns
        -------
        dict
            ``step``, ``reason`` ("done", or what stopped it), and the last metrics.
        """
        with (
            self._locked(),
            platform.stop_signals() as signals,
            make_progress(self._progress, self.steps) as progress,
        ):
            self.resume()
            log = self._open_log()
            self._call("on_start")
            self.model.train()
            while self.step < self.steps and self._stop is None:
                row = self._one_step()
                log(row)
                progress.step(row)
                self._call("on_step", row)
                self._periodic(log, progress)
                if signals.received is not None and self._stop is None:
                    self._stop = f"signal {signals.received}"
            reason = self._stop or "done"
            if self.store is not None and self.step not in self.store.steps():
                self.save()
            self._call("on_end", reason)
        return {"step": self.step, "reason": reason, **self.last}

    def _one_step(self) -> dict[str, Any]:
        """Forward, backward, clip, update: one row of metrics."""
        start = time.perf_counter()
        total = 0.0
        for i in range(self.accumulate):
            batch = self.data[self.step * self.accumulate + i]
            loss = self.loss(self.model, batch)
            if self.accumulate > 1:
                loss = loss / float(self.accumulate)
            loss.backward()
            total += loss.item()
        if not math.isfinite(total):
            raise TrainingError(self._diverged(total))
        row: dict[str, Any] = {"step": self.step + 1, "loss": total}
        if self.clip is not None:
            norm = optim.clip_grad_norm(self.optimizer.parameters, self.clip)
            row["grad_norm"] = float(norm.item())
        if self.schedule is not None:
            self.optimizer.lr = self.base_lr * float(self.schedule(self.step))
        row["lr"] = float(self.optimizer.lr)
        self.optimizer.step()
        if self.ema is not None:
            self.ema.update()
        self.step += 1
        row["seconds"] = time.perf_counter() - start
        unit, amount = self.units
        row[f"{unit}_per_s"] = amount * self.accumulate / row["seconds"]
        self.last.update(row)
        return row

    def _diverged(self, loss: float) -> str:
        kept = self.store.steps() if self.store is not None else []
        where = f"the checkpoint of step {max(kept)}" if kept else "no checkpoint yet"
        return (
            f"[train] expected a finite loss; got {loss} at step {self.step + 1}. Kept: "
            f"{where}. Hint: a lower learning rate, a longer warm-up, or clip=1.0"
        )

    def _periodic(self, log: Callable[[dict[str, Any]], None], progress: Any) -> None:
        last = self.step == self.steps or self._stop is not None
        if self.evaluate is not None and (_due(self.step, self.eval_every) or last):
            row = self.run_evaluation()
            log(row)
            progress.note(row)
            self._call("on_evaluate", row)
            last = last or self._stop is not None
        if self.store is not None and (_due(self.step, self.save_every) or last):
            self.save()

    def run_evaluation(self) -> dict[str, Any]:
        """A row of evaluation metrics, on averaged weights where there are some."""
        assert self.evaluate is not None
        self.model.eval()
        try:
            with hx.no_grad():
                if self.ema is None:
                    found = self.evaluate(self.model)
                else:
                    with self.ema.swapped():
                        found = self.evaluate(self.model)
        finally:
            self.model.train()
        row = {"step": self.step, **{f"val_{k}": float(v) for k, v in found.items()}}
        self.last.update(row)
        return row

    # ------------------------------------------------------------------ checkpoints
    def save(self) -> None:
        """Write a checkpoint of everything that the next step depends on."""
        assert self.store is not None
        model = {k: np.asarray(v) for k, v in self.model.state_dict().items()}
        arrays, meta = self.optimizer.state_dict()
        content: dict[str, Any] = {
            "model": model,
            "optim": {k: np.asarray(v) for k, v in arrays.items()},
        }
        if self.ema is not None:
            content["ema"] = {k: np.asarray(v) for k, v in self.ema.values.items()}
        content["state"] = {
            "step": self.step,
            "optimizer": meta,
            "random": hx.default_generator().state_dict(),
            "callbacks": {
                str(i): c.state_dict()  # type: ignore[attr-defined]
                for i, c in enumerate(self.callbacks)
                if hasattr(c, "state_dict")
            },
            "last": {k: v for k, v in self.last.items() if _finite(v)},
        }
        metric = self.last.get(f"val_{self.metric}", self.last.get(self.metric))
        self.store.save(self.step, content, metric=metric)
        self._call("on_save", self.step)

    def resume(self) -> bool:
        """Load the newest valid checkpoint; False where there is none."""
        if self.store is None or not self.store.steps():
            return False
        ckpt = self.store.load("latest")
        state = ckpt.meta["state"]
        self.model.load_state_dict(ckpt.arrays["model"])
        self.optimizer.load_state_dict((ckpt.arrays["optim"], state["optimizer"]))
        if self.ema is not None and "ema" in ckpt.arrays:
            self.ema.load(ckpt.arrays["ema"])
        hx.default_generator().load_state_dict(state["random"])
        for i, c in enumerate(self.callbacks):
            if str(i) in state["callbacks"]:
                c.load_state_dict(state["callbacks"][str(i)])  # type: ignore
        self.step = int(state["step"])
        self.last = dict(state["last"])
        return True

    # ----------------------------------------------------------------------- helpers
    def _open_log(self) -> Callable[[dict[str, Any]], None]:
        if self.run_dir is None:
            return lambda row: None
        path = self.run_dir / "metrics.jsonl"
        files.truncate_jsonl(path, lambda row: row.get("step", 0) <= self.step)
        return lambda row: files.append_jsonl(path, row)

    def _locked(self) -> Any:
        from contextlib import nullcontext

        if self.run_dir is None:
            return nullcontext()
        self.run_dir.mkdir(parents=True, exist_ok=True)
        return platform.process_lock(self.run_dir / "lock")

    def _call(self, event: str, *args: Any) -> None:
        for c in self.callbacks:
            getattr(c, event)(self, *args)


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _finite(v: Any) -> bool:
    return not isinstance(v, float) or math.isfinite(v)


class _Average:
    """Exponential moving average of the parameters."""

    def __init__(self, model: hx.Module, decay: float) -> None:
        if not 0.0 < decay < 1.0:
            raise hx.HelixError(f"[trainer] expected 0 < ema < 1; got {decay}")
        self.decay = decay
        self.params = dict(model.named_parameters())
        self.values = {k: p.value.detach() for k, p in self.params.items()}

    def update(self) -> None:
        d = self.decay
        with hx.no_grad():
            for k, p in self.params.items():
                self.values[k] = self.values[k] * d + p.value * (1.0 - d)

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        for k, v in self.values.items():
            self.values[k] = hx.tensor(arrays[k], dtype=v.dtype, device=v.device)

    def swapped(self) -> Any:
        """``with ...``: the model has the averaged weights."""
        from contextlib import contextmanager

        @contextmanager
        def swap() -> Iterable[None]:  # type: ignore[misc]
            own = {k: p.value.detach() for k, p in self.params.items()}
            for k, p in self.params.items():
                p.value = self.values[k]
            try:
                yield
            finally:
                for k, p in self.params.items():
                    p.value = own[k]

        return swap()
