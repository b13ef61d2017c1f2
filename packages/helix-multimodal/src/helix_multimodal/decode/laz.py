"""LAZ: the points of LAS, compressed (LASzip), through lazrs in a worker process."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np

from ..errors import MissingExtra, UnsupportedFormat
from ..limits import Meter
from ..samples import Points
from . import las
from ._bytes import Data, Reader, corrupt

_BLOCK = 1 << 16  # points
_USER, _RECORD = b"laszip encoded", 22204  # the record that tells of the compression


def _split(data: Data, what: str) -> tuple[bytearray, Any, bytes]:
    """The header as of LAS, what it tells, and the record of LASzip."""
    r = Reader(data, what)
    r.need(227, "a header")
    size, _, count = struct.unpack_from("<HII", r.data, 94)
    if not r.data[104] & 0x80:
        raise UnsupportedFormat(
            f"[{what}] expected points that are compressed; got LAS. Hint: format='las'"
        )
    plain = bytearray(r.data[: 375 if r.data[25] >= 4 else 227])
    plain[104] &= 0x3F
    head = las._head(Reader(plain, what))
    r.at = size
    for _ in range(min(count, 10_000)):
        _, user, record, length, _ = r.unpack("<H16sHH32s", "a record")
        body = r.take(length, "a record")
        if user.split(b"\0")[0] == _USER and record == _RECORD:
            return plain, head, bytes(body)
    raise corrupt(what, "a record of LASzip", "none")


def _items(record: bytes, what: str) -> int:
    """Bytes of a point, as the record of LASzip tells."""
    r = Reader(record, what, 32)
    (count,) = r.unpack("<H", "items")
    total = 0
    for _ in range(count):
        _, size, _ = r.unpack("<3H", "items")
        total += size
    return total


def decode(data: Data, meter: Meter) -> Points:
    """Decode LAZ: the fields of LAS.

    Raises
    ------
    Corrupt, LimitExceeded, MissingExtra, Timeout, UnsupportedFormat
    """
    try:
        import lazrs
    except ImportError as e:
        raise MissingExtra(
            f"[{meter.what}] expected lazrs; got none installed. "
            "Hint: pip install 'helix-multimodal[pointcloud]'",
            "pointcloud",
        ) from e
    plain, head, record = _split(data, meter.what)
    n, stride = head.points, head.stride
    meter.check("points", n)
    meter.check("decoded_bytes", n * stride, "decoded bytes")
    size = _items(record, meter.what)
    if size != stride:
        raise corrupt(meter.what, f"points of {stride} bytes", size)
    # written again as LAS; it grows with what is there, not with what is told
    start = len(plain)
    struct.pack_into("<I", plain, 96, start)
    if n:
        source = io.BytesIO(memoryview(data))
        source.seek(head.start)
        try:
            points = lazrs.LasZipDecompressor(source, record)
            for first in range(0, n, _BLOCK):
                block = np.empty(min(_BLOCK, n - first) * stride, np.uint8)
                points.decompress_many(block)
                plain += block.data
                meter.tick()
        except (lazrs.LazrsError, OSError, ValueError) as e:
            raise corrupt(meter.what, f"{n:,} points", e) from e
    out = las.decode(plain, meter)
    out.format = meter.what
    return out


def header(data: Data, meter: Meter) -> dict[str, Any]:
    """Count, format and bounds of a LAZ file."""
    plain, _, _ = _split(data, meter.what)
    return las.header(plain, meter)
