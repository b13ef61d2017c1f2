"""What may watch and steer a run. Third parties publish theirs through
``helix.callbacks``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .trainer import Trainer


class Callback:
    """Base of callbacks: override what you need. ``trainer.stop(reason)`` ends a run.

    An exception in a callback ends the run with that exception; the last checkpoint
    stays.
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
    metric : str
        A key of the evaluation's row.
    patience : int
        Evaluations without improvement.
    min_delta : float
        An improvement is larger than this.
    mode : {"min", "max"}
    """

    def __init__(
        self, metric: str, patience: int, min_delta: float = 0.0, mode: str = "min"
    ) -> None:
        self.metric, self.patience, self.min_delta = metric, patience, min_delta
        self.sign = 1.0 if mode == "min" else -1.0
        self.best = float("inf")
        self.bad = 0

    def on_evaluate(self, trainer: Trainer, row: dict[str, Any]) -> None:
        value = self.sign * float(row[self.metric])
        if value < self.best - self.min_delta:
            self.best, self.bad = value, 0
            return
        self.bad += 1
        if self.bad >= self.patience:
            trainer.stop(
                f"{self.metric} has not improved for {self.bad} evaluations "
                f"(best {self.sign * self.best:.4g})"
            )

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "bad": self.bad}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.bad = float(state["best"]), int(state["bad"])
