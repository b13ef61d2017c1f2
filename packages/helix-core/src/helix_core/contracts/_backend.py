"""What a backend is to core: a protocol, no base class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from .._aval import Aval
from .._device import Device
from .._graph import Graph
from ._specs import DeviceInfo, DeviceProfile, KernelSpec

Buffer = Any  # the backend's own array type


class Plan(Protocol):
    """A compiled graph."""

    def __call__(self, *buffers: Buffer) -> Sequence[Buffer]:
        """Outputs in the graph's order; inputs are not changed."""
        ...


class Backend(Protocol):
    """Runs primitives on the devices of some kinds; ``BackendSpec.factory()`` makes it.

    Attributes
    ----------
    name : str
        As in its ``BackendSpec``.
    lowerings : mapping of str to callable
        Primitive name to ``f(device, *buffers, out=None, **attrs)``: a buffer, or a
        tuple of them where the primitive has several outputs. What is missing is
        decomposed.
    kernels : sequence of KernelSpec
        For composites; others may add more through ``helix.kernels``.
    """

    @property
    def name(self) -> str: ...

    @property
    def lowerings(self) -> Mapping[str, Callable[..., Any]]: ...

    @property
    def kernels(self) -> Sequence[KernelSpec]: ...

    def devices(self) -> list[DeviceInfo]:
        """What is there now; empty where nothing is."""
        ...

    def profile(self, device: Device) -> DeviceProfile:
        """What the device was measured to do; measured once, then read from the cache."""
        ...

    def from_host(self, array: Any, device: Device) -> Buffer:
        """A buffer with this array's values; it may take the array over."""
        ...

    def to_host(self, buffer: Buffer) -> Any:
        """An ndarray of the same values; it may share the buffer's memory."""
        ...

    def aval(self, buffer: Buffer) -> Aval:
        """Shape and dtype of a buffer."""
        ...

    def synchronize(self, device: Device) -> None:
        """Wait until everything queued on a device is done."""
        ...

    def set_num_threads(self, n: int) -> None:
        """Bound the threads of everything it calls; a warning where it cannot."""
        ...

    def load(self, device: Device) -> float | None:
        """Busy share of a device, 0 to 1; None where it cannot be told."""
        ...

    def compile(self, graph: Graph, device: Device) -> Plan:
        """A plan for a whole graph at its concrete shapes."""
        ...
