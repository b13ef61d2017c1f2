"""A bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager
from typing import Any

_EVERY = 10.0  # seconds between plain lines
_SMOOTH = 0.98  # of the shown loss


class Progress(AbstractContextManager["Progress"]):
    """Base, and the silent one.

    Parameters
    ----------
    loss_name, loss_scale : str, float
        What the loss is shown as: ``("bits per byte", 1 / log(2))``.
    """

    def __init__(self, loss_name: str = "loss", loss_scale: float = 1.0) -> None:
        self.loss_name, self.loss_scale = loss_name, loss_scale
        self.steps = self.done = 0
        self.weight = self.total = 0.0

    def __exit__(self, *exc: object) -> None:
        """Close the display."""

    def start(self, done: int, steps: int) -> None:
        """Training begins, after ``done`` of ``steps``."""
        self.done, self.steps = done, steps

    def step(self, row: dict[str, Any]) -> None:
        """One optimizer step is done."""

    def note(self, row: dict[str, Any], best: bool = False) -> None:
        """An evaluation is done."""

    def _smooth(self, row: dict[str, Any]) -> None:
        self.done = row["step"]
        self.weight = _SMOOTH * self.weight + 1.0
        self.total = _SMOOTH * self.total + row["loss"]

    def _status(self, row: dict[str, Any]) -> str:
        loss = self.loss_scale * self.total / self.weight
        rates = [
            f"{v:,.0f} {k.removesuffix('_per_s')}/s"
            for k, v in row.items()
            if k.endswith("_per_s")
        ]
        return "  ".join([f"{self.loss_name} {loss:.3f}", *rates])


def _values(row: dict[str, Any]) -> str:
    """``validation bits per byte 2.345`` of an evaluation's row."""
    return "  ".join(
        f"{k.replace('val_', 'validation ', 1).replace('_', ' ')} "
        + (f"{v:.4g}" if isinstance(v, float) else str(v))
        for k, v in row.items()
        if k != "step"
    )


class PlainProgress(Progress):
    """A line every ten seconds."""

    def __init__(self, *shown: Any, every: float = _EVERY) -> None:
        super().__init__(*shown)
        self.every = every

    def start(self, done: int, steps: int) -> None:
        super().start(done, steps)
        self.first, self.began = done, time.monotonic()
        self.last = self.began - self.every

    def step(self, row: dict[str, Any]) -> None:
        self._smooth(row)
        now = time.monotonic()
        if now - self.last >= self.every or self.done == self.steps:
            self.last = now
            each = (now - self.began) / (self.done - self.first)
            left = _clock(each * (self.steps - self.done))
            self._say(f"{self._status(row)}  {left} left")

    def note(self, row: dict[str, Any], best: bool = False) -> None:
        self._say(_values(row) + ("  (best)" if best else ""))

    def _say(self, text: str) -> None:
        print(f"step {self.done}/{self.steps}  {text}", file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"


class BarProgress(Progress):
    """A rich bar with the loss, the rate and the time left."""

    def __init__(self, *shown: Any, console: Any = None) -> None:
        super().__init__(*shown)
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bar

        self.bar = Bar(
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[text]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console or Console(stderr=True),
            expand=True,
        )
        self.shown = 0.0

    def start(self, done: int, steps: int) -> None:
        super().start(done, steps)
        self.task = self.bar.add_task("", total=steps, completed=done, text="")
        self.bar.start()

    def __exit__(self, *exc: object) -> None:
        self.bar.stop()

    def step(self, row: dict[str, Any]) -> None:
        self._smooth(row)
        now = time.monotonic()
        if now - self.shown >= 0.1 or self.done == self.steps:
            self.shown = now
            self.bar.update(self.task, completed=self.done, text=self._status(row))

    def note(self, row: dict[str, Any], best: bool = False) -> None:
        mark = "  (best)" if best else ""
        self.bar.console.print(f"step {self.done}  {_values(row)}{mark}")


def make_progress(wanted: bool | Progress, *shown: Any) -> Progress:
    """The display that fits where the output goes; ``shown`` as in `Progress`."""
    if isinstance(wanted, Progress):
        return wanted
    if not wanted:
        return Progress(*shown)
    return BarProgress(*shown) if sys.stderr.isatty() else PlainProgress(*shown)
