"""Bytes to train on: a file, a folder, or the text that every Python brings along."""

from __future__ import annotations

import bz2
import hashlib
import lzma
import os
import sysconfig
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from helix_core import HelixError

from ._shuffle import Permutation

_SKIP = {"test", "tests", "idle_test", "__pycache__", "site-packages", "dist-packages"}
_VALIDATION = 20  # one file in twenty


class DataError(HelixError, ValueError):
    """The data cannot be trained on."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Training and validation bytes, and what identifies them.

    Attributes
    ----------
    train, validation : ndarray of uint8, shape (bytes,)
    digest : str
        SHA-256 over every file's name and contents, in order.
    files : int
    source : str
    """

    train: np.ndarray
    validation: np.ndarray
    digest: str
    files: int
    source: str


def standard_library() -> Path:
    """Where the sources of the running Python's standard library are."""
    return Path(sysconfig.get_paths()["stdlib"])


def load(path: str | os.PathLike[str] | None = None) -> Corpus:
    """Read a corpus.

    Parameters
    ----------
    path : path, optional
        A file, of which the last twentieth validates; or a folder, of whose files (in
        sorted order, hidden ones left out) about one in twenty does, chosen by the hash
        of its name. Default: the standard library's sources without its tests.

    Returns
    -------
    Corpus

    Raises
    ------
    DataError
        If there is nothing to read, or too little to split. Any bytes will do: a file
        need not be text.
    """
    if path is None:
        root = standard_library()
        names = list(_sources(root))
        source = "the Python standard library"
    else:
        root = Path(path)
        source = str(path)
        if not root.exists():
            raise DataError(f"[data] expected a file or folder; {source!r} is missing")
        if root.is_file():
            return _one_file(root, source)
        names = list(_walk(root))
    train, validation = bytearray(), bytearray()
    digest = hashlib.sha256()
    count = 0
    for name in sorted(names):
        try:
            data = (root / name).read_bytes()
        except OSError as e:
            raise DataError(f"[data] expected readable files; {name}: {e}") from e
        if not data:
            continue
        digest.update(f"{name}\0{len(data)}\0".encode())
        digest.update(data)
        key = hashlib.sha256(name.encode()).digest()
        side = validation if key[0] % _VALIDATION == 0 else train
        side += data
        count += 1
    if not train:
        raise DataError(
            f"[data] expected a folder with bytes in it; {source!r} is empty"
        )
    if not validation:  # few files: cut the tail
        cut = max(1, len(train) // _VALIDATION)
        train, validation = train[:-cut], train[-cut:]
    return _corpus(bytes(train), bytes(validation), digest.hexdigest(), count, source)


def _one_file(path: Path, source: str) -> Corpus:
    data = path.read_bytes()
    cut = max(1, len(data) // _VALIDATION)
    if len(data) < 2:
        raise DataError(f"[data] expected at least 2 bytes; {source!r} has {len(data)}")
    digest = hashlib.sha256(data).hexdigest()
    return _corpus(data[:-cut], data[-cut:], digest, 1, source)


def _corpus(train: bytes, val: bytes, digest: str, files: int, source: str) -> Corpus:
    return Corpus(
        np.frombuffer(train, np.uint8),
        np.frombuffer(val, np.uint8),
        digest,
        files,
        source,
    )


def _sources(root: Path) -> Iterator[str]:
    for name in _walk(root):
        parts = name.split("/")
        if name.endswith(".py") and not _SKIP.intersection(parts[:-1]):
            yield name


def _walk(root: Path) -> Iterator[str]:
    """Relative names of files, never through links to folders."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(
            d for d in folders if not d.startswith(".") and d not in _SKIP
        )
        for f in files:
            if not f.startswith("."):
                yield (Path(folder) / f).relative_to(root).as_posix()


class ByteWindows:
    """Shuffled windows of a byte string: batch k is a pure function of (seed, k).

    Parameters
    ----------
    data : ndarray of uint8
    batch, length : int
        Windows in a batch, bytes predicted in a window.
    seed : int

    Raises
    ------
    DataError
        If the data holds no window of ``length + 1`` bytes.
    """

    def __init__(self, data: np.ndarray, batch: int, length: int, seed: int) -> None:
        if len(data) < length + 1:
            raise DataError(
                f"[data] expected more than {length} training bytes; got {len(data)}. "
                "Hint: a smaller --length"
            )
        self.data = data
        self.batch = batch
        self.length = length
        self.seed = seed
        self.windows = (len(data) - 1) // length
        self._epoch: tuple[int, Permutation] | None = None

    def __getitem__(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and labels of batch k, int32 (batch, length); endless."""
        first = k * self.batch
        rows = []
        for i in range(first, first + self.batch):
            epoch, at = divmod(i, self.windows)
            if self._epoch is None or self._epoch[0] != epoch:
                self._epoch = epoch, Permutation(self.windows, self.seed, epoch)
            rows.append(int(self._epoch[1](np.array([at]))[0]) * self.length)
        starts = np.array(rows)
        span = np.arange(self.length + 1)
        block = self.data[np.minimum(starts[:, None] + span, len(self.data) - 1)]
        block = block.astype(np.int32)
        return block[:, :-1], block[:, 1:]


def conditional_entropy(data: np.ndarray, order: int) -> float:
    """Bits per byte of the best predictor that sees ``order`` bytes before."""
    context = np.zeros(len(data) - order, np.int64)
    for i in range(order):
        context = context * 256 + data[i : len(data) - order + i]
    joint = context * 256 + data[order:]

    def entropy(x: np.ndarray) -> float:
        counts = np.unique(x, return_counts=True)[1].astype(np.float64)
        return float(np.log2(len(x)) - (counts * np.log2(counts)).sum() / len(x))

    return entropy(joint) - entropy(context)


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "zlib-9": lambda b: zlib.compress(b, 9),
    "bz2-9": lambda b: bz2.compress(b, 9),
    "xz-9e": lambda b: lzma.compress(b, preset=9 | lzma.PRESET_EXTREME),
}


def compressed_bits(data: np.ndarray) -> dict[str, float]:
    """Bits per byte of standard compressors on these bytes."""
    raw = data.tobytes()
    return {name: 8 * len(f(raw)) / len(raw) for name, f in COMPRESSORS.items()}


def describe(corpus: Corpus) -> dict[str, Any]:
    """Sizes and digest, for logs and configs."""
    return {
        "source": corpus.source,
        "files": corpus.files,
        "train_bytes": len(corpus.train),
        "validation_bytes": len(corpus.validation),
        "sha256": corpus.digest,
    }
