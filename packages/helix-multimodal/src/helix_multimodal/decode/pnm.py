"""PBM, PGM, PPM (plain and raw), PAM and PFM."""

from __future__ import annotations

import re
import struct
from typing import Any, NamedTuple

import numpy as np

from ..limits import Meter
from ..samples import Array, Image
from ._bytes import Data, Reader, corrupt

_TOKEN = re.compile(rb"(?:\s|#[^\n\r]*[\n\r])*([^\s#]{1,32})")
_WINDOW = 1 << 16


class _Head(NamedTuple):
    magic: bytes
    width: int
    height: int
    depth: int
    top: float
    start: int


def _number(raw: bytes, what: str) -> int:
    if not raw.isdigit() or len(raw) > 10:
        raise corrupt(what, "a size in digits", raw)
    return int(raw)


def _tokens(head: bytes, count: int, what: str) -> tuple[list[bytes], int]:
    out: list[bytes] = []
    at = 0
    for _ in range(count):
        found = _TOKEN.match(head, at)
        if found is None:
            raise corrupt(what, f"{count} fields in the header", len(out))
        out.append(found[1])
        at = found.end()
    return out, at


def _head(r: Reader) -> _Head:
    head = bytes(r.data[:_WINDOW])
    magic = head[:2]
    if magic == b"P7":
        return _pam(head, r.what)
    if magic not in (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"PF", b"Pf"):
        raise corrupt(r.what, "P1 to P7, PF or Pf", magic)
    fields, end = _tokens(head, 3 if magic in (b"P1", b"P4") else 4, r.what)
    if fields[0] != magic:
        raise corrupt(r.what, "a space after the signature", fields[0])
    width, height = _number(fields[1], r.what), _number(fields[2], r.what)
    depth = 3 if magic in (b"P3", b"P6", b"PF") else 1
    top: float = 1
    if magic in (b"PF", b"Pf"):
        try:
            top = float(fields[3])
        except ValueError:
            top = 0.0
        if not top or not np.isfinite(top):
            raise corrupt(r.what, "a scale that is not 0", fields[3])
    elif len(fields) == 4:
        top = _number(fields[3], r.what)
        if not 1 <= top <= 65535:
            raise corrupt(r.what, "a largest value of 1 to 65535", fields[3])
    return _Head(magic, width, height, depth, top, end + 1)


def _pam(head: bytes, what: str) -> _Head:
    end = head.find(b"ENDHDR\n")
    if end < 0:
        raise corrupt(what, "a line ENDHDR", "none")
    fields = {}
    for line in head[2:end].splitlines():
        key, _, value = line.strip().partition(b" ")
        fields[key] = value.strip()
    try:
        width, height, depth, top = (
            _number(fields[k], what) for k in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")
        )
    except KeyError as e:
        raise corrupt(what, "WIDTH, HEIGHT, DEPTH and MAXVAL", "fewer") from e
    if not 1 <= depth <= 4 or not 1 <= top <= 65535:
        raise corrupt(what, "1 to 4 channels up to 65535", (depth, top))
    return _Head(b"P7", width, height, depth, top, end + 7)


def decode(data: Data, meter: Meter) -> Image:
    """Decode a portable map.

    Values are scaled to all of uint8, or of uint16 where the largest exceeds 255. PFM
    is float32 as stored, its rows from the top.
    """
    r = Reader(data, meter.what)
    h = _head(r)
    wide = 4 if h.magic in (b"PF", b"Pf") else 2 if h.top > 255 else 1
    count = h.height * h.width * h.depth
    need = count * wide
    if h.magic == b"P4":
        need = h.height * ((h.width + 7) // 8)
    elif h.magic in (b"P1", b"P2", b"P3"):
        need = count if h.magic == b"P1" else 2 * count - 1
    r.at = min(h.start, len(r.data))
    if h.height > 0 and h.width > 0:
        r.need(need, "pixels")
    meter.image(h.height, h.width, wide * h.depth)
    if h.magic in (b"P1", b"P2", b"P3"):
        values = _plain(r, h, count, meter)
    elif h.magic == b"P4":
        raw = np.frombuffer(r.take(need), np.uint8).reshape(h.height, -1)
        values = 1 - np.unpackbits(raw, axis=1, count=h.width)
    elif wide == 4:
        order = "<" if h.top < 0 else ">"
        floats = np.frombuffer(r.take(need), f"{order}f4").astype(np.float32)
        rows = floats.reshape(h.height, h.width, h.depth)[::-1]
        return _image(np.ascontiguousarray(rows), h, meter)
    else:
        values = np.frombuffer(r.take(need), ">u2" if wide == 2 else np.uint8)
    out = _scaled(values.reshape(h.height, h.width, h.depth), h, wide)
    return _image(out, h, meter)


def _scaled(values: Array, h: _Head, wide: int) -> Array:
    top = 65535 if wide == 2 else 255
    dtype = np.uint16 if wide == 2 else np.uint8
    if h.top == top:
        return values.astype(dtype)
    kept = np.minimum(values, h.top).astype(np.uint32)
    return ((kept * np.uint32(top) + np.uint32(h.top) // 2) // np.uint32(h.top)).astype(
        dtype
    )


def _plain(r: Reader, h: _Head, count: int, meter: Meter) -> Array:
    text = bytes(r.take(r.left))
    if b"#" in text:
        text = re.sub(rb"#[^\n\r]*", b" ", text)
    if h.magic == b"P1":
        digits = np.frombuffer(text, np.uint8)
        digits = digits[(digits == 48) | (digits == 49)][:count]
        if len(digits) < count:
            raise corrupt(r.what, f"{count:,} pixels", f"{len(digits):,}")
        return np.uint8(49) - digits
    from ._ascii import Numbers

    values = Numbers(text, r.what, meter).table(1)[:count, 0]
    if len(values) < count:
        raise corrupt(r.what, f"{count:,} values", f"{len(values):,}")
    if not ((values >= 0) & (values <= h.top) & (values % 1 == 0)).all():
        raise corrupt(r.what, f"integers of 0 to {h.top}", "others")
    return values.astype(np.uint16)


def _image(pixels: Array, h: _Head, meter: Meter) -> Image:
    metadata = {"maxval": abs(h.top), "magic": h.magic.decode()}
    return Image(format=meter.what, pixels=pixels, metadata=metadata)


def header(data: Data, meter: Meter) -> dict[str, Any]:
    """Size and channels of a portable map."""
    h = _head(Reader(data, meter.what))
    return {"width": h.width, "height": h.height, "channels": h.depth, "maxval": h.top}


def decode_farbfeld(data: Data, meter: Meter) -> Image:
    """Decode farbfeld: RGBA uint16."""
    r = Reader(data, meter.what)
    magic, width, height = r.unpack(">8sII")
    if magic != b"farbfeld":
        raise corrupt(r.what, "'farbfeld'", magic)
    if width and height:
        r.need(width * height * 8, "pixels")
    meter.image(height, width, 8)
    raw = np.frombuffer(r.take(width * height * 8), ">u2")
    pixels = raw.astype(np.uint16).reshape(height, width, 4)
    return Image(format=meter.what, pixels=pixels, metadata={"bits": 16})


def header_farbfeld(data: Data, meter: Meter) -> dict[str, Any]:
    """Size of a farbfeld image."""
    _, width, height = struct.unpack(">8sII", Reader(data, meter.what).take(16))
    return {"width": width, "height": height, "channels": 4}
