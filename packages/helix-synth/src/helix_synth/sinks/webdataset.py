"""WebDataset tar shards: the files of a sample share what stands before the first dot.

``000000000123.image.npy`` for an array, ``.text.txt`` for a str, ``.json`` for numbers.
Sample files lie in order of their index, without times or owners: a shard's bytes depend
on its samples alone.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np

from .._block import Block, Sample
from ..errors import ManifestError
from . import _npy
from ._base import ShardWriter, Sink

_RECORD = 512
_ZEROS = bytes(_RECORD)
Part = bytes | memoryview


def _template() -> bytes:
    header = bytearray(_RECORD)
    for at, text in (
        (100, b"0000644\0"), (108, b"0000000\0"), (116, b"0000000\0"),
        (136, b"00000000000\0"), (148, b"        "), (156, b"0"), (257, b"ustar\00000"),
    ):  # fmt: skip
        header[at : at + len(text)] = text
    return bytes(header)


_HEADER = _template()
_SUM = sum(_HEADER)


def header(name: str, size: int) -> bytes:
    """A member's header: name of up to 99 ASCII characters, size below 8 GiB."""
    path, digits = name.encode("ascii"), b"%011o" % size
    check = _SUM + sum(path) + sum(digits)
    return b"".join(
        (
            path.ljust(100, b"\0"),
            _HEADER[100:124],
            digits,
            _HEADER[135:148],
            b"%06o\0 " % check,
            _HEADER[156:],
        )
    )


class _Writer(ShardWriter):
    def __init__(self, path: Path) -> None:
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115

    def write(self, block: Block) -> None:
        out: list[Part] = []
        for index, sample in zip(block.indices.tolist(), block.samples(), strict=True):
            key = f"{index:012d}"
            plain = {}
            for name, value in sample.items():
                if isinstance(value, np.ndarray):
                    _member(out, f"{key}.{name}.npy", *_npy.parts(value))
                elif isinstance(value, str):
                    _member(out, f"{key}.{name}.txt", value.encode())
                else:
                    plain[name] = value
            if plain:
                _member(out, f"{key}.json", json.dumps(plain).encode())
        for i in range(0, len(out), 512):
            data = b"".join(out[i : i + 512])
            while data:  # an unbuffered file may take a part
                data = data[self._file.write(data) :]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._file:
            if kind is None:
                self._file.write(bytes(2 * _RECORD))


def _member(out: list[Part], name: str, *parts: Part) -> None:
    size = sum(map(len, parts))
    out.append(header(name, size))
    out.extend(parts)
    if left := -size % _RECORD:
        out.append(_ZEROS[:left])


class WebDataset(Sink):
    """Tar shards that webdataset, mosaic and ``tar`` read."""

    name = "webdataset"
    suffix = ".tar"

    def open(self, path: Path) -> ShardWriter:
        return _Writer(path)

    def read(self, path: Path) -> Iterator[Sample]:
        try:
            with tarfile.open(path, "r:") as tar:
                yield from _samples(tar)
        except (tarfile.TarError, OSError, ValueError, EOFError) as e:
            raise ManifestError(
                f"[webdataset] expected a shard in {str(path)!r}; got: {e}. "
                "Hint: remove it and run the same command again"
            ) from e


def _samples(tar: tarfile.TarFile) -> Iterator[Sample]:
    key, sample = "", Sample()
    for member in tar:
        file = tar.extractfile(member)
        if file is None:
            raise ValueError(f"{member.name} is not a file")
        data = file.read()
        stem, _, field = member.name.partition(".")
        if key and stem != key:
            yield sample
            sample = {}
        key = stem
        name, _, kind = field.rpartition(".")
        if kind == "npy":
            sample[name] = _npy.load(data)
        elif kind == "txt":
            sample[name] = data.decode()
        else:
            sample.update(json.loads(data))
    if key:
        yield sample
