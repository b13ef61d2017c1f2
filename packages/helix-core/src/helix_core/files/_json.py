"""Small files: JSON written atomically, and JSON lines of which each is whole."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .._errors import HelixError
from ..platform import atomic_path

PathLike = str | os.PathLike[str]
MAX_JSON = 64 << 20  # bytes


class FileError(HelixError, ValueError):
    """A file is missing, damaged, foreign, or cannot be written."""


def write_bytes(path: PathLike, data: bytes) -> None:
    """Replace a file by these bytes, or leave it as it was."""
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(data)
    except OSError as e:
        raise FileError(f"[write] {os.fspath(path)!r} could not be written: {e}") from e


def write_text(path: PathLike, text: str) -> None:
    """Replace a file by this text, in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: PathLike, value: Any) -> None:
    """Replace a file by this value. NaN and infinity are refused: JSON has none."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: PathLike, limit: int = MAX_JSON) -> Any:
    """The value in a JSON file.

    Raises
    ------
    FileError
        If it is missing, larger than ``limit`` bytes, or no JSON.
    """
    name = os.fspath(path)
    try:
        size = os.stat(path).st_size
        if size > limit:
            raise FileError(
                f"[read] expected at most {limit} bytes; {name!r} has {size}"
            )
        return json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError) as e:
        if isinstance(e, FileError):
            raise
        raise FileError(f"[read] {name!r} is no readable JSON: {e}") from e


def append_jsonl(path: PathLike, row: Any) -> None:
    """Append one row as one line, in one write."""
    line = (json.dumps(row, allow_nan=True) + "\n").encode("utf-8")
    try:
        with open(path, "ab", buffering=0) as f:
            if f.write(line) != len(line):
                raise OSError("short write")
    except OSError as e:
        raise FileError(
            f"[append] {os.fspath(path)!r} could not be written: {e}"
        ) from e


def read_jsonl(path: PathLike) -> Iterator[Any]:
    """Rows of a file of JSON lines; a last line torn by a kill is left out."""
    with open(path, "rb") as f:
        for line in f:
            if line.endswith(b"\n"):
                yield json.loads(line)


def truncate_jsonl(path: PathLike, keep: Callable[[Any], bool]) -> int:
    """Keep the rows for which ``keep`` holds; returns how many. Missing files are empty."""
    if not os.path.exists(path):
        return 0
    rows = []
    with open(path, "rb") as f:
        for line in f:
            try:
                row = json.loads(line)
            except ValueError:
                continue  # torn
            if line.endswith(b"\n") and keep(row):
                rows.append(line)
    write_bytes(path, b"".join(rows))
    return len(rows)
