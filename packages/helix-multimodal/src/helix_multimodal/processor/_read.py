"""Bytes of paths and streams, never more than the limit."""

from __future__ import annotations

import inspect
import os
import stat
from pathlib import Path
from typing import Any

from ..detect.files import _KINDS
from ..errors import LimitExceeded, Unreadable
from ..limits import Limits

CHUNK = 1 << 20
Data = bytes | bytearray | memoryview


def kind(x: Any) -> str:
    """``"bytes"``, ``"path"``, ``"stream"``, ``"batch"``, or nothing that is known."""
    if isinstance(x, (bytes, bytearray, memoryview)):
        return "bytes"
    if isinstance(x, (str, os.PathLike)):
        return "path"
    if callable(getattr(x, "read", None)):
        return "stream"
    return "batch" if isinstance(x, (list, tuple)) else ""


def unknown(x: Any) -> TypeError:
    """The error for what is no input."""
    hints = {"ndarray": "process(x.tobytes(), format='npy')", "dict": "a list"}
    hint = hints.get(type(x).__name__)
    return TypeError(
        f"[process] expected bytes, a path, a binary stream or a list of these; got "
        f"{type(x).__name__}" + (f". Hint: {hint}" if hint else "")
    )


def read(x: Any, limits: Limits) -> Data:
    """Bytes of one input.

    Raises
    ------
    Unreadable, LimitExceeded
    """
    what = kind(x)
    if what == "bytes":
        return x
    if what == "path":
        return _file(x, limits)
    if what == "stream":
        if inspect.iscoroutinefunction(x.read):
            raise TypeError(
                "[process] expected a stream that reads at once; got an asynchronous "
                "one. Hint: await aprocess_auto(x)"
            )
        try:
            return _stream(x, limits, "a stream")
        except (Unreadable, LimitExceeded):
            raise
        except Exception as e:
            raise broken(e) from e
    raise unknown(x)


def broken(e: Exception) -> Unreadable:
    """The error for a stream that raised."""
    got = f"{type(e).__name__}: {e}"[:300]
    return Unreadable(f"[process] expected a stream that can be read; got {got}")


async def aread(x: Any, limits: Limits) -> bytes:
    """Bytes of an asynchronous stream: ``await x.read(n)``.

    Raises
    ------
    Unreadable, LimitExceeded
    """
    parts = _Parts(limits, "a stream")
    while True:
        try:
            part = await x.read(CHUNK)
        except Exception as e:
            raise broken(e) from e
        if not parts.add(part):
            return parts.joined()


def _file(path: str | os.PathLike[Any], limits: Limits) -> bytes:
    name = os.fspath(path)
    try:
        where = Path(os.fsdecode(name))
        _regular(where, where.stat())  # before opening: that of a pipe would wait
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
        with open(os.open(where, flags), "rb", buffering=0) as f:
            now = os.fstat(f.fileno())
            _regular(where, now)
            _check(now.st_size, limits, repr(name))
            return _stream(f, limits, repr(name))
    except (Unreadable, LimitExceeded):
        raise
    except (OSError, ValueError) as e:
        reason = getattr(e, "strerror", None) or str(e)
        hint = ""
        if isinstance(e, (FileNotFoundError, ValueError)) or "too long" in reason:
            hint = ". Hint: a str is a path; text is given as bytes, x.encode()"
        raise Unreadable(
            f"[process] expected a file that can be read; got {_short(name)}: {reason}"
            f"{hint}"
        ) from e


def _short(name: Any) -> str:
    text = repr(name)
    return text if len(text) < 200 else text[:160] + "..." + text[-20:]


def _regular(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        what = next((k for test, k in _KINDS if test(status.st_mode)), "something else")
        raise Unreadable(f"[process] expected a file; got {str(path)!r}, {what}")


def _check(size: int, limits: Limits, what: str) -> None:
    most = limits.input_bytes
    if most is not None and size > most:
        raise LimitExceeded(
            f"[process] expected at most {most:,} bytes of input; got {what} of "
            f"{size:,} or more. Hint: Limits(input_bytes=...) or None",
            "input_bytes",
        )


class _Parts:
    """What a stream gave so far."""

    def __init__(self, limits: Limits, what: str) -> None:
        self.limits, self.what = limits, what
        self.parts: list[bytes] = []
        self.size = 0

    def add(self, part: Any) -> bool:
        """Keep a part; False at the end."""
        if not isinstance(part, (bytes, bytearray, memoryview)):
            hint = " Hint: open it with 'rb'" if isinstance(part, str) else ""
            raise Unreadable(
                f"[process] expected a stream of bytes; got {type(part).__name__} of "
                f"its read.{hint}"
            )
        self.size += len(part)
        _check(self.size, self.limits, self.what)
        self.parts.append(bytes(part))
        return len(part) > 0

    def joined(self) -> bytes:
        return b"".join(self.parts)


def _stream(stream: Any, limits: Limits, what: str) -> bytes:
    parts = _Parts(limits, what)
    while parts.add(stream.read(CHUNK)):
        pass
    return parts.joined()
