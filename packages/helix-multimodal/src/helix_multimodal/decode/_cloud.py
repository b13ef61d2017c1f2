"""Columns of points, by their names in files, to `Points`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..limits import Meter
from ..samples import Array, Points
from ._bytes import corrupt

_COLOURS = (
    ("red", "green", "blue", "alpha"),
    ("diffuse_red", "diffuse_green", "diffuse_blue", "diffuse_alpha"),
    ("r", "g", "b", "a"),
)
_NORMALS = (("nx", "ny", "nz"), ("normal_x", "normal_y", "normal_z"))
_INTENSITY = ("intensity", "scalar_intensity", "scalar_Intensity", "reflectance")
_LABELS = ("label", "labels", "class", "classification", "scalar_label")


def points(
    columns: Mapping[str, Array], meter: Meter, faces: Array | None = None
) -> Points:
    """A cloud from columns of equal length; x, y and z are among them.

    Raises
    ------
    Corrupt
        Without x, y and z, or where a face names a point that is not there.
    """
    left = dict(columns)
    if not {"x", "y", "z"} <= left.keys():
        raise corrupt(meter.what, "points with x, y and z", ", ".join(left) or "none")
    n = len(left["x"])
    meter.check("points", n)
    meter.charge(24 * n)
    xyz = np.empty((n, 3))
    for i, name in enumerate("xyz"):
        xyz[:, i] = left.pop(name)
    out = Points(format=meter.what, xyz=xyz)
    for names in _COLOURS:
        kinds = {left[c].dtype for c in names[:3] if c in left}
        if all(c in left for c in names[:3]) and kinds in ({_U8}, {_U16}):
            chosen = names if names[3] in left else names[:3]
            meter.charge(n * len(chosen) * left[names[0]].itemsize)
            out.colors = np.stack([left.pop(c) for c in chosen], axis=1)
            break
    for axes in _NORMALS:
        if all(c in left for c in axes):
            meter.charge(12 * n)
            stacked = np.stack([left.pop(c) for c in axes], axis=1)
            out.normals = stacked.astype(np.float32, copy=False)
            break
    out.intensity = _first(left, _INTENSITY, meter)
    if any(c in left and left[c].dtype.kind in "iu" for c in _LABELS):
        out.labels = _first(left, _LABELS, meter)
    for name, column in left.items():
        meter.charge(column.nbytes)
        out.fields[name] = np.ascontiguousarray(column).astype(
            column.dtype.newbyteorder("="), copy=True
        )
    out.faces = checked(faces, n, meter)
    return out


_U8, _U16 = np.dtype(np.uint8), np.dtype(np.uint16)


def _first(
    left: dict[str, Array], names: tuple[str, ...], meter: Meter
) -> Array | None:
    for name in names:
        if name in left and left[name].ndim == 1:
            column = left.pop(name)
            meter.charge(column.nbytes)
            return column.astype(column.dtype.newbyteorder("="))
    return None


def checked(faces: Array | None, n: int, meter: Meter) -> Array | None:
    """Faces whose indices are below ``n``."""
    if faces is None or faces.size == 0:
        return None
    low, high = int(faces.min()), int(faces.max())
    if low < 0 or high >= n:
        raise corrupt(meter.what, f"faces of points 0 to {n - 1}", (low, high))
    return faces


def fans(flat: Array, sizes: Array, meter: Meter) -> NDArray[np.int64]:
    """Polygons as triangles: (face, 3) int64.

    Parameters
    ----------
    flat : (corner,) integer array
        Indices of all polygons, one after the other.
    sizes : (polygon,) integer array
        Corners of each.
    """
    sizes = sizes.astype(np.int64)
    starts = np.cumsum(sizes) - sizes
    if (sizes == 3).all():
        return flat.astype(np.int64).reshape(-1, 3)
    many = np.maximum(sizes - 2, 0)
    total = int(many.sum())
    meter.check("points", total, "faces")
    meter.charge(24 * total)
    first = np.repeat(starts, many)
    step = np.arange(total) - np.repeat(np.cumsum(many) - many, many)
    corners = np.stack([first, first + step + 1, first + step + 2], axis=1)
    return flat[corners].astype(np.int64)


def whole(values: Array, what: str, low: float, high: float) -> Array:
    """float64 values that shall be integers in a range."""
    good = (values >= low) & (values <= high) & (values == np.floor(values))
    if not good.all():
        raise corrupt(what, f"integers of {low:g} to {high:g}", values[~good][0])
    return values


def cast(column: Array, dtype: Any, what: str) -> Array:
    """Numbers of a text to the type that the header tells."""
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        whole(column, what, float(info.min), float(info.max))
        if dtype.itemsize == 8 and (np.abs(column) >= 2.0**63).any():
            raise corrupt(what, "integers of 64 bits", "larger ones")
    with np.errstate(over="ignore"):
        return column.astype(dtype)
