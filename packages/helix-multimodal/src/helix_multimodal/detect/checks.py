"""Short signatures, each with the field that makes it certain."""

from __future__ import annotations

import re

from ..detection import EXACT, FOOTER, FRAME_SYNC, TWO_FIELDS, Detection
from . import grammars
from ._found import found

Check = Detection | None


def _le(head: bytes, at: int, n: int) -> int:
    return int.from_bytes(head[at : at + n], "little")


def _be(head: bytes, at: int, n: int) -> int:
    return int.from_bytes(head[at : at + n], "big")


# -------------------------------------------------------------------------------- images
def jpeg(head: bytes, tail: bytes, size: int) -> Check:
    """FF D8 FF, then a marker that may stand there."""
    if len(head) > 3 and head[3] == 0xF7:
        return found("jpeg", "SOI, JPEG-LS", 0, EXACT, "jpeg-ls")
    if len(head) > 3 and head[3] >= 0xC0 and head[3] not in (0xD8, 0xD9):
        return found("jpeg", "SOI and a marker")
    return None


_DIB = (12, 16, 40, 52, 56, 64, 108, 124)


def bmp(head: bytes, tail: bytes, size: int) -> Check:
    """BM, and the size of a DIB header that exists."""
    dib = _le(head, 14, 4)
    if dib in _DIB and len(head) >= 18:
        return found("bmp", f"BM, DIB header of {dib} bytes", 0, TWO_FIELDS)
    if _le(head, 2, 4) == size and size > 26:
        return found("bmp", "BM, the file's size", 0, TWO_FIELDS)
    return None


def tiff(head: bytes, tail: bytes, size: int) -> Check:
    """TIFF and BigTIFF in both byte orders; raw files of cameras are TIFF."""
    order = "little" if head.startswith(b"II") else "big"
    magic = int.from_bytes(head[2:4], order)  # type: ignore[arg-type]
    if magic == 42:
        return found("tiff", "TIFF 42", 0, EXACT, order)
    if magic == 43 and int.from_bytes(head[4:8], order) in (8, 0x80000):  # type: ignore[arg-type]
        return found("tiff", "BigTIFF 43", 0, EXACT, "big-tiff")
    if head.startswith((b"IIRO", b"IIRS", b"IIU\0", b"MMOR")):
        return found("tiff", "TIFF of a camera", 0, EXACT, order)
    if head.startswith(b"II\xbc") and head[3:4] in (b"\0", b"\1"):
        return found("jxr", "JPEG XR", 0, EXACT)
    return None


def ico(head: bytes, tail: bytes, size: int) -> Check:
    """ICO and CUR: the first entry lies behind the directory and in the file."""
    if size == 6 and head[4:] == b"\0\0":
        return found("ico" if head[2] == 1 else "cur", "no icons", 0, FRAME_SYNC)
    n, length, at = _le(head, 4, 2), _le(head, 14, 4), _le(head, 18, 4)
    first = 6 + 16 * n
    if n and len(head) >= 22 and length and (at == first or first < at < size):
        name = "ico" if head[2] == 1 else "cur"
        return found(name, "directory of icons", 0, TWO_FIELDS)
    return None


def icns(head: bytes, tail: bytes, size: int) -> Check:
    """icns, and a first element within the stated length."""
    if 8 <= _be(head, 12, 4) <= _be(head, 4, 4) and head[8:12].isascii():
        return found("icns", "icns and an element", 0, TWO_FIELDS)
    return None


_PNM = re.compile(
    rb"P[1-6](?:[ \t\r\n]+(?:#[^\n]{0,512}\n)?)+"
    rb"\d{1,10}(?:[ \t\r\n]+(?:#[^\n]{0,512}\n)?)+\d{1,10}[ \t\r\n]"
)
_PAM = re.compile(rb"P7\n(?:#[^\n]*\n)*(?:WIDTH|HEIGHT|DEPTH|MAXVAL|TUPLTYPE) ")
_PFM = re.compile(rb"P[Ff]4?\s+\d{1,10}\s+\d{1,10}\s+[+-]?\d*\.?\d+")
_XV = re.compile(rb"P7 332\n")


def pnm(head: bytes, tail: bytes, size: int) -> Check:
    """Netpbm: a digit, then a width and a height."""
    kind = head[:2]
    window = head[:2048]
    if _PNM.match(window):
        variant = kind.decode("ascii")
        return found("pnm", f"{variant}, width, height", 0, TWO_FIELDS, variant)
    if kind == b"P7" and (_PAM.match(window) or _XV.match(window)):
        variant = "P7" if _PAM.match(window) else "xv"
        return found("pnm", "P7 and its fields", 0, TWO_FIELDS, variant)
    if _PFM.match(window):
        return found("pfm", "PF, width, height, scale", 0, TWO_FIELDS)
    return None


