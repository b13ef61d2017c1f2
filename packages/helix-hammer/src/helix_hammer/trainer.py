"""``Trainer``: a readable loop around a module, an optimizer and a stream of batches.

Everything that the next step depends on is in a checkpoint, and batch k is a function
of k, so a run that was killed goes on with the same losses, bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import helix_core as hx
from helix_core import optim, platform

from ._average import Average
from ._evaluation import batch_count, evaluating, model_loss, shares
from .progress import Progress, make_progress
from .rundir import RunDir
from .snapshot import capture, finite, restore
from .stream import as_stream

_COMPUTE = {"fp32": "float32", "bf16": "bfloat16"}


class Trainer:
    """Train a module.

    Parameters
    ----------
    model : Module
    optimizer : Optimizer
        Over the model's parameters.
    data : Stream, sequence or iterable of batches
        See `as_stream`; one with ``__getitem__`` seeks in O(1) when a run resumes.
    steps : int
        Optimizer steps in all.
    loss : callable, optional
        ``loss(model, batch) -> Tensor ()``, a mean; default ``model.loss(*batch)``.
    schedule : callable, optional
        ``schedule(step) -> factor`` of the optimizer's learning rate. One that has
        ``observe`` (reduce on plateau) is shown the metric of each evaluation.
    accumulate : int
        Batches to a step; the mean is over their items, not over the batches.
    count : callable, optional
        ``count(batch)``, the items that its loss is a mean over; default the elements
        of its last array.
    clip, clip_value : float, optional
        Largest global norm of the gradient; largest magnitude of an element.
    precision : {"fp32", "bf16"}
        With "bf16" the products of the training step, forward and backward, round their
        operands to bfloat16 and accumulate in float32 (`helix_core.precision`).
        Weights, gradients, optimizer state, reductions and activations stay float32;
        so do evaluations.
    evaluate : callable, optional
        ``evaluate(model) -> dict of float``, run every ``eval_every`` steps and at the
        end, on the averaged weights where there are some. It leaves the random state
        of the training alone.
    metric, mode : str
        Which of its values makes a checkpoint the best, and whether "min" or "max" is.
    ema : float, optional
        Decay of an exponential moving average of the weights, such as 0.999.
    run_dir : path or RunDir, optional
        Where metrics and checkpoints go; without it nothing is written.
    save_every : int
        Steps between checkpoints; 0 saves the best, and at the end.
    keep_last, keep_best : int
        Checkpoints that stay.
    config : dict, optional
        Kept in checkpoints: a resume with another one is refused.
    callbacks, loggers : sequence of Callback, sequence of callable
        ``logger(row)`` gets each row of ``metrics.jsonl``; after a resume some again.
    progress : bool or Progress
        A bar in a terminal, plain lines elsewhere; False is silent.
    units : (str, float)
        What a batch holds, for the rate: ``("bytes", batch * length)``.

    Attributes
    ----------
    global_step : int
        Optimizer steps done.
    best : float or None
        The best metric of an evaluation so far.
    stopped : str or None
        Why a callback ended the run.
    """

    def __init__(
        self,
        model: hx.Module,
        optimizer: Any,
        data: Any,
        *,
        steps: int,
        loss: Callable[[Any, Any], Any] = model_loss,
        schedule: Any = None,
        accumulate: int = 1,
        count: Callable[[Any], float] = batch_count,
        clip: float | None = None,
        clip_value: float | None = None,
        precision: str = "fp32",
        evaluate: Callable[[Any], dict[str, float]] | None = None,
        eval_every: int = 0,
        metric: str = "loss",
        mode: str = "min",
        ema: float | None = None,
        run_dir: str | Path | RunDir | None = None,
        save_every: int = 0,
        keep_last: int = 3,
        keep_best: int = 1,
        config: dict[str, Any] | None = None,
        callbacks: Sequence[Any] = (),
        loggers: Sequence[Callable[[dict[str, Any]], None]] = (),
        progress: bool | Progress = True,
        units: tuple[str, float] = ("batches", 1.0),
    ) -> None:
        if steps < 0 or accumulate < 1 or eval_every < 0 or save_every < 0:
            raise hx.HelixError(
                "[trainer] expected steps, eval_every, save_every >= 0 and accumulate >= "
                f"1; got {steps}, {eval_every}, {save_every}, {accumulate}"
            )
        if precision not in _COMPUTE:
            raise hx.HelixError(
                f"[trainer] expected precision 'fp32' or 'bf16'; got {precision!r}"
            )
        self.precision = precision
        self.model, self.optimizer, self.data = model, optimizer, as_stream(data)
        self.steps, self.accumulate = steps, accumulate
        self.loss, self.count, self.schedule = loss, count, schedule
        self.clip, self.clip_value = clip, clip_value
        self.evaluate, self.eval_every = evaluate, eval_every
        self.metric, self.mode = metric, mode
        self.ema = Average(model, ema) if ema is not None else None
        self.save_every, self.config = save_every, config
        self.callbacks, self.loggers = list(callbacks), list(loggers)
        self.units, self.base_lr = units, float(optimizer.lr)
        self.global_step = 0
        self.best: float | None = None
        self.stopped: str | None = None
        self.last: dict[str, Any] = {}
        self._progress = progress
        self._fresh: float | None = None  # metric of the weights as they are
        self._saved: Any = None
        kept = {"keep_last": keep_last, "keep_best": keep_best}
        self.run = RunDir.of(run_dir, metric=metric, mode=mode, **kept)

    def stop(self, reason: str) -> None:
        """End the run after this step, for good; what callbacks call."""
        self.stopped = reason

    # --------------------------------------------------------------------- the loop
    def fit(self) -> dict[str, Any]:
        """Run to the last step, from the newest valid checkpoint if there is one.

        SIGTERM and SIGINT end it after the step, with a checkpoint.

        Returns
        -------
        dict
            ``step``, ``reason`` ("done", or what stopped it), and the last metrics.

        Raises
        ------
        TrainingError
            A loss or gradient that is not finite. Nothing is saved after it.
        """
        with ExitStack() as stack:
            stack.enter_context(self.run.lock() if self.run else nullcontext())
            signals = stack.enter_context(platform.stop_signals())
            self.resume()
            if self.run:
                stack.enter_context(self.run.metrics(self.global_step))
            progress = stack.enter_context(make_progress(self._progress))
            progress.start(self.global_step, self.steps)
            self.model.train()
            self._emit("on_start")
            while self.global_step < self.steps:
                if self.stopped is not None or signals.received is not None:
                    break
                row = self.step()
                self._log(row)
                progress.step(row)
                self._emit("on_step", row)
                self._periodic(progress)
            if self.run and self._saved != (self.global_step, self.stopped):
                self.save()
            reason = self.stopped or "done"
            if signals.received is not None:
                reason = f"signal {signals.received}"
            self._emit("on_end", reason)
        return {"step": self.global_step, "reason": reason, **self.last}

    def step(self) -> dict[str, Any]:
        """Forward, backward, clip, update: one optimizer step and its row of metrics."""
        start = time.perf_counter()
        try:
            row = {"step": self.global_step + 1, "loss": self._backward()}
            row |= self._clip()
        except BaseException:
            self.optimizer.zero_grad()
            raise
        if self.schedule is not None:
            self.optimizer.lr = self.base_lr * float(self.schedule(self.global_step))
        row["lr"] = float(self.optimizer.lr)
        self.optimizer.step()
        self.global_step += 1
        self._fresh = None
        if self.ema is not None:
            self.ema.update(self.global_step)
        self.last |= row
        row["seconds"] = time.perf_counter() - start
        unit, amount = self.units
        row[f"{unit}_per_s"] = amount * self.accumulate / max(row["seconds"], 1e-9)
        return row

    def _backward(self) -> float:
        """Gradients of the mean loss over the batches of a step, and that loss."""
        first = self.global_step * self.accumulate
        if self.accumulate == 1:
            loss: Any = self._loss(self.data[first])
            loss.backward()
            return finite(self, "loss", loss.item())
        batches = [self.data[first + i] for i in range(self.accumulate)]
        total = 0.0
        for batch, share in zip(batches, shares(batches, self.count), strict=True):
            loss = self._loss(batch) * share
            loss.backward()
            total += loss.item()
        return finite(self, "loss", total)

    def _loss(self, batch: Any) -> Any:
        """Of one batch; its gradient has the precision that it was computed in."""
        with hx.precision(_COMPUTE[self.precision]):
            return self.loss(self.model, batch)

    def _clip(self) -> dict[str, float]:
        if self.clip_value is not None:
            optim.clip_grad_value(self.optimizer.parameters, self.clip_value)
        if self.clip is None:
            return {}
        norm: Any = optim.clip_grad_norm(self.optimizer.parameters, self.clip)
        return {"grad_norm": finite(self, "gradient norm", norm.item())}

    # ------------------------------------------------------------------- evaluation
    def _periodic(self, progress: Progress) -> None:
        """Evaluate and save, where this step asks for it."""
        best = False
        if self.evaluate is not None and self._due(self.eval_every):
            row = self.run_evaluation()
            value = self._fresh = row[f"val_{self.metric}"]
            sign = 1.0 if self.mode == "min" else -1.0
            best = self.best is None or sign * value < sign * self.best
            if best:
                self.best = value
            if hasattr(self.schedule, "observe"):
                self.schedule.observe(value)
            self._log(row)
            progress.note(row, best)
            self._emit("on_evaluate", row)
        if self.run is not None and (best or self._due(self.save_every)):
            self.save()

    def run_evaluation(self) -> dict[str, Any]:
        """A row of evaluation metrics, on averaged weights where there are some."""
        assert self.evaluate is not None
        with evaluating(self.model, self.ema):
            found = self.evaluate(self.model)
        if self.metric not in found:
            raise hx.HelixError(
                f"[evaluate] expected a metric {self.metric!r}; got {list(found)}"
            )
        finite(self, f"validation {self.metric}", float(found[self.metric]))
        row: dict[str, Any] = {"step": self.global_step}
        row |= {f"val_{k}": v if math.isfinite(v) else None for k, v in found.items()}
        self.last |= row
        return row

    def _due(self, every: int) -> bool:
        last = self.global_step == self.steps or self.stopped is not None
        return last or (every > 0 and self.global_step % every == 0)

    # ------------------------------------------------------------------ checkpoints
    def save(self) -> None:
        """Write a checkpoint of everything that the next step depends on."""
        assert self.run is not None
        arrays, state = capture(self)
        self.run.save(self.global_step, arrays, state, self._fresh)
        self._saved = self.global_step, self.stopped
        self._emit("on_save", self.global_step)

    def resume(self) -> bool:
        """Load the newest valid checkpoint; False where there is none."""
        found = self.run.load() if self.run is not None else None
        if found is None:
            return False
        restore(self, *found)
        self._saved = self.global_step, self.stopped
        return True

    def _log(self, row: dict[str, Any]) -> None:
        if self.run is not None:
            self.run.log(row)
        for logger in self.loggers:
            logger(row)

    def _emit(self, event: str, *args: Any) -> None:
        for c in self.callbacks:
            getattr(c, event, _ignore)(self, *args)


def _ignore(*args: Any) -> None:
    """For events that a callback does not have."""
