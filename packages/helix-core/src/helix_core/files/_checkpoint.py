"""Checkpoint directories: committed by one rename, verified by a hashed manifest.

::

    ckpt/step_00001000/            written as .tmp-<random>/, then renamed
        model.safetensors ...      one file per group of arrays
        state.json ...             one per plain value
        MANIFEST.json              file -> size, sha256, and its own; written last
    ckpt/LATEST                    the newest step's name, replaced atomically
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..platform import remove_leftovers, sync_dir
from ._json import FileError, PathLike, read_json, write_json, write_text
from ._manifest import NAME, CheckpointError, read_manifest, verify, write_manifest
from ._tensors import load_tensors, save_tensors

_STEP = re.compile(r"step_(\d{8,})(?:\.old)?\Z")
_RESERVED = ("MANIFEST", "metric")  # our own, in the folder and in ``meta``


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A verified checkpoint.

    Attributes
    ----------
    step : int
    arrays : dict of str to dict of str to ndarray
        By file: ``arrays["model"]["weight"]``.
    meta : dict
        Plain values by file, and ``metric`` where one was given.
    path : Path
    """

    step: int
    arrays: dict[str, dict[str, np.ndarray]] = field(repr=False)
    meta: dict[str, Any] = field(repr=False)
    path: Path