def qoi(head: bytes, tail: bytes, size: int) -> Check:
    """qoif, 3 or 4 channels."""
    return found("qoi", "qoif") if head[12:13] in (b"\3", b"\4") else None


def jxl(head: bytes, tail: bytes, size: int) -> Check:
    """A naked codestream has two bytes; FF 0A is no other format's beginning."""
    return (
        found("jxl", "codestream", 0, FRAME_SYNC, "codestream") if size > 12 else None
    )


def pcx(head: bytes, tail: bytes, size: int) -> Check:
    """0A, a version, run lengths, bits and a window that is not empty."""
    x0, y0, x1, y1 = (_le(head, i, 2) for i in (4, 6, 8, 10))
    if (
        len(head) >= 70
        and head[1] in (0, 2, 3, 4, 5)
        and head[2] == 1
        and head[3] in (1, 2, 4, 8)
        and x1 >= x0
        and y1 >= y0
        and head[64] == 0
    ):
        return found("pcx", "PCX header", 0, TWO_FIELDS)
    return None


def sgi(head: bytes, tail: bytes, size: int) -> Check:
    """01DA, storage, bytes, dimensions."""
    if (
        len(head) > 12
        and head[2] < 2
        and head[3] in (1, 2)
        and _be(head, 4, 2) in (1, 2, 3)
    ):
        return found("sgi", "SGI header", 0, TWO_FIELDS)
    return None


def emf(head: bytes, tail: bytes, size: int) -> Check:
    """A header record with ' EMF'."""
    return found("emf", "EMF header", 0, TWO_FIELDS) if head[40:44] == b" EMF" else None


def wmf(head: bytes, tail: bytes, size: int) -> Check:
    """A metafile without a placeable header."""
    if head[2:4] == b"\x09\0" and head[4:6] in (b"\0\1", b"\0\3"):
        return found("wmf", "metafile header", 0, TWO_FIELDS)
    return None


