"""Bytes to train on: a file, a folder, or the text that every Python brings along."""

from __future__ import annotations

import hashlib
import os
import stat
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from helix_core import HelixError, platform

from .stream import Shuffle

_TESTS = {"test", "tests", "idle_test"}
_INSTALLED = {"site-packages", "dist-packages", "__pycache__"}
_VALIDATION = 20  # one file in twenty
_SMALLEST = 8  # bytes


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
        sorted order; hidden ones and links left out) about one in twenty does, chosen
        by the hash of its name. Default: the standard library's sources, without tests
        and what was installed later.

    Returns
    -------
    Corpus
        The same on every machine that has the same files.

    Raises
    ------
    DataError
        If there is nothing to read, too little to split, or more than fits in memory.
        Any bytes will do: a file need not be text.
    """
    if path is None:
        root, source = standard_library(), "the Python standard library"
        names = [n for n in _walk(root, _TESTS | _INSTALLED) if _is_source(n)]
    else:
        root, source = Path(path), os.fspath(path)
        if root.is_file():
            return _one_file(root, source)
        if not root.is_dir():
            raise DataError(
                f"[data] expected a file or folder; {source!r} is "
                f"{'neither' if root.exists() else 'missing'}"
            )
        names = list(_walk(root, {"__pycache__"}))
    return _many_files(root, sorted(names), source)


def _is_source(name: str) -> bool:
    """Python files, but for the one that describes the machine of its build."""
    return name.endswith(".py") and not name.startswith("_sysconfigdata")


def _walk(root: Path, leave_out: set[str]) -> Iterator[str]:
    """Relative names of regular files. Links are not followed, and not read."""

    def fail(e: OSError) -> None:
        raise DataError(f"[data] expected readable folders; {e}") from e

    for folder, folders, files in os.walk(root, onerror=fail):
        folders[:] = [d for d in folders if d[0] != "." and d not in leave_out]
        for f in files:
            path = Path(folder, f)
            if f[0] != "." and stat.S_ISREG(path.lstat().st_mode):
                yield path.relative_to(root).as_posix()


def _read(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        raise DataError(
            f"[data] expected readable files; {name!r}: {e.strerror}"
        ) from e


def _one_file(path: Path, source: str) -> Corpus:
    _fits([path], source)
    data = _read(path, source)
    return _cut(data, hashlib.sha256(data).hexdigest(), 1, source)


def _many_files(root: Path, names: list[str], source: str) -> Corpus:
    _fits([root / n for n in names], source)
    sides = bytearray(), bytearray()  # training, validation
    digest = hashlib.sha256()
    count = 0
    for name in names:
        data = _read(root / name, name)
        if not data:
            continue
        digest.update(f"{name}\0{len(data)}\0".encode("utf-8", "surrogateescape"))
        digest.update(data)
        key = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
        sides[key[0] % _VALIDATION == 0].extend(data)
        count += 1
    if not count:
        raise DataError(
            f"[data] expected a folder with bytes in it; {source!r} is empty"
        )
    train, validation = map(bytes, sides)
    if min(len(train), len(validation)) < 2:  # few files: cut the tail
        return _cut(train + validation, digest.hexdigest(), count, source)
    return _corpus(train, validation, digest.hexdigest(), count, source)


def _cut(data: bytes, digest: str, files: int, source: str) -> Corpus:
    if len(data) < _SMALLEST:
        raise DataError(
            f"[data] expected at least {_SMALLEST} bytes; {source!r} has {len(data)}"
        )
    at = len(data) - max(2, len(data) // _VALIDATION)
    return _corpus(data[:at], data[at:], digest, files, source)


def _corpus(train: bytes, val: bytes, digest: str, files: int, source: str) -> Corpus:
    both = np.frombuffer(train, np.uint8), np.frombuffer(val, np.uint8)
    return Corpus(*both, digest, files, source)


def joined(corpus: Corpus) -> np.ndarray:
    """All bytes, for a model that was trained on others."""
    return np.concatenate([corpus.train, corpus.validation])


def _fits(paths: list[Path], source: str) -> None:
    """Refuse what would fill the memory, before it is read."""
    size, memory = sum(p.stat().st_size for p in paths), platform.total_memory()
    if memory and size > memory // 4:
        raise DataError(
            f"[data] expected at most a quarter of the memory ({memory / 2**30:.1f} GiB); "
            f"{source!r} holds {size / 2**30:.1f} GiB"
        )


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
        self.data, self.length = data, length
        self.shuffle = Shuffle((len(data) - 1) // length, batch, seed)
        self._span = np.arange(length + 1)

    def __getitem__(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and labels of batch k, int32 (batch, length); endless."""
        starts = self.shuffle[k] * self.length
        block = self.data[starts[:, None] + self._span].astype(np.int32)
        return block[:, :-1], block[:, 1:]
