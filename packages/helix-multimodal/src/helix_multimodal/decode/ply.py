"""PLY: ascii and binary of both byte orders (Turk, 1994)."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..limits import Meter
from ..samples import Array, Points
from ._ascii import Numbers
from ._bytes import Data, Reader, corrupt
from ._cloud import cast, fans, points, whole

_TYPES = {"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4"}
_TYPES |= {"uint": "u4", "float": "f4", "double": "f8", "int8": "i1", "uint8": "u1"}
_TYPES |= {"int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"}
_TYPES |= {"int64": "i8", "uint64": "u8", "float32": "f4", "float64": "f8"}
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_WINDOW = 1 << 16
_END = re.compile(rb"(?:^|[\r\n])end_header[ \t]*(\r\n|\n|\r)")


class _Property(NamedTuple):
    name: str
    kind: str
    sized: str  # of a list: the type of its size


class _Element(NamedTuple):
    name: str
    rows: int
    properties: list[_Property]

    @property
    def lists(self) -> bool:
        return any(p.sized for p in self.properties)


def _head(r: Reader) -> tuple[str, list[_Element], list[str]]:
    window = bytes(r.data[:_WINDOW])
    end = _END.search(window)
    if not window.startswith(b"ply") or end is None:
        raise corrupt(r.what, "'ply' ... 'end_header'", window[:20])
    r.at = end.end()
    order = None
    elements: list[_Element] = []
    comments = []
    for line in window[: end.start()].decode("latin-1").splitlines()[1:]:
        words = line.split()
        match words:
            case ["format", kind, *_]:
                order = _ORDERS.get(kind)
            case ["comment" | "obj_info", *rest]:
                comments.append(" ".join(rest))
            case ["element", name, rows] if rows.isdecimal() and len(rows) < 19:
                elements.append(_Element(name, int(rows), []))
            case ["property", "list", count, kind, name] if elements:
                if not {count, kind} <= _TYPES.keys() or _TYPES[count][0] == "f":
                    raise corrupt(r.what, "types of PLY", line)
                kinds = _Property(name, _TYPES[kind], _TYPES[count])
                elements[-1].properties.append(kinds)
            case ["property", kind, name] if elements and kind in _TYPES:
                elements[-1].properties.append(_Property(name, _TYPES[kind], ""))
            case []:
                pass
            case _:
                raise corrupt(r.what, "lines of a header", line[:80])
    if order is None:
        raise corrupt(r.what, "a format that is known", "none")
    for e in elements:
        if len({p.name for p in e.properties}) < len(e.properties):
            raise corrupt(r.what, "properties of different names", e.name)
    return order, elements, comments


def decode(data: Data, meter: Meter) -> Points:
    """Decode PLY: vertices with what they have, and faces.

    Other elements are passed over.
    """
    r = Reader(data, meter.what)
    order, elements, comments = _head(r)
    vertices: dict[str, Array] | None = None
    faces: Array | None = None
    text = _Text(r, meter) if not order else None
    for e in elements:
        meter.check("points", e.rows, f"of {e.name}")
        if not e.properties:
            continue
        columns, lists = (
            _binary(r, e, order, meter) if text is None else text.element(e)
        )
        if e.name == "vertex" and vertices is None:
            vertices = columns
        elif e.name == "face" and faces is None:
            for name in ("vertex_indices", "vertex_index"):
                if name in lists:
                    faces = fans(*lists[name], meter)
    if vertices is None:
        raise corrupt(meter.what, "an element 'vertex'", [e.name for e in elements])
    out = points(vertices, meter, faces)
    if comments:
        out.metadata["comments"] = comments[:100]
    return out


_Lists = dict[str, tuple[Array, Array]]


def _binary(
    r: Reader, e: _Element, order: str, meter: Meter
) -> tuple[dict[str, Array], _Lists]:
    if not e.lists:
        dtype = np.dtype([(p.name, order + p.kind) for p in e.properties])
        raw = r.take(e.rows * dtype.itemsize, e.name)
        rows = np.frombuffer(raw, dtype)
        return {p.name: rows[p.name] for p in e.properties}, {}
    found = _alike(r, e, order)
    return ({}, found) if found is not None else ({}, _ragged(r, e, order, meter))


def _alike(r: Reader, e: _Element, order: str) -> _Lists | None:
    """Lists that have the same size in each row, as in most files of triangles."""
    at = r.at
    layout: list[Any] = []
    sizes = {}
    if e.rows == 0:
        return {}
    for i, p in enumerate(e.properties):
        if p.sized:
            width = np.dtype(p.sized).itemsize
            if at + width > len(r.data):
                return None
            size = int(np.frombuffer(r.data[at : at + width], order + p.sized)[0])
            if not 0 < size <= 64:
                return None
            layout += [(f"n{i}", order + p.sized), (f"v{i}", order + p.kind, (size,))]
            sizes[i] = size
            at += width + size * np.dtype(p.kind).itemsize
        else:
            layout.append((f"v{i}", order + p.kind))
            at += np.dtype(p.kind).itemsize
    dtype = np.dtype(layout)
    if e.rows * dtype.itemsize > r.left:
        return None
    rows = np.frombuffer(r.data[r.at : r.at + e.rows * dtype.itemsize], dtype)
    if any((rows[f"n{i}"] != size).any() for i, size in sizes.items()):
        return None
    r.at += e.rows * dtype.itemsize
    return {
        e.properties[i].name: (rows[f"v{i}"].ravel(), np.full(e.rows, size))
        for i, size in sizes.items()
    }


def _ragged(r: Reader, e: _Element, order: str, meter: Meter) -> _Lists:
    least = sum(np.dtype(p.sized or p.kind).itemsize for p in e.properties)
    r.need(e.rows * least, e.name)
    parts: dict[str, list[bytes]] = {p.name: [] for p in e.properties if p.sized}
    sizes: dict[str, NDArray[np.int64]] = {}
    for name in parts:
        meter.charge(8 * e.rows)
        sizes[name] = np.zeros(e.rows, np.int64)
    raw, at, end = r.data, r.at, len(r.data)
    steps = [
        (p.name, bool(p.sized), np.dtype(p.sized or p.kind), np.dtype(p.kind).itemsize)
        for p in e.properties
    ]
    byteorder: Any = "big" if order == ">" else "little"
    for row in range(e.rows):
        if not row & 0xFFF:
            meter.tick()
        for name, is_list, first, width in steps:
            stop = at + first.itemsize
            if is_list:
                signed = first.kind == "i"
                n = int.from_bytes(raw[at:stop], byteorder, signed=signed)
                at, stop = stop, stop + n * width
                if n < 0 or stop > end:
                    raise corrupt(
                        r.what, f"{n:,} items of {name}", f"{end - at:,} bytes"
                    )
                parts[name].append(bytes(raw[at:stop]))
                sizes[name][row] = n
            at = stop
    if at > end:
        raise corrupt(r.what, f"{e.rows:,} rows of {e.name}", "fewer")
    r.at = at
    out: _Lists = {}
    for p in e.properties:
        if p.sized:
            flat = np.frombuffer(b"".join(parts[p.name]), order + p.kind)
            meter.charge(flat.nbytes)
            out[p.name] = flat, sizes[p.name]
    return out


class _Text:
    """The numbers of an ascii body, taken element by element."""

    def __init__(self, r: Reader, meter: Meter) -> None:
        self.what = r.what
        self.meter = meter
        self.values = Numbers(bytes(r.take(r.left)), r.what, meter).table(1)[:, 0]
        self.at = 0

    def _take(self, n: int, of: str) -> NDArray[np.float64]:
        if n > len(self.values) - self.at:
            left = len(self.values) - self.at
            raise corrupt(self.what, f"{n:,} numbers of {of}", f"{left:,}")
        self.at += n
        return self.values[self.at - n : self.at]

    def element(self, e: _Element) -> tuple[dict[str, Array], _Lists]:
        width = len(e.properties)
        if not e.lists:
            rows = self._take(e.rows * width, e.name).reshape(e.rows, width)
            return {
                p.name: cast(rows[:, i], p.kind, self.what)
                for i, p in enumerate(e.properties)
            }, {}
        if e.rows > len(self.values) - self.at:
            self._take(e.rows, e.name)
        if width == 1 and e.rows:
            p = e.properties[0]
            size = self.values[self.at]
            if 1 <= size <= 64 and size % 1 == 0:
                k = int(size)
                rows = self.values[self.at : self.at + e.rows * (k + 1)]
                if len(rows) == e.rows * (k + 1) and (rows[:: k + 1] == k).all():
                    self.at += len(rows)
                    flat = rows.reshape(e.rows, k + 1)[:, 1:].ravel()
                    return {}, {p.name: (self._index(flat, p), np.full(e.rows, k))}
        return {}, self._ragged(e)

    def _index(self, flat: Array, p: _Property) -> Array:
        return cast(flat, p.kind, self.what)

    def _ragged(self, e: _Element) -> _Lists:
        parts: dict[str, list[Array]] = {p.name: [] for p in e.properties if p.sized}
        sizes: dict[str, list[int]] = {name: [] for name in parts}
        for row in range(e.rows):
            if not row & 0xFFF:
                self.meter.tick()
            for p in e.properties:
                first = self._take(1, e.name)
                if p.sized:
                    n = int(whole(first, self.what, 0, 2**31)[0])
                    parts[p.name].append(self._take(n, p.name))
                    sizes[p.name].append(n)
        return {
            p.name: (
                self._index(np.concatenate([np.empty(0), *parts[p.name]]), p),
                np.array(sizes[p.name], np.int64),
            )
            for p in e.properties
            if p.sized
        }


def header(data: Data, meter: Meter) -> dict[str, Any]:
    """Counts and properties of a PLY file."""
    order, elements, _ = _head(Reader(data, meter.what))
    counts = {e.name: e.rows for e in elements}
    return {
        "points": counts.get("vertex", 0),
        "faces": counts.get("face", 0),
        "variant": next(k for k, v in _ORDERS.items() if v == order),
        "properties": {e.name: [p.name for p in e.properties] for e in elements},
    }
