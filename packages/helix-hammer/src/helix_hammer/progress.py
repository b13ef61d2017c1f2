"""A bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager
from typing import Any, Self

_EVERY = 10.0  # seconds between plain lines


class Progress(AbstractContextManager["Progress"]):
    """Base, and the silent one."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def step(self, row: dict[str, Any]) -> None:
        """One optimizer step is done."""

    def note(self, row: dict[str, Any]) -> None:
        """An evaluation is done."""


def _text(row: dict[str, Any]) -> str:
    parts = []
    for k, v in row.items():
        if k in ("step", "seconds"):
            continue
        if k.endswith("_per_s"):
            parts.append(f"{v:,.0f} {k.removesuffix('_per_s')}/s")
        elif isinstance(v, float):
            parts.append(f"{k} {v:.4g}")
        else:
            parts.append(f"{k} {v}")
    return "  ".join(parts)


class PlainProgress(Progress):
    """A line every ten seconds."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.last = -_EVERY

    def step(self, row: dict[str, Any]) -> None:
        now = time.monotonic()
        if now - self.last >= _EVERY or row["step"] == self.steps:
            self.last = now
            print(f"step {row['step']}/{self.steps}  {_text(row)}", file=sys.stderr)

    def note(self, row: dict[str, Any]) -> None:
        print(f"step {row['step']}/{self.steps}  {_text(row)}", file=sys.stderr)


class BarProgress(Progress):
    """A rich bar with the loss and the time left."""

    def __init__(self, steps: int) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bar

        self.bar = Bar(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}"),
            console=Console(stderr=True),
        )
        self.task = self.bar.add_task("training", total=steps, text="")
        self.rate = 0.0

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.bar.stop()

    def step(self, row: dict[str, Any]) -> None:
        short = {k: v for k, v in row.items() if k == "loss" or k.endswith("_per_s")}
        self.bar.update(self.task, completed=row["step"], text=_text(short))

    def note(self, row: dict[str, Any]) -> None:
        self.bar.console.print(f"step {row['step']}  {_text(row)}")


def make_progress(wanted: bool | Progress, steps: int) -> Progress:
    """The progress display that fits where the output goes."""
    if isinstance(wanted, Progress):
        return wanted
    if not wanted:
        return Progress()
    return BarProgress(steps) if sys.stderr.isatty() else PlainProgress(steps)
