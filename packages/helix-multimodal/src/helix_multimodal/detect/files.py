"""Detection of files: the first and the last bytes of regular files only."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..detection import Detection
from ..errors import Unreadable
from .engine import HEAD, TAIL, detect_ends

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def detect_file(path: str | os.PathLike[str]) -> Detection:
    """What a file is, by its first and last 64 KiB.

    Raises
    ------
    Unreadable
        Missing, not a regular file (a directory, a device, a named pipe, a loop of
        links), or no permission.
    """
    head, tail, size = read_ends(path)
    return detect_ends(head, tail, size)


def read_ends(path: str | os.PathLike[str]) -> tuple[bytes, bytes, int]:
    """The first bytes, the last bytes and the size of a regular file.

    Raises
    ------
    Unreadable
    """
    try:
        return _read_ends(Path(path))
    except Unreadable:
        raise
    except (OSError, ValueError) as e:
        reason = getattr(e, "strerror", None) or str(e)
        raise Unreadable(
            f"[detect] expected a file that can be read; got {str(path)!r}: {reason}"
        ) from e


def _read_ends(path: Path) -> tuple[bytes, bytes, int]:
    _regular(path, path.stat())  # before opening: that of a pipe would wait
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(os.open(path, flags), "rb", buffering=0) as f:
        now = os.fstat(f.fileno())
        _regular(path, now)
        size = now.st_size
        head = _read(f, HEAD)
        if size <= len(head):
            return head, head, len(head)
        f.seek(max(size - TAIL, 0))
        return head, _read(f, TAIL), size


def _read(f: object, n: int) -> bytes:
    parts: list[bytes] = []
    while n > 0:
        part = f.read(n)  # type: ignore[attr-defined]
        if not part:
            break
        parts.append(part)
        n -= len(part)
    return b"".join(parts)


def _regular(path: Path, status: os.stat_result) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    kind = next((k for test, k in _KINDS if test(status.st_mode)), "something else")
    raise Unreadable(f"[detect] expected a file; got {str(path)!r}, {kind}")
