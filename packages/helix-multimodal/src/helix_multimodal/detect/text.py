"""Is it text, in which encoding, and of which format."""

from __future__ import annotations

import codecs
import re
from dataclasses import replace

from ..detection import (
    EXACT,
    FRAME_SYNC,
    GRAMMAR,
    TWO_FIELDS,
    WEAK,
    Detection,
    Evidence,
)
from . import encodings, grammars
from ._found import found
from .table import FORMATS

WINDOW = 4096
_PRINTABLE = bytes({7, 8, 9, 10, 12, 13, 26, 27, *range(32, 127), *range(128, 256)})

_MARKS = (  # UTF-32 little first: its mark begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def marked(head: bytes, tail: bytes, size: int) -> Detection | None:
    """Text with a byte-order mark."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            text = encodings.decode(head[:WINDOW], encoding, size <= WINDOW)
            if text is not None and encodings.sane(text):
                return _text(text, tail, size, encoding, f"mark of {encoding}", EXACT)
    return None


def unmarked(head: bytes, tail: bytes, size: int) -> Detection | None:
    """Text without a mark: UTF-8, or what bytes and letters say."""
    window = head[:WINDOW]
    if b"\x1b$" in window:
        name = encodings.stateful(window, size <= WINDOW)
        if name:
            decoded = encodings.decode(window, name, size <= WINDOW) or ""
            return _text(decoded, tail, size, name, "escape sequences", TWO_FIELDS)
    if window.translate(None, _PRINTABLE):
        wide = encodings.wide(window, size <= WINDOW)
        if not wide:
            return _text_then_bytes(window)
        text = encodings.decode(window, wide, size <= WINDOW)
        return _text(text or "", tail, size, wide, f"pairs as in {wide}", TWO_FIELDS)
    if is_utf8(window, size <= WINDOW) and is_utf8_end(tail[-WINDOW:]):
        return _utf8(window, tail, size)
    ranked = encodings.guesses(window, most=1)
    if not ranked:
        return None
    guess = ranked[0].encoding
    text = window.decode(guess, "replace")
    sure = FRAME_SYNC if guess in encodings.STRUCTURED else WEAK
    return _text(text, tail, size, guess, ranked[0].why, sure)


def others(d: Detection, head: bytes, tail: bytes, size: int) -> list[Detection]:
    """What text may be beside what was detected: other encodings, and plain text."""
    out: list[Detection] = []
    if not d.encoding:
        return out
    if d.format != "text":
        out.append(found("text", "text", 0, WEAK, "", d.encoding))
    if not d.encoding.startswith(("utf", "iso-2022")):
        for g in encodings.guesses(head[:WINDOW]):
            sure = min(WEAK * g.score, WEAK)
            evidence = (Evidence(0, g.why),)
            out.append(
                replace(d, encoding=g.encoding, confidence=sure, evidence=evidence)
            )
    return out


_CONTROL = re.compile(rb"[\x00-\x06\x0b\x0e-\x19\x1c-\x1f\x7f]")


def _text_then_bytes(window: bytes) -> Detection | None:
    """A format whose text is followed by raw bytes."""
    if not window.startswith(_BEFORE_BYTES):
        return None
    end = _CONTROL.search(window)
    front = window[: end.start()] if end else window
    if front.startswith(b"<"):
        hit = grammars.markup(front, False)
        return hit if hit and hit.format == "vtk-xml" else None
    return grammars.pcd(front, False) or grammars.off(front, False)


_BEFORE_BYTES = (b"<?xml", b"#", b"OFF", b"COFF", b"NOFF", b"STOFF")


def is_utf8(window: bytes, whole: bool) -> bool:
    """Whether a window is UTF-8; its last character may be cut."""
    if window.isascii():
        return True
    try:
        codecs.utf_8_decode(window, "strict", whole)
    except UnicodeDecodeError:
        return False
    return True


def is_utf8_end(end: bytes) -> bool:
    """The same of a window at the end: its first character may be cut."""
    if end.isascii():
        return True
    start = next((i for i, b in enumerate(end[:4]) if b & 0xC0 != 0x80), 4)
    return is_utf8(end[start:], True)


def _utf8(window: bytes, tail: bytes, size: int) -> Detection:
    whole = size <= len(window)
    hit = grammars.read(window.lstrip(), whole, tail[-WINDOW:], size)
    if hit is not None:
        return found(
            hit.format,
            hit.evidence[0].rule,
            hit.evidence[0].offset,
            hit.confidence,
            hit.variant,
            "utf-8",
        )
    return found("text", "valid UTF-8", 0, GRAMMAR, _script(window), "utf-8")


_SHEBANG = re.compile(rb"#![ \t]*/\S{0,200}")


def _script(window: bytes) -> str:
    return "script" if _SHEBANG.match(window) else ""


def _text(
    text: str, tail: bytes, size: int, encoding: str, rule: str, sure: float
) -> Detection:
    """The format of a decoded text, with what decided the encoding."""
    window = text.encode("utf-8", "replace")
    whole = size <= WINDOW
    end = _end(tail, encoding, window, whole)
    hit = grammars.read(window.lstrip(), whole, end, size)
    name = "text" if hit is None else hit.format
    f = FORMATS[name]
    evidence = (Evidence(0, rule), *(() if hit is None else hit.evidence))
    return Detection(
        modality=f.modality,
        format=name,
        mime=f.mime,
        confidence=min(sure, GRAMMAR if hit is None else hit.confidence),
        evidence=evidence,
        variant="" if hit is None else hit.variant,
        encoding=encoding,
    )


def _end(tail: bytes, encoding: str, window: bytes, whole: bool) -> bytes:
    """The end of the file in UTF-8, for grammars that look at the last token."""
    if whole:
        return window
    end = tail[-WINDOW:]
    if encoding.startswith(("utf-16", "utf-32")):
        return end.replace(b"\0", b"")
    return end
