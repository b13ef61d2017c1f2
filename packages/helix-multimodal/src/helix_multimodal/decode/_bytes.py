"""Reading bytes that may lie: every read is checked against what is there."""

from __future__ import annotations

import struct
from typing import Any

from ..errors import Corrupt

Data = bytes | bytearray | memoryview


def corrupt(what: str, expected: str, got: object) -> Corrupt:
    """The error of a file that is not what its format says."""
    return Corrupt(f"[{what}] expected {expected}; got {got}")


class Reader:
    """A position in bytes.

    Parameters
    ----------
    data : bytes-like
    what : str
        The format, for messages.
    """

    __slots__ = ("at", "data", "what")

    def __init__(self, data: Data, what: str, at: int = 0) -> None:
        self.data = memoryview(data).cast("B")
        self.what = what
        self.at = at

    @property
    def left(self) -> int:
        """Bytes from here to the end."""
        return max(0, len(self.data) - self.at)

    def need(self, count: int, of: str = "bytes") -> None:
        """Raise `Corrupt` unless ``count`` bytes are left."""
        if count < 0 or count > self.left:
            raise corrupt(self.what, f"{count:,} bytes of {of}", f"{self.left:,}")

    def take(self, count: int, of: str = "data") -> memoryview:
        """The next bytes, without a copy."""
        self.need(count, of)
        self.at += count
        return self.data[self.at - count : self.at]

    def unpack(self, layout: str, of: str = "a header") -> tuple[Any, ...]:
        """The next fields, as of `struct`."""
        return struct.unpack(layout, self.take(struct.calcsize(layout), of))
