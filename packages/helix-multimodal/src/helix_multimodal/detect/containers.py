"""Containers: one signature, and a second field that says what is inside.

Every check takes ``(head, tail, size)``: the first bytes, the last bytes and the number
of bytes; it gives a detection, or None where the second field does not fit.
"""

from __future__ import annotations

import re

from ..detection import EXACT, TWO_FIELDS, Detection
from ._found import found

Check = Detection | None


# -------------------------------------------------------------------------- RIFF and FORM
_RIFF = {
    b"WAVE": "wav",
    b"AVI ": "avi",
    b"AMV ": "avi",
    b"WEBP": "webp",
    b"ACON": "ani",
    b"RMID": "midi",
    b"sfbk": "soundfont",
}
_WEBP = {b"VP8 ": "lossy", b"VP8L": "lossless", b"VP8X": "extended"}


def riff(head: bytes, tail: bytes, size: int) -> Check:
    """RIFF, RIFX (big endian) and RF64 or BW64 (64-bit sizes)."""
    name = _RIFF.get(head[8:12])
    if name is None:
        return None
    variant = ""
    if name == "webp":
        variant = _WEBP.get(head[12:16], "")
        if not variant:
            return None
    elif not head.startswith(b"RIFF"):
        variant = "rifx" if head.startswith(b"RIFX") else "rf64"
    return found(name, f"{head[:4].decode()} of {name}", 0, TWO_FIELDS, variant)


_W64 = bytes.fromhex("726966662e91cf11a5d628db04c10000")


def wave64(head: bytes, tail: bytes, size: int) -> Check:
    """Sony's Wave64: a GUID where RIFF has four letters."""
    if head.startswith(_W64) and head[24:28] == b"wave":
        return found("wav", "Wave64 GUIDs", 0, TWO_FIELDS, "w64")
    return None


_FORM = {
    b"AIFF": ("aiff", "aiff"),
    b"AIFC": ("aiff", "aifc"),
    b"8SVX": ("8svx", ""),
    b"16SV": ("8svx", "16sv"),
    b"ILBM": ("ilbm", ""),
    b"PBM ": ("ilbm", "pbm"),
    b"ACBM": ("ilbm", "acbm"),
}


def form(head: bytes, tail: bytes, size: int) -> Check:
    """IFF files of the Amiga and of Apple."""
    known = _FORM.get(head[8:12])
    if known is None:
        return None
    return found(known[0], f"FORM of {known[0]}", 0, TWO_FIELDS, known[1])


def dff(head: bytes, tail: bytes, size: int) -> Check:
    """DSDIFF."""
    if head[12:16] == b"DSD ":
        return found("dff", "FRM8 of DSD", 0, TWO_FIELDS)
    return None


# --------------------------------------------------------------- ISO base media, QuickTime
_BRANDS = {
    b"avif": "avif",
    b"avis": "avif",
    b"heic": "heif",
    b"heix": "heif",
    b"heim": "heif",
    b"heis": "heif",
    b"hevc": "heif",
    b"hevx": "heif",
    b"hevm": "heif",
    b"hevs": "heif",
    b"qt  ": "mov",
    b"M4A ": "m4a",
    b"M4B ": "m4a",
    b"M4P ": "m4a",
    b"F4A ": "m4a",
    b"F4B ": "m4a",
    b"jp2 ": "jpeg2000",
    b"jpx ": "jpeg2000",
    b"jpm ": "jpeg2000",
    b"jph ": "jpeg2000",
    b"mjp2": "mj2",
    b"mj2s": "mj2",
    b"jxl ": "jxl",
    b"crx ": "cr3",
}
_GENERIC_IMAGE = (b"mif1", b"mif2", b"msf1", b"miaf", b"1pic")
_VARIANTS = {b"avis": "sequence", b"hevc": "sequence", b"msf1": "sequence"}


def iso_media(head: bytes, tail: bytes, size: int) -> Check:
    """``ftyp`` and its brands; a generic brand asks the compatible ones."""
    length = int.from_bytes(head[:4], "big")
    if length != 1 and not 12 <= length <= 4096:
        return None
    brand = head[8:12]
    name = _BRANDS.get(brand)
    if name is None and brand[:3] in (b"3gp", b"3gr", b"3gs", b"3ge", b"3gg"):
        name = "3gp"
    elif name is None and brand[:3] == b"3g2":
        name = "3g2"
    elif name is None and brand in _GENERIC_IMAGE:
        others = {head[i : i + 4] for i in range(16, min(length, len(head) - 3), 4)}
        name = "avif" if others & {b"avif", b"avis"} else "heif"
    if name is None:
        name = "m4a" if _sound_only(head, tail) else "mp4"
    variant = _VARIANTS.get(brand, "")
    return found(name, f"ftyp brand of {name}", 4, TWO_FIELDS, variant)


_HANDLER = re.compile(rb"hdlr.{8}(vide|soun)", re.DOTALL)


