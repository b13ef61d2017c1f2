"""Point clouds: origin and scale, thinning, normals, and arrays for models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from helix_core import ShapeError
from numpy.typing import NDArray

from ..samples import Points
from ._check import OptionError, at_least, one_of
from .neighbours import cloud, k_nearest

SCALES = ("none", "sphere", "box")
SAMPLING = ("random", "farthest", "first")
FEATURES = ("colors", "normals", "intensity")


def local_origin(xyz: Any) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Coordinates in single precision without loss of detail far from zero.

    Parameters
    ----------
    xyz : (point, 3) array
        Any origin, for example metres of a map grid.

    Returns
    -------
    local : (point, 3) float32 array
    origin : (3,) float64 array
        Whole numbers near the middle of the bounds: ``local + origin`` gives the input
        to 1 part in 2**24 of the cloud's size.
    """
    x = cloud("local_origin", "xyz", xyz)
    if not len(x):
        return np.zeros((0, 3), np.float32), np.zeros(3)
    origin = np.rint(x.min(0) / 2 + x.max(0) / 2)
    return (x - origin).astype(np.float32), origin


def normalised(
    xyz: Any, scale: str = "sphere"
) -> tuple[NDArray[np.float32], NDArray[np.float64], float]:
    """Move the centre to zero and scale to size 1.

    Parameters
    ----------
    xyz : (point, 3) array
    scale : {"sphere", "box", "none"}
        "sphere": the mean to zero, the farthest point to distance 1; "box": the bounds'
        middle to zero, the longest edge to -1 to 1; "none": only :func:`local_origin`.

    Returns
    -------
    points : (point, 3) float32 array
    origin : (3,) float64 array
    size : float
        ``points * size + origin`` gives the input.
    """
    op = "normalised"
    x = cloud(op, "xyz", xyz)
    if one_of(op, "scale", scale, SCALES) == "none" or not len(x):
        local, origin = local_origin(x)
        return local, origin, 1.0
    if scale == "sphere":
        origin = x.mean(axis=0)
        size = float(np.sqrt(np.square(x - origin).sum(axis=1).max()))
    else:
        origin = x.min(0) / 2 + x.max(0) / 2
        size = float(np.abs(x - origin).max())
    size = size if size > 0 else 1.0
    return ((x - origin) / size).astype(np.float32), origin, size


def random_sample(n: int, count: int, seed: int = 0) -> NDArray[np.int64]:
    """``count`` of n indices without repeats, in order: the same for a seed everywhere."""
    at_least("random_sample", "n", n, 0)
    if at_least("random_sample", "count", count, 0) >= n:
        return np.arange(n)
    at_least("random_sample", "seed", seed, 0)
    words = np.random.Philox(key=seed).random_raw(n)
    return np.sort(np.argsort(words, kind="stable")[:count])


def farthest_sample(xyz: Any, count: int, *, start: int = 0) -> NDArray[np.int64]:
    """Each next point is the one farthest from those taken.

    Parameters
    ----------
    xyz : (point, 3) array
    count : int
        At most the number of points. Time grows with both.
    start : int
        The first.

    Returns
    -------
    (count,) int64 array
        In the order taken; of equals the lower index.

    Notes
    -----
    Eldar et al., "The Farthest Point Strategy for Progressive Image Sampling", 1997.
    """
    op = "farthest_sample"
    x = np.ascontiguousarray(cloud(op, "xyz", xyz).T)  # (3, point)
    n = x.shape[1]
    if at_least(op, "count", count, 0) > n:
        raise ShapeError(f"[{op}] expected count at most {n} points; got {count}")
    if count == 0:
        return np.zeros(0, np.int64)
    if not 0 <= start < n:
        raise OptionError(f"[{op}] expected start below {n}; got {start}")
    out = np.empty(count, np.int64)
    near = np.full(n, np.inf)
    d, e = np.empty(n), np.empty(n)
    at = start
    for i in range(count):
        out[i] = at
        np.subtract(x[0], x[0, at], out=d)
        np.square(d, out=d)
        for a in (1, 2):
            np.subtract(x[a], x[a, at], out=e)
            d += np.square(e, out=e)
        np.minimum(near, d, out=near)
        at = int(near.argmax())
    return out


