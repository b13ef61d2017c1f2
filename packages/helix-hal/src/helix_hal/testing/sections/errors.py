"""Bad input is refused by name, before a backend sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import helix_core as hx
import numpy as np

from .._case import Section, case, each
from .._values import DTYPES, some

Call = Callable[[Any], Any]
_SHAPES: dict[str, Call] = {
    "add": lambda x: x + x[:, :2],
    "matmul": lambda x: hx.matmul(x, x),
    "reshape": lambda x: x.reshape(5, 5),
    "concat": lambda x: hx.concat([x, x[:, :1]], 0),
    "sum": lambda x: hx.sum(x, 7),
    "max of nothing": lambda x: hx.max(x[:, :0], 1),
    "linear_scan": lambda x: hx.linear_scan(x, x, x, axis=1),
    "conv": lambda x: hx.conv1d(x[None], x[None, :2]),
    "softmax": lambda x: hx.softmax(x, 5),
    "layer_norm": lambda x: hx.layer_norm(x, x),
    "attention": lambda x: hx.attention(x, x, x),
}
_TYPES: dict[str, Call] = {
    "floor of int": lambda x: hx.bind(hx.PRIMITIVES["floor"], x.astype("int32")),
    "and of float": lambda x: x & x,
    "float index": lambda x: hx.take(x, x, axis=0),
    "two dtypes": lambda x: hx.bind(hx.PRIMITIVES["add"], x, x.astype("int32")),
}


class Errors(Section):
    """Messages name the op and what was expected."""

    @each([n.replace(" ", "_") for n in (*_SHAPES, *_TYPES)])
    def before_the_backend(self, name: str) -> None:
        t = self.target
        key = name.replace("_of_", " of ").replace("_index", " index")
        key = key.replace("two_", "two ")
        call = {**_SHAPES, **_TYPES}[key]
        kind = hx.ShapeError if key in _SHAPES else hx.DTypeError
        x = t.put(some((3, 4), "float32", 1))
        try:
            call(x)
        except kind as e:
            if not str(e).startswith("[") or "expected" not in str(e):
                raise AssertionError(
                    f"{key}: expected '[op] expected ...'; got {e}"
                ) from e
        else:
            raise AssertionError(f"{key}: expected {kind.__name__}; nothing was raised")
        t.values("after it", x + 0.0, some((3, 4), "float32", 1))

    @each(["add", "matmul", "scatter", "concat", "softmax_grad"])
    def devices_do_not_mix(self, name: str) -> None:
        t = self.target
        other = "cpu" if t.name == "numpy" else "numpy"
        x = t.put(some((3, 3), "float32", 2))
        y = hx.tensor(some((3, 3), "float32", 3), device=other)
        call: Call = {
            "add": lambda a: a + y,
            "matmul": lambda a: hx.matmul(a, y),
            "scatter": lambda a: a.at[0].set(y[0]),
            "concat": lambda a: hx.concat([a, y], 0),
            "softmax_grad": lambda a: hx.linear(a, y),
        }[name]
        with _watched(t.device) as ran:
            try:
                call(x)
            except hx.DeviceError as e:
                if t.name not in str(e) or other not in str(e):
                    raise AssertionError(
                        f"{name}: expected both devices in the message; got: {e}"
                    ) from e
            else:
                raise AssertionError(f"{name} of two devices: expected DeviceError")
        if name in ran:
            raise AssertionError(f"{name}: the backend ran before the error")

    @each(DTYPES)
    def dtypes_it_lacks(self, dtype: str) -> None:
        """A dtype that the device does not have is refused, never narrowed."""
        t = self.target
        if t.has(dtype):
            return
        d = hx.as_dtype(dtype)
        makers: tuple[tuple[str, Callable[[], Any]], ...] = (
            ("zeros", lambda: hx.zeros((2,), d, t.device)),
            ("tensor", lambda: t.put(np.zeros(2, d.dtype))),
            ("cast", lambda: t.put(np.zeros(2, np.float32)).astype(d)),
        )
        for what, make in makers:
            if what == "cast" and d.category == "complex":
                continue
            try:
                make()
            except hx.DTypeError as e:
                if t.name not in str(e) or dtype not in str(e):
                    raise AssertionError(
                        f"{what}: expected {dtype} and {t.name} in the message; got {e}"
                    ) from e
            else:
                raise AssertionError(
                    f"{what} of {dtype}, which DeviceInfo.dtypes does not list: "
                    "expected DTypeError"
                )

    @case
    def the_device_goes_on(self) -> None:
        """An error in the middle of a computation leaves nothing behind."""
        t = self.target
        x = t.put(some((3, 4), "float32", 4))

        def broken(a: Any) -> Any:
            hx.exp(a)
            raise ValueError("stop")

        for call in (broken, hx.grad(broken), hx.compile(broken)):
            try:
                call(x)
            except ValueError:
                continue
            raise AssertionError("expected the function's own error")
        t.values("after them", hx.sum(x * 0.0), 0.0)


@contextmanager
def _watched(device: hx.Device) -> Iterator[list[str]]:
    """The names of the lowerings that ran."""
    ran: list[str] = []
    plain = device.table["add"]

    def add(*args: Any, **kw: Any) -> Any:
        ran.append("add")
        return plain(*args, **kw)

    device.table["add"] = add
    try:
        yield ran
    finally:
        device.table["add"] = plain