def _sound_only(head: bytes, tail: bytes) -> bool:
    """A generic brand: the tracks' handlers say sound and no picture."""
    kinds = set(_HANDLER.findall(head)) or set(_HANDLER.findall(tail))
    return kinds == {b"soun"}


_ATOMS = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")


def quicktime(head: bytes, tail: bytes, size: int) -> Check:
    """QuickTime before ``ftyp``: the file begins with another atom."""
    if head[4:8] not in _ATOMS:
        return None
    length = int.from_bytes(head[:4], "big")
    if head[4:8] in (b"wide", b"free", b"skip"):
        following = head[length + 4 : length + 8]
        fits = 8 <= length <= size and following in (*_ATOMS, b"ftyp")
    else:  # a truncated file has less than it states
        fits = head[0] < 8 and (length in (0, 1) or length >= 8)
    return found("mov", "atom of QuickTime", 4, TWO_FIELDS) if fits else None


# ------------------------------------------------------------------------------ Matroska
def ebml(head: bytes, tail: bytes, size: int) -> Check:
    """EBML: the DocType names webm or matroska."""
    at = head.find(b"\x42\x82", 4, 512)
    while at >= 0:
        n = head[at + 2] & 0x7F if len(head) > at + 2 else 0
        kind = head[at + 3 : at + 3 + n].rstrip(b"\0")
        if kind == b"webm":
            return found("webm", "EBML DocType webm", 0, TWO_FIELDS)
        if kind == b"matroska":
            return found("mkv", "EBML DocType matroska", 0, TWO_FIELDS)
        at = head.find(b"\x42\x82", at + 1, 512)
    return None


# ----------------------------------------------------------------------------------- Ogg
_OGG_AUDIO = (
    (b"\x01vorbis", "ogg", "vorbis"),
    (b"OpusHead", "opus", ""),
    (b"\x7fFLAC", "ogg", "flac"),
    (b"fLaC", "ogg", "flac"),
    (b"Speex   ", "ogg", "speex"),
    (b"PCM     ", "ogg", "pcm"),
    (b"CELT    ", "ogg", "celt"),
)
_OGG_VIDEO = (
    (b"\x80theora", "theora"),
    (b"BBCD\0", "dirac"),
    (b"\x01video\0\0\0", "ogm"),
)


def ogg(head: bytes, tail: bytes, size: int) -> Check:
    """The first packets name the codecs; any of video makes it video."""
    if len(head) < 27 or head[4] != 0:
        return None
    at = 27 + head[26]
    for magic, name, variant in _OGG_AUDIO:
        # streams of video come first by rule, but chained or unordered files exist
        if head.startswith(magic, at) and head.find(b"\x80theora", at, 1024) < 0:
            return found(name, f"Ogg page of {variant or name}", 0, TWO_FIELDS, variant)
    for magic, variant in _OGG_VIDEO:
        if head.find(magic, at, 4096) >= 0:
            return found("ogv", f"Ogg page of {variant}", 0, TWO_FIELDS, variant)
    for magic, name, variant in _OGG_AUDIO:
        if head.find(magic, at, 4096) >= 0:
            return found(name, f"Ogg page of {variant or name}", 0, TWO_FIELDS, variant)
    return found("ogg", "Ogg page", 0, EXACT)


# ----------------------------------------------------------------------------------- ASF
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_VIDEO = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")
_ASF_AUDIO = bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b")


def asf(head: bytes, tail: bytes, size: int) -> Check:
    """ASF: the streams' GUIDs say video or audio."""
    if not head.startswith(_ASF):
        return None
    header = head[:65536]
    if _ASF_AUDIO in header and _ASF_VIDEO not in header:
        return found("wma", "ASF with audio only", 0, TWO_FIELDS)
    return found("wmv", "ASF GUID")


# ------------------------------------------------------------------- LAS, safetensors, OLE
def las(head: bytes, tail: bytes, size: int) -> Check:
    """LAS; bit 7 of the point format at byte 104 says LAZ."""
    if len(head) < 105:
        return found("las", "LASF")
    if head[104] & 0x80:
        return found("laz", "LASF, compressed points", 0, TWO_FIELDS)
    return found("las", "LASF", 0, EXACT)


def orc(head: bytes, tail: bytes, size: int) -> Check:
    """ORC has three bytes in front and, before the last one, three at the end."""
    if tail[-4:-1] == b"ORC":
        return found("orc", "ORC at both ends", 0, TWO_FIELDS)
    return None


def arrow_stream(head: bytes, tail: bytes, size: int) -> Check:
    """A continuation marker, then a schema message within the file."""
    n = int.from_bytes(head[4:8], "little")
    if 64 <= n <= size - 8 and n % 8 == 0 and head[8:12] == b"\x10\0\0\0":
        return found("arrow-stream", "Arrow message", 0, TWO_FIELDS)
    return None
