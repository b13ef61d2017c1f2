"""The files of a run: its lock, its metrics, its checkpoints.

::

    runs/NAME/
        config.json      what the run computes
        metrics.jsonl    a row for each step, and for each evaluation
        ckpt/            see `helix_core.files.CheckpointStore`
        lock             held by the process that trains
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from helix_core import HelixError, files, platform


class RunError(HelixError, RuntimeError):
    """A run directory cannot be used."""


class RunDir:
    """A run directory of one writer.

    Parameters
    ----------
    path : path
        Made when it is locked.
    keep_last, keep_best, metric, mode
        As in `CheckpointStore`.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        keep_last: int = 3,
        keep_best: int = 1,
        metric: str = "loss",
        mode: str = "min",
    ) -> None:
        self.path = Path(path)
        self.store = files.CheckpointStore(
            self.path / "ckpt", keep_last, keep_best, metric, mode
        )
        self._locked = False
        self._log: BinaryIO | None = None

    @classmethod
    def of(cls, path: str | Path | RunDir | None, **kept: Any) -> RunDir | None:
        """The run directory at a path; a RunDir, or None, is itself."""
        return path if path is None or isinstance(path, RunDir) else cls(path, **kept)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes out; again inside is fine.

        What a killed process left half-written or half-removed is removed.

        Raises
        ------
        LockedError
            Naming the process that is using it.
        RunError
            If there is no such folder, and it cannot be made.
        """
        if self._locked:
            yield
            return
        with ExitStack() as held:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                held.enter_context(platform.process_lock(self.path / "lock"))
                self.store.clean()  # nobody else is writing now
            except OSError as e:
                raise RunError(
                    "[run] expected a folder that can be written; got "
                    f"{str(self.path)!r}: {e}"
                ) from e
            self._locked = True
            try:
                yield
            finally:
                self._locked = False

    # ----------------------------------------------------------------------- metrics
    @contextmanager
    def metrics(self, step: int) -> Iterator[None]:
        """Open ``metrics.jsonl`` to go on after ``step``: later rows are dropped."""
        path = self.path / "metrics.jsonl"
        files.truncate_jsonl(path, lambda row: _step_of(row) <= step)
        try:
            self._log = open(path, "ab", buffering=0)  # noqa: SIM115
        except OSError as e:
            raise files.FileError(f"[metrics] {str(path)!r}: {e}") from e
        try:
            yield
        finally:
            self._log.close()
            self._log = None

    def log(self, row: dict[str, Any]) -> None:
        """Append a row, in one write: what was logged survives a kill."""
        assert self._log is not None
        line = (json.dumps(row, allow_nan=False) + "\n").encode()
        with self._writing(self._log):
            if self._log.write(line) != len(line):
                raise OSError("the disk is full")

    @contextmanager
    def _writing(self, f: BinaryIO) -> Iterator[None]:
        try:
            yield
        except OSError as e:
            raise files.FileError(f"[metrics] expected to write {f.name!r}: {e}") from e

    # ------------------------------------------------------------------- checkpoints
    def save(
        self,
        step: int,
        arrays: dict[str, dict[str, np.ndarray]],
        state: dict[str, Any],
        metric: float | None,
    ) -> None:
        """Commit a checkpoint; the metrics that it counts are on the disk before it."""
        if self._log is not None:
            with self._writing(self._log):
                platform.sync_file(self._log.fileno())
        self.store.save(step, {**arrays, "state": to_json(state)}, metric)

    def load(self) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, Any]] | None:
        """Arrays and state of the newest valid checkpoint; None where there is none.

        A damaged one is left out with a warning; it goes when the next one is saved.

        Raises
        ------
        CheckpointError
            If there are some and none is valid.
        """
        if not self.store.steps():
            return None
        try:
            found = self.store.load("latest")
        except files.CheckpointError as e:
            raise files.CheckpointError(
                f"{e}. Hint: restore one from a backup, or delete "
                f"{str(self.store.root)!r} to begin this run again"
            ) from e
        return found.arrays, from_json(found.meta["state"])


def _step_of(row: Any) -> float:
    step = row.get("step", 0) if isinstance(row, dict) else math.inf
    return step if isinstance(step, (int, float)) else math.inf


def to_json(value: Any) -> Any:
    """Plain values that strict JSON can hold: infinity and NaN become objects."""
    if isinstance(value, dict):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"__float__": repr(value)}
    return value


def from_json(value: Any) -> Any:
    """What `to_json` made, back (tuples stay lists)."""
    if isinstance(value, dict):
        if set(value) == {"__float__"}:
            return float(value["__float__"])
        return {k: from_json(v) for k, v in value.items()}
    if isinstance(value, list):
        return [from_json(v) for v in value]
    return value
