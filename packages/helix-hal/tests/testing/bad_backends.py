"""Backends with one fault each, which the kit must name; and one without."""

from __future__ import annotations

from typing import Any

import helix_core as hx
import numpy as np
from helix_core.contracts import BackendSpec, DeviceInfo
from helix_core.reference.backend import NumpyBackend


class Own:
    """A device's array: hides its ndarray, as a GPU's buffer does."""

    __slots__ = ("__weakref__", "data")

    def __init__(self, data: np.ndarray) -> None:
        self.data = data


def _raw(x: Any) -> Any:
    return x.data if type(x) is Own else x


class Good:
    """The NumPy backend behind buffers of its own, with the required primitives alone."""

    name = "good"
    kernels: tuple[Any, ...] = ()
    host = NumpyBackend()

    def __init__(self) -> None:
        keep = {"complex", "real", "imag"}
        self.lowerings = {
            k: self._lifted(v)
            for k, v in self.host.lowerings.items()
            if hx.PRIMITIVES[k].required or k in keep
        }
        self.lowerings["copy_to"] = lambda dev, a, target, out=None: (
            target.backend.from_host(np.array(dev.backend.to_host(a)), target)
        )
        self.spoil()

    def spoil(self) -> None:
        """Put the fault in."""

    def _lifted(self, f: Any) -> Any:
        def lowering(dev: Any, *xs: Any, out: Any = None, **attrs: Any) -> Any:
            res = f(dev, *map(_raw, xs), **attrs)
            return tuple(map(Own, res)) if isinstance(res, tuple) else Own(res)

        return lowering

    def replace(self, name: str, f: Any) -> None:
        """``f(plain, *arrays, **attrs)`` instead of the lowering of a primitive."""
        plain = self.host.lowerings[name]

        def lowering(dev: Any, *xs: Any, out: Any = None, **attrs: Any) -> Any:
            def run(*args: Any, **kw: Any) -> Any:
                return plain(dev, *args, **kw)

            return Own(np.asarray(f(run, *map(_raw, xs), **attrs)))

        self.lowerings[name] = lowering

    def devices(self) -> list[DeviceInfo]:
        (info,) = self.host.devices()
        return [
            DeviceInfo(index="0", name=self.name, driver="numpy", dtypes=info.dtypes)
        ]

    def from_host(self, array: np.ndarray, device: Any) -> Any:
        return Own(array)

    def to_host(self, buffer: Any) -> Any:
        return buffer.data

    def aval(self, buffer: Any) -> Any:
        return hx.Aval(_raw(buffer).shape, hx.as_dtype(_raw(buffer).dtype))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.host, name)


class WrongDtype(Good):
    """Sums of 16-bit floats stay as wide as they were accumulated."""

    name = "wrong_dtype"

    def spoil(self) -> None:
        self.replace(
            "reduce_sum",
            lambda run, a, axes: (
                np.sum(a.astype(np.float32), axes)
                if a.dtype.itemsize == 2 and a.dtype.kind != "i" and a.dtype.kind != "u"
                else run(a, axes)
            ),
        )


class OffByOneScan(Good):
    """Gives the state before each step instead of after it."""

    name = "off_by_one"

    def spoil(self) -> None:
        def scan(run: Any, a: Any, b: Any, h0: Any, axis: int, reverse: bool) -> Any:
            h = np.moveaxis(run(a, b, h0, axis=axis, reverse=reverse), axis, 0)
            first = h0[None]
            shifted = [h[1:], first] if reverse else [first, h[:-1]]
            return np.moveaxis(np.concatenate(shifted)[: len(h)], 0, axis)

        self.replace("linear_scan", scan)


class SilentFallback(Good):
    """Sorts on the host, and leaves the result there."""

    name = "silent_fallback"

    def spoil(self) -> None:
        plain = self.host.lowerings["sort"]
        self.lowerings["sort"] = lambda dev, *xs, out=None, **attrs: plain(
            dev, *[np.asarray(_raw(x)) for x in xs], **attrs
        )


class ReadsBack(Good):
    """Takes cumulative sums on the host, and uploads them again."""

    name = "reads_back"

    def spoil(self) -> None:
        plain = self.host.lowerings["linear_scan"]

        def scan(dev: Any, *xs: Any, out: Any = None, **attrs: Any) -> Any:
            arrays = [dev.backend.to_host(x) for x in xs]
            return dev.backend.from_host(plain(dev, *arrays, **attrs), dev)

        self.lowerings["linear_scan"] = scan


class Leaky(Good):
    """Never lets a sum go."""

    name = "leaky"

    def spoil(self) -> None:
        held: list[Any] = []
        plain = self.lowerings["add"]

        def add(*args: Any, **kw: Any) -> Any:
            held.append(plain(*args, **kw))
            return held[-1]

        self.lowerings["add"] = add


class FirstWins(Good):
    """Of repeated indices the first write stays."""

    name = "first_wins"

    def spoil(self) -> None:
        def scatter(run: Any, x: Any, idx: Any, u: Any, axis: int, mode: str) -> Any:
            if mode == "set" and idx.ndim == 1:
                idx, u = idx[::-1], np.flip(u, axis)
            return run(x, idx, u, axis=axis, mode=mode)

        self.replace("scatter", scatter)


class InPlace(Good):
    """Negates its operand where it stands."""

    name = "in_place"

    def spoil(self) -> None:
        def neg(run: Any, a: Any) -> Any:
            if a.flags.writeable and a.flags.c_contiguous:
                return np.negative(a, out=a)
            return run(a)

        self.replace("neg", neg)


class NanIsNothing(Good):
    """Maxima skip NaN, as many a GPU's ``max`` does."""

    name = "nan_is_nothing"

    def spoil(self) -> None:
        self.replace("max", lambda run, a, b: np.fmax(a, b).astype(a.dtype))


class NoGather(Good):
    """Lacks a primitive that nothing replaces."""

    name = "no_gather"

    def spoil(self) -> None:
        del self.lowerings["gather"]


BACKENDS = {
    c.name: c
    for c in (
        *(Good, WrongDtype, OffByOneScan, SilentFallback, ReadsBack, Leaky),
        *(FirstWins, InPlace, NanIsNothing, NoGather),
    )
}


def specs() -> list[BackendSpec]:
    return [
        BackendSpec(name=n, factory=f"bad_backends:{c.__name__}", kinds=(n,))
        for n, c in BACKENDS.items()
    ]
