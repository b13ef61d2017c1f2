"""Samples of consecutive indices, column by column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

Sample = dict[str, Any]


class Ragged:
    """Rows of different lengths in one array.

    Parameters
    ----------
    values : (total, ...) array
    offsets : (row + 1,) int64
        Row r is ``values[offsets[r] : offsets[r + 1]]``.
    """

    __slots__ = ("offsets", "values")

    def __init__(self, values: np.ndarray, offsets: np.ndarray) -> None:
        self.values = values
        self.offsets = offsets

    @classmethod
    def of(cls, rows: Sequence[np.ndarray]) -> Ragged:
        """Join rows."""
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(r) for r in rows], out=offsets[1:])
        return cls(np.concatenate(list(rows)), offsets)

    @classmethod
    def counted(cls, values: np.ndarray, counts: np.ndarray) -> Ragged:
        """Values that lie row after row, ``counts`` of them in each."""
        offsets = np.zeros(len(counts) + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        return cls(values, offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        return self.values[self.offsets[row] : self.offsets[row + 1]]


Column = np.ndarray | Ragged | list[Any]


class Block(Mapping[str, Column]):
    """Columns by name; ``block.sample(j)`` is the j-th sample as a dict.

    Parameters
    ----------
    indices : (row,) uint64
    columns : mapping
        Arrays with a leading row axis, `Ragged` rows, or lists of str.
    """

    __slots__ = ("columns", "indices")

    def __init__(self, indices: np.ndarray, columns: dict[str, Column]) -> None:
        self.indices = indices
        self.columns = columns

    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def rows(self) -> int:
        """How many samples."""
        return len(self.indices)

    def sample(self, row: int) -> Sample:
        """One sample: arrays, str, int and float by name."""
        return {name: _item(c[row]) for name, c in self.columns.items()}

    def samples(self) -> Iterator[Sample]:
        """All, in order."""
        return (self.sample(r) for r in range(self.rows))


def _item(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
