"""Buffers are freed, nothing leaks, and a device without room says so."""

from __future__ import annotations

import gc
import re
import weakref
from collections.abc import Callable
from typing import Any

import helix_core as hx
import numpy as np
import psutil

from .._case import Section, case, each
from .._values import some

_MIB = 1 << 20


class Memory(Section):
    """Bytes are counted by the backend's ``bytes_in_use(device)`` where it has one."""

    @each(["elementwise", "reduce", "matmul", "views", "gather", "transfers"])
    def no_leak(self, what: str) -> None:
        """After thousands of ops no more memory is held than after a few."""
        t = self.target
        n = t.size(10_000 if what == "elementwise" else 2000, 60)
        rows, columns = t.size(32, 4), t.size(256, 8)
        x = t.put(some((rows, columns), "float32", 1))  # 32 KiB
        i = t.put(np.arange(rows, dtype=np.int32))
        host = some((rows, columns), "float32", 2)
        step: Callable[[], Any] = {
            "elementwise": lambda: x + 1.5,
            "reduce": lambda: hx.sum(hx.broadcast_to(x, (2, rows, columns)) * 2.0, 0),
            "matmul": lambda: hx.matmul(x.T, x[:, :rows]),
            "views": lambda: hx.permute_dims(x[1:, ::2], (1, 0)) + 0.0,
            "gather": lambda: x[i],
            "transfers": lambda: np.asarray(t.put(host).buffer is None),
        }[what]
        for _ in range(t.size(300, 5)):
            step()
        before = self._bytes()
        for _ in range(n):
            step()
        grown = self._bytes() - before
        most = max(t.size(8 * _MIB, 4096), n * rows * columns * 4 // 8)
        if grown > most:
            raise AssertionError(
                f"{n} ops ({what}) with results of {rows * columns * 4} bytes: "
                f"expected no growth; {grown / _MIB:.3g} MiB more are held: a leak"
            )

    @case
    def buffers_are_freed(self) -> None:
        """A buffer dies with its last tensor."""
        t = self.target
        x = t.put(some((16, 16), "float32", 3))
        made: dict[str, Callable[[], Any]] = {
            "add": lambda: x + 1.0,
            "exp": lambda: hx.exp(x),
            "sum": lambda: hx.sum(x, 0),
            "matmul": lambda: hx.matmul(x, x),
            "softmax": lambda: hx.softmax(x),
            "from_host": lambda: t.put(np.ones((8, 8), np.float32)),
        }
        for name, run in made.items():
            run()
            y = run()
            try:
                alive = weakref.ref(y.buffer)
            except TypeError:  # no weak references to it: bytes must do
                return
            del y
            gc.collect()
            if alive() is not None:
                raise AssertionError(
                    f"{name}: expected the buffer to go with its tensor; something "
                    "holds it: a leak"
                )

    @case
    def graphs_are_freed(self) -> None:
        """A gradient keeps nothing alive once it is taken."""
        t = self.target
        x = t.put(some((16, 16), "float32", 4))

        def loss(a: Any) -> Any:
            return hx.sum(hx.tanh(hx.matmul(a, a)))

        for _ in range(t.size(50, 2)):
            hx.grad(loss)(x)
        before = self._bytes()
        for _ in range(t.size(1000, 5)):
            hx.grad(loss)(x)
        grown = self._bytes() - before
        if grown > 8 * _MIB:
            raise AssertionError(f"gradients: {grown / _MIB:.0f} MiB more are held")

    @each(["zeros", "broadcast"])
    def out_of_memory(self, how: str) -> None:
        """An error that names size and device; the device stays usable."""
        t = self.target
        one = t.put(np.ones((1, 1), np.float32))
        n = 1 << 24  # squared, as float32: a pebibyte
        try:
            if how == "zeros":
                hx.zeros((n, n), device=t.device)
            else:
                hx.broadcast_to(one, (n, n)) + 1.0
            t.device.synchronize()
        except hx.OutOfMemory as e:
            text = str(e)
        except Exception as e:
            raise AssertionError(
                f"a tensor of a pebibyte: expected hx.OutOfMemory; got "
                f"{type(e).__name__}: {str(e)[:120]}"
            ) from e
        else:
            raise AssertionError("a tensor of a pebibyte: expected hx.OutOfMemory")
        if t.name not in text or not re.search(r"\d[\d,_.]* ?(bytes|[KMGTP]i?B)", text):
            raise AssertionError(
                f"OutOfMemory: expected the size and {t.name!r} in it; got: {text}"
            )
        t.values("after it", one + 1.0, [[2.0]])

    def _bytes(self) -> int:
        """Held by the device, or by this process."""
        t = self.target
        t.device.synchronize()
        gc.collect()
        count = getattr(t.backend, "bytes_in_use", None)
        own = None if count is None else count(t.device)
        if own is not None:
            return int(own)
        return int(psutil.Process().memory_info().rss)
