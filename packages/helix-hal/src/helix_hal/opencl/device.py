"""One OpenCL device: its memory, its queue, and the kernels of loop programs."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyopencl as cl
from helix_core import CompileError, DeviceError, OutOfMemory
from helix_core.contracts import DeviceInfo
from helix_core.loop import SCALAR_OPS, LoopProgram

from helix_hal.loop.device import Features, Launch
from helix_hal.opencl.drivers import OPTIONS, build
from helix_hal.opencl.gemm import Gemm
from helix_hal.opencl.launch import ProgramLaunch

_NUMBERS = ("bool", "int32", "int64", "uint32", "uint64", "float32")
_SMALL = ("int8", "int16", "uint8", "uint16", "float16", "bfloat16")
# compilers of CPUs turn our polynomials into vectors, and not their own library's calls
_SCALAR_LIBRARY = frozenset("exp log tanh erf sin cos pow".split())
_ASYNCHRONOUS = 1 << 20  # bytes up to which a copy of the host's array is cheap
_FULL = ("MEM_OBJECT_ALLOCATION_FAILURE", "OUT_OF_HOST_MEMORY", "OUT_OF_RESOURCES")
_ROUNDED = "-cl-fp32-correctly-rounded-divide-sqrt"


class OpenClDevice:
    """A `KernelDevice` with one context and one queue in order.

    Parameters
    ----------
    device : pyopencl.Device
    index : int
        As in ``opencl:INDEX``.
    """

    def __init__(self, device: Any, index: int) -> None:
        self.cl, self.name = device, f"opencl:{index}"
        self.context = cl.Context([device])
        self.queue = cl.CommandQueue(self.context)
        self.on_cpu = bool(device.type & cl.device_type.CPU)
        self.units = int(device.max_compute_units)
        self.used = 0
        self._counting = threading.Lock()
        self._flying: deque[Any] = deque()  # copies to the device, and their arrays
        known = device.extensions.split()
        self.double = "cl_khr_fp64" in known or bool(device.double_fp_config)
        rounded = (
            device.single_fp_config & cl.device_fp_config.CORRECTLY_ROUNDED_DIVIDE_SQRT
        )
        self.fma = bool(device.single_fp_config & cl.device_fp_config.FMA)
        self.vector = int(device.native_vector_width_float) if self.on_cpu else 0
        self.options = f"{OPTIONS} {_ROUNDED}" if rounded else OPTIONS
        numbers = frozenset(_NUMBERS + (("float64",) if self.double else ()))
        atomic = {"int32", "uint32", "float32"}
        if self.double and "cl_khr_int64_base_atomics" in known:
            atomic.add("float64")
        group = 64 if self.on_cpu else min(128, int(device.max_work_group_size))
        self.features = Features(
            dtypes=numbers | frozenset(_SMALL),
            arithmetic=numbers | {"index"},
            scalar_ops=frozenset(SCALAR_OPS)
            - (_SCALAR_LIBRARY if self.on_cpu else set()),
            group=group,
            local_bytes=int(device.local_mem_size),
            atomic_add=frozenset(atomic),
        )
        self.info = self._info(index)
        self.gemm = Gemm(self)

    def _info(self, index: int) -> DeviceInfo:
        d = self.cl
        return DeviceInfo(
            index=str(index),
            name=d.name.strip(),
            driver=f"{d.platform.name.strip()} {d.driver_version.strip()}",
            memory=int(d.global_mem_size),
            dtypes=tuple(sorted(self.features.dtypes)),
            scalar_ops=tuple(sorted(SCALAR_OPS)),
            limits={
                "max_allocation": int(d.max_mem_alloc_size),
                "max_workgroup": int(d.max_work_group_size),
                "local_bytes": int(d.local_mem_size),
                "compute_units": self.units,
            },
            unified_memory=bool(d.host_unified_memory),
        )

    # ------------------------------------------------------------------------- memory
    def allocate(self, nbytes: int) -> Any:
        """Drivers allocate when memory is first used: count before they fail later."""
        with self._counting:
            fits = self.used + nbytes <= self.info.memory
            if not fits or nbytes > self.info.limits["max_allocation"]:
                raise self._full(nbytes)
            self.used += nbytes
        try:
            with self.errors("allocate", nbytes):
                memory = cl.Buffer(self.context, cl.mem_flags.READ_WRITE, nbytes)
                if not self.on_cpu:  # have it made now
                    kind = cl.mem_migration_flags.CONTENT_UNDEFINED
                    cl.enqueue_migrate_mem_objects(self.queue, [memory], kind)
        except BaseException:
            with self._counting:
                self.used -= nbytes
            raise
        return memory

    def free(self, memory: Any) -> None:
        """Queued commands hold the memory until they are done."""
        with self._counting:
            self.used -= memory.size
        memory.release()

    def write(self, memory: Any, array: np.ndarray) -> None:
        flat = array.reshape(-1).view(np.uint8)
        with self.errors("write", flat.nbytes):
            if flat.nbytes > _ASYNCHRONOUS:
                cl.enqueue_copy(self.queue, memory, flat, is_blocking=True)
                return
            own = flat.copy()
            event = cl.enqueue_copy(self.queue, memory, own, is_blocking=False)
            self._flying.append(event)
            self._landed()

    def _landed(self) -> None:
        """Let go of copies that are done: dropping an event earlier would wait."""
        done = cl.command_execution_status.COMPLETE
        while len(self._flying) > 8:
            try:
                event = self._flying.popleft()
            except IndexError:  # another thread took it
                return
            if event.command_execution_status != done:
                self._flying.appendleft(event)
                return

    def read(self, memory: Any, offset: int, array: np.ndarray) -> None:
        flat = array.reshape(-1).view(np.uint8)
        with self.errors("read", flat.nbytes):
            cl.enqueue_copy(self.queue, flat, memory, src_offset=offset)

    def synchronize(self) -> None:
        with self.errors("synchronize"):
            self.queue.finish()
            self._flying.clear()

    @contextmanager
    def errors(self, op: str, nbytes: int = 0) -> Iterator[None]:
        """The driver's errors as ours: no room, or a device that is gone."""
        try:
            yield
        except cl.Error as e:
            if nbytes and (
                isinstance(e, cl.MemoryError) or any(w in str(e) for w in _FULL)
            ):
                raise self._full(nbytes) from e
            raise self.lost(op, e) from e

    def _full(self, nbytes: int) -> OutOfMemory:
        most = self.info.limits["max_allocation"]
        return OutOfMemory(
            f"[allocate] expected room for {nbytes} bytes on {self.name!r} "
            f"({self.info.name}); {self.used} of {self.info.memory} bytes in use, and "
            f"one buffer has at most {most}. Hint: smaller batches, or x.to('cpu')"
        )

    def lost(self, op: str, e: Exception) -> DeviceError:
        return DeviceError(
            f"[{op}] expected a working {self.name!r} ({self.info.name}, "
            f"{self.info.driver}); got {type(e).__name__}: {e}. Hint: the device may be "
            "gone or its driver reset; start a new process"
        )

    # ------------------------------------------------------------------------ kernels
    def compile(self, program: LoopProgram, wide: bool) -> Launch:
        return ProgramLaunch(self, program, wide)

    def kernel(self, source: str, symbol: str) -> tuple[Any, Any]:
        """A compiled kernel, and its program to be stored after the first launch.

        Raises
        ------
        CompileError
        """
        try:
            made = build(self.context, self.cl, source, self.options)
            return cl.Kernel(made.program, symbol), made
        except cl.Error as e:
            raise self.refused(symbol, source, e) from e

    def refused(self, symbol: str, source: str, e: Exception) -> CompileError:
        return CompileError(
            f"[{symbol}] expected a kernel that {self.name!r} ({self.info.name}, "
            f"{self.info.driver}) compiles; got\n{e}\n\n{source}"
        )
