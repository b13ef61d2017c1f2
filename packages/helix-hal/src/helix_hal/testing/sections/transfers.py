"""Queues and copies: asynchronous devices show nothing of it."""

from __future__ import annotations

import helix_core as hx
import numpy as np

from .._case import Section, case, each
from .._values import DTYPES, i32, some


class Transfers(Section):
    """Host arrays belong to their owner; a read waits for what it reads."""

    @case
    def the_host_array_may_change(self) -> None:
        """Once ``hx.tensor`` has returned, its argument is free again."""
        t = self.target
        n = t.size(1 << 18, 64)
        array, held = np.empty(n, np.float32), []
        for i in range(6):
            array.fill(i)
            held.append(t.put(array) + 0.5)
        array.fill(-1)
        for i, h in enumerate(held):
            t.values(f"transfer {i}", h, np.full(n, i + 0.5))

    @case
    def a_read_waits(self) -> None:
        """All that was queued before is in the result."""
        t = self.target
        n = t.size(1 << 16, 16)
        x = t.put(np.zeros(n, np.float32))
        for _ in range(t.size(300, 10)):
            x = x + 1.0
        t.values("a chain of adds", x, np.full(n, t.size(300, 10)))

    @case
    def reads_between_writes(self) -> None:
        """A read sees the value of its moment."""
        t = self.target
        x = t.put(np.zeros((4, 4), np.float32))
        for i in range(t.size(20, 3)):
            y = x.at[i % 4].set(float(i))
            before = np.array(np.asarray(x))
            x = y
            if i and not np.any(before != np.asarray(x)):
                raise AssertionError(f"step {i}: expected the write to show")
        want = np.zeros((4, 4), np.float32)
        for i in range(t.size(20, 3)):
            want[i % 4] = i
        t.values("writes", x, want)

    @case
    def many_at_once(self) -> None:
        t = self.target
        held = [t.put(np.full((7, 3), i, np.int32)) for i in range(t.size(200, 10))]
        total = sum(held[1:], held[0])
        n = len(held)
        t.values("sum of transfers", total, np.full((7, 3), n * (n - 1) // 2))

    @each(DTYPES)
    def between_devices(self, dtype: str) -> None:
        """Away and back, as a gradient goes too."""
        t = self.target
        t.need(dtype)
        x = some((5, 3), dtype, 1)
        t.values("numpy to device", hx.tensor(x, device="numpy").to(t.device), x)
        away = t.put(x).to("numpy")
        if away.device.name != "numpy":
            raise AssertionError(f"to('numpy'): expected numpy; got {away.device.name}")
        t.values("device to numpy", np.asarray(away.buffer), x)

    @case
    def gradients_cross(self) -> None:
        """The gradient of a tensor lives where the tensor lives."""
        t = self.target
        x = some((4,), "float32", 2)
        g = hx.grad(lambda a: hx.sum(hx.square(a.to("numpy"))))(t.put(x))
        t.values("gradient through to()", g, 2 * x, 1e-6)

    @case
    def scalars(self) -> None:
        t = self.target
        if t.put(np.float32(2.5)).item() != 2.5 or int(t.put(np.int32(-3))) != -3:
            raise AssertionError("item: expected 2.5 and -3")
        if t.put(i32([[1, 2]])).tolist() != [[1, 2]]:
            raise AssertionError("tolist: expected [[1, 2]]")
        if not bool(t.put(np.bool_(True))):
            raise AssertionError("bool: expected True")