def tga(head: bytes, tail: bytes, size: int) -> Check:
    """TGA has no signature: its footer, or a header whose every field fits."""
    if tail.endswith(b"TRUEVISION-XFILE.\0"):
        return found("tga", "footer of TGA 2", max(size - 26, 0), FOOTER)
    if len(head) < 18:
        return None
    colors, kind, depth = head[1], head[2], head[16]
    indexed = kind in (1, 9)
    count, bits = _le(head, 5, 2), head[7]
    width, height = _le(head, 12, 2), _le(head, 14, 2)
    if (
        kind not in (1, 2, 3, 9, 10, 11)
        or colors != (1 if indexed else 0)
        or not width
        or not height
        or head[17] & 0xC0
        or depth
        not in ((8, 16) if indexed else (8, 16) if kind & 3 == 3 else (15, 16, 24, 32))
    ):
        return None
    if indexed and (not count or bits not in (15, 16, 24, 32)):
        return None
    if not indexed and (count or bits):
        return None
    start = 18 + head[0] + count * ((bits + 7) // 8)
    raw = width * height * ((depth + 7) // 8)
    if kind < 4:
        return (
            found("tga", "TGA header, size fits", 0, FRAME_SYNC)
            if start + raw <= size
            else None
        )
    return found("tga", "TGA header", 0, FRAME_SYNC) if start < size else None


def dicom(head: bytes, tail: bytes, size: int) -> Check:
    """DICM after the preamble, then the group of file meta information."""
    if head[128:134] == b"DICM\2\0":
        return found("dicom", "DICM and group 2", 128, EXACT)
    return None


_VALUES = frozenset(b"AE AS CS DA DT IS LO PN SH TM UI UL US".split())


def dicom_bare(head: bytes, tail: bytes, size: int) -> Check:
    """DICOM without a preamble: two elements in a row, in groups 2 or 8."""
    for order in ("little", "big"):
        at = 0
        last = (0, 0)
        for _ in range(2):
            group = int.from_bytes(head[at : at + 2], order)
            element = int.from_bytes(head[at + 2 : at + 4], order)
            if group not in (2, 8) or (group, element) < last or len(head) < at + 8:
                break
            last = (group, element + 1)
            if head[at + 4 : at + 6] in _VALUES:
                n = int.from_bytes(head[at + 6 : at + 8], order)
            else:
                n = int.from_bytes(head[at + 4 : at + 8], order)
            if n > 1024 or n % 2:
                break
            at += 8 + n
        else:
            return found("dicom", "elements of groups 2 and 8", 0, FRAME_SYNC)
    return None


# --------------------------------------------------------------------------------- audio
def au(head: bytes, tail: bytes, size: int) -> Check:
    """.snd in either byte order, and an encoding."""
    order = "big" if head.startswith(b".snd") else "little"
    code = int.from_bytes(head[12:16], order)  # type: ignore[arg-type]
    if 1 <= code <= 27:
        return found("au", ".snd", 0, TWO_FIELDS, "" if order == "big" else "little")
    return None


def wavpack(head: bytes, tail: bytes, size: int) -> Check:
    """wvpk, and version 4."""
    return found("wavpack", "wvpk 4", 0, TWO_FIELDS) if head[9:10] == b"\4" else None


def ape(head: bytes, tail: bytes, size: int) -> Check:
    """MAC and a version from 3.2."""
    return found("ape", "MAC, version") if 3200 <= _le(head, 4, 2) < 5000 else None


def musepack(head: bytes, tail: bytes, size: int) -> Check:
    """MP+ and stream version 7."""
    return found("musepack", "MP+ 7") if head[3:4] and head[3] & 15 == 7 else None


def musepack_old(head: bytes, tail: bytes, size: int) -> Check:
    """Stream versions 4 to 6: one word of fixed fields, then the number of frames.

    Bits 0-5 blocks (1), 6-10 bands, 11-20 version, 21 mid/side, 22-31 zero (libmpcdec).
    """
    word = _le(head, 0, 4)
    fits = word & 0xFFC0003F == 1 and 4 <= word >> 11 & 0x3FF <= 6
    if not fits or size < 12 or not _le(head, 4, 4):
        return None
    return found("musepack", "header of stream version 4 to 6", 0, FRAME_SYNC)


def optimfrog(head: bytes, tail: bytes, size: int) -> Check:
    """OFR and the size of its header."""
    return found("optimfrog", "OFR, header") if 12 <= _le(head, 4, 4) <= 64 else None


# ----------------------------------------------------------------------------- video, 3D
def flv(head: bytes, tail: bytes, size: int) -> Check:
    """FLV 1, and the size of its header."""
    return found("flv", "FLV 1", 0, TWO_FIELDS) if _be(head, 5, 4) == 9 else None


def swf(head: bytes, tail: bytes, size: int) -> Check:
    """FWS, CWS or ZWS; the length that the header states is plausible."""
    if len(head) > 8 and 3 <= head[3] <= 60 and 8 < _le(head, 4, 4) < 1 << 28:
        return found("swf", head[:3].decode(), 0, TWO_FIELDS)
    return None


def fli(head: bytes, tail: bytes, size: int) -> Check:
    """FLI and FLC: the magic at byte 4, 8 bits."""
    if head[4:6] in (b"\x11\xaf", b"\x12\xaf") and _le(head, 12, 2) in (0, 8):
        return found("fli", "FLIC header", 4, TWO_FIELDS)
    return None


def three_ds(head: bytes, tail: bytes, size: int) -> Check:
    """A main chunk that is the file, and a version or mesh in it."""
    if _le(head, 2, 4) == size and head[6:8] in (b"\2\0", b"\x3d\x3d"):
        return found("3ds", "3DS main chunk", 0, TWO_FIELDS)
    return None


def stl_binary(head: bytes, tail: bytes, size: int) -> Check:
    """No signature: 84 bytes and 50 for each facet are the file."""
    if size > 84 and size == 84 + 50 * int.from_bytes(head[80:84], "little"):
        return found("stl", "facets fill the file", 80, TWO_FIELDS, "binary")
    return None


def pcd(head: bytes, tail: bytes, size: int) -> Check:
    """PCD with binary data, whose header is text."""
    return grammars.pcd(head[:4096], size <= 4096)


_PLY = re.compile(
    rb"(?:ply|PLY)[ \t]*\r?[\n\r](?:(?:comment|obj_info)[^\n]*\n|[ \t\r\n])*"
    rb"format (ascii|binary_little_endian|binary_big_endian)"
)


def ply(head: bytes, tail: bytes, size: int) -> Check:
    """A first line, and the format line."""
    m = _PLY.match(head, 0, 4096)
    if m:
        return found("ply", "ply and its format", 0, TWO_FIELDS, m[1].decode())
    return None


# ------------------------------------------------------------------------------ archives
def gz(head: bytes, tail: bytes, size: int) -> Check:
    """1F 8B 08, no reserved flag."""
    return found("gz", "gzip, deflate") if head[3:4] and head[3] < 32 else None


def bz2(head: bytes, tail: bytes, size: int) -> Check:
    """BZh, a level, and the mark of a block or of the end."""
    blocks = (b"1AY&SY", b"\x17rE8P\x90")
    if b"1" <= head[3:4] <= b"9" and head[4:10] in blocks:
        return found("bz2", "bzip2 block")
    return None


def lzma(head: bytes, tail: bytes, size: int) -> Check:
    """LZMA alone: properties, a dictionary size, a length that is known or not."""
    dictionary, n = _le(head, 1, 4), _le(head, 5, 8)
    power = dictionary and dictionary & (dictionary - 1) == 0 and dictionary >= 4096
    if power and (n == (1 << 64) - 1 or n < 1 << 38) and head[13:14] == b"\0":
        return found("lzma", "LZMA header", 0, TWO_FIELDS)
    return None


def compress(head: bytes, tail: bytes, size: int) -> Check:
    """1F 9D and 9 to 16 bits."""
    if head[2:3] and 9 <= head[2] & 31 <= 16 and not head[2] & 0x60:
        return found("compress", "compress header", 0, FRAME_SYNC)
    return None


def zstd_skippable(head: bytes, tail: bytes, size: int) -> Check:
    """A skippable frame in front of a zstd or lz4 frame."""
    if head[1:4] != b"\x2a\x4d\x18":
        return None
    after = head[8 + _le(head, 4, 4) :][:4]
    name = {b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4"}.get(after)
    return found(name, "frame after a skippable one", 0, TWO_FIELDS) if name else None


def lha(head: bytes, tail: bytes, size: int) -> Check:
    """-lh5- or its kin at byte 2."""
    if head[2:4] == b"-l" and head[6:7] == b"-" and head[4:5] in (b"h", b"z"):
        return found("lha", "method of LHA", 2, TWO_FIELDS)
    return None


def arj(head: bytes, tail: bytes, size: int) -> Check:
    """60 EA and a basic header that may exist."""
    n = _le(head, 2, 2)
    if 30 <= n <= 2600 and head[4:5] and 30 <= head[4] <= 60 and head[10:11] == b"\2":
        return found("arj", "ARJ main header", 0, TWO_FIELDS)
    return None


# ------------------------------------------------------------------------------ programs
def pe(head: bytes, tail: bytes, size: int) -> Check:
    """MZ; at the offset that byte 60 names, PE."""
    at = _le(head, 60, 4)
    if head[at : at + 4] == b"PE\0\0" and at:
        return found("pe", "MZ and PE", 0, TWO_FIELDS)
    if len(head) >= 64 and _le(head, 2, 2) < 512 and _le(head, 8, 2) <= 0x1000:
        return found("dos", "MZ", 0, FRAME_SYNC)
    return None


def cafebabe(head: bytes, tail: bytes, size: int) -> Check:
    """A Java class has its version where Mach-O counts architectures."""
    n = _be(head, 4, 4)
    if 1 <= n < 40:
        return found("mach-o", "architectures", 0, TWO_FIELDS, "universal")
    if 45 <= n & 0xFFFF < 200:
        return found("java-class", "class file version", 0, TWO_FIELDS)
    return None


def pickle(head: bytes, tail: bytes, size: int) -> Check:
    """A protocol from 2 to 5 in front, STOP at the end."""
    if not (len(head) > 2 and 2 <= head[1] <= 5 and tail.endswith(b".")):
        return None
    if head[1] >= 4 and head[2] != 0x95 and size > 16:
        return None
    return found("pickle", "protocol and STOP", 0, TWO_FIELDS, f"protocol {head[1]}")


def pyc(head: bytes, tail: bytes, size: int) -> Check:
    """A version and CR LF; flags 0 to 3, or an old time stamp; a code object."""
    if (
        len(head) > 16
        and head[16] & 0x7F == 0x63
        and head[4] < 4
        and not any(head[5:8])
    ):
        return found("pyc", "marshalled code", 0, TWO_FIELDS)
    if len(head) > 12 and 0x63 in (head[8] & 0x7F, head[12] & 0x7F):
        return found("pyc", "marshalled code", 0, TWO_FIELDS, "old")
    return None


def safetensors(head: bytes, tail: bytes, size: int) -> Check:
    """The length of a JSON header, and its brace."""
    n = _le(head, 0, 8)
    if head[8:10] in (b'{"', b"{}") and 2 <= n <= min(size - 8, 100_000_000):
        return found("safetensors", "length and JSON header", 0, TWO_FIELDS)
    return None


def nifti(head: bytes, tail: bytes, size: int) -> Check:
    """The header's size, and n+1 at byte 344."""
    if head[344:348] in (b"n+1\0", b"ni1\0") or head[4:7] in (b"n+2", b"ni2"):
        return found("nifti", "NIfTI header", 344, TWO_FIELDS)
    return None
