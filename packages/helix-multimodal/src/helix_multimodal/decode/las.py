"""LAS 1.0 to 1.4, point formats 0 to 10 (ASPRS), not compressed."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import numpy as np

from ..errors import UnsupportedFormat
from ..limits import Meter
from ..samples import Points
from ._bytes import Data, Reader, corrupt

_GPS = {1: 20, 3: 20, 4: 20, 5: 20, **dict.fromkeys(range(6, 11), 22)}
_RGB = {2: 20, 3: 28, 5: 28, 7: 30, 8: 30, 10: 30}
_LEAST = (20, 28, 26, 34, 57, 63, 30, 36, 38, 59, 67)


class _Head(NamedTuple):
    version: tuple[int, int]
    start: int
    kind: int
    stride: int
    points: int
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    text: tuple[str, str]


def _head(r: Reader) -> _Head:
    raw = r.data
    r.need(227, "a header")
    if bytes(raw[:4]) != b"LASF":
        raise corrupt(r.what, "'LASF'", bytes(raw[:4]))
    version = raw[24], raw[25]
    start, _, kind, stride, count = struct.unpack_from("<IIBHI", raw, 96)
    if kind & 0xC0:
        raise UnsupportedFormat(
            f"[{r.what}] expected points that are not compressed; got LAZ. "
            "Hint: format='laz'"
        )
    if version >= (1, 4):
        r.need(375, "a header of LAS 1.4")
        count = struct.unpack_from("<Q", raw, 247)[0] or count
    numbers = struct.unpack_from("<12d", raw, 131)
    if kind > 10 or stride < _LEAST[kind]:
        raise corrupt(r.what, "a point format of 0 to 10", (kind, stride))
    if not np.isfinite(numbers[:6]).all():
        raise corrupt(r.what, "finite scales and offsets", numbers[:6])
    words = [bytes(raw[a : a + 32]).split(b"\0")[0] for a in (26, 58)]
    text = words[0].decode("latin-1"), words[1].decode("latin-1")
    scale, offset = numbers[:3], numbers[3:6]
    high, low = numbers[6::2], numbers[7::2]
    return _Head(version, start, kind, stride, count, scale, offset, low, high, text)


def decode(data: Data, meter: Meter) -> Points:
    """Decode LAS: positions, intensity, classes, colours (16 bits), GPS time, returns."""
    r = Reader(data, meter.what)
    h = _head(r)
    meter.check("points", h.points)
    r.at = min(h.start, len(r.data))
    n, stride = h.points, h.stride
    raw = r.take(n * stride, "points")
    wide = h.kind >= 6
    names = ["x", "y", "z", "intensity", "returns", "class"]
    formats = ["<i4", "<i4", "<i4", "<u2", "u1", "u1"]
    offsets = [0, 4, 8, 12, 14, 16 if wide else 15]
    if h.kind in _GPS:
        names.append("gps")
        formats.append("<f8")
        offsets.append(_GPS[h.kind])
    if h.kind in _RGB:
        names.append("rgb")
        formats.append("(3,)<u2")
        offsets.append(_RGB[h.kind])
    layout: Any = {"names": names, "formats": formats, "offsets": offsets}
    rows = np.frombuffer(raw, np.dtype(layout | {"itemsize": stride}), n)
    meter.charge(n * (24 + 2 + 1 + 2 + (8 if h.kind in _GPS else 0) + 6))
    xyz = np.empty((n, 3))
    for i, name in enumerate("xyz"):
        np.multiply(rows[name], h.scale[i], out=xyz[:, i])
        xyz[:, i] += h.offset[i]
    bits, mask = (4, 15) if wide else (3, 7)
    returns = rows["returns"]
    fields = {
        "return_number": returns & np.uint8(mask),
        "number_of_returns": (returns >> np.uint8(bits)) & np.uint8(mask),
    }
    if h.kind in _GPS:
        fields["gps_time"] = rows["gps"].astype(np.float64)
    return Points(
        format=meter.what,
        xyz=xyz,
        intensity=rows["intensity"].astype(np.uint16),
        labels=rows["class"].copy() if wide else rows["class"] & np.uint8(31),
        colors=rows["rgb"].astype(np.uint16) if h.kind in _RGB else None,
        fields=fields,
        metadata=_metadata(h),
    )


def _metadata(h: _Head) -> dict[str, Any]:
    return {
        "version": f"{h.version[0]}.{h.version[1]}",
        "point_format": h.kind,
        "scale": list(h.scale),
        "offset": list(h.offset),
        "system": h.text[0],
        "software": h.text[1],
    }


def header(data: Data, meter: Meter) -> dict[str, Any]:
    """Count, format and bounds of a LAS file."""
    h = _head(Reader(data, meter.what))
    return {
        "points": h.points,
        "low": list(h.low),
        "high": list(h.high),
        **_metadata(h),
    }
