"""What E57 stores: pages with checksums, packets of byte streams, packed bits."""

from __future__ import annotations

import functools
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..limits import Meter
from ._bytes import Data, Reader, corrupt

PAGE = 1024
_BODY = PAGE - 4
_PAGES = 4096  # whose checksums are computed at once
_BLOCK = 1 << 16  # values that are unpacked at once; a multiple of 8


@functools.cache
def _table() -> NDArray[np.uint32]:
    """CRC-32C (RFC 3720, B.4), by byte."""
    c = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        c = np.where(c & 1, (c >> 1) ^ np.uint32(0x82F63B78), c >> 1)
    return c


def logical(data: Data, length: int, meter: Meter) -> memoryview:
    """The bytes of a file without the checksums of its pages, which must be right."""
    if length % PAGE or length > len(data):
        what = f"{length:,} bytes in pages of {PAGE}"
        raise corrupt(meter.what, what, f"{len(data):,}")
    pages = np.frombuffer(data, np.uint8, length).reshape(-1, PAGE)
    table = _table()
    for first in range(0, len(pages), _PAGES):
        block = np.ascontiguousarray(pages[first : first + _PAGES].T)
        crc = np.full(block.shape[1], 0xFFFFFFFF, np.uint32)
        for row in block[:_BODY]:
            crc = table[(crc ^ row) & 255] ^ (crc >> np.uint32(8))
        told = np.ascontiguousarray(block[_BODY:].T).view(">u4")[:, 0]
        wrong = np.flatnonzero(~crc != told)
        if len(wrong):
            raise corrupt(
                meter.what, "pages of the right checksum", f"page {first + wrong[0]}"
            )
        meter.tick()
    return np.ascontiguousarray(pages[:, :_BODY]).reshape(-1).data


def place(physical: int, what: str) -> int:
    """Where a byte of the file lies among the logical ones."""
    page, at = divmod(physical, PAGE)
    if at >= _BODY:
        raise corrupt(what, "an offset within a page", physical)
    return page * _BODY + at


def streams(raw: memoryview, offset: int, count: int, meter: Meter) -> list[bytes]:
    """The ``count`` byte streams of a compressed vector whose section is at ``offset``."""
    what = meter.what
    r = Reader(raw, what, place(offset, what))
    begin = r.at
    kind, length, first, _ = r.unpack("<B7xQQQ", "a section")
    if kind != 1:
        raise corrupt(what, "a section of points", f"kind {kind}")
    end = min(begin + length, len(raw))
    parts: list[list[memoryview]] = [[] for _ in range(count)]
    r.at = place(first, what)
    while r.at < end:
        start = r.at
        kind, _, most = r.unpack("<BBH", "a packet")
        if kind == 1:
            (given,) = r.unpack("<H", "a packet")
            if given != count:
                raise corrupt(what, f"packets of {count} streams", given)
            sizes = struct.unpack(f"<{count}H", r.take(2 * count, "a packet"))
            for part, size in zip(parts, sizes, strict=True):
                part.append(r.take(size, "a packet"))
        elif kind > 2:
            raise corrupt(what, "packets of kinds 0 to 2", kind)
        if r.at > start + most + 1:
            raise corrupt(what, f"a packet of {most + 1} bytes", r.at - start)
        r.at = start + most + 1
        meter.tick()
    return [b"".join(p) for p in parts]


def unpacked(raw: bytes, bits: int, count: int, meter: Meter) -> NDArray[np.uint64]:
    """``count`` integers of ``bits`` bits, the lowest bit first."""
    need = -(-count * bits // 8)
    if len(raw) < need:
        raise corrupt(meter.what, f"{need:,} bytes of {count:,} values", len(raw))
    out = np.zeros(count, np.uint64)
    if bits == 0:
        return out
    if bits in (8, 16, 32, 64):
        out[:] = np.frombuffer(raw, f"<u{bits // 8}", count)
        return out
    mask = np.uint64((1 << bits) - 1)
    at = np.arange(min(count, _BLOCK), dtype=np.int64) * bits
    start, shift = at >> 3, (at & 7).astype(np.uint64)
    # words at every byte; a ninth byte holds what a shift has moved out
    padded = raw + bytes(9)
    words: Any = np.ndarray((len(padded) - 8,), "<u8", padded, strides=(1,))
    ninth = np.frombuffer(padded, np.uint8)[8:]
    for first in range(0, count, _BLOCK):
        n = min(_BLOCK, count - first)
        where = start[:n] + (first * bits >> 3)
        value = words[where] >> shift[:n]
        if bits > 57:
            up = (np.uint64(64) - shift[:n]) & np.uint64(63)
            more = ninth[where].astype(np.uint64) << up
            value |= np.where(shift[:n] > 0, more, np.uint64(0))
        out[first : first + n] = value & mask
        meter.tick()
    return out
