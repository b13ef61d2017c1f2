"""Disk cache of compiled kernels, so that a second process compiles nothing.

One entry is one file: a kernel for one set of argument types, versions and CPU. Its
name is the hash of all that, and its first bytes are the SHA-256 of the name and the
payload, checked before anything is unpickled. A damaged, foreign or outdated entry is
compiled again and written over. The least recently used entries go when the folder
passes its limit.

Cached code is trusted code: whoever can write to the folder can run code as the user
who reads it. The hash finds damage, not an attacker; the folder's mode (0700) and
owner are what keeps others out, and a folder that fails that check is not used.

Environment: ``HELIX_CACHE_DIR`` (the folder), ``HELIX_CACHE=0`` (no cache).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helix_core import platform

if TYPE_CHECKING:
    from helix_hal.cpu.jit import Jitted

__all__ = ["CacheStats", "attach", "cache_dir", "clear", "stats"]

LIMIT_BYTES = 1 << 30
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


def clear() -> int:
    """Delete every entry; returns how many there were."""
    count = 0
    for entry in _entries(cache_dir()):
        count += _unlink(entry.path)
    return count


def attach(dispatcher: Any, source: Jitted) -> None:
    """Make `dispatcher` load its overloads from disk and save them there."""
    if os.environ.get("HELIX_CACHE", "1") == "0":
        return
    try:
        folder = cache_dir()
    except OSError as error:
        _warn_unusable(str(error))
        return
    dispatcher._cache = _KernelCache(source, folder)


class _KernelCache:
    """What numba's dispatcher asks of ``dispatcher._cache``, for one kernel."""

    def __init__(self, source: Jitted, folder: Path) -> None:
        self.source = source
        self.folder = folder

    @property
    def cache_path(self) -> str:
        return str(self.folder)

    def enable(self) -> None: ...

    def disable(self) -> None: ...

    def flush(self) -> None:
        """Nothing to do: an entry that no longer fits has another name."""

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """The compiled overload, or None when it has to be compiled."""
        from numba.core.compiler import CompileResult
        from numba.core.runtime.nrt import rtsys

        # Loaded code needs numba's runtime symbols only; target_context.refresh(),
        # which numba calls here, imports its whole library: 0.4 s.
        rtsys.initialize(target_context)
        path = self._path(signature, target_context)
        payload = _read(path)
        if payload is not None:
            try:
                parts = pickle.loads(payload)
                result = CompileResult._rebuild(target_context, *parts)
            except Exception:
                stats.rejected += 1
            else:
                stats.hits += 1
                return result
        stats.misses += 1
        return None

    def save_overload(self, signature: Any, result: Any) -> None:
        """Write an overload; a folder that cannot be written warns once."""
        from numba.core.serialize import dumps

        if result.lifted or result.library.has_dynamic_globals:
            return
        path = self._path(signature, result.target_context)
        try:
            _write(path, dumps(result._reduce()))
        except OSError as error:
            _warn_unusable(str(error))
            return
        stats.stored += 1
        _evict(self.folder)

    def _path(self, signature: Any, target_context: Any) -> Path:
        target = target_context.codegen().magic_tuple()
        parts = (self.source.fingerprint, repr(signature), target, _environment())
        key = hashlib.sha256(repr(parts).encode()).hexdigest()
        return self.folder / f"{key}.hxk"


@lru_cache(maxsize=1)
def _environment() -> tuple[str, ...]:
    """Versions and compiler switches that change the code numba makes."""
    import llvmlite
    import numba
    import numpy
    from numba.core import config

    from helix_hal._version import __version__

    switches = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "BOUNDSCHECK", "DEBUG")
    return (
        __version__,
        numba.__version__,
        llvmlite.__version__,
        numpy.__version__,
        sys.version,
        *(f"{name}={getattr(config, name, None)}" for name in switches),
    )


def _digest(path: Path, payload: bytes) -> bytes:
    return hashlib.sha256(path.name.encode() + payload).digest()


def _read(path: Path) -> bytes | None:
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
        for entry in _entries(folder):
            _unlink(entry.path)
    return True


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as scan:
            return [entry for entry in scan if entry.name.endswith((".hxk", ".tmp"))]
    except OSError:
        return []


def _evict(folder: Path) -> None:
    """Delete abandoned temporary files, then the least recently used entries."""
    kept: list[tuple[float, int, str]] = []
    now = time.time()
    for entry in _entries(folder):
        try:
            status = entry.stat()
        except OSError:
            continue  # another process was faster
        if entry.name.endswith(".hxk"):
            kept.append((status.st_mtime, status.st_size, entry.path))
        elif now - status.st_mtime > _STALE_SECONDS:
            _unlink(entry.path)
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


@lru_cache(maxsize=8)
def _warn_unusable(reason: str) -> None:
    warnings.warn(
        f"[kernel cache] expected a private, writable folder; got {reason}. Kernels "
        f"are compiled again in every process. Hint: set HELIX_CACHE_DIR.",
        RuntimeWarning,
        stacklevel=2,
    )
