"""One .npz a shard: whole columns, for ``numpy.load``.

Rows of different lengths are ``name`` and ``name.offsets``; texts are their UTF-8 bytes
and ``name.text_offsets``. A shard is held in memory until it is written.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from .._block import Block, Column, Ragged, Sample
from ..errors import ManifestError
from . import _npy
from ._base import ShardWriter, Sink


def joined(columns: list[Column]) -> Column:
    """One column of several blocks' ."""
    first = columns[0]
    if isinstance(first, Ragged):
        parts = [c for c in columns if isinstance(c, Ragged)]
        counts = np.concatenate([np.diff(c.offsets) for c in parts])
        return Ragged.counted(np.concatenate([c.values for c in parts]), counts)
    if isinstance(first, list):
        return [text for c in columns if isinstance(c, list) for text in c]
    return np.concatenate([c for c in columns if isinstance(c, np.ndarray)])


class _Writer(ShardWriter):
    def __init__(self, path: Path) -> None:
        self._path = path
        self._blocks: list[Block] = []

    def write(self, block: Block) -> None:
        self._blocks.append(block)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            return
        arrays: dict[str, np.ndarray] = {
            "index": np.concatenate(
                [b.indices for b in self._blocks] or [np.empty(0, np.uint64)]
            )
        }
        for name in list(self._blocks[0]) if self._blocks else []:
            column = joined([b[name] for b in self._blocks])
            if isinstance(column, Ragged):
                arrays[name], arrays[f"{name}.offsets"] = column.values, column.offsets
            elif isinstance(column, list):
                data = [text.encode() for text in column]
                arrays[name] = np.frombuffer(b"".join(data), np.uint8)
                offsets = np.cumsum([0, *map(len, data)], dtype=np.int64)
                arrays[f"{name}.text_offsets"] = offsets
            else:
                arrays[name] = column
        with zipfile.ZipFile(self._path, "w", zipfile.ZIP_STORED) as z:
            for name, array in arrays.items():
                entry = zipfile.ZipInfo(f"{name}.npy")  # 1980: bytes without a clock
                with z.open(entry, "w", force_zip64=True) as f:
                    for part in _npy.parts(array):
                        f.write(part)


class Npz(Sink):
    """Whole columns in one file a shard."""

    name = "npz"
    suffix = ".npz"

    def open(self, path: Path) -> ShardWriter:
        return _Writer(path)

    def read(self, path: Path) -> Iterator[Sample]:
        try:
            with np.load(path, allow_pickle=False) as z:
                arrays = {name: z[name] for name in z.files}
        except (zipfile.BadZipFile, OSError, ValueError, EOFError, KeyError) as e:
            raise ManifestError(
                f"[npz] expected a shard in {str(path)!r}; got: {e}. "
                "Hint: remove it and run the same command again"
            ) from e
        rows = len(arrays.pop("index"))
        for r in range(rows):
            yield {name: _row(arrays, name, r) for name in arrays if "." not in name}


def _row(arrays: dict[str, np.ndarray], name: str, r: int) -> Any:
    column = arrays[name]
    if (at := arrays.get(f"{name}.offsets")) is not None:
        return column[at[r] : at[r + 1]]
    if (at := arrays.get(f"{name}.text_offsets")) is not None:
        return column[at[r] : at[r + 1]].tobytes().decode()
    value = column[r]
    return value.item() if isinstance(value, np.generic) else value
