"""What a sink is: a file format for shards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

from .._block import Block, Sample


class ShardWriter(AbstractContextManager["ShardWriter"]):
    """An open shard: give it blocks, in order."""

    def write(self, block: Block) -> None:
        """Append samples."""
        raise NotImplementedError


class Sink:
    """Writes and reads shards of one format.

    Attributes
    ----------
    name : str
    suffix : str
        Of its files, with the dot.
    """

    name: ClassVar[str] = ""
    suffix: ClassVar[str] = ""

    def path(self, shard: int, of: int) -> str:
        """Where a shard stands in the data set's folder."""
        return f"shard-{shard:05d}-of-{of:05d}{self.suffix}"

    def open(self, path: Path) -> ShardWriter:
        """Begin a shard."""
        raise NotImplementedError

    def read(self, path: Path) -> Iterator[Sample]:
        """The samples of a shard, as they were given, in order."""
        raise NotImplementedError

    def describe(self, folder: Path, manifest: dict[str, object]) -> None:
        """Write what stands beside the shards, when all are there."""
