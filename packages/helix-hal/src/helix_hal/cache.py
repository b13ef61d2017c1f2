"""Disk cache of compiled kernels, so that a second process compiles nothing.

One entry is one file. Its name is the hash of everything that made it (source,
versions, device), and its first bytes are the SHA-256 of the name and the payload,
checked before the payload is handed out. A damaged, foreign or outdated entry counts as
none: the kernel is compiled again and the entry written over. The least recently used
entries go when the folder passes its limit. Entries of all backends share the folder.

Cached code is trusted code: whoever can write to the folder can run code as the user
who reads it. The hash finds damage, not an attacker; the folder's mode (0700) and
owner are what keeps others out, and a folder that fails that check is not used.

Environment: ``HELIX_CACHE_DIR`` (the folder), ``HELIX_CACHE=0`` (no cache).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from helix_core import platform

__all__ = [
    "CacheStats",
    "cache_dir",
    "clear",
    "entry",
    "folder",
    "read",
    "save",
    "stats",
]

LIMIT_BYTES = 1 << 30
SUFFIX = ".hxk"
_MAGIC = b"HXKERN1\n"
_HASH_BYTES = 32
_STALE_SECONDS = 3600.0


@dataclass(slots=True)
class CacheStats:
    """What this process took from the cache.

    Attributes
    ----------
    hits, misses : int
        Kernels loaded from disk, kernels compiled.
    rejected : int
        Entries that were damaged or foreign (each is a miss too).
    stored : int
        Entries written.
    """

    hits: int = 0
    misses: int = 0
    rejected: int = 0
    stored: int = 0


stats = CacheStats()


def cache_dir() -> Path:
    """The folder of compiled kernels, made if it is missing.

    Raises
    ------
    OSError
        Where it cannot be made.
    """
    return platform.cache_dir("kernels")


def folder() -> Path | None:
    """The same; None where the cache is switched off, or warned to be unusable."""
    if os.environ.get("HELIX_CACHE", "1") == "0":
        return None
    try:
        return cache_dir()
    except OSError as error:
        warn_unusable(str(error))
        return None


def clear() -> int:
    """Delete every entry; returns how many there were."""
    count = 0
    for found in _entries(cache_dir()):
        count += _unlink(found.path)
    return count


def entry(where: Path, key: Any) -> Path:
    """The file of what ``key`` describes; ``repr(key)`` must tell everything."""
    return where / f"{hashlib.sha256(repr(key).encode()).hexdigest()}{SUFFIX}"


def read(path: Path) -> bytes | None:
    """The verified payload of an entry, marked as just used; None if unusable."""
    try:
        if not _is_private(path.parent):
            return None
        data = path.read_bytes()
    except OSError:
        return None
    head = len(_MAGIC) + _HASH_BYTES
    payload = data[head:]
    if data[:head] != _MAGIC + _digest(path, payload):
        stats.rejected += 1
        return None
    with contextlib.suppress(OSError):  # a read-only cache is still a cache
        os.utime(path)
    return payload


def save(path: Path, payload: bytes) -> None:
    """Write an entry; a folder that cannot be written warns once."""
    try:
        _write(path, payload)
    except OSError as error:
        warn_unusable(str(error))
        return
    stats.stored += 1
    _evict(path.parent)


@lru_cache(maxsize=8)
def warn_unusable(reason: str) -> None:
    """Say once why every process compiles again."""
    warnings.warn(
        f"[kernel cache] expected a private, writable folder; got {reason}. Kernels "
        f"are compiled again in every process. Hint: set HELIX_CACHE_DIR.",
        RuntimeWarning,
        stacklevel=2,
    )


def _digest(path: Path, payload: bytes) -> bytes:
    return hashlib.sha256(path.name.encode() + payload).digest()


def _write(path: Path, payload: bytes) -> None:
    """Write beside and rename, so that a reader sees all of an entry or none."""
    path.parent.mkdir(exist_ok=True, mode=0o700)
    if not _is_private(path.parent):
        raise PermissionError(f"{path.parent}, which another user owns")
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_MAGIC + _digest(path, payload) + payload)
        os.replace(name, path)
    except BaseException:
        _unlink(name)
        raise


def _is_private(folder: Path) -> bool:
    """Whether `folder` is ours; closes it to others, and drops what they could plant.

    Always true off POSIX, where the user's own cache folder is private by default.
    """
    user = platform.user_id()
    if user is None:
        return True
    status = folder.stat()
    if status.st_uid != user:
        return False
    if status.st_mode & 0o077:
        folder.chmod(0o700)
    if status.st_mode & 0o022:
        for found in _entries(folder):
            _unlink(found.path)
    return True


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as scan:
            return [e for e in scan if e.name.endswith((SUFFIX, ".tmp"))]
    except OSError:
        return []


def _evict(folder: Path) -> None:
    """Delete abandoned temporary files, then the least recently used entries."""
    kept: list[tuple[float, int, str]] = []
    now = time.time()
    for found in _entries(folder):
        try:
            status = found.stat()
        except OSError:
            continue  # another process was faster
        if found.name.endswith(SUFFIX):
            kept.append((status.st_mtime, status.st_size, found.path))
        elif now - status.st_mtime > _STALE_SECONDS:
            _unlink(found.path)
    total = sum(size for _, size, _ in kept)
    for _, size, path in sorted(kept):
        if total <= LIMIT_BYTES:
            break
        total -= size
        _unlink(path)


def _unlink(path: str) -> bool:
    try:
        os.unlink(path)
    except OSError:
        return False
    return True
