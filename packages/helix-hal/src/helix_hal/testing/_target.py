"""The device under test: what it says it can do, and running ops on it with care."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import helix_core as hx
import numpy as np
from helix_core import plugins
from helix_core._tree import flatten, unflatten

from ._case import Declined
from ._compare import Allowed, compare, drawn, of_largest

_KNOWN: dict[str, Target] = {}


class Unavailable(Exception):
    """There is nothing to test: not installed, no driver, no device."""


class Target:
    """A device and what its backend declares.

    Attributes
    ----------
    device : helix_core.Device
    backend : Backend
    info : DeviceInfo
    """

    def __init__(self, device: hx.Device, info: Any) -> None:
        self.device = device
        self.backend = device.backend
        self.info = info

    @property
    def name(self) -> str:
        return self.device.name

    @cached_property
    def simulated(self) -> bool:
        """Far slower than a device: shapes are tiny, repetitions few."""
        return bool(self.info.limits.get("simulator"))

    def size(self, usual: int, tiny: int) -> int:
        return tiny if self.simulated else usual

    @cached_property
    def buffer_type(self) -> type:
        """What ``from_host`` gives: every result must be of this type."""
        return type(self.backend.from_host(np.zeros(1, np.float32), self.device))

    # ------------------------------------------------------------------- capabilities
    def has(self, dtype: str) -> bool:
        return dtype in self.info.dtypes

    def need(self, *dtypes: str) -> None:
        """Skip the case unless the device has these dtypes."""
        for d in dtypes:
            if not self.has(d):
                raise Declined(f"dtype {d}")

    # ------------------------------------------------------------------------ running
    def put(self, array: Any) -> hx.Tensor:
        """A tensor on the device."""
        return hx.tensor(np.asarray(array), device=self.device)

    def get(self, x: hx.Tensor, what: str = "result") -> np.ndarray:
        """The values of a result, once its device, buffer and dtype are right."""
        if x.device is not self.device:
            raise AssertionError(
                f"{what}: expected a tensor on {self.name}; got one on {x.device.name}"
            )
        got = self.backend.aval(x.buffer)
        if (got.shape, got.dtype) != (x.aval.shape, x.aval.dtype):
            raise AssertionError(
                f"{what}: expected a buffer {x.aval!r}, as inferred; "
                f"the backend made {got!r}"
            )
        if not isinstance(x.buffer, self.buffer_type):
            raise AssertionError(
                f"{what}: expected a buffer of the device "
                f"({self.buffer_type.__name__}); got {type(x.buffer).__name__}: "
                "a silent fallback to the host"
            )
        host = self.backend.to_host(x.buffer)
        if type(host) is not np.ndarray or host.dtype != x.aval.dtype.dtype:
            raise AssertionError(
                f"{what}: expected to_host to give an ndarray {x.aval!r}; "
                f"got {type(host).__name__} {getattr(host, 'dtype', '')}"
            )
        if host.shape != x.aval.shape:
            raise AssertionError(
                f"{what}: expected to_host to give {x.aval!r}; got shape {host.shape}"
            )
        return host

    def bind(self, name: str, *xs: hx.Tensor, **attrs: Any) -> list[hx.Tensor]:
        """The outputs of a primitive on tensors of this device, or of "numpy"."""
        device = xs[0].device if xs else self.device
        out = hx.bind(hx.PRIMITIVES[name], *xs, device=device, **attrs)
        return list(out) if isinstance(out, tuple) else [out]

    def op(
        self,
        name: str,
        *arrays: Any,
        allowed: Allowed | None = None,
        zeros: bool = True,
        view: Callable[[hx.Tensor], hx.Tensor] | None = None,
        **attrs: Any,
    ) -> list[np.ndarray]:
        """Run a primitive here and on NumPy; compare; give the host results.

        Parameters
        ----------
        name : str
        *arrays : array
        allowed : callable, optional
            ``allowed(want, *arrays) -> absolute error``; default none.
        zeros : bool
            Whether the sign of a zero must agree.
        view : callable, optional
            Applied to each operand on its device first: a layout of the same values.
        """
        given = [np.asarray(a) for a in arrays]
        what = f"{name}({', '.join(map(drawn, given))}{_attributes(attrs)})"
        xs = [self.put(a) for a in given]
        ys = [hx.tensor(a, device="numpy") for a in given]
        args = [view(x) for x in xs] if view else xs
        host = [view(y) for y in ys] if view else ys
        res = self.bind(name, *args, **attrs)
        if host or attrs:
            with hx.device("numpy"):
                want = hx.bind(
                    hx.PRIMITIVES[name],
                    *host,
                    **({"device": hx.Device("numpy")} if not host else {}),
                    **attrs,
                )
        wants = list(want) if isinstance(want, tuple) else [want]
        seen = [np.asarray(y.buffer) for y in host]
        out = []
        for i, (r, w) in enumerate(zip(res, wants, strict=True)):
            label = what if len(wants) == 1 else f"{what} output {i}"
            got, ref = self.get(r, label), np.asarray(w.buffer)
            limit = None if allowed is None else allowed(ref, *seen)
            compare(label, got, ref, limit, zeros, seen)
            out.append(got)
        for i, (x, a) in enumerate(zip(xs, given, strict=True)):
            if not same_bits(self.backend.to_host(x.buffer), a):
                raise AssertionError(f"{what}: changed its input {i}")
        return out

    def same(
        self,
        what: str,
        fn: Callable[..., Any],
        *arrays: Any,
        allowed: Allowed | None = None,
    ) -> list[np.ndarray]:
        """Run a function of tensors here and on NumPy; compare every output."""
        with hx.device(self.device):
            res, _ = flatten(fn(*[self.put(a) for a in arrays]))
        with hx.device("numpy"):
            ys = [hx.tensor(np.asarray(a), device="numpy") for a in arrays]
            want, _ = flatten(fn(*ys))
        if len(res) != len(want):
            raise AssertionError(
                f"{what}: expected {len(want)} outputs; got {len(res)}"
            )
        label = f"{what}({', '.join(drawn(np.asarray(a)) for a in arrays)})"
        out = []
        for i, (r, w) in enumerate(zip(res, want, strict=True)):
            name = label if len(want) == 1 else f"{label} output {i}"
            got, ref = self.get(r, name), np.asarray(w.buffer)
            limit = None if allowed is None else allowed(ref, *map(np.asarray, arrays))
            compare(name, got, ref, limit, False, ())
            out.append(got)
        return out

    def pullback(
        self,
        what: str,
        fn: Callable[..., Any],
        *arrays: Any,
        allowed: Allowed | None = None,
        backward: Allowed | None = None,
    ) -> None:
        """A function and its gradients by every float operand, here and on NumPy.

        The cotangents are fixed numbers. Default tolerances: 1e-5 of the largest result
        forwards, 1e-4 of the largest gradient.
        """

        def both(*xs: hx.Tensor) -> Any:
            floats = [x for x in xs if x.dtype.inexact]

            def of_floats(*ts: hx.Tensor) -> Any:
                it = iter(ts)
                return fn(*[next(it) if x.dtype.inexact else x for x in xs])

            y, pull = hx.vjp(of_floats, *floats)
            outs, tree = flatten(y)
            cts = [_cotangent(o, i) for i, o in enumerate(outs)]
            grads = pull(unflatten(tree, cts))
            return outs, grads if isinstance(grads, tuple) else (grads,)

        with hx.device(self.device):
            outs, grads = both(*[self.put(a) for a in arrays])
        with hx.device("numpy"):
            ys = [hx.tensor(np.asarray(a), device="numpy") for a in arrays]
            ref_outs, ref_grads = both(*ys)
        label = f"{what}({', '.join(drawn(np.asarray(a)) for a in arrays)})"
        for part, got, want, allow in (
            ("output", outs, ref_outs, allowed or of_largest(1e-5)),
            ("gradient", grads, ref_grads, backward or of_largest(1e-4)),
        ):
            for i, (g, w) in enumerate(zip(got, want, strict=True)):
                name, ref = f"{label} {part} {i}", np.asarray(w.buffer)
                limit = allow(ref, *map(np.asarray, arrays))
                compare(name, self.get(g, name), ref, limit, False, ())

    def values(self, what: str, got: Any, want: Any, limit: Any = None) -> None:
        """A tensor of this device against literal values."""
        want = np.asarray(want)
        host = self.get(got, what) if isinstance(got, hx.Tensor) else np.asarray(got)
        compare(what, host, want.astype(host.dtype), limit, False, ())


def _cotangent(y: hx.Tensor, seed: int) -> hx.Tensor:
    r = np.random.default_rng(100 + seed)
    values: Any = r.standard_normal(y.shape)
    if y.dtype.category == "complex":
        values = values + 1j * r.standard_normal(y.shape)
    return hx.tensor(np.asarray(values).astype(y.dtype.dtype), device=y.device)


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.tobytes() == b.tobytes()


def _attributes(attrs: dict[str, Any]) -> str:
    plain = (f", {k}={v!r}" for k, v in attrs.items() if not isinstance(v, hx.Graph))
    return "".join(plain)


# ------------------------------------------------------------------- finding a device
def target_for(device: str) -> Target:
    """The target of a device name, such as ``"opencl:0"``.

    Raises
    ------
    Unavailable
        With the reason.
    """
    known = _KNOWN.get(device)
    if known is not None and known.device._backend is known.backend:
        return known
    try:
        dev = hx.Device(device)
        infos = dev.backend.devices()
    except hx.HelixError as e:
        raise Unavailable(str(e)) from e
    info = _matching(dev, infos)
    if info is None:
        have = ", ".join(f"{i.kind or dev.kind}:{i.index} ({i.name})" for i in infos)
        raise Unavailable(
            f"[testing] expected a device {device!r}; the backend {dev.backend.name!r} "
            f"sees {have or 'none'}"
        )
    found = _KNOWN[device] = Target(dev, info)
    return found


def _matching(dev: hx.Device, infos: Sequence[Any]) -> Any:
    for i in infos:
        if i.index == dev.index and (not i.kind or i.kind == dev.kind):
            return i
    return None


def resolve(backend: str, device: str = "") -> Target:
    """The target for a backend's name, on its first device unless one is named.

    Raises
    ------
    Unavailable
        With the reason: no such plugin, its probe says no, it sees no device, or
        another backend serves the device.
    """
    try:
        record = plugins.get("backends", backend)
        kinds = record.spec.kinds
        if not device:
            infos = plugins.load("backends", backend)().devices()
            if not infos:
                raise Unavailable(f"[testing] the backend {backend!r} sees no device")
            device = f"{infos[0].kind or kinds[0]}:{infos[0].index}"
    except hx.HelixError as e:
        raise Unavailable(str(e)) from e
    except (Exception, SystemExit) as e:
        if isinstance(e, Unavailable):
            raise
        raise Unavailable(f"[testing] {backend}: {type(e).__name__}: {e}") from e
    target = target_for(device)
    if target.backend.name != record.name:
        raise Unavailable(
            f"[testing] expected {backend!r} to serve {device!r}; that is "
            f"{target.backend.name!r}. Hint: --device {kinds[0]}:0"
        )
    return target
