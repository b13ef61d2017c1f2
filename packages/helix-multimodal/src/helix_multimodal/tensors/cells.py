"""How the arrays of each modality become tokens, and tokens those arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from helix_core import DTypeError, ShapeError
from numpy.typing import NDArray

from .item import Item

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Grid:
    """Sizes from which the array is found again.

    Attributes
    ----------
    name : str
        Of the array that the tokens hold.
    kind : str
        "ids", "patches", "given", "frames", "samples", "rows".
    shape : tuple of int
        Of the array.
    step : int
        Edge of a patch, or samples of a token.
    beside : str
        A second array in the same tokens, after the first: features of points.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    step: int = 1
    beside: str = ""


@dataclass(slots=True)
class Cells:
    """Tokens of one item.

    Attributes
    ----------
    grid : Grid
    ids : (token,) int64 array or None
    features : (token, feature) float32 array or None
    positions : (token, 3) int64 array
        Time, row, column.
    mask : (token,) bool array
    used : tuple of str
        Arrays that tokens and mask hold whole; the others are kept beside.
    """

    grid: Grid
    positions: IntArray
    mask: NDArray[np.bool_]
    ids: IntArray | None = None
    features: FloatArray | None = None
    used: tuple[str, ...] = field(default=())


def _along(n: int, axis: int = 0) -> IntArray:
    out = np.zeros((n, 3), np.int64)
    out[:, axis] = np.arange(n)
    return out


def _float32(item: Item, name: str, *ndims: int) -> NDArray[Any]:
    x = item.arrays[name]
    if x.dtype != np.float32:
        raise DTypeError(
            f"[pack] expected {name} of float32, so that nothing is lost; got {x.dtype}"
        )
    if x.ndim not in ndims or 0 in x.shape[:-1]:
        raise ShapeError(
            f"[pack] expected {name} with {' or '.join(map(str, ndims))} axes; got shape "
            f"{x.shape}"
        )
    return x


def _mask_of(item: Item, n: int) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """The item's mask by token, and its name if that is all it says."""
    given = item.arrays.get("attention_mask")
    if given is None or given.shape != (n,):
        return np.ones(n, np.bool_), ()
    whole = given.dtype == np.int64 and bool(np.isin(given, (0, 1)).all())
    return given != 0, ("attention_mask",) if whole else ()


def _text(item: Item) -> Cells:
    ids = item.arrays["input_ids"]
    if ids.dtype != np.int64 or ids.ndim != 1:
        raise ShapeError(
            f"[pack] expected input_ids (token,) int64; got {ids.dtype}{ids.shape}"
        )
    mask, held = _mask_of(item, len(ids))
    grid = Grid("input_ids", "ids", ids.shape)
    return Cells(grid, _along(len(ids)), mask, ids=ids, used=("input_ids", *held))


