"""What else bytes can be read as: formats that may begin late or stand at the end."""

from __future__ import annotations

import re

from ..detection import FOOTER, GRAMMAR, TWO_FIELDS, Detection, Evidence
from . import zips
from ._found import found
from .table import FORMATS

_HTML = re.compile(
    rb"<(?:[hH][tT][mM][lL]|[sS][cC][rR][iI][pP][tT]|"
    rb"![dD][oO][cC][tT][yY][pP][eE] [hH])[\s>]?"
)
_ZIPS = frozenset(
    "zip jar apk wheel npz docx xlsx pptx odt ods odp odf epub 3mf usdz pytorch".split()
)
_TEXTS = frozenset({"text", "document", "table"})
_AT: tuple[tuple[int, bytes, str], ...] = (
    (257, b"ustar", "tar"),
    (128, b"DICM", "dicom"),
    (32769, b"CD001", "iso9660"),
)
# formats whose readers look for a signature behind whatever stands in front
_SOUGHT: tuple[tuple[bytes, str], ...] = (
    (b"7z\xbc\xaf\x27\x1c\0", "7z"),
    (b"Rar!\x1a\7\0", "rar"),
    (b"Rar!\x1a\7\1\0", "rar"),
)
_ENDS = {
    "png": b"IEND\xaeB`\x82",
    "jpeg": b"\xff\xd9",
    "gif": b"\0;",
    "pdf": b"%%EOF",
}


def also(head: bytes, tail: bytes, size: int, first: Detection) -> list[Detection]:
    """Other formats that a reader of theirs would accept."""
    out: list[Detection] = []
    name = first.format
    base = size - len(tail)
    if name not in _ZIPS:
        end = zips.end_of_directory(tail)
        if end >= 0:
            inner = zips.inside(b"", tail, size)
            out.append(_moved(inner, base + end, "ZIP end record", TWO_FIELDS))
    if name != "pdf":
        at = head.find(b"%PDF-", 1, 1029)
        if at > 0:
            out.append(found("pdf", "PDF in the first KiB", at, FOOTER))
    for at, magic, other in _AT:
        if other != name and head.startswith(magic, at):
            out.append(found(other, f"signature of {other}", at, TWO_FIELDS))
    if first.modality not in _TEXTS:
        out += _html(head, tail, size)
        out += _behind(head, tail, size, first)
    return out


def _moved(d: Detection, offset: int, rule: str, confidence: float) -> Detection:
    return Detection(
        modality=d.modality,
        format=d.format,
        mime=d.mime,
        confidence=confidence,
        evidence=(Evidence(offset, rule),),
    )


def _html(head: bytes, tail: bytes, size: int) -> list[Detection]:
    m = _HTML.search(head, 0, 1024)
    if m:
        return [_moved(_HTML_FOUND, m.start(), "HTML in the first KiB", GRAMMAR)]
    m = _HTML.search(tail, max(len(tail) - 1024, 0))
    if m:
        at = size - len(tail) + m.start()
        return [_moved(_HTML_FOUND, at, "HTML in the last KiB", GRAMMAR)]
    return []


_HTML_FOUND = found("html", "element of HTML", 0, GRAMMAR)


def _behind(head: bytes, tail: bytes, size: int, first: Detection) -> list[Detection]:
    """7z and RAR in front's first KiB, or behind the end of the first format."""
    out: list[Detection] = []
    end = _ENDS.get(first.format)
    clean = end is not None and tail.endswith(end)
    for magic, other in _SOUGHT:
        if other == first.format:
            continue
        at = head.find(magic, 1, 1024)
        if at < 0 and not clean:
            at = tail.find(magic)
            at = at + size - len(tail) if at >= 0 else -1
        if at > 0:
            f = FORMATS[other]
            evidence = (Evidence(at, f"signature of {other}"),)
            out.append(
                Detection(
                    modality=f.modality,
                    format=other,
                    mime=f.mime,
                    confidence=FOOTER,
                    evidence=evidence,
                )
            )
    return out
