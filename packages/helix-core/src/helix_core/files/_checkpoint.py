"""Checkpoint directories: committed by one rename, verified by a hashed manifest.

::

    ckpt/step_00001000/            written as .tmp-<uuid>/, then renamed
        model.safetensors ...      one file per group of arrays
        state.json ...             one per plain value
        MANIFEST.json              file -> size, sha256; written last
    ckpt/LATEST                    the newest step's name, replaced atomically
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import uuid
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..platform import sync_dir
from ._json import FileError, PathLike, read_json, write_json, write_text
from ._tensors import load_tensors, save_tensors

SCHEMA = 1
# from an older schema to the next: {1: fn} turns arrays and values of 1 into those of 2
MIGRATIONS: dict[int, Callable[[dict[str, Any], dict[str, Any]], None]] = {}
_STEP = re.compile(r"step_(\d{8,})\Z")
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")


class CheckpointError(FileError):
    """A checkpoint is missing or damaged."""


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

    Parameters
    ----------
    root : path
        Made at the first save. Left-overs of killed writes are removed.
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

    def steps(self) -> list[int]:
        """Committed steps, oldest first; they may still prove damaged."""
        if not self.root.is_dir():
            return []
        found = (_STEP.match(p.name) for p in self.root.iterdir() if p.is_dir())
        return sorted(int(m[1]) for m in found if m)

    def path(self, step: int) -> Path:
        return self.root / f"step_{step:08d}"

    # ------------------------------------------------------------------------ saving
    def save(
        self, step: int, content: dict[str, Any], metric: float | None = None
    ) -> Path:
        """Commit a checkpoint: all of it, or nothing.

        Parameters
        ----------
        content : dict
            By file name: a dict of arrays goes to ``name.safetensors``, any other
            value, as JSON, to ``name.json``.

        Raises
        ------
        FileError
            If it cannot be written (disk full, permissions): the others stay.
        """
        temporary = self.root / f".tmp-{uuid.uuid4().hex}"
        final = self.path(step)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.clean()
            temporary.mkdir()
            for name, value in content.items():
                if not _PLAIN.match(name):
                    raise CheckpointError(
                        f"[checkpoint] expected a file name; got {name!r}"
                    )
                if _is_arrays(value):
                    save_tensors(temporary / f"{name}.safetensors", value)
                else:
                    write_json(temporary / f"{name}.json", value)
            files = {
                p.name: {"size": p.stat().st_size, "sha256": _digest(p)}
                for p in sorted(temporary.iterdir())
            }
            manifest = {
                "schema": SCHEMA,
                "step": step,
                "metric": metric,
                "files": files,
            }
            write_json(temporary / "MANIFEST.json", manifest)
            sync_dir(temporary)
            if final.exists():
                shutil.rmtree(final)
            os.replace(temporary, final)
            sync_dir(self.root)
            write_text(self.root / "LATEST", final.name + "\n")
        except OSError as e:
            raise CheckpointError(
                f"[checkpoint] step {step} could not be saved in {str(self.root)!r}: {e}. "
                "Earlier checkpoints are untouched"
            ) from e
        finally:
            if temporary.exists():
                shutil.rmtree(temporary, ignore_errors=True)
        self._prune()
        return final

    def _prune(self) -> None:
        steps = self.steps()
        keep = set(steps[-self.keep_last :])
        keep |= set(self._ranked()[: self.keep_best])
        for step in steps:
            if step not in keep:
                # the name first: a kill in between leaves a left-over, not a half
                doomed = self.root / f".tmp-{uuid.uuid4().hex}"
                with contextlib.suppress(OSError):
                    os.replace(self.path(step), doomed)
                    shutil.rmtree(doomed, ignore_errors=True)

    def _ranked(self) -> list[int]:
        """Steps that have a metric, best first."""
        scored = []
        for step in self.steps():
            try:
                value = read_json(self.path(step) / "MANIFEST.json").get("metric")
            except (FileError, AttributeError):
                continue
            if isinstance(value, (int, float)) and value == value:
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
        order = newest if which == "latest" else self._ranked() + newest
        problems = []
        for step in order:
            try:
                found = self._read(step)
            except FileError as e:
                problems.append(str(e))
                continue
            if problems:
                warnings.warn(
                    f"[checkpoint] using step {step}: {'; '.join(problems)}",
                    stacklevel=2,
                )
            return found
        why = "; ".join(problems) or "there is none"
        raise CheckpointError(
            f"[checkpoint] expected a valid checkpoint in {str(self.root)!r}; {why}"
        )

    def _read(self, step: int) -> Checkpoint:
        folder = self.path(step)
        if not folder.is_dir():
            have = ", ".join(map(str, self.steps())) or "none"
            raise CheckpointError(
                f"[checkpoint] step {step} is missing; there are: {have}"
            )
        manifest = read_json(folder / "MANIFEST.json")
        listed = manifest.get("files") if isinstance(manifest, dict) else None
        if not isinstance(listed, dict) or manifest.get("step") != step:
            raise CheckpointError(
                f"[checkpoint] the manifest of step {step} is damaged"
            )
        schema = manifest.get("schema")
        if not isinstance(schema, int) or schema > SCHEMA:
            raise CheckpointError(
                f"[checkpoint] step {step} has format {schema}; this version reads up to "
                f"{SCHEMA}. Hint: pip install -U helix-core"
            )
        arrays: dict[str, Any] = {}
        meta: dict[str, Any] = {"metric": manifest.get("metric")}
        for name, facts in listed.items():
            path = folder / name
            self._verify(step, path, name, facts)
            stem, kind = os.path.splitext(name)
            if kind == ".safetensors":
                arrays[stem] = load_tensors(path)
            else:
                meta[stem] = read_json(path)
        for version in range(schema, SCHEMA):
            MIGRATIONS[version](arrays, meta)
        return Checkpoint(step, arrays, meta, folder)

    def _verify(self, step: int, path: Path, name: str, facts: Any) -> None:
        def bad(why: str) -> CheckpointError:
            return CheckpointError(f"[checkpoint] {name!r} of step {step} {why}")

        if not _PLAIN.match(name) or not isinstance(facts, dict):
            raise bad("is no file name of a checkpoint")
        if path.is_symlink() or not path.is_file():
            raise bad("is missing")
        if path.stat().st_size != facts.get("size"):
            raise bad(f"has {path.stat().st_size} bytes instead of {facts.get('size')}")
        if _digest(path) != facts.get("sha256"):
            raise bad("was changed: its SHA-256 differs")


def _is_arrays(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(v, np.ndarray) for v in value.values()
    )


def _digest(path: Path) -> str:
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
