"""Eager lowerings: one jitted function per primitive and attributes, kept by name.

JAX caches what it compiled by shapes and dtypes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.errors import JaxRuntimeError
from jax.sharding import SingleDeviceSharding

from .forms import FORMS
from .session import find, guarded, translated, wide
from .translate import CONTROL

_LARGE = 1 << 16  # elements from which a constant is made on the device


def lowering(name: str) -> Callable[..., Any]:
    """``f(device, *buffers, out=None, **attrs)`` of a primitive."""
    form = FORMS[name]
    made: dict[Any, Callable[..., Any]] = {}
    plain = jax.jit(form)

    def run(dev: Any, *xs: Any, out: Any = None, **attrs: Any) -> Any:
        if not attrs:
            jitted = plain
        else:
            key = tuple(attrs.items())
            known = made.get(key)
            if known is None:
                if len(made) > 4096:
                    made.clear()
                known = made[key] = jax.jit(partial(form, **attrs))
            jitted = known
        try:
            with wide(True):
                return jitted(*xs)
        except JaxRuntimeError as e:
            raise translated(e, name, dev.name) from e

    return run


def _control(name: str) -> Callable[..., Any]:
    """A loop or a branch, with its graphs, as one jitted function."""
    made: dict[Any, Callable[..., Any]] = {}

    def run(dev: Any, *xs: Any, out: Any = None, **attrs: Any) -> Any:
        key = (dev, *attrs.items())
        jitted = made.get(key)
        if jitted is None:
            if len(made) > 1024:
                made.clear()
            jitted = made[key] = jax.jit(partial(CONTROL[name], dev, **attrs))
        return jitted(*xs)

    return guarded(name, run)


def _kept(dev: Any, x: Any, out: Any = None) -> Any:
    return x


def _on_device(form: Callable[..., Any], **attrs: Any) -> Callable[..., Any]:
    """A large constant without a copy of it on the host."""

    def run(dev: Any) -> Any:
        where = SingleDeviceSharding(find(dev))
        return jax.jit(partial(form, **attrs), out_shardings=where)()

    return run


def _full(
    dev: Any, shape: Any, value: Any, dtype: Any, weak: bool = False, out: Any = None
) -> Any:
    if int(np.prod(shape)) >= _LARGE:
        form = _on_device(FORMS["full"], shape=shape, value=value, dtype=dtype)
        return form(dev)
    a = np.empty(shape, dtype.dtype)
    a.fill(value)
    return jax.device_put(a, find(dev))


def _iota(dev: Any, n: int, dtype: Any, out: Any = None) -> Any:
    if n >= _LARGE:
        return _on_device(FORMS["iota"], n=n, dtype=dtype)(dev)
    return jax.device_put(np.arange(n).astype(dtype.dtype), find(dev))


def _copy_to(dev: Any, x: Any, target: Any, out: Any = None) -> Any:
    """To another device of JAX directly, to one of another backend through the host."""
    if target is dev:
        return x
    if target.backend is dev.backend:
        return jax.device_put(x, find(target))
    return target.backend.from_host(np.array(dev.backend.to_host(x)), target)


LOWERINGS: dict[str, Callable[..., Any]] = {
    **{name: lowering(name) for name in FORMS},
    **{name: _control(name) for name in CONTROL},
    "barrier": lambda dev, *xs, out=None: xs,
    "identity": _kept,
    "stop_gradient": _kept,
    "full": guarded("full", _full),
    "iota": guarded("iota", _iota),
    "copy_to": guarded("copy_to", _copy_to),
}
