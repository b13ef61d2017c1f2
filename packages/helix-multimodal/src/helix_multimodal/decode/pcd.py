"""PCD 0.7 of the Point Cloud Library: ascii, binary, and compressed by LZF."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..limits import Meter
from ..samples import Array, Points
from ._ascii import Numbers
from ._bytes import Data, Reader, corrupt
from ._cloud import cast, points

_WINDOW = 1 << 16


class _Head(NamedTuple):
    names: list[str]
    types: list[str]
    counts: list[int]
    width: int
    height: int
    points: int
    kind: str
    viewpoint: list[float]


def _head(r: Reader) -> _Head:
    window = bytes(r.data[:_WINDOW])
    at = 0
    found: dict[str, list[str]] = {}
    while "DATA" not in found:
        end = window.find(b"\n", at)
        if end < 0:
            raise corrupt(r.what, "a header with DATA", window[:40])
        words = window[at:end].decode("latin-1").split("#")[0].split()
        at = end + 1
        if words:
            found[words[0]] = words[1:]
    r.at = at
    try:
        names, sizes, kinds = found["FIELDS"], found["SIZE"], found["TYPE"]
        counts = [int(n) for n in found.get("COUNT", ["1"] * len(names))]
        width, height = int(found["WIDTH"][0]), int(found.get("HEIGHT", ["1"])[0])
        total = int(found.get("POINTS", [str(width * height)])[0])
        kind = found["DATA"][0]
        view = [float(x) for x in found.get("VIEWPOINT", [])[:7]]
        types = [f"{k.lower()}{int(n)}" for k, n in zip(kinds, sizes, strict=True)]
        for t in types:
            if t not in ("f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"):
                raise ValueError(f"type {t}")
        if not len(names) == len(types) == len(counts):
            raise ValueError("fields of different number")
    except (LookupError, ValueError) as e:
        raise corrupt(r.what, "a sound header", e) from e
    if not all(0 <= n <= 1 << 16 for n in counts) or min(width, height, total) < 0:
        raise corrupt(r.what, "counts from 0", (counts, width, height, total))
    return _Head(names, types, counts, width, height, total, kind, view)


def _columns(h: _Head) -> list[tuple[str, str, int]]:
    """Name, type and count; padding and what has no values has the name ""."""
    seen: set[str] = set()
    out = []
    for name, kind, n in zip(h.names, h.types, h.counts, strict=True):
        hidden = name == "_" or name in seen or n == 0
        seen.add(name)
        out.append(("" if hidden else name, kind, n))
    return out


def decode(data: Data, meter: Meter) -> Points:
    """Decode PCD; ``rgb`` and ``rgba`` are unpacked to colours."""
    r = Reader(data, meter.what)
    h = _head(r)
    meter.check("points", h.points)
    columns = _columns(h)
    stride = sum(np.dtype(t).itemsize * n for _, t, n in columns)
    if stride == 0:
        raise corrupt(meter.what, "points with x, y and z", "no fields")
    if h.kind == "ascii":
        found = _ascii(r, h, columns, meter)
    elif h.kind == "binary":
        raw = r.take(h.points * stride, "points")
        found = _rows(raw, h.points, columns, stride)
    elif h.kind == "binary_compressed":
        found = _compressed(r, h, columns, stride, meter)
    else:
        raise corrupt(meter.what, "ascii, binary or binary_compressed", h.kind)
    for name in ("rgb", "rgba"):
        if name in found and found[name].dtype.itemsize == 4 and found[name].ndim == 1:
            found |= _unpacked(found.pop(name), name)
    out = points(found, meter)
    out.metadata.update(width=h.width, height=h.height, viewpoint=h.viewpoint)
    return out


def _unpacked(packed: Array, name: str) -> dict[str, Array]:
    bits = np.ascontiguousarray(packed).view(
        packed.dtype.str.replace("f", "u")[:2] + "4"
    )
    names = {"red": 16, "green": 8, "blue": 0} | (
        {"alpha": 24} if name == "rgba" else {}
    )
    return {k: ((bits >> s) & 255).astype(np.uint8) for k, s in names.items()}


def _rows(raw: Any, n: int, columns: Any, stride: int) -> dict[str, Array]:
    names, formats, offsets = [], [], []
    at = 0
    for name, kind, count in columns:
        if name:
            names.append(name)
            formats.append((f"<{kind}", (count,)) if count > 1 else f"<{kind}")
            offsets.append(at)
        at += np.dtype(kind).itemsize * count
    layout: Any = {"names": names, "formats": formats, "offsets": offsets}
    rows = np.frombuffer(raw, np.dtype(layout | {"itemsize": stride}), n)
    return {name: rows[name] for name in names}


def _ascii(r: Reader, h: _Head, columns: Any, meter: Meter) -> dict[str, Array]:
    width = sum(n for _, _, n in columns)
    if h.points * width > r.left:
        raise corrupt(meter.what, f"{h.points:,} points", f"{r.left:,} bytes of them")
    table = Numbers(bytes(r.take(r.left)), meter.what, meter).table(width)
    if len(table) < h.points:
        raise corrupt(meter.what, f"{h.points:,} points", f"{len(table):,}")
    found, at = {}, 0
    for name, kind, n in columns:
        if name:
            part = table[: h.points, at : at + n]
            found[name] = cast(part if n > 1 else part[:, 0], kind, meter.what)
        at += n
    return found


def _compressed(
    r: Reader, h: _Head, columns: Any, stride: int, meter: Meter
) -> dict[str, Array]:
    packed, size = r.unpack("<II", "two sizes")
    if size != h.points * stride:
        raise corrupt(meter.what, f"{h.points * stride:,} bytes", f"{size:,}")
    if size > 132 * packed:  # two bytes give at most 264
        raise corrupt(meter.what, f"{size:,} bytes", f"{packed:,} packed ones")
    body = r.take(packed, "compressed points")
    meter.charge(size)
    raw = np.frombuffer(lzf(bytes(body), size, meter), np.uint8)
    found, at = {}, 0
    for name, kind, n in columns:
        end = at + h.points * n * np.dtype(kind).itemsize
        if name:
            values = raw[at:end].view(f"<{kind}")
            found[name] = values.reshape(h.points, n) if n > 1 else values
        at = end
    return found


def lzf(raw: bytes, size: int, meter: Meter) -> bytearray:
    """Undo LZF (liblzf 3.6): literal runs, and copies from up to 8 KiB before."""
    out = bytearray(size)
    at = done = turn = 0
    end = len(raw)
    try:
        while at < end:
            turn += 1
            if not turn & 0xFFF:
                meter.tick()
            code = raw[at]
            at += 1
            if code < 32:
                n = code + 1
                if at + n > end or done + n > size:
                    raise corrupt(meter.what, "sound LZF data", "a run that is cut")
                out[done : done + n] = raw[at : at + n]
                at += n
            else:
                n = code >> 5
                if n == 7:
                    n += raw[at]
                    at += 1
                n += 2
                start = done - ((code & 31) << 8) - raw[at] - 1
                at += 1
                if start < 0 or done + n > size:
                    raise corrupt(meter.what, "sound LZF data", "a copy from nowhere")
                span = done - start
                if span >= n:
                    out[done : done + n] = out[start : start + n]
                else:
                    piece = out[start:done]
                    out[done : done + n] = (piece * (n // span + 1))[:n]
            done += n
    except IndexError as e:
        raise corrupt(meter.what, "sound LZF data", "data that is cut") from e
    if done != size:
        raise corrupt(meter.what, f"{size:,} bytes", f"{done:,}")
    return out


def header(data: Data, meter: Meter) -> dict[str, Any]:
    """Counts and fields of a PCD file."""
    h = _head(Reader(data, meter.what))
    return {
        "points": h.points,
        "width": h.width,
        "height": h.height,
        "fields": h.names,
        "variant": h.kind,
    }
