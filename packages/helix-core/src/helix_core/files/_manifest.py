"""``MANIFEST.json`` of a checkpoint: each file's size and SHA-256, and its own digest."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from ..platform import sync_dir
from ._json import FileError, read_json, write_json

SCHEMA = 1
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")


class CheckpointError(FileError):
    """A checkpoint is missing or damaged, or cannot be written."""


def write_manifest(folder: Path, step: int, metric: float | None) -> None:
    """Describe every file of the folder; call it last."""
    files = {
        p.name: {"size": p.stat().st_size, "sha256": _sha256(p)}
        for p in sorted(folder.iterdir())
    }
    body = {"schema": SCHEMA, "step": step, "metric": metric, "files": files}
    write_json(folder / "MANIFEST.json", {**body, "digest": _digest(body)})
    sync_dir(folder)


def read_manifest(folder: Path, step: int) -> dict[str, Any]:
    """The manifest of a step, unchanged since it was written.

    Raises
    ------
    FileError
        Missing, damaged, changed, of another step, or of a newer format.
    """
    manifest = read_json(folder / "MANIFEST.json")
    if not isinstance(manifest, dict):
        raise CheckpointError(
            f"[checkpoint] expected the manifest of step {step}; got {manifest!r:.99}"
        )
    schema = manifest.get("schema")
    if type(schema) is int and schema > SCHEMA:
        raise CheckpointError(
            f"[checkpoint] expected format {SCHEMA} or older; step {step} has format "
            f"{schema}. Hint: pip install -U helix-core"
        )
    body = {k: v for k, v in manifest.items() if k != "digest"}
    if manifest.get("digest") != _digest(body):
        raise CheckpointError(
            f"[checkpoint] expected the manifest of step {step} as it was saved; its "
            "digest differs"
        )
    if type(schema) is not int or schema != SCHEMA or body.get("step") != step:
        raise CheckpointError(
            f"[checkpoint] expected the manifest of step {step}; got that of step "
            f"{body.get('step')}, format {schema}"
        )
    listed = body.get("files")
    for name, facts in listed.items() if isinstance(listed, dict) else [("files", 0)]:
        if not NAME.match(name) or not isinstance(facts, dict):
            raise CheckpointError(
                "[checkpoint] expected plain file names and facts in the manifest of "
                f"step {step}; got {name!r}: {facts!r:.99}"
            )
    return body


def verify(folder: Path, step: int, manifest: dict[str, Any]) -> None:
    """Check every listed file; what is not listed is never read.

    Raises
    ------
    CheckpointError
        Naming the file, and whether it is missing, cut or changed.
    """
    for name, facts in manifest["files"].items():
        path, want = folder / name, facts.get("size")
        what = f"[checkpoint] expected {name!r} of step {step} as it was saved; it"
        if path.is_symlink() or not path.is_file():
            raise CheckpointError(f"{what} is missing")
        try:
            size = path.stat().st_size
            if size != want:
                raise CheckpointError(f"{what} has {size} bytes instead of {want}")
            if _sha256(path) != facts.get("sha256"):
                raise CheckpointError(f"{what} was changed: its SHA-256 differs")
        except OSError as e:
            raise CheckpointError(f"{what} cannot be read: {e}") from e


def _sha256(path: Path) -> str:
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def _digest(body: dict[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
