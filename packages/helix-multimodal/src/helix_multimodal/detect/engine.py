"""The order of rules, and the public functions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..detection import Detection
from . import polyglots, text
from ._found import EMPTY, UNKNOWN
from .signatures import elsewhere, in_front

HEAD = TAIL = 65536 + 22  # what a comment of ZIP can push its end record away


def detect(data: Any) -> Detection:
    """What bytes are, by what they hold; names play no part.

    Parameters
    ----------
    data : bytes, bytearray, memoryview or an array
        Only the first and the last 64 KiB are looked at.

    Returns
    -------
    Detection
        The format "bytes" if nothing fits and "empty" for none. Truncated or forged
        bytes never raise.

    Examples
    --------
    >>> detect(b"fLaC....").format
    'flac'
    """
    if data.__class__ is not bytes:
        head, tail, size = _ends(data)
    else:
        size = len(data)
        head = tail = data
        if size > HEAD:
            head, tail = data[:HEAD], data[-TAIL:]
    return detect_ends(head, tail, size)


def detect_ends(head: bytes, tail: bytes, size: int) -> Detection:
    """The same from the first bytes, the last bytes and the number of all."""
    if not head:
        return EMPTY
    first = builtin(head, tail, size)
    others = polyglots.also(head, tail, size, first)
    return replace(first, also=tuple(others)) if others else first


def builtin(head: bytes, tail: bytes, size: int) -> Detection:
    """The detectors of this package, in order: the first that fits."""
    return (
        in_front(head, tail, size)
        or text.marked(head, tail, size)
        or text.unmarked(head, tail, size)
        or elsewhere(head, tail, size)
        or UNKNOWN
    )


def _ends(data: Any) -> tuple[bytes, bytes, int]:
    view = memoryview(data)
    if not view.c_contiguous:
        view = memoryview(view.tobytes())
    view = view.cast("B")
    size = view.nbytes
    head = bytes(view[:HEAD])
    return head, head if size <= HEAD else bytes(view[-TAIL:]), size
