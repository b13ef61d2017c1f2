"""STL, OBJ and OFF."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..errors import UnsupportedFormat
from ..limits import Meter
from ..samples import Array, Points
from ._ascii import Numbers
from ._bytes import Data, Reader, corrupt
from ._cloud import checked, fans, points, whole

_FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("bits", "<u2")])


# --------------------------------------------------------------------------------- STL
def _facets(data: Data) -> int | None:
    """Of a binary file; None where it is text."""
    raw = memoryview(data)
    if len(raw) < 84:
        return None
    count = int.from_bytes(raw[80:84], "little")
    if bytes(raw[:5]) == b"solid" and 84 + 50 * count != len(raw):
        return None
    return count


def decode_stl(data: Data, meter: Meter) -> Points:
    """Decode STL, text or binary: three points for each facet, with its normal."""
    count = _facets(data)
    if count is None:
        return _stl_text(data, meter)
    r = Reader(data, meter.what, 84)
    meter.check("points", 3 * count)
    rows = np.frombuffer(r.take(50 * count, "facets"), _FACET)
    meter.charge(count * (72 + 36 + 24))
    return Points(
        format=meter.what,
        xyz=rows["corners"].reshape(-1, 3).astype(np.float64),
        normals=np.repeat(rows["normal"].astype(np.float32), 3, axis=0),
        faces=np.arange(3 * count, dtype=np.int64).reshape(-1, 3) if count else None,
        metadata={"variant": "binary"},
    )


_WORDS = re.compile(rb"\b(?:outer\s+loop|endloop|endfacet|vertex)\b")


def _stl_text(data: Data, meter: Meter) -> Points:
    raw = bytes(data)
    if not raw.lstrip()[:5].lower() == b"solid":
        raise corrupt(meter.what, "facets or 'solid'", raw[:20])
    lines = [x.strip() for x in raw.lower().split(b"\n")]
    meter.tick()
    corners = b"\n".join(x[6:] for x in lines if x.startswith(b"vertex"))
    normals = b"\n".join(x[12:] for x in lines if x.startswith(b"facet normal"))
    xyz = Numbers(corners, meter.what, meter).table(3)
    given = Numbers(normals, meter.what, meter).table(3)
    if len(xyz) != 3 * len(given):
        raise corrupt(meter.what, "three corners to each facet", (len(xyz), len(given)))
    if not any(x.startswith(b"endsolid") for x in lines[-100:]):
        raise corrupt(meter.what, "'endsolid'", "an end before it")
    meter.check("points", len(xyz))
    meter.charge(60 * len(given))
    return Points(
        format=meter.what,
        xyz=xyz,
        normals=np.repeat(given.astype(np.float32), 3, axis=0),
        faces=np.arange(len(xyz), dtype=np.int64).reshape(-1, 3) if len(xyz) else None,
        metadata={"variant": "ascii"},
    )


def header_stl(data: Data, meter: Meter) -> dict[str, Any]:
    """Facets of an STL file."""
    count = _facets(data)
    if count is not None:
        return {"faces": count, "points": 3 * count, "variant": "binary"}
    count = bytes(data).lower().count(b"facet normal")
    return {"faces": count, "points": 3 * count, "variant": "ascii"}


# --------------------------------------------------------------------------------- OBJ
def _obj_lines(data: Data) -> tuple[list[bytes], list[bytes], list[int]]:
    """What follows ``v``, what follows ``f``, and the vertices before each face."""
    raw = bytes(data)
    if b"\\" in raw:
        raw = re.sub(rb"\\\r?\n", b" ", raw)
    if b"#" in raw:
        raw = re.sub(rb"#[^\n]*", b"", raw)
    vertices, faces, before = [], [], []
    for line in raw.split(b"\n"):
        if line[:2] in (b"v ", b"v\t"):
            vertices.append(line[2:])
        elif line[:2] in (b"f ", b"f\t"):
            faces.append(line[2:])
            before.append(len(vertices))
    return vertices, faces, before


def decode_obj(data: Data, meter: Meter) -> Points:
    """Decode Wavefront OBJ: vertices, their colours if given, and faces.

    Texture coordinates, normals and materials are passed over.
    """
    vertices, faces, before = _obj_lines(data)
    meter.check("points", max(len(vertices), len(faces)))
    meter.tick()
    width = len(vertices[0].split()) if vertices else 3
    if not 3 <= width <= 8:
        raise corrupt(meter.what, "vertices of 3 to 8 numbers", width)
    table = Numbers(b"\n".join(vertices), meter.what, meter).table(width)
    if len(table) != len(vertices):
        raise corrupt(meter.what, f"{width} numbers to each vertex", "others")
    columns: dict[str, Array] = dict(zip("xyz", table.T[:3], strict=True))
    if width == 4:
        columns["w"] = table[:, 3]
    elif width >= 6:
        rgb = table[:, 3:6]
        if not ((rgb >= 0) & (rgb <= 1)).all():
            raise corrupt(meter.what, "colours of 0 to 1", "others")
        scaled = np.floor(rgb * 255 + 0.5).astype(np.uint8)
        columns |= zip(("red", "green", "blue"), scaled.T, strict=True)
    return points(columns, meter, _obj_faces(faces, before, meter))


def _obj_faces(faces: list[bytes], before: list[int], meter: Meter) -> Array | None:
    if not faces:
        return None
    sizes = np.array([len(f.split()) for f in faces], np.int64)
    text = b"\n".join(faces)
    if b"/" in text:
        text = re.sub(rb"/[^\s]*", b"", text)
    flat = Numbers(text, meter.what, meter).table(1)[:, 0]
    if len(flat) != sizes.sum():
        raise corrupt(meter.what, "a vertex in each corner", "none")
    index = whole(flat, meter.what, -(2.0**53), 2.0**53).astype(np.int64)
    if (index == 0).any():
        raise corrupt(meter.what, "corners counted from 1", 0)
    relative = index < 0
    index = np.where(relative, index + np.repeat(before, sizes), index - 1)
    return fans(index, sizes, meter)


def header_obj(data: Data, meter: Meter) -> dict[str, Any]:
    """Vertices and faces of an OBJ file."""
    vertices, faces, _ = _obj_lines(data)
    return {"points": len(vertices), "faces": len(faces)}


# --------------------------------------------------------------------------------- OFF
_KEYWORD = re.compile(rb"\s*(?:(ST)?(C)?(N)?(4)?(n)?OFF)?(\s+BINARY)?\s+")


def _off_lines(data: Data, what: str) -> tuple[bytes, bytes, list[int], list[bytes]]:
    raw = re.sub(rb"#[^\n]*", b"", bytes(data))
    found = _KEYWORD.match(raw)
    if found is None:
        raise corrupt(what, "OFF and counts", raw[:20])
    if found[1] or found[4] or found[5] or found[6]:
        raise UnsupportedFormat(
            f"[{what}] expected OFF, COFF or NOFF as text; got {found[0].strip()!r}"
        )
    lines = [x for x in raw[found.end() :].split(b"\n") if x.strip()]
    counts = lines[0].split() if lines else []
    if len(counts) not in (2, 3) or not all(
        n.isdigit() and len(n) < 19 for n in counts
    ):
        raise corrupt(
            what, "counts of vertices, faces and edges", b" ".join(counts)[:40]
        )
    return found[2] or b"", found[3] or b"", [int(n) for n in counts], lines[1:]


def decode_off(data: Data, meter: Meter) -> Points:
    """Decode OFF, COFF or NOFF: vertices and faces; colours of faces are left."""
    colour, normal, counts, lines = _off_lines(data, meter.what)
    n, m = counts[0], counts[1]
    meter.check("points", max(n, m))
    if n + m > len(lines):
        raise corrupt(meter.what, f"{n + m:,} lines", f"{len(lines):,}")
    width = len(lines[0].split()) if n else 3
    table = Numbers(b"\n".join(lines[:n]), meter.what, meter).table(width)
    if len(table) != n or width < 3 + 3 * bool(normal) + 3 * bool(colour):
        raise corrupt(meter.what, f"{n:,} vertices of equal width", len(table))
    columns: dict[str, Array] = dict(zip("xyz", table.T[:3], strict=True))
    at = 3
    if normal:
        columns |= zip(("nx", "ny", "nz"), table.T[3:6], strict=True)
        at = 6
    if colour:
        names = ("red", "green", "blue", "alpha")[: width - at]
        values = table[:, at : at + 4]
        if (values <= 1).all():
            values = np.floor(values * 255 + 0.5)
        whole(values, meter.what, 0, 255)
        columns |= zip(names, values.astype(np.uint8).T, strict=True)
    return points(columns, meter, _off_faces(lines[n : n + m], n, meter))


def _off_faces(lines: list[bytes], n: int, meter: Meter) -> Array | None:
    if not lines:
        return None
    widths = np.array([len(x.split()) for x in lines], np.int64)
    flat = Numbers(b"\n".join(lines), meter.what, meter).table(1)[:, 0]
    starts = np.cumsum(widths) - widths
    sizes = whole(flat[starts], meter.what, 0, 2.0**31).astype(np.int64)
    if (sizes >= widths).any():
        raise corrupt(meter.what, "as many corners as a face tells", "fewer")
    step = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    corners = flat[np.repeat(starts + 1, sizes) + step]
    index = whole(corners, meter.what, 0, max(0, n - 1)).astype(np.int64)
    return checked(fans(index, sizes, meter), n, meter)


def header_off(data: Data, meter: Meter) -> dict[str, Any]:
    """Vertices and faces of an OFF file."""
    _, _, counts, _ = _off_lines(data, meter.what)
    return {"points": counts[0], "faces": counts[1]}
