"""Single programs and launches on ``opencl:0``."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from ..case import Arrays, Case, Work
from ..environment import THREADS
from ..sides import normal

_HERE = "benchmarks.backends.opencl_kernels"
ELEMENTS, SIDE = 1 << 24, 1024
REPEATS, LOOPS = 9, 500

CASES = (
    Case(
        name="opencl_chain",
        variants=("12 operations, 16 M float32, one loop program",),
        ours=f"{_HERE}:chain",
        reference=f"{_HERE}:chain_peer",
        peer_name="the same program on our CPU backend",
        needs=("pyopencl",),
        target=0.5,
        aim=0.9,
        minutes=0.5,
    ),
    Case(
        name="opencl_sgemm",
        variants=(f"{SIDE} x {SIDE} float32",),
        ours=f"{_HERE}:sgemm",
        reference=f"{_HERE}:sgemm_peer",
        peer_name="NumPy's BLAS",
        needs=("pyopencl",),
        target=0.1,
        aim=0.3,
        minutes=0.5,
    ),
    Case(
        name="opencl_launch",
        variants=("x + y of eight numbers, over enqueueing its kernel with pyopencl",),
        ours=f"{_HERE}:start",
        needs=("pyopencl",),
        unit="us",
        scale=1e6,
        target=15.0,
        aim=5.0,
        minutes=0.3,
    ),
)


def _device() -> tuple[Any, Any]:
    """``opencl:0`` and its engine."""
    import helix_core as hx

    dev = hx.Device("opencl:0")
    return dev, dev.backend.engine(dev)


# ------------------------------------------------------------------------- a chain of ops
def _program() -> Any:
    from helix_core.loop import Builder

    b = Builder("chain")
    x, y = b.input("x", "float32"), b.output("y", "float32")
    i = b.axis(b.size("n"))
    t = (x[i] * 1.5 + 0.25).tanh()
    u = ((t * -2.0).exp() + 1.0).sqrt()
    y[i] = ((t - u).abs() / u).max(0.125).min(4.0) * t
    return b.build()


def _chain_input() -> np.ndarray:
    return normal(np.random.default_rng(0), ELEMENTS)


def _read(y: np.ndarray) -> Arrays:
    return {"y": y}


def chain(variant: str) -> Work:
    _, engine = _device()
    program, x = _program(), engine.from_host(_chain_input())
    y = engine.empty(x.shape, x.dtype)

    def call() -> Any:
        engine.launch(program, (x, y), (ELEMENTS,))
        engine.device.synchronize()
        return y

    return Work(call, lambda y: _read(engine.to_host(y)))


def chain_peer(variant: str) -> Work:
    """Its rendering to Python, compiled by numba."""
    from helix_hal.cpu.loops import run

    from ..sides import helix

    helix()
    program, x = _program(), _chain_input()
    y = np.empty_like(x)

    def call() -> np.ndarray:
        run(program, [x, y], [ELEMENTS])
        return y

    return Work(call, _read)


# ----------------------------------------------------------------------- matrix products
def _matrices() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return normal(rng, SIDE, SIDE), normal(rng, SIDE, SIDE)


def sgemm(variant: str) -> Work:
    """``a @ b`` of tensors; the note has the form for GPUs on the same device."""
    import helix_core as hx

    dev, engine = _device()
    a, b = (hx.tensor(v, device=dev) for v in _matrices())

    def call() -> Any:
        out = a @ b
        dev.synchronize()
        return out

    def note() -> str:
        from helix_hal.opencl.gemm import Gemm
        from helix_hal.opencl.gemm_source import Kind

        gemm, kind = Gemm(engine.device, local=True), Kind("float32", "float32")
        x, y = (t.buffer.reshape((1, SIDE, SIDE)) for t in (a, b))
        out = engine.empty(x.shape, x.dtype)
        tile = gemm.tile(engine, kind, SIDE, SIDE)

        def product() -> None:
            gemm.run(engine, kind, tile, x, y, out)
            dev.synchronize()

        ms = 1e3 * min(_timed(product) for _ in range(5))
        return f"tiles in local memory, as on GPUs ({tile}): {ms:.1f} ms"

    return Work(call, lambda out: {"c": np.asarray(out)}, note=note)


def _timed(fn: Callable[[], Any]) -> float:
    start = time.perf_counter()
    fn()
    return time.perf_counter() - start


def sgemm_peer(variant: str) -> Work:
    from threadpoolctl import threadpool_limits

    threadpool_limits(THREADS)
    a, b = _matrices()
    return Work(lambda: a @ b, lambda c: {"c": c})


# ------------------------------------------------------------------------------ launches
def start(variant: str) -> Work:
    """Seconds of an eager ``x + y`` less those of its bare launch, arguments included."""
    import helix_core as hx
    import pyopencl as cl

    dev, engine = _device()
    a = np.arange(8, dtype=np.float32)
    x, y = hx.tensor(a, device=dev), hx.tensor(a, device=dev)
    out = x + y
    if not np.array_equal(out.numpy(), a + a):
        raise AssertionError("[bench] expected x + y")
    queue = engine.device.queue
    source = """
    __kernel void sum(__global const float *x, __global const float *y,
                      __global float *z) {
      for (int i = 0; i < 8; i++) z[i] = x[i] + y[i];
    }"""
    kernel = cl.Kernel(cl.Program(engine.device.context, source).build(), "sum")
    handles = [t.buffer.memory.handle for t in (x, y, out)]

    def ours() -> None:
        x + y

    def bare() -> None:
        kernel.set_args(*handles)
        cl.enqueue_nd_range_kernel(queue, kernel, (1,), (1,))

    def each(fn: Callable[[], None]) -> float:
        begin = time.perf_counter()
        for _ in range(LOOPS):
            fn()
        queue.finish()
        return (time.perf_counter() - begin) / LOOPS

    def sample() -> float:
        pairs = [(each(ours), each(bare)) for _ in range(REPEATS)]
        return median([a - b for a, b in pairs])

    return Work(sample, sample=sample)
