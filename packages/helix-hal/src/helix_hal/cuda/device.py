"""One NVIDIA GPU through numba-cuda, or numba's simulator of one."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from importlib import import_module
from math import prod
from typing import Any

import numpy as np
from helix_core import CompileError, DeviceError, OutOfMemory
from helix_core.contracts import DeviceInfo
from helix_core.loop import SCALAR_OPS, LoopProgram

from helix_hal.cuda.gemm import Gemm
from helix_hal.cuda.renderer import ROWS, CudaRenderer
from helix_hal.cuda.scalars import functions
from helix_hal.loop.device import Features, Launch
from helix_hal.loop.legal import legal
from helix_hal.loop.render import cooperative

_NUMBERS = ("bool", "int32", "int64", "uint32", "uint64", "float32", "float64", "index")
_SMALL = ("int8", "int16", "uint8", "uint16", "float16", "bfloat16")
_BITS = {"bool": np.bool_, "float16": np.uint16, "bfloat16": np.uint16}
FEATURES = Features(
    dtypes=frozenset(_NUMBERS + _SMALL) - {"index"},
    arithmetic=frozenset(_NUMBERS),
    scalar_ops=frozenset(SCALAR_OPS),
    group=128,
    local_bytes=48 * 1024,
    atomic_add=frozenset({"int32", "float32", "float64"}),
)
_SHARE = 64  # steps from which a block shares a point, where points are few
_POINTS = 1 << 16
_SIMULATOR = threading.Lock()
# the simulator runs a thread at a time, and knows no memory but the host's
SIMULATED_MEMORY = 1 << 32


def simulated() -> bool:
    """Whether numba runs CUDA kernels as Python (``NUMBA_ENABLE_CUDASIM=1``)."""
    config: Any = import_module("numba").config
    return bool(config.ENABLE_CUDASIM)


class CudaDevice:
    """A `KernelDevice`: memory is a device array of bytes."""

    def __init__(self, index: int) -> None:
        from numba import cuda

        self.index = index
        self.simulated = simulated()
        self.cuda: Any = cuda
        self.used = 0
        # the simulator swaps names in a kernel's module: one launch at a time
        self._turn = _SIMULATOR if self.simulated else nullcontext()
        self.features = replace(FEATURES, group=4) if self.simulated else FEATURES
        self.info = self._info()
        self.gemm = Gemm(self)

    def _info(self) -> DeviceInfo:
        dtypes = tuple(sorted(self.features.dtypes))
        if self.simulated:
            return DeviceInfo(
                index=str(self.index),
                name="numba's CUDA simulator (no GPU: kernels run as Python)",
                driver="simulator",
                memory=SIMULATED_MEMORY,
                dtypes=dtypes,
                scalar_ops=tuple(sorted(SCALAR_OPS)),
                limits={"simulator": 1, "max_workgroup": self.features.group},
            )
        gpu = self.cuda.gpus[self.index]
        with gpu:
            memory = int(self.cuda.current_context().get_memory_info().total)
        name = gpu.name.decode() if isinstance(gpu.name, bytes) else str(gpu.name)
        major, minor = gpu.compute_capability
        return DeviceInfo(
            index=str(self.index),
            name=name,
            driver=f"CUDA {'.'.join(map(str, self.cuda.runtime.get_version()))}",
            memory=memory,
            dtypes=dtypes,
            scalar_ops=tuple(sorted(SCALAR_OPS)),
            limits={
                "max_workgroup": int(gpu.MAX_THREADS_PER_BLOCK),
                "compute_capability": 10 * int(major) + int(minor),
            },
        )

    # ------------------------------------------------------------------------- memory
    def allocate(self, nbytes: int) -> Any:
        nbytes = -(-nbytes // 256) * 256
        try:
            if self.simulated and self.used + nbytes > SIMULATED_MEMORY:
                raise MemoryError
            with self.cuda.gpus[self.index]:
                memory = self.cuda.device_array(nbytes, np.uint8)
        except Exception as e:
            if isinstance(e, MemoryError) or "OUT_OF_MEMORY" in str(e):
                raise OutOfMemory(
                    f"[allocate] expected room for {nbytes} bytes on "
                    f"'cuda:{self.index}' ({self.info.name}); {self.used} of "
                    f"{self.info.memory} bytes in use. Hint: smaller batches, or free "
                    "tensors that are no longer needed"
                ) from None
            raise self._lost(e) from e
        self.used += nbytes
        return memory

    def free(self, memory: Any) -> None:
        self.used -= memory.size

    def write(self, memory: Any, array: np.ndarray) -> None:
        flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        if flat.size:
            try:
                memory[: flat.size].copy_to_device(flat)
            except Exception as e:
                raise self._lost(e) from e

    def read(self, memory: Any, offset: int, array: np.ndarray) -> None:
        flat = array.reshape(-1).view(np.uint8)
        if flat.size:
            try:
                memory[offset : offset + flat.size].copy_to_host(flat)
            except Exception as e:
                raise self._lost(e) from e

    def synchronize(self) -> None:
        try:
            with self.cuda.gpus[self.index]:
                self.cuda.synchronize()
        except Exception as e:
            raise self._lost(e) from e

    def _lost(self, e: Exception) -> DeviceError:
        return DeviceError(
            f"[cuda] expected a working 'cuda:{self.index}' ({self.info.name}); "
            f"{type(e).__name__}: {e}"
        )

    # ------------------------------------------------------------------------ kernels
    def compile(self, program: LoopProgram, wide: bool) -> Launch:
        made = legal(program, self.features)
        kernels: dict[str, Any] = {}
        dtypes = [_BITS.get(a.dtype, a.dtype) for a in program.args]
        shares = cooperative(program)

        def launch(
            memories: Sequence[Any], offsets: Sequence[int], sizes: Sequence[int]
        ) -> None:
            given = dict(zip(program.sizes, sizes, strict=True))
            extents = [given[g] for g in program.grid]
            points = prod(extents)
            if not points:
                return
            steps = given[program.serial] if program.serial is not None else 0
            mode = "group" if shares and steps >= _SHARE else "point"
            if mode == "group" and points > _POINTS > steps:
                mode = "point"
            kernel = kernels.get(mode) or kernels.setdefault(
                mode, self._build(made, mode)
            )
            run, local = kernel
            if mode == "group":
                grid: tuple[int, ...] = (points,)
            else:
                rows = prod(extents[:-1])
                along = -(-extents[-1] // local)
                grid = (along, min(rows, ROWS), -(-rows // ROWS))
            self.start(run, grid, local, memories, dtypes, (*offsets, *sizes))

        return launch

    def start(
        self,
        kernel: Any,
        grid: tuple[int, ...],
        local: int,
        memories: Sequence[Any],
        dtypes: Sequence[Any],
        numbers: Sequence[int],
    ) -> None:
        """Launch a kernel of arrays and whole numbers."""
        flat = [m.view(d) for m, d in zip(memories, dtypes, strict=True)]
        try:
            with self._turn, self.cuda.gpus[self.index]:
                kernel[grid, local](*flat, *numbers)
        except Exception as e:
            raise self._lost(e) from e

    def _build(self, program: LoopProgram, mode: str) -> tuple[Any, int]:
        renderer = CudaRenderer(program, mode=mode, local=self.features.group)
        return kernel_of(renderer, self.simulated), renderer.local


def kernel_of(renderer: CudaRenderer, simulated: bool) -> Any:
    """The numba kernel of a rendered program."""
    from numba import cuda

    source = renderer.source()
    name = renderer.p.name
    if simulated:  # every thread of it has NumPy's warnings on
        head, _, rest = source.partition("\n")
        source = f"{head}\n    np.seterr(all='ignore')\n{rest}"
    scope = dict(functions(simulated))
    try:
        exec(compile(source, f"<{name}>", "exec"), scope)
        return cuda.jit(scope[name])
    except Exception as e:
        raise CompileError(
            f"[{name}] expected a kernel that numba compiles for CUDA; got "
            f"{type(e).__name__}: {e}\n{source}"
        ) from e


def ptx(program: LoopProgram, capability: tuple[int, int], mode: str = "point") -> str:
    """The PTX of a program, with no GPU at hand.

    Raises
    ------
    CompileError
    """
    renderer = CudaRenderer(legal(program, FEATURES), mode=mode, local=128)
    kernel = kernel_of(renderer, False)
    dtypes = [_BITS.get(a.dtype, a.dtype) for a in program.args]
    try:
        return ptx_of(kernel, dtypes, len(dtypes) + len(program.sizes), capability)
    except CompileError as e:
        raise CompileError(f"[{program.name}] {e}\n{renderer.source()}") from e


def ptx_of(
    kernel: Any, dtypes: Sequence[Any], numbers: int, capability: tuple[int, int]
) -> str:
    """The PTX of a kernel of arrays and whole numbers, with no GPU at hand.

    Raises
    ------
    CompileError
    """
    from numba import types
    from numba.np.numpy_support import from_dtype

    arrays = [types.Array(from_dtype(np.dtype(d)), 1, "C") for d in dtypes]
    try:
        with _no_gpu(capability):
            text, _ = import_module("numba.cuda").compile_ptx(
                kernel.py_func, (*arrays, *[types.int64] * numbers), cc=capability
            )
    except Exception as e:
        raise CompileError(f"[ptx] {type(e).__name__}: {e}") from e
    return str(text)


@contextmanager
def _no_gpu(capability: tuple[int, int]) -> Iterator[None]:
    """numba asks the present device for what it compiles functions for."""
    from types import SimpleNamespace

    dispatcher: Any = import_module("numba.cuda.dispatcher")
    asks = dispatcher.get_current_device
    dispatcher.get_current_device = lambda: SimpleNamespace(
        compute_capability=capability
    )
    try:
        yield
    finally:
        dispatcher.get_current_device = asks
