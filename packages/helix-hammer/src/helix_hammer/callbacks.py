"""What may watch and steer a run. Third parties publish theirs through
``helix.callbacks``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from helix_core import HelixError

if TYPE_CHECKING:
    from .trainer import Trainer


class Callback:
    """Base of callbacks: override what you need. ``trainer.stop(reason)`` ends a run.

    An exception in a callback ends the run with that exception; the last checkpoint
    stays. One with ``state_dict`` and ``load_state_dict`` (of plain values) is in the
    checkpoints.
    """

    def on_start(self, trainer: Trainer) -> None:
        """Before the first step, after a resume."""

    def on_step(self, trainer: Trainer, row: dict[str, Any]) -> None:
        """After every optimizer step, with its row of metrics."""

    def on_evaluate(self, trainer: Trainer, row: dict[str, Any]) -> None:
        """After every evaluation, with its row of metrics."""

    def on_save(self, trainer: Trainer, step: int) -> None:
        """After a checkpoint is safely on disk."""

    def on_end(self, trainer: Trainer, reason: str) -> None:
        """Once, when the run ends without an exception."""


class EarlyStopping(Callback):
    """Stop when a metric has not improved for some evaluations.

    Parameters
    ----------
    metric : str, optional
        A key of the evaluation's row; default the trainer's metric.
    patience : int
        Evaluations without improvement that end the run.
    min_delta : float
        An improvement is larger than this.
    mode : {"min", "max"}, optional
        Default the trainer's.
    """

    def __init__(
        self,
        metric: str | None = None,
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str | None = None,
    ) -> None:
        if patience < 1 or min_delta < 0 or mode not in ("min", "max", None):
            raise HelixError(
                "[early_stopping] expected patience >= 1, min_delta >= 0, mode 'min' or "
                f"'max'; got {patience}, {min_delta}, {mode!r}"
            )
        self.metric, self.patience, self.min_delta = metric, patience, min_delta
        self.mode = mode
        self.best: float | None = None
        self.bad = 0

    def on_evaluate(self, trainer: Trainer, row: dict[str, Any]) -> None:
        key = self.metric or f"val_{trainer.metric}"
        if key not in row:
            raise HelixError(
                f"[early_stopping] expected a metric of {', '.join(row)}; got {key!r}"
            )
        if self._improved(row[key], self.mode or trainer.mode):
            self.best, self.bad = float(row[key]), 0
            return
        self.bad += 1
        if self.bad >= self.patience:
            trainer.stop(
                f"{key} has not improved for {self.bad} evaluations (best {self.best})"
            )

    def _improved(self, value: float | None, mode: str) -> bool:
        """None is what the row has for a value that is not finite."""
        if value is None or self.best is None:
            return value is not None
        sign = 1.0 if mode == "min" else -1.0
        return sign * value < sign * self.best - self.min_delta

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "bad": self.bad}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.bad = state["best"], int(state["bad"])
