"""A device whose composites are interpreted programs and whose primitives are NumPy's.

Primitives are other tests' business: what fails here is a program or its adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import helix_core as hx
import numpy as np
from helix_core.reference.backend import LOWERINGS
from helix_hal.loop.backend import KernelBackend
from helix_hal.loop.host import HostDevice


class ProgramsBackend(KernelBackend):
    """As on a CPU."""

    name = "programs"

    def open(self) -> list[Any]:
        return [HostDevice()]

    def overrides(self) -> Mapping[str, Callable[..., Any]]:
        here = {k: f for k, f in LOWERINGS.items() if k != "copy_to"}  # to elsewhere
        return {name: self._by_numpy(f) for name, f in here.items()}

    def _by_numpy(self, f: Callable[..., Any]) -> Callable[..., Any]:
        host = hx.Device("numpy")

        def lowering(engine: Any, *xs: Any, out: Any = None, **attrs: Any) -> Any:
            found = f(host, *[engine.to_host(x) for x in xs], **attrs)
            if isinstance(found, tuple):
                return tuple([engine.from_host(np.asarray(a)) for a in found])
            return engine.from_host(np.asarray(found))

        return lowering


class GroupsDevice(HostDevice):
    features = replace(HostDevice.features, group=64)


class GroupsBackend(ProgramsBackend):
    """As on a GPU: points of a group act together."""

    name = "groups"

    def open(self) -> list[Any]:
        return [GroupsDevice()]


def run(fn: Callable[..., Any], arrays: Any, dev: Any, dtype: str) -> Any:
    """Outputs of ``fn``, and the gradients of a weighted sum of them, as float64."""
    xs = [
        hx.tensor(np.asarray(a), device=dev, dtype=dtype)
        if np.asarray(a).dtype.kind == "f"
        else hx.tensor(np.asarray(a), device=dev)
        for a in arrays
    ]
    which = [i for i, x in enumerate(xs) if x.dtype.inexact]

    def several(*some: Any) -> Any:
        full = list(xs)
        for i, x in zip(which, some, strict=True):
            full[i] = x
        out = fn(*full)
        return out if isinstance(out, tuple) else (out,)

    outs, pull = hx.vjp(several, *[xs[i] for i in which])
    rng = np.random.default_rng(5)
    cts = tuple(
        [hx.tensor(rng.standard_normal(y.shape), device=dev, dtype=dtype) for y in outs]
    )
    found = pull(cts)
    grads = found if isinstance(found, tuple) else (found,)
    return [np.asarray(t.astype("float64").numpy()) for t in (*outs, *grads)]


def close(
    fn: Callable[..., Any], arrays: Any, dev: Any, dtype: str = "float32"
) -> list[np.ndarray]:
    """The device agrees with the default body in float64, forwards and backwards.

    Arrays are rounded to the dtype first, so that both sides read the same numbers.
    """
    rounded = [
        np.asarray(hx.tensor(np.asarray(a), dtype=dtype).astype("float64").numpy())
        if np.asarray(a).dtype.kind == "f"
        else a
        for a in arrays
    ]
    want = run(fn, rounded, hx.Device("numpy"), "float64")
    got = run(fn, rounded, dev, dtype)
    limit = {"float64": 1e-11, "float32": 3e-5, "float16": 1e-2, "bfloat16": 6e-2}
    for k, (w, g) in enumerate(zip(want, got, strict=True)):
        assert w.shape == g.shape
        scale = max(1.0, float(np.max(np.abs(w[np.isfinite(w)]), initial=0.0)))
        np.testing.assert_allclose(
            g / scale, w / scale, rtol=0, atol=limit[dtype], err_msg=f"result {k}"
        )
    return got
