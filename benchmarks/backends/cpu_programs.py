"""Programs rendered for the CPU, beside the kernels that are written by hand for it.

A kernel by hand is kept where its program takes longer: float32, forward and backward.
Of the selective scan forward alone: its program backwards adds over groups of points,
which CPUs run through OpenCL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..case import Arrays, Case, Work
from ..environment import THREADS
from ..sides import helix, normal

Problem = tuple[Callable[..., Any], dict[str, np.ndarray]]


def _rows(op: str, weights: Sequence[str]) -> Callable[[], Problem]:
    def make() -> Problem:
        import helix_core as hx

        rng = np.random.default_rng(0)
        inputs = {"x": normal(rng, 2048, 512)}
        inputs |= {w: normal(rng, 512) for w in weights}
        return getattr(hx, op), inputs

    return make


def _conv() -> Problem:
    import helix_core as hx

    rng = np.random.default_rng(0)
    inputs = {"x": normal(rng, 8, 512, 256), "w": normal(rng, 256, 4)}
    inputs["b"] = normal(rng, 256)
    return lambda x, w, b: hx.causal_conv1d(x, w, b, "silu"), inputs


def _linear_scan() -> Problem:
    import helix_core as hx

    rng = np.random.default_rng(0)
    a = rng.uniform(0.5, 1.0, (8, 512, 256)).astype(np.float32)
    inputs = {"a": a, "b": normal(rng, 8, 512, 256)}
    return lambda a, b: hx.linear_scan(a, b, axis=1), inputs


def _selective_scan() -> Problem:
    import helix_core as hx

    rng = np.random.default_rng(0)
    n, t, d, s = 4, 512, 128, 16
    inputs = {
        "u": normal(rng, n, t, d),
        "dt": 0.1 * np.abs(normal(rng, n, t, d)),
        "A": -np.abs(normal(rng, d, s)),
        "B": normal(rng, n, t, s),
        "C": normal(rng, n, t, s),
        "D": normal(rng, d),
        "z": normal(rng, n, t, d),
    }
    return hx.selective_scan, inputs


def _cross_entropy() -> Problem:
    import helix_core as hx

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4096, 1024).astype(np.int32)
    inputs = {"x": normal(rng, 1024, 128), "w": 0.1 * normal(rng, 4096, 128)}

    def loss(x: Any, w: Any) -> Any:
        return hx.linear_cross_entropy(x, w, hx.tensor(labels, device=x.device))

    return loss, inputs


def _attention() -> Problem:
    import helix_core as hx

    rng = np.random.default_rng(0)
    inputs = {name: normal(rng, 4, 256, 4, 32) for name in "qkv"}
    return lambda q, k, v: hx.attention(q, k, v, causal=True), inputs


PROGRAMS: dict[str, Callable[[], Problem]] = {
    "softmax, 2048 x 512": _rows("softmax", ()),
    "rms norm, 2048 x 512": _rows("rms_norm", ("w",)),
    "layer norm, 2048 x 512": _rows("layer_norm", ("w", "b")),
    "causal conv1d of 4, silu, 8 x 512 x 256": _conv,
    "linear scan, 8 x 512 x 256": _linear_scan,
    "selective scan forward, 4 x 512 x 128, 16 states": _selective_scan,
    "linear cross-entropy, 1024 x 128, 4096 classes": _cross_entropy,
    "causal attention, 4 x 256 x 4 x 32": _attention,
}
CASES = (
    Case(
        name="cpu_programs",
        variants=tuple(PROGRAMS),
        ours="benchmarks.backends.cpu_programs:by_hand",
        reference="benchmarks.backends.cpu_programs:by_program",
        peer_name="its loop program",
        target=1.0,
        aim=1.5,
        minutes=2,
    ),
)


def by_hand(variant: str) -> Work:
    helix()
    return _work(variant, "cpu")


def by_program(variant: str) -> Work:
    """On a device whose every program is compiled by `helix_hal.cpu.loops`."""
    hx = helix()
    from helix_core import plugins
    from helix_core.contracts import BackendSpec
    from helix_hal.cpu import loops
    from helix_hal.loop.backend import KernelBackend
    from helix_hal.loop.host import HostDevice, dtype_of

    class LoopsDevice(HostDevice):
        features = replace(loops.FEATURES, group=1)
        on_cpu = True

        def write(self, memory: Any, array: np.ndarray) -> None:
            flat = np.ascontiguousarray(array).reshape(-1)
            memory[: array.nbytes].view(array.dtype)[...] = flat

        def compile(self, program: Any, wide: bool) -> Any:
            dtypes = [dtype_of(a.dtype) for a in program.args]

            def launch(memories: Any, offsets: Any, sizes: Any) -> None:
                flat = [
                    m[: m.nbytes // d.itemsize * d.itemsize].view(d)
                    for m, d in zip(memories, dtypes, strict=True)
                ]
                loops.run(program, flat, sizes, offsets)

            return launch

    class LoopsBackend(KernelBackend):
        name = "loops"

        def open(self) -> list[Any]:
            return [LoopsDevice()]

        def overrides(self) -> Any:
            """Products are the BLAS's on either side."""
            host = hx.Device("cpu")
            product = host.backend.lowerings["dot_general"]

            def dot_general(
                engine: Any, *xs: Any, out: Any = None, **attrs: Any
            ) -> Any:
                given = [engine.to_host(x) for x in xs]
                return engine.from_host(product(host, *given, **attrs))

            return {"dot_general": dot_general}

    spec = BackendSpec(name="loops", factory=LoopsBackend, kinds=("loops",))
    plugins.register(spec, "backends")
    hx.Device("cpu").backend.set_num_threads(THREADS)
    return _work(variant, "loops:0")


def _work(variant: str, device: str) -> Work:
    import helix_core as hx

    fn, inputs = PROGRAMS[variant]()
    xs = [hx.tensor(v, device=device) for v in inputs.values()]
    if "forward" in variant:
        return Work(lambda: fn(*xs), lambda y: {"y": y.numpy()})
    shape = fn(*xs).shape
    ct = np.asarray(np.random.default_rng(1).standard_normal(shape), np.float32)
    dy = hx.tensor(ct, device=device)

    def call() -> Any:
        y, pull = hx.vjp(fn, *xs)
        grads = pull(dy)
        return y, (grads if len(xs) > 1 else (grads,))

    def arrays(out: Any) -> Arrays:
        y, grads = out
        found = {f"d{k}": g.numpy() for k, g in zip(inputs, grads, strict=True)}
        return {"y": y.numpy(), **found}

    return Work(call, arrays)
