"""What else bytes can be read as: formats that may begin late or stand at the end."""

from __future__ import annotations

import re

from ..detection import FOOTER, GRAMMAR, TWO_FIELDS, Detection, Evidence
from . import zips
from ._found import found

_HTML = re.compile(
    rb"<(?:[hH][tT][mM][lL]|[sS][cC][rR][iI][pP][tT]|"
    rb"![dD][oO][cC][tT][yY][pP][eE] [hH])[\s>]?"
)
_ZIPS = frozenset(
    "zip jar apk wheel npz docx xlsx pptx odt ods odp odf epub 3mf usdz pytorch".split()
)
_TEXTS = frozenset({"text", "document", "table"})
# formats whose readers look for a signature behind whatever stands in front
# (signature, name, how an archive of it ends)
_RAR_ENDS = (b"\xc4\x3d\x7b\0\x40\7\0", b"\x1d\x77\x56\x51\3\5\4\0")
_SOUGHT: tuple[tuple[bytes, str, bytes | tuple[bytes, ...]], ...] = (
    (b"7z\xbc\xaf\x27\x1c", "7z", b"\0"),
    (b"Rar!\x1a\7", "rar", _RAR_ENDS),
)
_ENDS = {
    "png": b"IEND\xaeB`\x82",
    "jpeg": b"\xff\xd9",
    "gif": b"\0;",
    "pdf": b"%%EOF",
}


def also(head: bytes, tail: bytes, size: int, first: Detection) -> list[Detection]:
    """Other formats that a reader of theirs would accept.

    It searches with ``rfind``, which is several times faster than ``find`` here.
    """
    out: list[Detection] = []
    name = first.format
    if tail.rfind(b"PK\5\6", -65557) >= 0 and name not in _ZIPS:
        end = zips.end_of_directory(tail)
        if end >= 0:
            inner = zips.inside(b"", tail, size)
            at = size - len(tail) + end
            out.append(_moved(inner, at, "ZIP end record", TWO_FIELDS))
    at = head.rfind(b"%PDF-", 1, 1029)
    if at > 0 and name != "pdf":
        out.append(found("pdf", "PDF in the first KiB", at, FOOTER))
    if size > 131:
        if head.startswith(b"DICM", 128) and name != "dicom":
            out.append(found("dicom", "signature of dicom", 128, TWO_FIELDS))
        if head.startswith(b"ustar", 257) and name != "tar":
            out.append(found("tar", "signature of tar", 257, TWO_FIELDS))
        if head.startswith(b"CD001", 32769) and name != "iso9660":
            out.append(found("iso9660", "signature of iso9660", 32769, TWO_FIELDS))
    if first.modality not in _TEXTS:
        clean = _ends_clean(head, tail, size, name)
        _html(head, tail, size, clean, out)
        _behind(head, tail, size, clean, name, out)
    return out


def _moved(d: Detection, offset: int, rule: str, confidence: float) -> Detection:
    return Detection(
        modality=d.modality,
        format=d.format,
        mime=d.mime,
        confidence=confidence,
        evidence=(Evidence(offset, rule),),
    )


def _html(
    head: bytes, tail: bytes, size: int, clean: bool, out: list[Detection]
) -> None:
    m = _HTML.search(head, 0, 1024)
    if m:
        out.append(_moved(_ELEMENT, m.start(), "HTML in the first KiB", GRAMMAR))
    elif size > 1024 and not clean:
        m = _HTML.search(tail, len(tail) - 1024)
        if m:
            at = size - len(tail) + m.start()
            out.append(_moved(_ELEMENT, at, "HTML in the last KiB", GRAMMAR))


_ELEMENT = found("html", "element of HTML", 0, GRAMMAR)


def _behind(
    head: bytes, tail: bytes, size: int, clean: bool, first: str, out: list[Detection]
) -> None:
    """7z and RAR in the first KiB, or behind the end of the first format."""
    for magic, name, ends in _SOUGHT:
        at = head.rfind(magic, 1, 1024)
        if at < 0 and not clean and tail.endswith(ends):
            at = tail.rfind(magic)
            at = at + size - len(tail) if at >= 0 else -1
        if at > 0 and name != first:
            rule = f"signature of {name}"
            out.append(_moved(found(name, rule, 0, FOOTER), at, rule, FOOTER))


def _ends_clean(head: bytes, tail: bytes, size: int, name: str) -> bool:
    """Whether nothing stands behind the first format, where that is cheap to say."""
    end = _ENDS.get(name)
    if end is not None:
        return tail.endswith(end)
    field = _SIZES.get(name)
    if field is None:
        return False
    at, more = field
    stated = int.from_bytes(head[at : at + 4], "little") + more
    return 0 <= size - stated <= 1


# where the size of the file is written, and what is not counted in it
_SIZES = {"bmp": (2, 0), "glb": (8, 0), "wav": (4, 8), "avi": (4, 8), "webp": (4, 8)}
