"""``DeviceProfile``: what a device can do, measured through its backend's lowerings.

A generic measurement that needs nothing but lowerings, ``from_host``, ``to_host``,
``synchronize`` and ``compile``, so that a backend of a stranger has a profile too. It is
kept in the cache directory, under everything that may change it; an entry that is damaged
is measured again.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np

from . import _dtypes as dt
from . import platform
from ._errors import HelixError
from ._version import __version__

_FORMAT = 3  # of the file: a higher one is measured again
_SECONDS = 0.01  # to repeat a measurement for
CALM = 1.5  # processes that want to run, for each CPU
_ROUNDS = 4  # at least: others may be busy, and the best of several counts
_SURE = 1.2  # times the best, for the second best: else it goes on for a while
_SHARED = 2e-6  # a transfer of 4 MiB that takes no longer moves nothing
_N = 192  # a matrix product that every device finishes at once
_BIG = 4096  # side of the larger one is chosen so that it takes about _SECONDS
_SIDES = (48, 96)  # of products that a device may not be filled by
_ELEMENTS = (1 << 12, 1 << 15, 1 << 18, 1 << 22)  # at last 16 MiB of float32
_CLEAR = 4.0  # launches that an op takes at least for its rate to be told
_KIND = 1 << 18  # elements for the rates of the other kinds
_ROWS = 1024  # of the table that is read at indices
_MANY, _SMALL = 64, 32  # iterations, or matrices of this side


def profile(device: Any) -> Any:
    """The profile of a device: from the cache, else measured and stored there."""
    key = _key(device)
    found = _read(key)
    if found is None:
        found = measure(device)
        if platform.load_average() < CALM * platform.cpu_count():
            _write(key, found)  # else it tells of the others on this machine
    return found


def measure(device: Any) -> Any:
    """Measure a device, by nothing but what its backend offers.

    Takes a few tenths of a second, and the compilation of about twenty small kernels
    where a backend compiles. An op or dtype that the device lacks leaves its rate out.

    Returns
    -------
    DeviceProfile
    """
    from .contracts import DeviceProfile

    bench = _Bench(device)
    curves = {"memory": bench.memory()}
    size, taken = curves["memory"][-1]
    bandwidth = size / taken
    flops = {}
    for name, dtype, compute in (
        ("float32", dt.float32, "float32"),
        ("bfloat16", dt.float32, "bfloat16"),
        ("float64", dt.float64, "float32"),
    ):
        if points := bench.tried(partial(bench.products, dtype, compute)):
            flops[name] = points[-1][0] / points[-1][1]
            if name == "float32":
                curves["contract"] = points
    latency, link = bench.link()
    start, replay, fusion = bench.tried(bench.replay) or (-1.0, -1.0, 1.0)
    rates = bench.rates()
    single = flops.get("float32", bandwidth)
    for kind, find in (
        ("matrix", partial(bench.matrix, single)),
        ("loop", partial(bench.loop, start, replay)),
    ):
        if taken := bench.tried(find):
            rates[kind] = 1.0 / taken
    return DeviceProfile(
        flops=flops or {"float32": bandwidth},
        bandwidth=bandwidth,
        launch=bench.started,
        link_latency=latency,
        link_bandwidth=link,
        rates=rates,
        start=start,
        replay=replay,
        fusion=fusion,
        curves=curves,
    )


class _Bench:
    """Small programs on one device, timed."""

    def __init__(self, device: Any) -> None:
        self.device = device
        self.backend = device.backend
        self.started = self.launch()

    def put(self, *shape: int, dtype: Any = dt.float32) -> Any:
        """A buffer of numbers between 1 and 2, or of indices, in no order."""
        n = math.prod(shape)
        mixed = np.arange(n, dtype=np.uint64) * 2654435761 % 2**32
        values = mixed / 2.0**32 + 1.0 if dtype.inexact else mixed % _ROWS
        return self.backend.from_host(
            values.astype(dtype.dtype).reshape(shape), self.device
        )

    def seconds(self, fn: Callable[[], Any], calls: int = 1) -> float:
        """Of one call, at best; the first is not counted: it may compile."""
        fn()
        self.backend.synchronize(self.device)
        times: list[float] = []
        start = time.perf_counter()
        while True:
            begin = time.perf_counter()
            outs = [fn() for _ in range(calls)]
            self.backend.synchronize(self.device)
            now = time.perf_counter()
            times = sorted([*times, (now - begin) / calls])[:_ROUNDS]
            del outs
            sure = len(times) == _ROUNDS and times[1] < _SURE * times[0]
            passed = (now - start) / _SECONDS
            if passed > 5 or (passed > 1 and sure):
                return max(times[0], 1e-9)

    def run(self, name: str, *buffers: Any, calls: int = 1, **attrs: Any) -> float:
        """Seconds of a primitive."""
        fn = self.device.table[name]
        return self.seconds(lambda: fn(self.device, *buffers, **attrs), calls)

    def tried(self, fn: Callable[[], Any]) -> Any:
        """The result, or None where the device has no such op or dtype."""
        try:
            return fn()
        except (HelixError, NotImplementedError):
            return None

    # ------------------------------------------------------------- the basic figures
    def products(self, dtype: Any, compute: str) -> tuple[tuple[float, float], ...]:
        """FLOPs and seconds of matrix products, the last of a size that takes a while."""
        dims = (((1,), (0,)), ((), ()))
        out: list[tuple[float, float]] = []
        for side in (*_SIDES, _N, 0):
            rate = max((f / t for f, t in out), default=0.0)
            fits = int((rate * _SECONDS / 2) ** (1 / 3)) // 64 * 64
            n = side or min(_BIG, max(2 * _N, fits))
            x = self.put(n, n, dtype=dtype)
            taken = self.run("dot_general", x, x, dims=dims, compute=compute)
            out.append((2.0 * n**3, self.beyond(taken)))
            if taken > 5 * _SECONDS:
                break
        return _calm(out)

    def beyond(self, taken: float) -> float:
        """Seconds of an op without its launch."""
        return max(taken - self.started, 0.02 * taken)

    def matrix(self, rate: float) -> float:
        """Seconds that each small product of a batch takes beyond its FLOPs."""
        x = self.put(_MANY, _SMALL, _SMALL)
        dims = (((2,), (1,)), ((0,), (0,)))
        taken = self.run("dot_general", x, x, dims=dims, compute="float32")
        busy = _MANY * 2.0 * _SMALL**3 / rate
        return max(taken - self.started - busy, 1e-9) / _MANY

    def loop(self, start: float, replay: float) -> float:
        """Seconds of an iteration of a compiled loop, beyond those of its ops."""
        from ._aval import Aval
        from ._control import scan
        from ._trace import close

        def fn(x: Any) -> Any:
            return scan(lambda h, _: (h + x, None), x, None, length=_MANY)[0]

        graph = close(fn, [Aval((4,), dt.float32)], self.device).graph
        plan, x = self.backend.compile(graph, self.device), self.put(4)
        taken = (self.seconds(lambda: plan(x)) - start) / _MANY
        return max(taken - replay, 1e-9)

    def memory(self) -> tuple[tuple[float, float], ...]:
        """Bytes and seconds of adds, small to large; fewer on a slow device."""
        out = []
        for n in _ELEMENTS:
            x = self.put(n)
            taken = self.run("add", x, x)
            out.append((12.0 * n, self.beyond(taken)))
            if taken > _SECONDS:
                break
        return _calm(out)

    def launch(self) -> float:
        x = self.put(4)
        return self.run("add", x, x, calls=50)

    def link(self) -> tuple[float, float]:
        """Seconds to begin a transfer, and bytes/s; both ways together, halved."""
        small, large = np.zeros(16, np.float32), np.zeros(1 << 20, np.float32)

        def both(a: np.ndarray) -> float:
            def fn() -> Any:
                # nothing is given up: the array is ours
                return np.asarray(
                    self.backend.to_host(self.backend.from_host(a, self.device))
                )

            return self.seconds(fn) / 2

        latency, big = both(small), both(large)
        rest = big - latency
        return latency, large.nbytes / rest if rest > _SHARED else math.inf

    def replay(self) -> tuple[float, float, float]:
        """Seconds to start a compiled graph and of an op in it; how ops fuse."""
        tiny, middle = self.put(4), self.put(_KIND)
        one, many = self.chain(1, 4), self.chain(16, 4)
        start = self.seconds(lambda: one(tiny), calls=20)
        replay = max(self.seconds(lambda: many(tiny), calls=20) - start, 0.0) / 15
        long = self.chain(16, _KIND)
        fused = self.seconds(lambda: long(middle)) - start
        single = self.run("add", middle, middle) - self.started
        return start, replay, min(max(16 * single / max(fused, 1e-9), 1.0), 16.0)

    def chain(self, ops: int, size: int) -> Callable[..., Any]:
        """A compiled graph of so many elementwise ops, one after the other."""
        from ._aval import Aval
        from ._trace import close

        def fn(x: Any) -> Any:
            y = x
            for i in range(ops):
                y = y * x if i % 2 else y + x
            return y

        graph = close(fn, [Aval((size,), dt.float32)], self.device).graph
        plan: Callable[..., Any] = self.backend.compile(graph, self.device)
        return plan

    # ------------------------------------------------------------------ rates by kind
    def rates(self) -> dict[str, float]:
        """Work per second by kind, in the units of ``Graph.cost()``."""
        found = {k: self.tried(partial(self.rate, s)) for k, s in _SAMPLES.items()}
        return {kind: rate for kind, rate in found.items() if rate}

    def rate(self, sample: _Sample) -> float:
        """Of a sample that is large enough for this device."""
        from ._cost import work_of

        for times in (1, 8, 64):
            shapes, attrs = sample.larger(times)
            dtypes = [d for _, d in sample.operands]
            buffers = [
                self.put(*s, dtype=d) for s, d in zip(shapes, dtypes, strict=True)
            ]
            taken = self.run(sample.name, *buffers, **attrs)
            if taken > _CLEAR * self.started:
                break
        return work_of(sample.name, shapes, attrs) / self.beyond(taken)


def _calm(points: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Without delays by others: a smaller size takes no longer than a larger one."""
    out, least = [], math.inf
    for size, taken in reversed(points):
        least = min(least, taken)
        out.append((size, least))
    return tuple(reversed(out))


