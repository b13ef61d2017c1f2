"""The order of rules, and the public functions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..detection import Detection
from . import detectors, polyglots, text
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
    others = detectors.foreign()
    if others:
        first = _ranked(first, _asked(others, head, tail, size))[0]
    found = polyglots.also(head, tail, size, first)
    return replace(first, also=(*first.also, *found)) if found else first


def candidates(data: Any) -> list[Detection]:
    """All that bytes may be, the best first: what ``detect`` gives, and what it left.

    That is polyglots, what detectors of other packages say, other encodings of text
    without a mark, text where a grammar fitted, and bytes at last.

    Parameters
    ----------
    data : bytes, bytearray, memoryview or an array

    Returns
    -------
    list of Detection
        By confidence; at equal confidence in the order of detection. ``also`` is empty.
    """
    head, tail, size = _ends(data)
    return candidates_ends(head, tail, size)


def candidates_ends(head: bytes, tail: bytes, size: int) -> list[Detection]:
    """The same from the first bytes, the last bytes and the number of all."""
    first = detect_ends(head, tail, size)
    if first is EMPTY:
        return [EMPTY]
    asked = _asked(detectors.foreign(), head, tail, size)
    mine = builtin(head, tail, size)
    ranked = _ranked(mine, asked)
    ranked += [*first.also, *text.others(mine, head, tail, size)]
    late = elsewhere(head, tail, size)
    ranked += [] if late is None else [late]
    unique: dict[tuple[str, str], Detection] = {}
    for d in (replace(ranked[0], also=()), *ranked[1:]):
        unique.setdefault((d.format, d.encoding), d)
    unique.pop((UNKNOWN.format, ""), None)
    best, rest = list(unique.values())[:1], list(unique.values())[1:]
    return [*best, *sorted(rest, key=lambda d: -d.confidence), UNKNOWN]


def propose(head: bytes, tail: bytes, size: int) -> list[Detection]:
    """The detector of this package, in the form that plugins have."""
    return [builtin(head, tail, size)] if head else [EMPTY]


def _asked(
    others: tuple[detectors.Foreign, ...], head: bytes, tail: bytes, size: int
) -> list[tuple[int, Detection]]:
    head, tail = head[:HEAD], tail[-TAIL:]
    return [(f.priority, d) for f in others for d in f(head, tail, size)]


def _ranked(mine: Detection, asked: list[tuple[int, Detection]]) -> list[Detection]:
    """By class of rule, then priority; ours, of priority 0, before others."""
    rows = [(0, mine), *asked]
    return [d for _, d in sorted(rows, key=lambda r: (-r[1].confidence, -r[0]))]


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