def voxel_grid(
    xyz: Any, size: float, *, reduce: str = "mean"
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """One point for each cube that holds any.

    Parameters
    ----------
    xyz : (point, 3) array
    size : float
        Edge of a cube, in the cloud's unit; cubes begin at multiples of it.
    reduce : {"mean", "first", "centre"}

    Returns
    -------
    points : (voxel, 3) float64 array
        Sorted by cube, x first.
    voxel : (point,) int64 array
        The cube of each input point.
    first : (voxel,) int64 array
        The first input point of each cube.

    Raises
    ------
    ShapeError
        ``size`` is not above 0, or the cubes are too many to count.
    """
    op = "voxel_grid"
    x = cloud(op, "xyz", xyz)
    if not np.isfinite(size) or size <= 0:
        raise OptionError(f"[{op}] expected size above 0; got {size!r}")
    one_of(op, "reduce", reduce, ("mean", "first", "centre"))
    none = np.zeros(0, np.int64)
    if not len(x):
        return np.zeros((0, 3)), none, none
    cell = np.floor(x / size)
    low = cell.min(axis=0)
    span = cell.max(axis=0) - low + 1
    if not np.all(np.abs(cell) < 2**53) or np.prod(span) >= 2**63:
        raise OptionError(
            f"[{op}] expected cubes that can be counted; got size={size!r} for bounds of "
            f"{np.ptp(x, axis=0).tolist()}"
        )
    i, j, k = (cell - low).astype(np.int64).T
    _, b, c = (int(s) for s in span)
    key, first, voxel = np.unique(
        (i * b + j) * c + k, return_index=True, return_inverse=True
    )
    voxel = voxel.reshape(-1)
    if reduce == "first":
        points = x[first]
    elif reduce == "centre":
        points = (cell[first] + 0.5) * size
    else:
        count = np.bincount(voxel, minlength=len(key))
        base = x[first]  # sums of small numbers, whatever the origin
        sums = [np.bincount(voxel, x[:, a] - base[voxel, a]) for a in range(3)]
        points = base + np.stack(sums, axis=1) / count[:, None]
    return points, voxel, first


def normals(
    xyz: Any, k: int = 16, *, viewpoint: Sequence[float] | None = None
) -> NDArray[np.float32]:
    """Unit normals: the direction in which the k nearest points spread least.

    Parameters
    ----------
    xyz : (point, 3) array
    k : int
        Neighbours, the point among them; at least 3 and at most the number of points.
    viewpoint : (x, y, z), optional
        Normals point to its side. Without it their largest component is positive.

    Returns
    -------
    (point, 3) float32 array

    Notes
    -----
    Hoppe et al., "Surface Reconstruction from Unorganized Points", 1992.
    """
    x = cloud("normals", "xyz", xyz)
    at_least("normals", "k", k, 3)
    index, _ = k_nearest(x, k)
    out = np.empty_like(x)
    for i in range(0, len(x), 16_384):
        near = x[index[i : i + 16_384]]  # (point, k, 3)
        near = near - near.mean(axis=1, keepdims=True)
        _, axes = np.linalg.eigh(np.matmul(near.transpose(0, 2, 1), near))
        out[i : i + 16_384] = axes[:, :, 0]
    if viewpoint is None:
        side = np.take_along_axis(out, np.abs(out).argmax(1)[:, None], axis=1)
    else:
        side = ((np.asarray(viewpoint, np.float64) - x) * out).sum(
            axis=1, keepdims=True
        )
    return np.where(side < 0, -out, out).astype(np.float32)


def points_tensors(
    sample: Points,
    *,
    scale: str = "none",
    count: int | None = None,
    sampling: str = "random",
    voxel: float | None = None,
    seed: int = 0,
    features: Sequence[str] = ("colors", "normals", "intensity"),
    estimate_normals: int | None = None,
) -> dict[str, NDArray[Any]]:
    """Arrays of a point cloud.

    Parameters
    ----------
    sample : Points
        Points with a coordinate that is not finite are left out.
    scale : {"none", "sphere", "box"}
        See :func:`normalised`.
    count : int, optional
        Points to keep. A cloud of fewer is padded with zeros, masked.
    sampling : {"random", "farthest", "first"}
    voxel : float, optional
        First thin to one point for each cube of this edge: the first of each.
    seed : int
        Of random sampling.
    features : of "colors", "normals", "intensity", or names of the file's fields
        Taken where the cloud has them. Colours are scaled to 0 to 1.
    estimate_normals : int, optional
        Neighbours to estimate normals from, where the cloud has none.

    Returns
    -------
    dict
        ``points`` (point, 3) float32, ``attention_mask`` (point,) int64,
        ``point_indices`` (point,) int64 into the file's points, -1 for padding,
        ``origin`` (3,) float64, ``size`` () float64; ``point_features`` (point, feature)
        float32 and ``labels`` (point,) int64 where there are any.

    Raises
    ------
    ShapeError, DTypeError
    """
    op = "points"
    one_of(op, "sampling", sampling, SAMPLING)
    xyz = np.asarray(sample.xyz, np.float64)
    keep = np.flatnonzero(np.isfinite(xyz).all(axis=1))
    if voxel is not None:
        keep = keep[np.sort(voxel_grid(xyz[keep], voxel)[2])]
    if count is not None and at_least(op, "count", count) < len(keep):
        if sampling == "random":
            keep = keep[random_sample(len(keep), count, seed)]
        elif sampling == "farthest":
            keep = keep[farthest_sample(xyz[keep], count)]
        else:
            keep = keep[:count]
    local, origin, size = normalised(xyz[keep], scale)
    made = _features(sample, keep, features, local, estimate_normals)
    out: dict[str, NDArray[Any]] = {
        "points": local,
        "attention_mask": np.ones(len(keep), np.int64),
        "point_indices": keep.astype(np.int64),
    }
    if made is not None:
        out["point_features"] = made
    if sample.labels is not None:
        out["labels"] = np.asarray(sample.labels)[keep].astype(np.int64)
    missing = 0 if count is None else max(0, count - len(keep))
    if missing:
        for key, a in out.items():
            value = -1 if key == "point_indices" else 0
            width = [(0, missing)] + [(0, 0)] * (a.ndim - 1)
            out[key] = np.pad(a, width, constant_values=value)
    return out | {"origin": origin, "size": np.array(size)}


def _features(
    sample: Points,
    keep: NDArray[np.int64],
    names: Sequence[str],
    local: NDArray[np.float32],
    estimate: int | None,
) -> NDArray[np.float32] | None:
    columns = []
    for name in names:
        if name == "normals" and sample.normals is None and estimate is not None:
            columns.append(normals(local, min(estimate, len(local))))
            continue
        value = getattr(sample, name) if name in FEATURES else sample.fields.get(name)
        if value is None and name not in FEATURES:
            raise OptionError(
                f"[points] expected features of {', '.join(FEATURES)}"
                f"{''.join(f', {f}' for f in sample.fields)}; got {name!r}"
            )
        if value is None:
            continue
        a = np.asarray(value)[keep]
        if name == "colors":
            a = a / float(np.iinfo(a.dtype).max if a.dtype.kind in "iu" else 1.0)
        columns.append(a.reshape(len(keep), -1).astype(np.float32))
    return np.concatenate(columns, axis=1).astype(np.float32) if columns else None