class CheckpointStore:
    """The checkpoints of a run.

    One process saves (see ``platform.process_lock``), any number may load.

    Parameters
    ----------
    root : path
        Made at the first save. Left-overs of killed writes are removed then.
    keep_last, keep_best : int
        Which stay: the newest, and the best by metric.
    metric, mode : str
        What the metric is called, and whether "min" or "max" is best.
    """

    def __init__(
        self,
        root: PathLike,
        keep_last: int = 3,
        keep_best: int = 1,
        metric: str = "loss",
        mode: str = "min",
    ) -> None:
        if keep_last < 1 or keep_best < 0 or mode not in ("min", "max"):
            raise CheckpointError(
                "[checkpoint] expected keep_last >= 1, keep_best >= 0, mode 'min' or "
                f"'max'; got {keep_last}, {keep_best}, {mode!r}"
            )
        self.root = Path(root)
        self.keep_last, self.keep_best = keep_last, keep_best
        self.metric, self.mode = metric, mode

    def clean(self) -> None:
        """Remove what killed writers left behind."""
        for path in self.root.glob(".tmp-*"):
            shutil.rmtree(path, ignore_errors=True)
        for old in self.root.glob("step_*.old"):
            if old.with_suffix("").exists():
                shutil.rmtree(old, ignore_errors=True)
            else:  # killed between the two renames of a replacement
                os.replace(old, old.with_suffix(""))
        remove_leftovers(self.root)

    def steps(self) -> list[int]:
        """Committed steps, oldest first; they may still prove damaged."""
        if not self.root.is_dir():
            return []
        found = (_STEP.match(p.name) for p in self.root.iterdir() if p.is_dir())
        return sorted({int(m[1]) for m in found if m})

    def path(self, step: int) -> Path:
        """The folder of a step."""
        final = self.root / f"step_{step:08d}"
        old = final.with_suffix(".old")
        return old if old.exists() and not final.exists() else final

    # ------------------------------------------------------------------------ saving
    def save(
        self, step: int, content: dict[str, Any], metric: float | None = None
    ) -> Path:
        """Commit a checkpoint: all of it, or nothing.

        It is the newest one then: those of later steps, which a run that went back
        left behind, are removed with those that are not kept.

        Parameters
        ----------
        content : dict
            By file name: a dict of arrays goes to ``name.safetensors``, any other
            value, as JSON, to ``name.json``.
        metric : float, optional
            One that is not finite counts as none.

        Raises
        ------
        CheckpointError
            If it cannot be written (disk full, permissions): the others stay.
        """
        if type(step) is not int or step < 0:
            raise CheckpointError(f"[checkpoint] expected a step >= 0; got {step!r}")
        score = float(metric) if metric is not None and math.isfinite(metric) else None
        final = self.root / f"step_{step:08d}"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.clean()
            with self._temporary() as temporary:
                for name, value in content.items():
                    if name in _RESERVED or not NAME.match(name):
                        raise FileError(f"expected a file name, got {name!r}")
                    if _is_arrays(value):
                        save_tensors(temporary / f"{name}.safetensors", value)
                    else:
                        write_json(temporary / f"{name}.json", value)
                write_manifest(temporary, step, score)
                self._commit(temporary, final)
        except (OSError, FileError) as e:
            raise CheckpointError(
                f"[checkpoint] expected to save step {step} in {str(self.root)!r}; {e}. "
                "Earlier checkpoints are untouched"
            ) from e
        self._prune(step)
        try:
            write_text(self.root / "LATEST", final.name + "\n")
        except FileError as e:
            warnings.warn(f"[checkpoint] step {step} is saved, but {e}", stacklevel=2)
        return final

    @contextlib.contextmanager
    def _temporary(self) -> Iterator[Path]:
        path = self.root / f".tmp-{os.urandom(8).hex()}"
        path.mkdir()
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def _commit(self, temporary: Path, final: Path) -> None:
        old = final.with_suffix(".old")
        if final.exists():
            os.replace(final, old)
        os.replace(temporary, final)
        sync_dir(self.root)
        shutil.rmtree(old, ignore_errors=True)

    def _prune(self, newest: int) -> None:
        steps = [s for s in self.steps() if s <= newest]
        keep = set(steps[-self.keep_last :])
        keep |= set([s for s in self._ranked() if s <= newest][: self.keep_best])
        for step in self.steps():
            if step not in keep:
                # the name first: a kill in between leaves a left-over, not a half
                doomed = self.root / f".tmp-{os.urandom(8).hex()}"
                with contextlib.suppress(OSError):
                    os.replace(self.path(step), doomed)
                    shutil.rmtree(doomed, ignore_errors=True)

    def _ranked(self) -> list[int]:
        """Steps that have a metric, best first."""
        scored = []
        for step in self.steps():
            try:
                value = read_manifest(self.path(step), step)["metric"]
            except FileError:
                continue
            if value is not None:
                scored.append((value if self.mode == "min" else -value, -step, step))
        return [s for _, _, s in sorted(scored)]

    # ----------------------------------------------------------------------- loading
    def load(self, which: str | int = "latest") -> Checkpoint:
        """Read and verify a checkpoint.

        Parameters
        ----------
        which : {"latest", "best"} or int
            "latest" and "best" fall back to the next one that is whole, with a warning
            that says what was wrong; a step is that one or an error.

        Raises
        ------
        CheckpointError
            If none is whole.
        """
        if isinstance(which, int):
            return self._read(which)
        if which not in ("latest", "best"):
            raise CheckpointError(
                f"[checkpoint] expected 'latest', 'best' or a step; got {which!r}"
            )
        newest = self.steps()[::-1]
        order = newest if which == "latest" else [*self._ranked(), *newest]
        problems = [] if which == "best" else self._lost(newest)
        for step in dict.fromkeys(order):
            try:
                found = self._read(step)
            except CheckpointError as e:
                problems.append(str(e))
                continue
            if problems:
                warnings.warn(
                    f"[checkpoint] going back to step {step}: {'; '.join(problems)}",
                    stacklevel=2,
                )
            return found
        why = "; ".join(problems) or "there is none"
        raise CheckpointError(
            f"[checkpoint] expected a valid checkpoint in {str(self.root)!r}; {why}"
        )

    def _lost(self, newest: list[int]) -> list[str]:
        """What is wrong if LATEST names a later step than any that is there."""
        try:
            m = _STEP.match((self.root / "LATEST").read_text(encoding="utf-8").strip())
        except (OSError, ValueError):
            return []
        if m is None or (newest and int(m[1]) <= newest[0]):
            return []
        return [f"step {int(m[1])} is missing, LATEST names it"]

    def _read(self, step: int) -> Checkpoint:
        folder = self.path(step)
        if not folder.is_dir():
            have = ", ".join(map(str, self.steps())) or "none"
            raise CheckpointError(
                f"[checkpoint] expected a step of this run; step {step} is missing; there "
                f"are: {have}"
            )
        try:
            manifest = read_manifest(folder, step)
            verify(folder, step, manifest)
            arrays: dict[str, Any] = {}
            meta: dict[str, Any] = {"metric": manifest["metric"]}
            for name in manifest["files"]:
                stem, kind = os.path.splitext(name)
                if kind == ".safetensors":
                    arrays[stem] = load_tensors(folder / name)
                else:
                    meta[stem] = read_json(folder / name)
        except CheckpointError:
            raise
        except FileError as e:
            raise CheckpointError(
                f"[checkpoint] expected step {step} as it was saved; {e}"
            ) from e
        return Checkpoint(step, arrays, meta, folder)


def _is_arrays(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(v, np.ndarray) for v in value.values()
    )
