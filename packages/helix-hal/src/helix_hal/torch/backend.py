"""The ``torch`` backend: devices ``torch:cpu``, ``torch:cuda``, ``torch:mps``, ...

Each primitive is one or a few calls of torch, each composite one of its kernels. Tensors
of the backend never require a gradient: the tape is core's, not torch's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from helix_core._aval import Aval
from helix_core._device import need_dtype
from helix_core._dtypes import ALL, as_dtype
from helix_core.contracts import DeviceInfo, KernelSpec

from .dtypes import OURS, array_of, tensor_of
from .lowerings import LOWERINGS
from .session import find, module_of, names, translated

_SINGLE = ("float64", "complex128")  # what Apple's GPUs lack


class TorchBackend:
    """Every device that torch offers."""

    name = "torch"
    lowerings: Mapping[str, Callable[..., Any]] = LOWERINGS

    @cached_property
    def kernels(self) -> tuple[KernelSpec, ...]:
        from .kernels import SPECS

        return tuple(SPECS)

    def devices(self) -> list[DeviceInfo]:
        return [_info(index) for index in names()]

    def profile(self, device: Any) -> Any:
        from helix_core._profile import profile

        return profile(device)

    def from_host(self, array: np.ndarray, device: Any) -> torch.Tensor:
        """The array was given up: ``torch:cpu`` goes on using its memory."""
        dtype, where = as_dtype(array.dtype), find(device)
        if where.type != "cpu":
            need_dtype(device, dtype, "tensor")
        try:
            x = tensor_of(np.asarray(array), dtype)
            return x if where.type == "cpu" else x.to(where)
        except RuntimeError as e:
            raise translated(e, "from_host", device) from e

    def to_host(self, buffer: torch.Tensor) -> np.ndarray:
        """Read-only; the tensor's own memory on the CPU. Waits for its value."""
        array = array_of(buffer if buffer.device.type == "cpu" else buffer.cpu())
        array.flags.writeable = False
        return array

    def aval(self, buffer: torch.Tensor) -> Aval:
        return Aval(tuple(buffer.shape), OURS[buffer.dtype])

    def owns(self, buffer: torch.Tensor) -> bool:
        """Whether one reference to the tensor is the only way to its memory."""
        return _ALONE > 0 and buffer.is_contiguous() and _users(buffer) == _ALONE

    def synchronize(self, device: Any) -> None:
        where = find(device)
        if where.type == "mps":
            torch.mps.synchronize()
        elif where.type != "cpu":
            module_of(where).synchronize(where)

    def set_num_threads(self, n: int) -> None:
        """Bound torch's threads on the CPU."""
        torch.set_num_threads(n)

    def load(self, device: Any) -> float | None:
        """Others' share of the cores where the device is the host; else not known."""
        if find(device).type != "cpu":
            return None
        from .._load import host_load

        return host_load()

    def compile(self, graph: Any, device: Any) -> Any:
        from .plan import plan_for

        return plan_for(graph, device)


def _info(index: str) -> DeviceInfo:
    from helix_core import platform

    where = find(_Named(index))
    version = f"torch {torch.__version__}"
    name, memory = platform.cpu_name(), platform.total_memory()
    dtypes: tuple[Any, ...] = ALL
    if where.type == "mps":
        name, memory = "Apple GPU", torch.mps.recommended_max_memory()
        dtypes = tuple(d for d in ALL if d.name not in _SINGLE)
    elif where.type != "cpu":
        module = module_of(where)
        facts = module.get_device_properties(where)
        name, memory = module.get_device_name(where), int(facts.total_memory)
        version += f", CUDA {torch.version.cuda}" if where.type == "cuda" else ""
    return DeviceInfo(
        index=index,
        name=f"{name} ({where.type})",
        driver=version,
        kind="torch",
        memory=memory,
        dtypes=tuple(d.name for d in dtypes),
        unified_memory=where.type in ("cpu", "mps"),
    )


class _Named:
    """A device by its index alone."""

    def __init__(self, index: str) -> None:
        self.index, self.name = index, f"torch:{index}"


def _users(x: torch.Tensor) -> int:
    """What torch counts for the memory of a tensor; -1 where it does not tell."""
    count = getattr(torch._C, "_storage_Use_Count", None)
    if count is None:
        return -1
    storage = x.untyped_storage()
    if storage.nbytes() != x.numel() * x.element_size():
        return -1
    return int(count(storage._cdata))


_ALONE = _users(torch.zeros(1))  # of a tensor that nothing shares
