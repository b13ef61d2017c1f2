"""``Pool``: device memory that is used again, in size classes."""

from __future__ import annotations

import os
import threading
from collections import deque
from functools import lru_cache
from typing import Any

from helix_core import DeviceError, OutOfMemory

_SMALL = 256
_STEPS = 8  # size classes between two powers of two: at most 1/8 is wasted


class Block:
    """An allocation; it goes back to its pool when the last buffer that holds it dies.

    Attributes
    ----------
    handle : Memory
        The device's own.
    nbytes : int
    pool : Pool
    """

    __slots__ = ("handle", "nbytes", "pool")

    def __init__(self, pool: Pool, handle: Any, nbytes: int) -> None:
        self.pool, self.handle, self.nbytes = pool, handle, nbytes

    def __del__(self) -> None:
        self.pool.give_back(self.handle, self.nbytes)

    def __repr__(self) -> str:
        return f"{self.nbytes} bytes on {self.pool.name}"


class Pool:
    """Free blocks of one device by size class.

    Work on a device is queued in order, so a block may be written again as soon as
    nobody holds it. Blocks come back from finalizers, which may run anywhere in the same
    thread: nothing here holds a lock while it touches the stacks; `deque.append` and
    `deque.pop` are atomic. The pool holds every block's memory: the collector would
    finalize that of a block in a reference cycle, too, which is to be used again.

    Parameters
    ----------
    device : KernelDevice
    name : str
        The device's name, for errors.

    Attributes
    ----------
    used, cached : int
        Bytes behind living buffers, and waiting for reuse.
    limit : int
        Bytes that may wait; ``HELIX_POOL_BYTES``, default a quarter of the memory.
    """

    def __init__(self, device: Any, name: str) -> None:
        self.device, self.name = device, name
        self.free: dict[int, deque[Any]] = {}
        self.used = self.cached = 0
        self.limit = _limit(device.info.memory)
        self.largest = int(device.info.limits.get("max_allocation", 0))
        self._trimming = threading.Lock()
        self._owned: dict[int, Any] = {}  # by id

    def take(self, nbytes: int) -> Block:
        """At least so many bytes.

        Raises
        ------
        OutOfMemory
            If there is no room, also not after the pool was emptied.
        """
        size = size_class(nbytes)
        stack = self.free.get(size)
        if stack:
            try:
                handle = stack.pop()
            except IndexError:  # another thread took it
                handle = self._allocate(size, nbytes)
            else:
                self.cached -= size
        else:
            handle = self._allocate(size, nbytes)
        self.used += size
        return Block(self, handle, size)

    def give_back(self, handle: Any, size: int) -> None:
        self.used -= size
        if self.cached + size > self.limit:
            self._free(handle)
            return
        stack = self.free.get(size)
        if stack is None:
            stack = self.free.setdefault(size, deque())
        stack.append(handle)
        self.cached += size

    def trim(self) -> int:
        """Give everything that waits back to the driver; returns the bytes."""
        released = 0
        with self._trimming:
            for size, stack in list(self.free.items()):
                while stack:
                    try:
                        handle = stack.pop()
                    except IndexError:
                        break
                    self._free(handle)
                    self.cached -= size
                    released += size
        return released

    def _allocate(self, size: int, nbytes: int) -> Any:
        if self.largest and size > self.largest:
            if nbytes > self.largest:
                raise self._full(
                    nbytes, f"its largest buffer is {self.largest} bytes", "smaller"
                )
            size = self.largest
        try:
            return self._own(self.device.allocate(size))
        except OutOfMemory:
            self.trim()
        try:
            return self._own(self.device.allocate(size))
        except OutOfMemory as e:
            total = self.device.info.memory
            there = f"{self.used} of {total or 'unknown'} bytes in use"
            raise self._full(nbytes, there, "fewer") from e

    def _own(self, handle: Any) -> Any:
        self._owned[id(handle)] = handle
        return handle

    def _free(self, handle: Any) -> None:
        self._owned.pop(id(handle), None)
        self.device.free(handle)

    def _full(self, nbytes: int, why: str, less: str) -> DeviceError:
        return OutOfMemory(
            f"[allocate] expected room for {nbytes} bytes on {self.name!r} "
            f"({self.device.info.name}); {why}. Hint: {less} or shorter tensors, a "
            "smaller batch, or x.to('cpu')"
        )


@lru_cache(maxsize=8192)
def size_class(nbytes: int) -> int:
    """The smallest block size that holds ``nbytes``: eight classes an octave."""
    if nbytes <= _SMALL:
        return _SMALL
    step = max(1 << ((nbytes - 1).bit_length() - 1), _SMALL) // _STEPS
    step = max(step, _SMALL)
    return -(-nbytes // step) * step


def _limit(memory: int) -> int:
    text = os.environ.get("HELIX_POOL_BYTES", "")
    if text:
        try:
            return int(float(text))
        except ValueError:
            raise ValueError(
                f"[pool] expected HELIX_POOL_BYTES to be a number of bytes; got "
                f"{text!r}. Hint: 0 turns reuse off, 2e9 keeps two gigabytes"
            ) from None
    return memory // 4 or 1 << 30
