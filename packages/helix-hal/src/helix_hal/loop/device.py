"""What a kernel backend writes: one open device that stores bytes and runs programs.

Everything else (views, pools, lowerings, composites, plans) is made of these by
`helix_hal.loop`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from helix_core.contracts import DeviceInfo
from helix_core.loop import SCALAR_OPS, LoopProgram

Memory = Any  # the device's own handle of an allocation
# launch(memories, offsets, sizes): enqueue; offsets in elements, both as the program's
# arguments and sizes are ordered
Launch = Callable[[Sequence[Memory], Sequence[int], Sequence[int]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What programs may use on a device; the rest is decomposed before rendering.

    Attributes
    ----------
    dtypes : frozenset of str
        What can be stored and loaded. Others raise when a buffer is asked for.
    arithmetic : frozenset of str
        What can be computed with. Of the others, small floats are computed in float32
        and rounded, small integers in int32 (uint32) and wrapped.
    scalar_ops : frozenset of str
        Kinds of scalar op that the language has, accurate to a few ulp.
    group : int
        Points that can act together with a barrier and shared memory; 1: none.
    local_bytes : int
        Shared memory of a group.
    atomic_add : frozenset of str
        Dtypes of which ``store`` with mode ``add`` can be atomic. Order is then open, so
        deterministic code paths do not use it.
    wide_index : bool
        Whether int64 indices are possible.
    """

    dtypes: frozenset[str]
    arithmetic: frozenset[str]
    scalar_ops: frozenset[str] = frozenset(SCALAR_OPS)
    group: int = 1
    local_bytes: int = 0
    atomic_add: frozenset[str] = field(default=frozenset())
    wide_index: bool = True


class KernelDevice(Protocol):
    """One open device. Calls are queued in order; only `read` and `synchronize` wait."""

    info: DeviceInfo
    features: Features

    def allocate(self, nbytes: int) -> Memory:
        """Fresh memory, never of 0 bytes; `helix_core.OutOfMemory` if there is no room.

        A caller that frees its pool on that and asks again must be able to succeed.
        """
        ...

    def free(self, memory: Memory) -> None:
        """Give memory back to the driver; queued work that uses it stays valid."""
        ...

    def write(self, memory: Memory, array: np.ndarray) -> None:
        """Contiguous bytes to the start of the memory; the array may change after."""
        ...

    def read(self, memory: Memory, offset: int, array: np.ndarray) -> None:
        """Fill a contiguous array from a byte offset, after what is queued."""
        ...

    def compile(self, program: LoopProgram, wide: bool) -> Launch:
        """A kernel for any sizes; ``wide``: indices need 64 bits.

        Raises
        ------
        helix_core.CompileError
            With the log and the source.
        """
        ...

    def synchronize(self) -> None: ...
