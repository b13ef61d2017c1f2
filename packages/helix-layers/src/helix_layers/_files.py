"""Folders in the layout of transformers: ``config.json`` and safetensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import helix_core as hx
import numpy as np
from helix_core import files


class Weight(NamedTuple):
    """One of our parameters, and where transformers keeps it.

    Attributes
    ----------
    ours : str
    theirs : tuple of str
        More than one where ours joins theirs, one above the other.
    rows : tuple of int
        Of each of theirs, where there are more than one.
    transposed : bool
        Theirs is (in, out).
    by_head : int
        Theirs has rows [q; k; v] for each of so many heads, one head after the other;
        ours has those of all heads for each of the three.
    """

    ours: str
    theirs: tuple[str, ...]
    rows: tuple[int, ...] = ()
    transposed: bool = False
    by_head: int = 0


def need(op: str, ok: bool, field: str, want: str, got: Any) -> None:
    """A field of ``config.json`` asks for what we compute."""
    if not ok:
        raise files.FileError(
            f"[{op}] expected config.json with {field} {want}; got {got!r}"
        )


def read_config(op: str, folder: Path) -> dict[str, Any]:
    """The values of ``config.json``."""
    config = folder / "config.json"
    if not config.is_file():
        raise files.FileError(
            f"[{op}] expected a folder with config.json and model.safetensors; got "
            f"{str(folder)!r}"
        )
    values: dict[str, Any] = files.read_json(config)
    return values


def read_weights(op: str, folder: Path) -> dict[str, np.ndarray]:
    """Arrays of ``model.safetensors``, or of the files that its index names."""
    index = folder / "model.safetensors.index.json"
    names = ["model.safetensors"]
    if index.is_file():
        names = sorted(set(files.read_json(index).get("weight_map", {}).values()))
        for n in names:
            if Path(n).name != n:
                raise files.FileError(
                    f"[{op}] expected plain file names in {index}; got {n!r}"
                )
    out: dict[str, np.ndarray] = {}
    for n in names:
        out.update(files.load_tensors(folder / n))
    return out


def fill(
    op: str, model: hx.Module, weights: Sequence[Weight], arrays: dict[str, Any]
) -> None:
    """Set a model's parameters; none, if any of the arrays does not fit.

    Raises
    ------
    StateDictError
        With their names: all that are missing, unexpected, or of another shape.
    """
    cells = dict(model.named_parameters())
    missing, wrong, state = [], [], {}
    left = dict(arrays)
    for w in weights:
        shape = tuple(cells[w.ours].value.shape)
        found = []
        for name, want in zip(w.theirs, _shapes(w, shape), strict=True):
            a = left.pop(name, None)
            if a is None:
                missing.append(name)
            elif a.shape != want:
                wrong.append(f"{name}: expected {want}, got {a.shape}")
            else:
                a = a.T if w.transposed else a
                found.append(_reordered(a, w.by_head, 3) if w.by_head else a)
        if len(found) == len(w.theirs):
            state[w.ours] = found[0] if len(found) == 1 else np.concatenate(found)
    problems = [f"wrong shape: {'; '.join(wrong)}"] if wrong else []
    problems += [f"missing: {', '.join(missing)}"] if missing else []
    problems += [f"unexpected: {', '.join(left)}"] if left else []
    if problems:
        raise hx.StateDictError(
            f"[{op}] expected the weights that config.json describes; got "
            f"{' | '.join(problems)}"
        )
    model.load_state_dict(state)


def _shapes(w: Weight, shape: tuple[int, ...]) -> Iterable[tuple[int, ...]]:
    rows = w.rows or (shape[0],)
    for n in rows:
        yield (*shape[1:], n) if w.transposed else (n, *shape[1:])


def _reordered(a: np.ndarray, outer: int, inner: int) -> np.ndarray:
    """Groups of rows, counted by two numbers, with the inner one outside."""
    parts = a.reshape(outer, inner, -1, *a.shape[1:])
    return np.swapaxes(parts, 0, 1).reshape(a.shape)


def write_folder(
    folder: str | Path,
    model: hx.Module,
    weights: Sequence[Weight],
    config: dict[str, Any],
) -> None:
    """Write a model's parameters under their names, and ``config.json``."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    cells = dict(model.named_parameters())
    arrays = {}
    for w in weights:
        a = np.asarray(cells[w.ours].value)
        parts = np.split(a, np.cumsum(w.rows)[:-1]) if w.rows else [a]
        for name, part in zip(w.theirs, parts, strict=True):
            part = _reordered(part, 3, w.by_head) if w.by_head else part
            arrays[name] = np.ascontiguousarray(part.T if w.transposed else part)
    files.save_tensors(folder / "model.safetensors", arrays, {"format": "pt"})
    files.write_json(folder / "config.json", config)
