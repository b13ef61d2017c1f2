"""What a backend says about itself, and that its results are its own."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import helix_core as hx
import numpy as np

from .._case import Section, case, each
from .._report import missing
from .._target import same_bits
from .._values import DTYPES, i32, some

_EVERYWHERE = ("bool", "int32", "uint32", "float32")


class Protocol(Section):
    """devices, buffers, aval, transfers; no silent fallback to the host."""

    @case
    def device_info(self) -> None:
        t, info = self.target, self.target.info
        lost = [d for d in _EVERYWHERE if d not in info.dtypes]
        if lost:
            raise AssertionError(f"dtypes: expected {', '.join(lost)} among them")
        strange = [d for d in info.dtypes if d not in DTYPES]
        if strange:
            raise AssertionError(f"dtypes: expected names of core; got {strange}")
        if not info.name or not str(info.index):
            raise AssertionError("DeviceInfo: expected a name and an index")
        if not info.driver:
            raise AssertionError("DeviceInfo.driver: expected the library and version")
        if not all(type(v) is int for v in info.limits.values()):
            raise AssertionError(f"limits: expected whole numbers; got {info.limits}")
        if hx.Device(t.name) is not t.device:
            raise AssertionError("the device has another name than it was found by")

    @case
    def required_primitives(self) -> None:
        fatal, _ = missing(self.target)
        parts = ("complex", "real", "imag")  # of devices with complex numbers
        fatal = [n for n in fatal if n not in parts or self.target.has("complex64")]
        if fatal:
            raise AssertionError(
                f"missing primitives: {', '.join(fatal)} (decompose: none)"
            )

    @each(DTYPES)
    def round_trip(self, dtype: str) -> None:
        """Host to device and back, bit for bit: 0-d, empty, any host layout."""
        t = self.target
        t.need(dtype)
        for x in (
            some((3, 5), dtype, 1),
            some((), dtype, 2),
            some((0, 4), dtype, 3),
            some((4, 3), dtype, 4).T,
            some((8, 6), dtype, 5)[::2, ::-3],
        ):
            got = t.get(t.put(x), f"from_host of {dtype}")
            if not same_bits(np.ascontiguousarray(got), np.ascontiguousarray(x)):
                raise AssertionError(
                    f"from_host, then to_host: expected {x.ravel()[:4]}...; "
                    f"got {got.ravel()[:4]}... ({dtype}, shape {x.shape})"
                )

    @case
    def buffers(self) -> None:
        """NumPy arrays only where host and device share their memory."""
        t = self.target
        if issubclass(t.buffer_type, np.ndarray) and not t.info.unified_memory:
            raise AssertionError(
                "buffers are NumPy arrays, but DeviceInfo.unified_memory is False: "
                "results do not live on the device"
            )

    @case
    def stays_on_the_device(self) -> None:
        """No op reads its operands back to the host."""
        t = self.target
        x, i = t.put(some((4, 6), "float32", 6)), t.put(i32([1, 0, 3]))
        w = t.put(some((3, 2, 3), "float32", 7))
        steps: dict[str, Callable[[], Any]] = {
            "add": lambda: x + x,
            "exp": lambda: hx.exp(x),
            "sum": lambda: hx.sum(x, 1),
            "argmax": lambda: hx.argmax(x, 1),
            "matmul": lambda: hx.matmul(x, x.T),
            "gather": lambda: x[i],
            "scatter": lambda: x.at[i].add(1.0),
            "sort": lambda: hx.sort(x, 1),
            "cumsum": lambda: hx.cumsum(x, 1),
            "linear_scan": lambda: hx.linear_scan(x, x, x[:, 0], axis=1),
            "pad": lambda: hx.pad(x, [(1, 1), (0, 2)]),
            "concat": lambda: hx.concat([x, x], 0),
            "where": lambda: hx.where(x > 0, x, 0.0),
            "conv": lambda: hx.conv1d(x[None, :2], w),
            "softmax": lambda: hx.softmax(x),
            "random": lambda: hx.random_bits((9,), device=t.device),
            "cast": lambda: x.astype("int32"),
        }
        for name, run in steps.items():
            run()  # constants and programs are made at the first call
            with _readings(t.backend) as seen:
                got = run()
            if seen:
                raise AssertionError(
                    f"{name}: expected no transfer to the host; to_host was called "
                    f"{len(seen)} times: a silent fallback"
                )
            t.get(got, name)

    @case
    def synchronize_and_load(self) -> None:
        t = self.target
        t.put(some((64, 64), "float32", 8)) @ t.put(some((64, 64), "float32", 9))
        t.device.synchronize()
        load = t.backend.load(t.device)
        if load is not None and not 0.0 <= load <= 1.0:
            raise AssertionError(f"load: expected None, or 0 to 1; got {load}")

    @case
    def threads(self) -> None:
        """set_num_threads is a bound, or a warning; never an error."""
        from os import cpu_count

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.target.backend.set_num_threads(cpu_count() or 1)

    @case
    def measured(self) -> None:
        """A profile has rates, and is measured once."""
        t = self.target
        p = t.backend.profile(t.device)
        start = time.perf_counter()
        t.backend.profile(t.device)
        again = time.perf_counter() - start
        if not p.flops.get("float32", 0) > 0 or not p.bandwidth > 0:
            raise AssertionError(f"profile: expected positive rates; got {p}")
        if p.launch < 0 or p.link_latency < 0 or not p.link_bandwidth > 0:
            raise AssertionError(f"profile: expected times >= 0; got {p}")
        if again > 2.0:  # a busy machine may measure anew
            raise AssertionError(f"profile: expected it at once; it took {again:.1f} s")


@contextmanager
def _readings(backend: Any) -> Iterator[list[Any]]:
    """What ``to_host`` was called with; nothing where the backend cannot be watched."""
    seen: list[Any] = []
    plain = backend.to_host

    def watched(buffer: Any) -> Any:
        seen.append(buffer)
        return plain(buffer)

    try:
        backend.to_host = watched
    except AttributeError:  # slots
        yield seen
        return
    try:
        yield seen
    finally:
        del backend.to_host
