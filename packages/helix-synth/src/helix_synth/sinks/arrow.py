"""Parquet, Arrow IPC and a Hugging Face data-set folder, by pyarrow (extra ``arrow``).

An array of a fixed shape is a nest of fixed-size lists over its values, rows of
different lengths a list; nothing is copied value by value. ``index`` is a column.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from .._block import Block, Column, Ragged, Sample
from ..errors import ManifestError, missing
from ._base import ShardWriter, Sink


def _pyarrow(what: str) -> Any:
    try:
        import pyarrow
    except ImportError as e:
        raise missing(what, "pyarrow", "arrow") from e
    return pyarrow


def _nested(pa: Any, values: np.ndarray, shape: tuple[int, ...]) -> Any:
    out = pa.array(np.ascontiguousarray(values).reshape(-1))
    for size in reversed(shape):
        out = pa.FixedSizeListArray.from_arrays(out, size)
    return out


def _column(pa: Any, column: Column) -> Any:
    if isinstance(column, Ragged):
        inner = _nested(pa, column.values, column.values.shape[1:])
        return pa.LargeListArray.from_arrays(pa.array(column.offsets), inner)
    if isinstance(column, list):
        return pa.array(column, pa.string())
    return _nested(pa, column, column.shape[1:])


def table(block: Block) -> Any:
    """A ``pyarrow.RecordBatch`` of a block."""
    pa = _pyarrow("arrow")
    columns = {"index": pa.array(block.indices)}
    columns |= {name: _column(pa, block[name]) for name in block}
    return pa.RecordBatch.from_pydict(columns)


def _values(pa: Any, scalar: Any) -> Any:
    """A cell as it was given: array, str or number."""
    kind = scalar.type
    if not (pa.types.is_fixed_size_list(kind) or pa.types.is_large_list(kind)):
        return scalar.as_py()
    values, shape = scalar.values, [len(scalar.values)]
    while pa.types.is_fixed_size_list(values.type):
        shape.append(values.type.list_size)
        values = values.flatten()
    return values.to_numpy(zero_copy_only=False).reshape(shape)


class _Writer(ShardWriter):
    def __init__(self, path: Path, parquet: bool) -> None:
        self._path, self._parquet = path, parquet
        self._out: Any = None

    def write(self, block: Block) -> None:
        batch = table(block)
        if self._out is None:
            pa = _pyarrow("arrow")
            if self._parquet:
                import pyarrow.parquet

                self._out = pyarrow.parquet.ParquetWriter(
                    self._path, batch.schema, compression="zstd"
                )
            else:
                self._out = pa.ipc.new_file(str(self._path), batch.schema)
        self._out.write_batch(batch)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._out is not None:
            self._out.close()


class _Arrow(Sink):
    parquet = False

    def open(self, path: Path) -> ShardWriter:
        _pyarrow(self.name)
        return _Writer(path, self.parquet)

    def read(self, path: Path) -> Iterator[Sample]:
        pa = _pyarrow(self.name)
        if path.stat().st_size == 0:  # no sample, so no schema
            return
        try:
            for batch in self._batches(pa, path):
                names = [n for n in batch.schema.names if n != "index"]
                for r in range(batch.num_rows):
                    yield {n: _values(pa, batch.column(n)[r]) for n in names}
        except (pa.ArrowException, OSError) as e:
            raise ManifestError(
                f"[{self.name}] expected a shard in {str(path)!r}; got: {e}. "
                "Hint: remove it and run the same command again"
            ) from e

    def _batches(self, pa: Any, path: Path) -> Iterator[Any]:
        if self.parquet:
            import pyarrow.parquet

            with pyarrow.parquet.ParquetFile(path) as file:
                yield from file.iter_batches(batch_size=256)
        else:
            with pa.memory_map(str(path)) as source:
                file = pa.ipc.open_file(source)
                for i in range(file.num_record_batches):
                    yield file.get_batch(i)


class Arrow(_Arrow):
    """Arrow IPC files: read by mapping them into memory."""

    name = "arrow"
    suffix = ".arrow"


class Parquet(_Arrow):
    """Parquet files, compressed with zstd."""

    name = "parquet"
    suffix = ".parquet"
    parquet = True


class HuggingFace(Parquet):
    """A folder that ``datasets.load_dataset`` takes: Parquet and a card."""

    name = "huggingface"

    def path(self, shard: int, of: int) -> str:
        return f"data/train-{shard:05d}-of-{of:05d}.parquet"

    def describe(self, folder: Path, manifest: dict[str, object]) -> None:
        from helix_core import files

        spec = json.dumps(manifest["spec"], sort_keys=True)
        card = f"""---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*.parquet
tags: [synthetic]
---
# {manifest["generator"]}

{manifest["n"]} samples of helix-synth's `{manifest["generator"]}`, version
{manifest["version"]}, seed {manifest["seed"]}, spec `{spec}`.
Merkle root of the samples: `{manifest["root"]}`.
"""
        files.write_text(folder / "README.md", card)
