"""Reuse of large CPU buffers: a fresh page costs as much as a kernel.

The operating system clears every new page, which for a 64 MiB result takes as long as
adding two arrays. `empty` hands out memory that an earlier result no longer needs:
when the last view of an array dies, its block goes back to a stack of its size class,
and the next `empty` of that class takes it, still warm.

The pool keeps at most a quarter of the machine's memory (``HELIX_POOL_BYTES`` changes
that, 0 turns reuse off), gives all of it back when an allocation fails or the machine
runs low, and hands out blocks aligned to 64 bytes.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["PoolStats", "empty", "stats", "trim", "zeros"]

MIN_BYTES = 1 << 16
_ALIGN = 64
_STEPS = 8  # size classes between two powers of two: at most 1/8 is wasted
_CHECK_SECONDS = 0.25
_LOW_MEMORY = 0.05
_U8 = np.dtype(np.uint8)
_F32 = np.dtype(np.float32)


@dataclass(frozen=True, slots=True)
class PoolStats:
    """The pool at one moment.

    Attributes
    ----------
    cached_bytes, used_bytes : int
        Waiting for reuse, and behind living arrays.
    reused, fresh, trimmed : int
        Blocks handed out again, newly allocated, and given back to the system.
    """

    cached_bytes: int
    used_bytes: int
    reused: int
    fresh: int
    trimmed: int


class _Block(np.ndarray[Any, Any]):
    """Bytes that own their memory; the aligned part begins at `start`."""

    start: int


class _Lease(np.ndarray[Any, Any]):
    """The one owner of a block while arrays point into it.

    A NumPy view holds the nearest array of another type on the way to its memory, so
    this object, a type of its own over a `_Block`, dies with the last view of an array
    made from it, wherever that view has gone.
    """

    sole_owner = True  # nothing but this object reaches the memory below

    def __del__(self) -> None:
        block = self.base
        if block is not None and _give_back is not None and not sys.is_finalizing():
            _give_back(len(self), block)


class _Pool:
    """Stacks of free blocks by size class.

    Blocks come back from finalizers, which may run inside any allocation of the same
    thread, so nothing here may hold a lock: `deque.append` and `deque.pop` are atomic
    and the counters are exact under the GIL, advisory without it.
    """

    def __init__(self) -> None:
        import psutil

        self.free: dict[int, deque[_Block]] = {}
        self.cached = self.used = self.reused = self.fresh = self.trimmed = 0
        self.limit = _limit_bytes()
        self.memory = psutil.virtual_memory
        self.next_check = 0.0

    def lease(self, nbytes: int) -> _Lease:
        size = size_class(nbytes)
        stack = self.free.get(size)
        try:
            block = stack.pop()  # type: ignore[union-attr]
        except (AttributeError, IndexError):
            block = self._allocate(size)
            self.fresh += 1
        else:
            self.cached -= size
            self.reused += 1
        self.used += size
        return _Lease(size, _U8, block, block.start)

    def _allocate(self, size: int) -> _Block:
        try:
            block = _Block(size + _ALIGN, _U8)
        except MemoryError:
            if not self.trim():
                raise
            block = _Block(size + _ALIGN, _U8)
        block.start = -block.ctypes.data % _ALIGN
        return block

    def give_back(self, size: int, block: _Block) -> None:
        self.used -= size
        if self.cached + size > self.limit or self._memory_is_low():
            self.trimmed += 1
            return  # `block` dies with the caller's reference
        stack = self.free.get(size)
        if stack is None:
            stack = self.free.setdefault(size, deque())
        stack.append(block)
        self.cached += size

    def _memory_is_low(self) -> bool:
        """Look at the machine at most four times a second; empty the pool if low."""
        now = time.monotonic()
        if now < self.next_check:
            return False
        self.next_check = now + _CHECK_SECONDS
        memory = self.memory()
        if memory.available >= _LOW_MEMORY * memory.total:
            return False
        self.trim()
        return True

    def trim(self, keep: int = 0) -> int:
        released = 0
        for size, stack in sorted(self.free.items(), reverse=True):
            while self.cached > keep:
                try:
                    stack.popleft()
                except IndexError:
                    break
                self.cached -= size
                self.trimmed += 1
                released += size
        return released


@lru_cache(maxsize=4096)
def size_class(nbytes: int) -> int:
    """The smallest block size that holds `nbytes`: eight classes an octave."""
    step = max(1 << max(nbytes - 1, 1).bit_length() - 1, MIN_BYTES) // _STEPS
    return -(-nbytes // step) * step


def _limit_bytes() -> int:
    text = os.environ.get("HELIX_POOL_BYTES", "")
    if text:
        try:
            return int(float(text))
        except ValueError:
            raise ValueError(
                f"[pool] expected HELIX_POOL_BYTES to be a number of bytes; "
                f"got {text!r}. Hint: 0 turns reuse off, 2e9 keeps two gigabytes."
            ) from None
    import psutil

    return int(psutil.virtual_memory().total) // 4


_pool: _Pool | None = None
_give_back: Any = None
_creation = threading.Lock()


def _get_pool() -> _Pool:
    global _pool, _give_back
    with _creation:
        if _pool is None:
            made = _Pool()
            _give_back = made.give_back
            _pool = made
    return _pool


def empty(shape: int | tuple[int, ...], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """An uninitialised C-contiguous array, from reused memory when it is large.

    Parameters
    ----------
    shape : int or tuple of int
    dtype : dtype, default float32

    Returns
    -------
    ndarray
        Writable. From 64 KiB up its memory is aligned to 64 bytes and returns to the
        pool when the last view of it dies.

    Raises
    ------
    MemoryError
        When the system has no such block even after the pool was emptied.
    """
    if dtype is not _F32:
        dtype = np.dtype(dtype)
    nbytes = (shape if isinstance(shape, int) else math.prod(shape)) * dtype.itemsize
    if nbytes < MIN_BYTES or dtype.hasobject:
        return np.empty(shape, dtype)
    lease = (_pool or _get_pool()).lease(nbytes)
    return np.ndarray(shape, dtype, lease)


def zeros(shape: int | tuple[int, ...], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Like `empty`, filled with zeros."""
    array = empty(shape, dtype)
    array.fill(0)
    return array


def trim(keep: int = 0) -> int:
    """Give cached blocks back to the system, largest first; returns the bytes.

    Parameters
    ----------
    keep : int, default 0
        Bytes that may stay cached.
    """
    return (_pool or _get_pool()).trim(keep)


def stats() -> PoolStats:
    """Counters of this process's pool."""
    p = _pool or _get_pool()
    return PoolStats(p.cached, p.used, p.reused, p.fresh, p.trimmed)
