"""Files that two readers accept, made by rule.

Fifteen hosts hold their signature and a header, and a place that their readers skip: a
comment, a chunk of another name, a gap before the data. Ten guests are put into that
place or behind the host: archives and documents where their readers search for them,
DICOM, tar and ISO 9660 at the offset where their readers look.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

Host = Callable[[bytes], bytes]


class Polyglot(NamedTuple):
    """Bytes, the format in front, the other one, and where that was put."""

    data: bytes
    first: str
    second: str
    how: str


# ---------------------------------------------------------------------------------- hosts
def _riff(kind: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    body = kind
    for name, data in chunks:
        body += name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _png(gap: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0\x80"))
    return (
        b"\x89PNG\r\n\x1a\n"
        + header
        + chunk(b"prIv", gap)
        + pixels
        + chunk(b"IEND", b"")
    )


def _jpeg(gap: bytes) -> bytes:
    app0 = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
    parts = [gap[i : i + 65000] for i in range(0, len(gap), 65000)]
    comments = b"".join(b"\xff\xfe" + struct.pack(">H", len(p) + 2) + p for p in parts)
    return b"\xff\xd8" + app0 + comments + b"\xff\xd9"


def _gif(gap: bytes) -> bytes:
    # an application extension in one piece would be cut: the gap is a palette's rest
    screen = struct.pack("<HHBBB", 1, 1, 0xF7, 0, 0)
    palette = gap[:768].ljust(768, b"\0")
    image = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2D\1\0;"
    return b"GIF89a" + screen + palette + image


def _bmp(gap: bytes) -> bytes:
    at = 54 + len(gap)
    dib = struct.pack("<IiiHHIIiiII", 40, 1, 1, 1, 24, 0, 4, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", at + 4, 0, 0, at) + dib + gap + bytes(4)


def _tiff(gap: bytes) -> bytes:
    at = 8 + len(gap) + (len(gap) & 1)
    tags = ((256, 1), (257, 1), (258, 8), (262, 1), (273, 0), (278, 1), (279, 1))
    rows = b"".join(struct.pack("<HHII", t, 4, 1, v) for t, v in tags)
    front = b"II*\0" + struct.pack("<I", at) + gap
    return front.ljust(at, b"\0") + struct.pack("<H", len(tags)) + rows + bytes(4)


def _wav(gap: bytes) -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)
    return _riff(b"WAVE", (b"fmt ", form), (b"junk", gap), (b"data", bytes(8)))


def _avi(gap: bytes) -> bytes:
    return _riff(b"AVI ", (b"JUNK", gap), (b"LIST", b"movi"))


def _webp(gap: bytes) -> bytes:
    pixel = bytes.fromhex("2f00000000000000")
    return _riff(
        b"WEBP", (b"VP8X", bytes(4) + bytes(6)), (b"junk", gap), (b"VP8L", pixel)
    )


def _aiff(gap: bytes) -> bytes:
    rate = bytes.fromhex("400bfa00000000000000")
    common = b"COMM" + struct.pack(">IhIh", 18, 1, 4, 16) + rate
    other = b"ANNO" + struct.pack(">I", len(gap)) + gap + b"\0" * (len(gap) & 1)
    body = b"AIFF" + common + other + b"SSND" + struct.pack(">III", 16, 0, 0) + bytes(8)
    return b"FORM" + struct.pack(">I", len(body)) + body


def _au(gap: bytes) -> bytes:
    return b".snd" + struct.pack(">5I", 24 + len(gap), 8, 3, 8000, 1) + gap + bytes(8)


def _flac(gap: bytes) -> bytes:
    info = bytes.fromhex("10001000000000000000") + bytes.fromhex("0ac442f000000000")
    other = b"\x81" + len(gap).to_bytes(3, "big") + gap
    return b"fLaC\0\0\0\x22" + info + bytes(16) + other + b"\xff\xf8" + bytes(8)


def _mp4(gap: bytes) -> bytes:
    kind = struct.pack(">I", 24) + b"ftypisom\0\0\2\0isommp41"
    return kind + struct.pack(">I", 8 + len(gap)) + b"free" + gap + b"\0\0\0\x08mdat"


def _las(gap: bytes) -> bytes:
    header = bytearray(227)
    header[:4], header[24:26] = b"LASF", b"\1\2"
    struct.pack_into("<HIIBHI", header, 94, 227, 227 + len(gap), 0, 0, 20, 1)
    return bytes(header) + gap + bytes(20)


def _ico(gap: bytes) -> bytes:
    # twice as high as it is: colours, then a mask
    image = struct.pack("<IiiHHIIiiII", 40, 1, 2, 1, 24, 0, 8, 0, 0, 0, 0) + bytes(8)
    row = struct.pack("<BBBBHHII", 1, 1, 0, 0, 1, 24, len(image), 22 + len(gap))
    return b"\0\0\1\0\1\0" + row + gap + image


def _mkv(gap: bytes) -> bytes:
    doctype = b"\x42\x82\x88matroska"
    void = b"\xec" + (1 << 56 | len(gap)).to_bytes(8, "big") + gap
    return b"\x1a\x45\xdf\xa3" + bytes([0x80 | len(doctype)]) + doctype + void


HOSTS: dict[str, Host] = {
    "png": _png,
    "jpeg": _jpeg,
    "gif": _gif,
    "bmp": _bmp,
    "tiff": _tiff,
    "wav": _wav,
    "avi": _avi,
    "webp": _webp,
    "aiff": _aiff,
    "au": _au,
    "flac": _flac,
    "mp4": _mp4,
    "las": _las,
    "ico": _ico,
    "mkv": _mkv,
}


# --------------------------------------------------------------------------------- guests
def _zip(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name in names:
            z.writestr(zipfile.ZipInfo(name), b"<x/>")
    return out.getvalue()


def _seven() -> bytes:
    following = b"\1\0"  # a header that ends at once: no files
    start = struct.pack("<QQI", 0, len(following), zlib.crc32(following))
    crc = struct.pack("<I", zlib.crc32(start))
    return b"7z\xbc\xaf\x27\x1c\0\4" + crc + start + following


def _rar() -> bytes:
    main = b"\3\1\0\0"
    end = bytes.fromhex("1d77565103050400")
    return b"Rar!\x1a\7\1\0" + struct.pack("<I", zlib.crc32(main)) + main + end


_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
)
GUESTS: dict[str, bytes] = {
    "zip": _zip("a.txt"),
    "jar": _zip("META-INF/MANIFEST.MF", "A.class"),
    "docx": _zip("[Content_Types].xml", "_rels/.rels", "word/document.xml"),
    "7z": _seven(),
    "rar": _rar(),
    "pdf": _PDF,
    "html": b"<html><script>alert(1)</script></html>",
}
# a guest at a fixed offset of the file
PLACED: dict[str, tuple[int, bytes]] = {
    "dicom": (128, b"DICM\2\0\0\0UL\4\0\0\0\0\0"),
    "tar": (257, b"ustar\x0000"),
    "iso9660": (32769, b"CD001\1\0"),
}
_ARCHIVES = ("zip", "jar", "docx")


def _gap_at(host: Host) -> int:
    mark = b"here the gap begins"
    return host(mark * 3).index(mark)


def made() -> Iterator[Polyglot]:
    """All of them, always the same ones."""
    for name, host in HOSTS.items():
        start = _gap_at(host)
        for guest, data in GUESTS.items():
            yield Polyglot(host(b"") + data, name, guest, "behind")
            if guest not in _ARCHIVES:
                yield Polyglot(host(data), name, guest, "inside")
        for guest in _ARCHIVES[:1]:
            yield Polyglot(_commented(host, GUESTS[guest]), name, guest, "commented")
        for guest, (at, data) in PLACED.items():
            if at < start or (name == "gif" and guest == "iso9660"):
                continue  # the gap begins later, or the palette ends before
            gap = bytes(at - start) + data
            yield Polyglot(host(gap + bytes(64)), name, guest, "placed")


def _commented(host: Host, archive: bytes) -> bytes:
    """The archive inside, and the rest of the host as the archive's comment."""
    whole = host(archive)
    after = len(whole) - whole.index(archive) - len(archive)
    moved = archive[:-2] + struct.pack("<H", after)
    return host(moved)
