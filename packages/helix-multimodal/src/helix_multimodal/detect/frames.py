"""Streams of frames: no signature, but a header that repeats where it says."""

from __future__ import annotations

from ..detection import EXACT, FRAME_SYNC, TWO_FIELDS, Detection
from ._found import found

Check = Detection | None

# kbit/s by (version 1, layer); index 0 is free, 15 forbidden
_RATES = {
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_HERTZ = (44100, 48000, 32000)


def mpeg_frame(head: bytes, at: int) -> int:
    """Bytes of the MPEG audio frame at an offset; 0 if there is none."""
    if len(head) < at + 4 or head[at] != 0xFF or head[at + 1] & 0xE0 != 0xE0:
        return 0
    b1, b2 = head[at + 1], head[at + 2]
    version, layer = b1 >> 3 & 3, 4 - (b1 >> 1 & 3)
    rate, hertz = b2 >> 4, b2 >> 2 & 3
    if version == 1 or layer == 4 or rate in (0, 15) or hertz == 3:
        return 0
    if head[at + 3] & 3 == 2:  # reserved emphasis
        return 0
    one = version == 3
    bits = _RATES[one, layer][rate] * 1000
    hz = _HERTZ[hertz] >> (0 if one else 1 if version == 2 else 2)
    padding = b2 >> 1 & 1
    if layer == 1:
        return (12 * bits // hz + padding) * 4
    return (72 if layer == 3 and not one else 144) * bits // hz + padding


def adts_frame(head: bytes, at: int) -> int:
    """Bytes of the ADTS frame at an offset; 0 if there is none."""
    if len(head) < at + 6 or head[at] != 0xFF or head[at + 1] & 0xF6 != 0xF0:
        return 0
    if head[at + 2] >> 2 & 15 > 12:  # reserved sampling frequency
        return 0
    n = (head[at + 3] & 3) << 11 | head[at + 4] << 3 | head[at + 5] >> 5
    return n if n >= 7 else 0


def _mpeg(head: bytes, at: int, size: int) -> Check:
    n = mpeg_frame(head, at)
    if not n:
        return None
    following = at + n
    same = head[following : following + 2] == head[at : at + 2]
    if same and mpeg_frame(head, following):
        return found("mp3", "two MPEG audio frames", at, FRAME_SYNC)
    # one frame that begins with 0xFF 0xFE is rather a mark of UTF-16
    if following >= size and at == 0 and head[1] != 0xFE:
        return found("mp3", "one MPEG audio frame", at, FRAME_SYNC)
    return None


def sync(head: bytes, tail: bytes, size: int) -> Check:
    """0xFF in front: ADTS, or MPEG audio; two frames in a row."""
    return sync_at(head, 0, size)


def sync_at(head: bytes, at: int, size: int) -> Check:
    """The same at an offset."""
    n = adts_frame(head, at)
    if n:
        following = at + n
        same = head[following : following + 3] == head[at : at + 3]
        if (same and adts_frame(head, following)) or following == size:
            return found("aac", "two ADTS frames", 0, FRAME_SYNC)
    return _mpeg(head, at, size)


_AFTER_ID3 = (
    (b"fLaC", "flac"),
    (b"MAC ", "ape"),
    (b"TTA1", "tta"),
    (b"MPCK", "musepack"),
    (b"MP+", "musepack"),
    (b"wvpk", "wavpack"),
    (b"OFR ", "optimfrog"),
    (b"ADIF", "aac"),
)


def id3(head: bytes, tail: bytes, size: int) -> Check:
    """An ID3v2 tag: what follows it says the format, and without more it is MP3."""
    if len(head) < 10 or head[3] > 4 or max(head[6:10]) > 127:
        return None
    a, b, c, d = head[6:10]
    at = 10 + (a << 21 | b << 14 | c << 7 | d)
    if head[5] & 0x10:  # a footer
        at += 10
    after = head[at : at + 4]
    for magic, name in _AFTER_ID3:
        if after.startswith(magic):
            return found(name, f"{name} after an ID3v2 tag", 0, TWO_FIELDS)
    if adts_frame(head, at) and not mpeg_frame(head, at):
        return found("aac", "ADTS after an ID3v2 tag", 0, TWO_FIELDS)
    return found("mp3", "ID3v2 tag")


_AC3_WORDS = tuple(
    int(n)
    for n in "64 80 96 112 128 160 192 224 256 320 384 448 512 640 768 896 "
    "1024 1152 1280".split()
)


def _ac3_frame(head: bytes, at: int) -> int:
    if head[at : at + 2] != b"\x0b\x77" or len(head) < at + 6:
        return 0
    bsid = head[at + 5] >> 3
    if bsid > 10:
        enhanced = (head[at + 2] & 7) << 8 | head[at + 3]
        return 2 * (enhanced + 1) if bsid <= 16 else 0
    hertz, code = head[at + 4] >> 6, head[at + 4] & 63
    if hertz == 3 or code > 37:
        return 0
    words = _AC3_WORDS[code // 2]
    if hertz == 1:  # 44.1 kHz
        words = words * 480 // 441 + (code & 1)
    elif hertz == 2:
        words = words * 3 // 2
    return 2 * words


def ac3(head: bytes, tail: bytes, size: int) -> Check:
    """AC-3 and E-AC-3: two frames in a row, or one that is the file."""
    n = _ac3_frame(head, 0)
    if not n:
        return None
    variant = "eac3" if head[5] >> 3 > 10 else ""
    if _ac3_frame(head, n):
        return found("ac3", "two AC-3 frames", 0, TWO_FIELDS, variant)
    if n >= size or not variant:
        return found("ac3", "an AC-3 frame", 0, FRAME_SYNC, variant)
    return None


def transport_stream(head: bytes, tail: bytes, size: int) -> Check:
    """MPEG-TS: 0x47 every 188 bytes, or every 192 after four of time."""
    for first, step, variant in ((0, 188, ""), (4, 192, "m2ts"), (0, 204, "fec")):
        marks = head[first : first + 5 * step : step]
        if len(marks) >= 2 and marks.count(0x47) == len(marks):
            sure = TWO_FIELDS if len(marks) > 2 else FRAME_SYNC
            return found("mpeg-ts", f"0x47 every {step} bytes", first, sure, variant)
    return None


def mpeg_start(head: bytes, tail: bytes, size: int) -> Check:
    """A start code of MPEG: pack, sequence, visual object or an H.264 parameter set."""
    if len(head) < 5:
        return None
    code = head[3]
    if code == 0xBA and (head[4] >> 6 == 1 or head[4] >> 4 == 2):
        variant = "mpeg2" if head[4] >> 6 == 1 else "mpeg1"
        return found("mpeg-ps", "MPEG pack", 0, EXACT, variant)
    if code == 0xB3:
        return found("mpeg-es", "MPEG video sequence", 0, EXACT)
    if code in (0xB0, 0xB5):
        return found("mpeg-es", "MPEG-4 visual object", 0, EXACT, "mpeg4")
    return None


def annex_b(head: bytes, tail: bytes, size: int) -> Check:
    """H.264: a sequence parameter set or delimiter, and another unit after it."""
    kind = head[4] & 0x9F if len(head) > 5 else 0
    again = head.find(b"\0\0\1", 6, 256)
    if kind in (7, 9) and again > 0 and (kind == 7 or head[4] == 9):
        return found("h264", "H.264 units", 0, FRAME_SYNC)
    return None
