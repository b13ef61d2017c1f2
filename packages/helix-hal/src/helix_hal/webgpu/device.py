"""One adapter through wgpu: its memory, and launches collected into compute passes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import wgpu
from helix_core import CompileError, DeviceError, OutOfMemory
from helix_core.contracts import DeviceInfo
from helix_core.loop import SCALAR_OPS, LoopProgram
from helix_core.platform import total_memory

from helix_hal.loop.device import Features, Launch
from helix_hal.webgpu.gemm import Gemm
from helix_hal.webgpu.launch import Layout, ProgramLaunch
from helix_hal.webgpu.native import shader_module

_DTYPES = frozenset(
    "bool int8 int16 int32 uint8 uint16 uint32 float16 bfloat16 float32".split()
)
_WIDE = frozenset({"int64", "uint64"})
# WGSL's own are off by many units of the last place, or unbounded near zero
_ROUGH = frozenset("exp log sin cos tanh erf pow".split())
_WANTED = ("shader-int64",)
_USAGE = (
    wgpu.BufferUsage.STORAGE | wgpu.BufferUsage.COPY_SRC | wgpu.BufferUsage.COPY_DST
)
_RING = 1 << 16  # bytes of launches' numbers in one pass
_BATCH = 256  # launches of a pass
_STAGED = 1 << 24  # bytes of the buffer through which reads go
_LOST = "device is lost"
_EAGER = 1 << 20  # bytes of a write from which it is sent at once


class Memory:
    """An allocation.

    Attributes
    ----------
    buffer : wgpu.GPUBuffer
    nbytes : int
    epoch : int
        The last pass that uses it.
    uses : list
        Of (table of bind groups, key).
    """

    __slots__ = ("buffer", "epoch", "nbytes", "uses")

    def __init__(self, buffer: Any, nbytes: int) -> None:
        self.buffer, self.nbytes = buffer, nbytes
        self.epoch = -1
        self.uses: list[tuple[dict[Any, Any], Any]] = []


class WebGpuDevice:
    """A `KernelDevice`: launches go into one open pass, which is sent when it is full or
    when somebody waits.

    Parameters
    ----------
    adapter : wgpu.GPUAdapter
    kind, index : str, int
        As in ``vulkan:0``.
    """

    def __init__(self, adapter: Any, kind: str, index: int) -> None:
        self.name = f"{kind}:{index}"
        features = [f for f in _WANTED if f in adapter.features]
        limits = dict(adapter.limits)
        self.gpu = adapter.request_device_sync(
            label=self.name, required_features=features, required_limits=limits
        )
        self.queue = self.gpu.queue
        self.software = str(adapter.info["adapter_type"]) == "CPU"
        self.max_groups = int(limits["max-compute-workgroups-per-dimension"])
        self.max_arguments = int(limits["max-storage-buffers-per-shader-stage"])
        align = int(limits["min-uniform-buffer-offset-alignment"])
        self.align = max(align, 32)
        wide = "shader-int64" in features
        dtypes = _DTYPES | (_WIDE if wide else frozenset())
        arithmetic = {"bool", "int32", "uint32", "float32", "index"}
        self.features = Features(
            dtypes=dtypes,
            arithmetic=frozenset(arithmetic | (_WIDE if wide else set())),
            scalar_ops=frozenset(SCALAR_OPS) - _ROUGH - (set() if wide else {"mulhi"}),
            group=min(64, int(limits["max-compute-workgroup-size-x"])),
            local_bytes=int(limits["max-compute-workgroup-storage-size"]),
            atomic_add=frozenset({"int32", "uint32", "float32"}),
            wide_index=False,
        )
        self.info = self._info(adapter, kind, index, limits)
        self.lock = threading.RLock()
        self.used = 0
        self.ring = bytearray(_RING)
        self.numbers = self.gpu.create_buffer(
            size=_RING,
            usage=wgpu.BufferUsage.UNIFORM
            | wgpu.BufferUsage.COPY_DST
            | wgpu.BufferUsage.COPY_SRC,
        )
        self.at = 0  # in the ring
        self.count = 0  # launches of the open pass
        self.epoch = 0  # of the open pass
        self.encoder: Any = None
        self.open_pass: Any = None
        self.current: Any = None  # the pipeline that is set
        self.staging: Any = None
        self.layouts: dict[tuple[int, int], Layout] = {}
        self.binding = int(limits["max-storage-buffer-binding-size"]) // 256 * 256
        self.gemm = Gemm(self)

    def _info(
        self, adapter: Any, kind: str, index: int, limits: dict[str, Any]
    ) -> DeviceInfo:
        about = adapter.info
        largest = min(
            int(limits["max-storage-buffer-binding-size"]),
            int(limits["max-buffer-size"]),
            2**31 - 4,
        )
        return DeviceInfo(
            index=str(index),
            kind=kind,
            name=str(about["device"]),
            driver=f"{about['backend_type']} {about['description']}".strip(),
            memory=total_memory() if self.software else 0,
            dtypes=tuple(sorted(self.features.dtypes)),
            scalar_ops=tuple(sorted(self.features.scalar_ops)),
            limits={
                "max_allocation": largest // 4 * 4,
                "max_workgroup": int(limits["max-compute-invocations-per-workgroup"]),
                "local_bytes": self.features.local_bytes,
                "max_arguments": self.max_arguments,
                "max_groups": self.max_groups,
            },
            unified_memory=str(about["adapter_type"]) in ("CPU", "IntegratedGPU"),
        )

    # ------------------------------------------------------------------------- memory
    def allocate(self, nbytes: int) -> Memory:
        nbytes = -(-nbytes // 4) * 4
        with self.lock:
            largest, total = self.info.limits["max_allocation"], self.info.memory
            if nbytes > largest or (total and self.used + nbytes > total):
                raise self._full(nbytes)
            try:
                buffer = self.gpu.create_buffer(size=nbytes, usage=_USAGE)
            except MemoryError as e:
                self.synchronize()  # what was given back waits for queued work
                raise self._full(nbytes) from e
            except wgpu.GPUError as e:
                raise self.lost("allocate", e) from e
            self.used += nbytes
        return Memory(buffer, nbytes)

    def free(self, memory: Memory) -> None:
        """Queued work holds the buffer until it is done."""
        with self.lock:
            for table, key in memory.uses:
                table.pop(key, None)
            memory.uses.clear()
            memory.buffer = None
            self.used -= memory.nbytes

    def write(self, memory: Memory, array: np.ndarray) -> None:
        flat = array.reshape(-1).view(np.uint8)
        if flat.nbytes % 4:  # transfers go by words
            flat = np.concatenate([flat, np.zeros(-flat.nbytes % 4, np.uint8)])
        with self.lock, self.errors("write"):
            if memory.epoch == self.epoch:  # a write comes before the open pass
                self.flush()
            self.queue.write_buffer(memory.buffer, 0, flat)
            if flat.nbytes > _EAGER:
                self.queue.submit([])

    def read(self, memory: Memory, offset: int, array: np.ndarray) -> None:
        flat = array.reshape(-1).view(np.uint8)
        first = offset // 4 * 4
        with self.lock, self.errors("read"):
            for at in range(0, flat.nbytes, _STAGED - 4):
                part = flat[at : at + _STAGED - 4]
                self._read(memory, first + at, offset - first, part)

    def _read(self, memory: Memory, start: int, skip: int, part: np.ndarray) -> None:
        size = -(-(skip + part.nbytes) // 4) * 4
        self._fetch(memory.buffer, start, part, skip, min(size, memory.nbytes - start))

    def _fetch(
        self, buffer: Any, start: int, part: np.ndarray, skip: int, size: int
    ) -> None:
        """Copy ``size`` bytes to where the host sees them, after all that is queued."""
        staging = self._staging(size)
        self._end_pass()
        encoder = self.encoder or self.gpu.create_command_encoder()
        self.encoder = encoder
        encoder.copy_buffer_to_buffer(buffer, start, staging, 0, size)
        self.flush()
        done = staging.map_async(wgpu.MapMode.READ, 0, size)
        done.sync_wait()
        try:
            mapped = staging.read_mapped(0, size, copy=False)
            part[:] = np.frombuffer(mapped, np.uint8)[skip : skip + part.nbytes]
            del mapped
        finally:
            staging.unmap()

    def _staging(self, size: int) -> Any:
        """A buffer that the host can map, kept for the next read."""
        if self.staging is None or self.staging.size < size:
            size = max(4096, 1 << (size - 1).bit_length())
            usage = wgpu.BufferUsage.MAP_READ | wgpu.BufferUsage.COPY_DST
            self.staging = self.gpu.create_buffer(size=size, usage=usage)
        return self.staging

    def synchronize(self) -> None:
        with self.lock, self.errors("synchronize"):
            self._fetch(self.numbers, 0, np.empty(0, np.uint8), 0, 4)

    def parts(self, memory: Memory) -> int:
        """Bindings that a kernel needs to reach all of it."""
        return -(-memory.nbytes // self.binding)

    # ----------------------------------------------------------------------- launches
    def layout(self, buffers: int, words: int) -> Layout:
        key = (buffers, words)
        found = self.layouts.get(key)
        if found is None:
            found = self.layouts[key] = Layout(self, buffers, words)
        return found

    def begin(self) -> Any:
        """The open compute pass; the caller holds the lock."""
        if self.encoder is None:
            self.encoder = self.gpu.create_command_encoder()
        self.open_pass = self.encoder.begin_compute_pass()
        self.current = None
        return self.open_pass

    def _end_pass(self) -> None:
        if self.open_pass is not None:
            self.open_pass.end()
            self.open_pass = None

    def flush(self) -> None:
        """Send what is collected; the caller holds the lock."""
        if self.encoder is None:
            return
        self._end_pass()
        encoder, self.encoder = self.encoder, None
        used, self.at, self.count = self.at, 0, 0
        self.epoch += 1
        if used:
            self.queue.write_buffer(self.numbers, 0, self.ring, 0, used)
        self.queue.submit([encoder.finish()])

    @property
    def full(self) -> bool:
        return self.count >= _BATCH

    # ------------------------------------------------------------------------ kernels
    def compile(self, program: LoopProgram, wide: bool) -> Launch:
        return ProgramLaunch(self, program, wide)

    def pipeline(self, source: str, layout: Layout, name: str) -> Any:
        """A compute pipeline of a module's ``main``.

        Raises
        ------
        CompileError
        DeviceError
            If the device is gone.
        """
        try:
            module = shader_module(self.gpu, source, name)
            stage = {"module": module, "entry_point": "main"}
            return self.gpu.create_compute_pipeline(
                layout=layout.pipeline, compute=stage, label=name
            )
        except wgpu.GPUError as e:
            if _LOST in str(e):
                raise self.lost(name, e) from e
            raise CompileError(
                f"[{name}] expected a kernel that {self.name!r} ({self.info.name}, "
                f"{self.info.driver}) compiles; got\n{e}\n\n{source}"
            ) from e

    # ------------------------------------------------------------------------- errors
    @contextmanager
    def errors(self, op: str) -> Iterator[None]:
        """wgpu's errors as ours."""
        try:
            yield
        except (wgpu.GPUError, RuntimeError) as e:
            if isinstance(e, DeviceError):
                raise
            raise self.lost(op, e) from e

    def lost(self, op: str, e: Exception) -> DeviceError:
        return DeviceError(
            f"[{op}] expected a working {self.name!r} ({self.info.name}, "
            f"{self.info.driver}); got {type(e).__name__}: {e}. Hint: the device may be "
            "gone or its driver reset; start a new process"
        )

    def _full(self, nbytes: int) -> OutOfMemory:
        most, total = self.info.limits["max_allocation"], self.info.memory
        return OutOfMemory(
            f"[allocate] expected room for {nbytes} bytes on {self.name!r} "
            f"({self.info.name}); {self.used} of {total or 'unknown'} bytes in use, and "
            f"one buffer has at most {most}. Hint: smaller batches, or x.to('cpu')"
        )