@dataclass(frozen=True)
class _Sample:
    """A primitive and operands, of which some may be made longer along their axis 0."""

    name: str
    operands: tuple[tuple[tuple[int, ...], Any], ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    grows: tuple[int, ...] = (0,)

    def larger(self, times: int) -> tuple[list[tuple[int, ...]], dict[str, Any]]:
        """Shapes and attributes of about so many times the work."""
        shapes = [
            (s[0] * times, *s[1:]) if i in self.grows else s
            for i, (s, _) in enumerate(self.operands)
        ]
        attrs = self.attrs
        if "shape" in attrs:
            attrs = attrs | {"shape": (attrs["shape"][0] * times,)}
        return shapes, attrs


_F, _I, _U = dt.float32, dt.int32, dt.uint32
_SAMPLES: dict[str, _Sample] = {
    "elementwise": _Sample(
        "add", (((_KIND // 8,), _F), ((_KIND // 8,), _F)), {}, (0, 1)
    ),
    "transcendental": _Sample("exp", (((_KIND,), _F),)),
    "reduce": _Sample("reduce_sum", (((512, _KIND // 512), _F),), {"axes": (1,)}),
    "scan": _Sample(
        "linear_scan",
        (((4, 256, 64), _F), ((4, 256, 64), _F), ((4, 64), _F)),
        {"axis": 1, "reverse": False},
        (0, 1, 2),
    ),
    "sort": _Sample(
        "sort",
        (((16, 1024), _F),),
        {"axis": 1, "num_keys": 1, "descending": False, "stable": True},
    ),
    "fft": _Sample(
        "fft",
        (((64, 1024), dt.complex64),),
        {"kind": "fft", "axes": (1,), "sizes": (1024,)},
    ),
    "conv": _Sample(
        "conv",
        (((4, 32, 32, 32), _F), ((32, 32, 3, 3), _F)),
        {
            "strides": (1, 1),
            "padding": ((1, 1), (1, 1)),
            "lhs_dilation": (1, 1),
            "rhs_dilation": (1, 1),
            "feature_groups": 1,
            "batch_groups": 1,
            "compute": "float32",
        },
    ),
    "index": _Sample("gather", (((_ROWS, 64), _F), ((4096,), _I)), {"axis": 0}, (1,)),
    "copy": _Sample(
        "concat", (((512, 256), _F), ((512, 256), _F)), {"axis": 1}, (0, 1)
    ),
    "random": _Sample(
        "random_bits", (((4,), _U),), {"shape": (_KIND // 4,), "bits": 32}, ()
    ),
}


# -------------------------------------------------------------------------- the cache
def _key(device: Any) -> dict[str, Any]:
    """Everything that a profile depends on, as far as it can be told."""
    info = device.info
    return {
        "format": _FORMAT,
        "backend": device.backend.name,
        "device": device.name,
        "name": info.name,
        "driver": info.driver,
        "version": __version__,
        "package": _package_version(device.backend),
        "machine": platform.cpu_name(),
        "cpus": platform.cpu_count(),
    }


def _package_version(backend: Any) -> str:
    import sys

    package = type(backend).__module__.partition(".")[0]
    return str(getattr(sys.modules.get(package), "__version__", ""))


def _path(key: dict[str, Any]) -> Any:
    digest = sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return platform.cache_dir("profiles") / f"{digest[:32]}.json"


def _read(key: dict[str, Any]) -> Any:
    """The stored profile; None where there is none or it is damaged."""
    try:
        stored = json.loads(_path(key).read_text(encoding="utf-8"))
        return from_dict(stored["profile"]) if stored["key"] == key else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def from_dict(values: dict[str, Any]) -> Any:
    """The profile that ``asdict`` was made of.

    Raises
    ------
    ValueError, TypeError, KeyError, AttributeError
        If it is none.
    """
    from .contracts import DeviceProfile

    values = dict(values)
    for name in ("flops", "rates"):
        values[name] = {str(k): _positive(v) for k, v in values[name].items()}
    for name in ("bandwidth", "launch", "link_bandwidth", "fusion"):
        values[name] = _positive(values[name])
    for name in ("link_latency", "start", "replay"):
        values[name] = float(values[name])
    values["curves"] = {
        str(k): tuple((_positive(size), _positive(t)) for size, t in points)
        for k, points in values["curves"].items()
    }
    return DeviceProfile(**values)


def _positive(value: Any) -> float:
    number = float(value)
    if not number > 0:
        raise ValueError(f"expected a positive number; got {value!r}")
    return number


def _write(key: dict[str, Any], found: Any) -> None:
    """Keep it; a cache that cannot be written costs a measurement the next time."""
    text = json.dumps({"key": key, "profile": asdict(found)}, indent=1)
    try:
        with platform.atomic_path(_path(key)) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError:
        pass
