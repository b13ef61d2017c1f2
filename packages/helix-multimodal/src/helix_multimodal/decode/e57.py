"""E57 (ASTM E2807): scans of points, each moved to where its pose says."""

from __future__ import annotations

from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np

from ..errors import UnsupportedFormat
from ..limits import Meter
from ..samples import Array, Points
from . import _pages
from ._bytes import Data, Reader, corrupt

_MOST_XML = 16 << 20  # bytes
_CARTESIAN = ("cartesianX", "cartesianY", "cartesianZ")
_SPHERICAL = ("sphericalRange", "sphericalAzimuth", "sphericalElevation")
_COLOURS = ("colorRed", "colorGreen", "colorBlue")
_NORMALS = ("normalX", "normalY", "normalZ")
_INVALID = ("cartesianInvalidState", "sphericalInvalidState")


class _Field(NamedTuple):
    name: str
    kind: str
    attributes: dict[str, str]


class _Scan(NamedTuple):
    offset: int
    points: int
    fields: list[_Field]
    turn: Array  # (3, 3)
    move: Array  # (3,)
    name: str


def _local(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _child(element: Any, *names: str) -> Any:
    """The element at a path of names, or None."""
    for name in names:
        found = [x for x in element if _local(x) == name]
        if not found:
            return None
        element = found[0]
    return element


def _number(text: str | None, what: str, whole: bool = False) -> Any:
    try:
        return int(text or 0) if whole else float(text or 0)
    except ValueError as e:
        raise corrupt(what, "a number", repr(text)[:80]) from e


def _read(data: Data, meter: Meter) -> tuple[memoryview, list[_Scan]]:
    """The logical bytes, and what the XML section tells of the scans."""
    what = meter.what
    r = Reader(data, what)
    mark, _, _, length, at, size, page = r.unpack("<8sIIQQQQ")
    if mark != b"ASTM-E57":
        raise corrupt(what, "'ASTM-E57'", mark)
    if page != _pages.PAGE:
        raise corrupt(what, f"pages of {_pages.PAGE} bytes", page)
    if size > _MOST_XML:
        raise corrupt(what, f"at most {_MOST_XML:,} bytes of XML", f"{size:,}")
    raw = _pages.logical(r.data, length, meter)
    xml = bytes(Reader(raw, what, _pages.place(at, what)).take(size, "XML"))
    if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml:
        raise corrupt(what, "XML without declarations", "a document type")
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as e:
        raise corrupt(what, "sound XML", e) from e
    data3d = _child(root, "data3D")
    return raw, [_scan(x, what) for x in (() if data3d is None else data3d)]


def _scan(element: Any, what: str) -> _Scan:
    points = _child(element, "points")
    prototype = None if points is None else _child(points, "prototype")
    if prototype is None:
        raise corrupt(what, "a scan with points", "none")
    fields = []
    for x in prototype:
        if len(x):
            raise UnsupportedFormat(
                f"[{what}] expected points of plain fields; got {_local(x)!r} of parts"
            )
        fields.append(_Field(_local(x), x.get("type", ""), dict(x.attrib)))

    def values(*names: str, of: str) -> list[float]:
        found = [_child(element, "pose", *names, n) for n in of]
        return [0.0 if x is None else _number(x.text, what) for x in found]

    turn, move = np.eye(3), np.asarray(values("translation", of="xyz"))
    w, x, y, z = values("rotation", of="wxyz")
    norm = w * w + x * x + y * y + z * z
    if not np.isfinite([norm, *move]).all():
        raise corrupt(what, "a finite pose", (w, x, y, z))
    if norm > 0:
        v = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        turn = turn + (2 / norm) * (w * v + v @ v)
    name = _child(element, "name")
    return _Scan(
        _number(points.get("fileOffset"), what, True),
        _number(points.get("recordCount"), what, True),
        fields,
        turn,
        move,
        "" if name is None else (name.text or "")[:256],
    )


def _column(field: _Field, raw: bytes, n: int, meter: Meter) -> Array | None:
    """The values of a field; None for text."""
    what, attributes = meter.what, field.attributes
    if field.kind == "Float":
        wide = attributes.get("precision", "double") == "double"
        dtype = np.dtype("<f8" if wide else "<f4")
        if len(raw) < n * dtype.itemsize:
            got = f"{len(raw):,} bytes"
            raise corrupt(what, f"{n:,} values of {field.name}", got)
        meter.charge(n * dtype.itemsize)
        return np.frombuffer(raw, dtype, n).astype(dtype.newbyteorder("="))
    if field.kind not in ("Integer", "ScaledInteger"):
        return None
    low = _number(attributes.get("minimum", str(-(2**63))), what, True)
    high = _number(attributes.get("maximum", str(2**63 - 1)), what, True)
    if not -(2**63) <= low <= high < 2**63:
        raise corrupt(what, "a minimum below the maximum", (low, high))
    meter.charge(8 * n)
    bits = _pages.unpacked(raw, (high - low).bit_length(), n, meter)
    values = bits.view(np.int64) + np.int64(low)
    if field.kind == "Integer":
        return values
    scale = _number(attributes.get("scale", "1"), what)
    return values * scale + _number(attributes.get("offset", "0"), what)


def _columns(raw: memoryview, scan: _Scan, meter: Meter) -> dict[str, Array]:
    """Columns of a scan: xyz, normals and colors joined, invalid points left out."""
    n = scan.points
    if n == 0:
        parts = [b""] * len(scan.fields)
    else:
        parts = _pages.streams(raw, scan.offset, len(scan.fields), meter)
    columns: dict[str, Array] = {}
    narrow = True
    for field, part in zip(scan.fields, parts, strict=True):
        column = _column(field, part, n, meter)
        if column is not None:
            columns[field.name] = column
        if field.name in _COLOURS:
            narrow &= _number(field.attributes.get("maximum"), meter.what) <= 255
    valid = np.ones(n, bool)
    for name in _INVALID:
        if name in columns:
            valid &= columns.pop(name) == 0
    if not valid.all():
        columns = {k: v[valid] for k, v in columns.items()}
    xyz = _positions(columns, meter)
    out = {"xyz": xyz @ scan.turn.T + scan.move}
    if all(c in columns for c in _NORMALS):
        normals = np.stack([columns.pop(c) for c in _NORMALS], 1)
        out["normals"] = (normals @ scan.turn.T).astype(np.float32)
    if all(c in columns and columns[c].dtype.kind == "i" for c in _COLOURS):
        colours = np.stack([columns[c] for c in _COLOURS], 1)
        top = 255 if narrow else 65535
        if colours.size == 0 or 0 <= colours.min() <= colours.max() <= top:
            out["colors"] = colours.astype(np.uint8 if narrow else np.uint16)
            columns = {k: v for k, v in columns.items() if k not in _COLOURS}
    return columns | out


def _positions(columns: dict[str, Array], meter: Meter) -> Array:
    if all(c in columns for c in _CARTESIAN):
        xyz = [columns.pop(c) for c in _CARTESIAN]
        meter.charge(24 * len(xyz[0]))
        return np.stack(xyz, 1).astype(np.float64, copy=False)
    if all(c in columns for c in _SPHERICAL):
        r, around, up = (columns.pop(c).astype(np.float64) for c in _SPHERICAL)
        meter.charge(24 * len(r))
        flat = r * np.cos(up)
        return np.stack(
            [flat * np.cos(around), flat * np.sin(around), r * np.sin(up)], 1
        )
    names = ", ".join(columns) or "none"
    raise corrupt(meter.what, "points with positions", names)


def _counted(scans: list[_Scan], meter: Meter) -> None:
    for scan in scans:
        if scan.points < 0:
            raise corrupt(meter.what, "a number of points", scan.points)
    meter.check("points", sum(s.points for s in scans))


def decode(data: Data, meter: Meter, *, scan: int | None = None) -> Points:
    """Decode E57: points of all scans in the file's own frame.

    Parameters
    ----------
    scan : int, optional
        One scan only, from 0.

    Returns
    -------
    Points
        Fields that all scans have; where there are several, ``fields["scan"]`` numbers
        them. Points that are marked invalid are left out.

    Raises
    ------
    Corrupt, LimitExceeded, Timeout, UnsupportedFormat
    """
    raw, scans = _read(data, meter)
    if scan is not None:
        if not 0 <= scan < len(scans):
            raise corrupt(meter.what, f"scan {scan}", f"{len(scans)} scans")
        scans = scans[scan : scan + 1]
    if not scans:
        raise corrupt(meter.what, "a scan", "none")
    _counted(scans, meter)
    each = [_columns(raw, s, meter) for s in scans]
    names = [k for k in each[0] if all(k in c for c in each)]
    fields = {k: _joined([c[k] for c in each]) for k in names}
    if len(each) > 1:
        sizes = [len(c["xyz"]) for c in each]
        fields["scan"] = np.repeat(np.arange(len(each), dtype=np.int32), sizes)
    return Points(
        format=meter.what,
        xyz=fields.pop("xyz"),
        colors=fields.pop("colors", None),
        normals=fields.pop("normals", None),
        intensity=fields.pop("intensity", None),
        fields=fields,
        metadata=_metadata(scans),
    )


def _joined(columns: list[Array]) -> Array:
    return columns[0] if len(columns) == 1 else np.concatenate(columns)


def _metadata(scans: list[_Scan]) -> dict[str, Any]:
    return {
        "scans": [
            {
                "name": s.name,
                "points": s.points,
                "rotation": s.turn.tolist(),
                "translation": s.move.tolist(),
            }
            for s in scans
        ]
    }


def header(data: Data, meter: Meter) -> dict[str, Any]:
    """The scans of an E57 file: names, counts and poses."""
    _, scans = _read(data, meter)
    return {"points": sum(s.points for s in scans), **_metadata(scans)}
