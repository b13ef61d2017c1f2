"""AIFF, AIFC and AU."""

from __future__ import annotations

import math
from typing import Any

from ..errors import UnsupportedFormat
from ..limits import Meter
from ..samples import Audio
from ._bytes import Data, Reader, corrupt
from ._pcm import frames_in, to_float

# of AIFC: kind, byte order, bytes of a sample where it is fixed
_CODES = {
    b"NONE": ("int", ">", 0),
    b"twos": ("int", ">", 0),
    b"sowt": ("int", "<", 0),
    b"in24": ("int", ">", 3),
    b"in32": ("int", ">", 4),
    b"raw ": ("unsigned", ">", 1),
    b"fl32": ("float", ">", 4),
    b"FL32": ("float", ">", 4),
    b"fl64": ("float", ">", 8),
    b"FL64": ("float", ">", 8),
    b"alaw": ("alaw", ">", 1),
    b"ALAW": ("alaw", ">", 1),
    b"ulaw": ("mulaw", ">", 1),
    b"ULAW": ("mulaw", ">", 1),
}
_AU = {1: ("mulaw", 1), 27: ("alaw", 1), 6: ("float", 4), 7: ("float", 8)}
_AU |= {n + 1: ("int", n) for n in (1, 2, 3, 4)}


def _extended(raw: bytes, what: str) -> float:
    """An 80-bit float."""
    exponent = int.from_bytes(raw[:2], "big")
    mantissa = int.from_bytes(raw[2:], "big")
    if exponent & 0x8000 or exponent & 0x7FFF == 0x7FFF:
        raise corrupt(what, "a sample rate", raw.hex())
    if exponent > 16383 + 64:
        raise corrupt(what, "a sample rate below 2^64", raw.hex())
    return math.ldexp(mantissa, exponent - 16383 - 63)


def _parse(data: Data, what: str) -> tuple[dict[str, Any], memoryview]:
    r = Reader(data, what)
    form, _, kind = r.unpack(">4sI4s")
    if form != b"FORM" or kind not in (b"AIFF", b"AIFC"):
        raise corrupt(what, "FORM ... AIFF or AIFC", (form, kind))
    common: dict[str, Any] = {}
    body: memoryview | None = None
    while r.left >= 8:
        name, size = r.unpack(">4sI")
        if name == b"COMM":
            common = _common(r.take(size, "COMM"), kind == b"AIFC", what)
        elif name == b"SSND":
            r.need(8, "SSND")
            end = r.at + min(size, r.left)
            offset, _ = r.unpack(">II")
            r.at = min(end, r.at + offset)
            body = r.take(end - r.at)
        else:
            r.at += min(size, r.left)
        r.at += size & 1
    if not common:
        raise corrupt(what, "a chunk 'COMM'", "none")
    if body is None:
        if common["frames"]:
            raise corrupt(what, "a chunk 'SSND'", "none")
        body = memoryview(b"")
    # the frames that COMM tells, or those that are there
    total = common["frames"] * max(1, common["channels"]) * common["width"]
    return common, body[:total]


def _common(chunk: memoryview, compressed: bool, what: str) -> dict[str, Any]:
    r = Reader(chunk, what)
    channels, frames, bits = r.unpack(">HIH", "COMM")
    rate = _extended(bytes(r.take(10, "a sample rate")), what)
    code = bytes(r.take(4, "a compression type")) if compressed else b"NONE"
    if code not in _CODES:
        raise UnsupportedFormat(
            f"[{what}] expected samples that are not compressed; got {code!r}. "
            "Hint: the extra 'audio' may decode it"
        )
    kind, order, width = _CODES[code]
    width = width or (bits + 7) // 8
    if not 1 <= width <= 8 or (kind == "int" and width > 4):
        raise corrupt(what, "samples of 1 to 32 bits", bits)
    keys = ("kind", "order", "width", "channels", "frames", "rate", "bits")
    values = (kind, order, width, channels, frames, rate, bits)
    return dict(zip(keys, values, strict=True))


def _audio(found: dict[str, Any], body: memoryview, meter: Meter) -> Audio:
    width, channels, rate = found["width"], found["channels"], found["rate"]
    count = frames_in(meter, len(body), width, channels, rate)
    samples = to_float(body, found["kind"], width, found["order"], channels, count)
    return Audio(
        format=meter.what,
        samples=samples,
        sample_rate=round(rate),
        metadata={"encoding": found["kind"], "bits": found["bits"]},
    )


def _sizes(found: dict[str, Any], body: memoryview) -> dict[str, Any]:
    frames = len(body) // max(1, found["width"] * found["channels"])
    return {
        "channels": found["channels"],
        "sample_rate": round(found["rate"]),
        "frames": frames,
        "seconds": frames / max(1.0, found["rate"]),
        "encoding": found["kind"],
        "bits": found["bits"],
    }


def decode(data: Data, meter: Meter) -> Audio:
    """Decode AIFF or AIFC: (channel, time) float32."""
    return _audio(*_parse(data, meter.what), meter)


def header(data: Data, meter: Meter) -> dict[str, Any]:
    """Channels, rate and frames of AIFF, without its samples."""
    return _sizes(*_parse(data, meter.what))


def _parse_au(data: Data, what: str) -> tuple[dict[str, Any], memoryview]:
    r = Reader(data, what)
    magic = bytes(r.take(4, "a signature"))
    if magic not in (b".snd", b"dns."):
        raise corrupt(what, "'.snd'", magic)
    order = ">" if magic == b".snd" else "<"
    start, size, code, rate, channels = r.unpack(f"{order}5I")
    if code not in _AU:
        raise UnsupportedFormat(
            f"[{what}] expected PCM, float, A-law or mu-law; got encoding {code}. "
            "Hint: the extra 'audio' may decode it"
        )
    if start < 24:
        raise corrupt(what, "data from byte 24", start)
    r.at = min(start, len(r.data))
    kind, width = _AU[code]
    keys = ("kind", "order", "width", "channels", "rate", "bits")
    values = (kind, order, width, channels, rate, 8 * width)
    return dict(zip(keys, values, strict=True)), r.take(min(size, r.left))


def decode_au(data: Data, meter: Meter) -> Audio:
    """Decode AU (``.snd``): (channel, time) float32."""
    return _audio(*_parse_au(data, meter.what), meter)


def header_au(data: Data, meter: Meter) -> dict[str, Any]:
    """Channels, rate and frames of AU, without its samples."""
    return _sizes(*_parse_au(data, meter.what))
