"""What a ZIP holds: names of its first members, in front and in the directory."""

from __future__ import annotations

from ..detection import EXACT, TWO_FIELDS, Detection
from ._found import found

_END = b"PK\5\6"
_MOST = 64  # names that are looked at

_MIMETYPES = (
    (b"application/epub+zip", "epub"),
    (b"application/vnd.oasis.opendocument.text", "odt"),
    (b"application/vnd.oasis.opendocument.spreadsheet", "ods"),
    (b"application/vnd.oasis.opendocument.presentation", "odp"),
    (b"application/vnd.oasis.opendocument.", "odf"),
)


def end_of_directory(tail: bytes) -> int:
    """Offset in the tail of the last end record that fits; -1 if there is none."""
    at = tail.rfind(_END, -65557)
    while at >= 0:
        if _fits(tail, at):
            return at
        at = tail.rfind(_END, -65557, at) if at else -1
    return -1


def _fits(tail: bytes, at: int) -> bool:
    if len(tail) < at + 22:
        return False
    comment = int.from_bytes(tail[at + 20 : at + 22], "little")
    length = int.from_bytes(tail[at + 12 : at + 16], "little")
    if at + 22 + comment > len(tail):
        return False
    first = at - length
    return (
        first < 0
        or not length
        or tail[first : first + 4] == b"PK\1\2"
        or length == 0xFFFFFFFF
    )


def _local_names(head: bytes) -> list[bytes]:
    """Names of members in front, as far as their sizes are known."""
    names: list[bytes] = []
    at = 0
    while (
        len(names) < _MOST and head.startswith(b"PK\3\4", at) and len(head) >= at + 30
    ):
        flags = head[at + 6]
        packed = int.from_bytes(head[at + 18 : at + 22], "little")
        n = int.from_bytes(head[at + 26 : at + 28], "little")
        extra = int.from_bytes(head[at + 28 : at + 30], "little")
        names.append(head[at + 30 : at + 30 + n])
        if flags & 8 or packed == 0xFFFFFFFF:
            break
        at += 30 + n + extra + packed
    return names


def _directory_names(tail: bytes) -> list[bytes]:
    """Names in the central directory, where it lies in the tail."""
    end = end_of_directory(tail)
    if end < 0:
        return []
    at = end - int.from_bytes(tail[end + 12 : end + 16], "little")
    names: list[bytes] = []
    while 0 <= at < end and len(names) < _MOST and tail.startswith(b"PK\1\2", at):
        n, extra, comment = (
            int.from_bytes(tail[at + i : at + i + 2], "little") for i in (28, 30, 32)
        )
        names.append(tail[at + 46 : at + 46 + n])
        at += 46 + n + extra + comment
    return names


def inside(head: bytes, tail: bytes, size: int) -> Detection:
    """The format that a ZIP's members make."""
    if head[30:38] == b"mimetype":
        n = int.from_bytes(head[28:30], "little")
        for mime, name in _MIMETYPES:
            if head.startswith(mime, 38 + n):
                return found(name, f"ZIP with mimetype of {name}", 38, TWO_FIELDS)
    names = _local_names(head[:65536])
    names += _directory_names(tail)
    name = _by_names(names)
    if name == "zip":
        return found("zip", "local file header", 0, EXACT)
    return found(name, f"ZIP with members of {name}", 30, TWO_FIELDS)


def _by_names(names: list[bytes]) -> str:
    whole = set(names)
    tops = {n.split(b"/", 1)[0] for n in names}
    if b"[Content_Types].xml" in whole:
        for top, name in ((b"word", "docx"), (b"xl", "xlsx"), (b"ppt", "pptx")):
            if top in tops:
                return name
        if b"3D" in tops:
            return "3mf"
    if b"AndroidManifest.xml" in whole or b"classes.dex" in whole:
        return "apk"
    if any(t.endswith(b".dist-info") for t in tops):
        return "wheel"
    if b"META-INF/MANIFEST.MF" in whole:
        return "jar"
    if any(n.endswith(b"/data.pkl") or n == b"data.pkl" for n in names):
        return "pytorch"
    if names and all(n.endswith(b".npy") for n in names):
        return "npz"
    if names and names[0].endswith((b".usdc", b".usda", b".usd")):
        return "usdz"
    return "zip"


def local(head: bytes, tail: bytes, size: int) -> Detection | None:
    """A ZIP that begins with a member."""
    if len(head) < 30 or head[4] > 63:
        return None
    return inside(head, tail, size)


def empty(head: bytes, tail: bytes, size: int) -> Detection | None:
    """A ZIP without members: the end record alone."""
    return found("zip", "end record", 0, EXACT) if size >= 22 else None


def spanned(head: bytes, tail: bytes, size: int) -> Detection | None:
    """A ZIP that was split, or could have been."""
    return found("zip", "spanned archive", 0, EXACT) if head[4:8] == b"PK\3\4" else None
