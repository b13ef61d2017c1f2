"""Small files: JSON written atomically, and JSON lines of which each is whole."""

from __future__ import annotations

import contextlib
import errno
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


_HINTS = {
    errno.ENOSPC: "free some space; what was there is untouched",
    errno.EFBIG: "files may not grow as large here; what was there is untouched",
    errno.EACCES: "another user owns it, see its permissions",
    errno.EROFS: "this file system is read-only",
    errno.ENOENT: "make its folder first",
}


def unwritable(op: str, path: PathLike, error: OSError) -> FileError:
    """The error for what the system refused to write."""
    hint = _HINTS.get(error.errno or 0)
    return FileError(
        f"[{op}] expected to write {os.fspath(path)!r}; got: {error}"
        + (f". Hint: {hint}" if hint else "")
    )


def write_bytes(path: PathLike, data: bytes) -> None:
    """Replace a file by these bytes, or leave it as it was.

    Raises
    ------
    FileError
        If it cannot be written (disk full, permissions).
    """
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(data)
    except OSError as e:
        raise unwritable("write", path, e) from e


def write_text(path: PathLike, text: str) -> None:
    """Replace a file by this text, in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: PathLike, value: Any) -> None:
    """Replace a file by this value.

    Raises
    ------
    FileError
        Also for what JSON lacks: NaN, infinity, arrays, keys that are not text.
    """
    try:
        text = json.dumps(value, indent=2, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as e:
        raise FileError(
            f"[write] expected plain finite values for {os.fspath(path)!r}; got: {e}. "
            "Hint: float(x), x.tolist(), or None for NaN"
        ) from e
    write_text(path, text + "\n")


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
        raise FileError(f"[read] expected a JSON file; got {name!r}: {e}") from e


def append_jsonl(path: PathLike, row: Any) -> None:
    """Append one row as one line: all of it, or nothing.

    NaN and infinity stay, as ``NaN`` and ``Infinity``. A last line that a kill tore goes.

    Raises
    ------
    FileError
        If it cannot be written (disk full, permissions) or is no JSON.
    """
    name = os.fspath(path)
    try:
        line = (json.dumps(row) + "\n").encode("utf-8")
    except (TypeError, ValueError, RecursionError) as e:
        raise FileError(f"[append] expected plain values for {name!r}; got: {e}") from e
    try:
        with open(path, "ab+", buffering=0) as f:
            end = _whole(f)
            try:
                done = 0
                while done < len(line):  # a nearly full disk takes a part first
                    done += f.write(line[done:])
            except OSError:
                with contextlib.suppress(OSError):
                    f.truncate(end)
                raise
    except OSError as e:
        raise unwritable("append", path, e) from e


def _whole(f: Any) -> int:
    """Cut a torn last line off; returns the size."""
    end: int = f.seek(0, os.SEEK_END)
    if not end:
        return 0
    f.seek(end - 1)
    if f.read(1) != b"\n":
        f.seek(0)
        end = f.read().rfind(b"\n") + 1
        f.truncate(end)
    return end


def read_jsonl(path: PathLike) -> Iterator[Any]:
    """Rows of a file of JSON lines; a last line torn by a kill is left out.

    Raises
    ------
    FileError
        If it is missing, or a line before the last is damaged.
    """
    name = os.fspath(path)
    try:
        with open(path, "rb") as f:
            for number, line in enumerate(f, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as e:
                    raise FileError(
                        f"[read] expected JSON in line {number} of {name!r}; got "
                        f"{line[:60]!r}: {e}"
                    ) from e
                yield row
    except OSError as e:
        raise FileError(f"[read] expected to read {name!r}; got: {e}") from e


def truncate_jsonl(path: PathLike, keep: Callable[[Any], bool]) -> int:
    """Keep the rows for which ``keep`` holds; returns how many.

    Lines that are torn or damaged go; a missing file is an empty one.
    """
    if not os.path.exists(path):
        return 0
    try:
        lines = Path(path).read_bytes().splitlines(keepends=True)
    except OSError as e:
        raise FileError(f"[read] expected to read {os.fspath(path)!r}; got: {e}") from e
    rows = []
    for line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if line.endswith(b"\n") and keep(row):
            rows.append(line)
    write_bytes(path, b"".join(rows))
    return len(rows)