def _given(item: Item, name: str, grid_name: str, merge: int) -> Cells:
    """Patches of Qwen2-VL, with the grids that they fill."""
    x = _float32(item, name, 2)
    places = []
    first = 0
    for t, h, w in item.arrays[grid_name].tolist():
        k, i, j = np.meshgrid(np.arange(t), np.arange(h), np.arange(w), indexing="ij")
        at = np.stack([k + first, i, j], axis=-1)
        at = at.reshape(t, h // merge, merge, w // merge, merge, 3)
        places.append(at.transpose(0, 1, 3, 2, 4, 5).reshape(-1, 3))
        first += t
    positions = np.concatenate(places) if places else np.zeros((0, 3), np.int64)
    if len(positions) != len(x):
        raise ShapeError(
            f"[pack] expected {grid_name} of {len(x)} patches; got {len(positions)}"
        )
    mask = np.ones(len(x), np.bool_)
    return Cells(Grid(name, "given", x.shape), positions, mask, None, x, (name,))


def _patches(item: Item, name: str, edge: int) -> Cells:
    """Squares of (..., channel, height, width); edges are filled up with zeros."""
    x = _float32(item, name, 3, 4)
    frames = x if x.ndim == 4 else x[None]
    n, c, h, w = frames.shape
    rows, columns = -(-h // edge), -(-w // edge)
    room = [(0, 0), (0, 0), (0, rows * edge - h), (0, columns * edge - w)]
    y = np.pad(frames, room).reshape(n, c, rows, edge, columns, edge)
    y = y.transpose(0, 2, 4, 1, 3, 5).reshape(-1, c * edge * edge)
    at = np.moveaxis(np.indices((n, rows, columns)), 0, -1).reshape(-1, 3)
    mask = np.ones(len(y), np.bool_)
    grid = Grid(name, "patches", x.shape, edge)
    return Cells(grid, at.astype(np.int64), mask, None, y, (name,))


def _frames(item: Item) -> Cells:
    """One token for each frame of (..., feature, frame)."""
    name = "input_features"
    x = _float32(item, name, 2, 3)
    y = np.ascontiguousarray(x.reshape(math.prod(x.shape[:-1]), x.shape[-1]).T)
    mask, held = _mask_of(item, len(y))
    grid = Grid(name, "frames", x.shape)
    return Cells(grid, _along(len(y)), mask, None, y, (name, *held))


def _samples(item: Item, step: int) -> Cells:
    """One token for each ``step`` samples of (..., time)."""
    name = "input_values"
    x = _float32(item, name, 1, 2)
    c, n = math.prod(x.shape[:-1]), x.shape[-1]
    flat = x.reshape(c, n)
    count = -(-n // step)
    y = np.pad(flat, [(0, 0), (0, count * step - n)]).reshape(c, count, step)
    flat = y.transpose(1, 0, 2).reshape(count, c * step)
    sounds, _ = _mask_of(item, n)
    padded = np.pad(sounds, (0, count * step - n)).reshape(count, step)
    mask = np.logical_or.reduce(padded, axis=1)
    grid = Grid(name, "samples", x.shape, step)
    return Cells(grid, _along(count), mask, None, flat, (name,))


def _rows(item: Item, name: str, beside: str = "") -> Cells:
    """One token for each row of (row, feature)."""
    x = _float32(item, name, 2)
    used = [name]
    y = x
    if beside in item.arrays:
        y = np.concatenate([x, _float32(item, beside, 2)], axis=1)
        used.append(beside)
    mask, held = _mask_of(item, len(x))
    grid = Grid(name, "rows", x.shape, beside=beside if beside in item.arrays else "")
    return Cells(grid, _along(len(x)), mask, None, y, (*used, *held))


def cells(item: Item, patch: int, samples: int) -> Cells:
    """Tokens of an item, by the arrays that it has."""
    has = item.arrays
    if "input_ids" in has:
        return _text(item)
    for name, grid in (
        ("pixel_values", "image_grid_thw"),
        ("pixel_values_videos", "video_grid_thw"),
    ):
        if name in has:
            return (
                _given(item, name, grid, 2)
                if grid in has
                else _patches(item, name, patch)
            )
    if "input_features" in has:
        return _frames(item)
    if "input_values" in has:
        return _samples(item, samples)
    if "points" in has:
        return _rows(item, "points", "point_features")
    if "values" in has:
        return _rows(item, "values")
    hint = " Hint: its parts" if item.parts else ""
    raise ShapeError(
        "[pack] expected items of text, bytes, image, audio, video, points or table; got "
        f"{item.modality} with {', '.join(has) or 'no arrays'}.{hint}"
    )


def rebuilt(grid: Grid, ids: NDArray[Any], y: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Arrays from the ids and the features of an item's tokens: inverse of `cells`."""
    shape, step = grid.shape, grid.step
    if grid.kind == "ids":
        return {grid.name: ids.copy()}
    if grid.kind == "given":
        return {grid.name: y.copy()}
    if grid.kind == "rows":
        out = {grid.name: y[:, : shape[1]].copy()}
        if grid.beside:
            out[grid.beside] = y[:, shape[1] :].copy()
        return out
    if grid.kind == "frames":
        return {grid.name: np.ascontiguousarray(y.T).reshape(shape)}
    if grid.kind == "samples":
        c = math.prod(shape[:-1])
        x = y.reshape(len(y), c, step).transpose(1, 0, 2).reshape(c, len(y) * step)
        return {grid.name: np.ascontiguousarray(x[:, : shape[-1]]).reshape(shape)}
    c, h, w = shape[-3:]
    rows, columns = -(-h // step), -(-w // step)
    n = math.prod(shape[:-3])
    x = y.reshape(n, rows, columns, c, step, step).transpose(0, 3, 1, 4, 2, 5)
    x = x.reshape(n, c, rows * step, columns * step)[:, :, :h, :w]
    return {grid.name: np.ascontiguousarray(x).reshape(shape)}
