"""JAX as this backend uses it: 64-bit types in a scope, devices by name, its errors.

``jax_enable_x64`` is not changed: it is on only inside the calls made here, and for the
calling thread, so that JAX code beside this library keeps its own default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import jax
from helix_core import CompileError, DeviceError, OutOfMemory
from jax.errors import JaxRuntimeError

wide = jax.enable_x64  # ``with wide(True):`` costs less than a microsecond


def all_devices(kind: str) -> list[Any]:
    """JAX's devices: those of its default platform, or its TPUs."""
    if kind == "xla":
        return list(jax.devices())
    try:
        return list(jax.devices(kind))
    except RuntimeError:  # no such platform here
        return []


def find(device: Any) -> Any:
    """The JAX device behind ``"xla:0"`` or ``"tpu:0"``.

    Raises
    ------
    DeviceError
        If JAX has no such device.
    """
    there = all_devices(device.kind)
    if device.index.isdecimal() and int(device.index) < len(there):
        return there[int(device.index)]
    names = ", ".join(f"{device.kind}:{i}" for i in range(len(there)))
    raise DeviceError(
        f"[device] expected a device of JAX ({names or f'no {device.kind} here'}); got "
        f"{device.name!r}. Hint: JAX_PLATFORMS chooses what JAX looks for"
    )


def name_of(buffer: Any) -> str:
    """Our name of the device where an array is."""
    known, where = all_devices("xla"), getattr(buffer, "device", None)
    return f"xla:{known.index(where)}" if where in known else "xla"


_BYTES = re.compile(r"(\d+)\s*bytes")


@contextmanager
def errors(
    op: str, where: str, source: Callable[[], str] | None = None
) -> Iterator[Any]:
    """JAX's runtime errors as ours.

    Parameters
    ----------
    op : str
        What runs, for the message.
    where : str
        The device's name.
    source : callable, optional
        Gives the program's text, where it is being compiled.
    """
    try:
        yield
    except JaxRuntimeError as e:
        raise translated(e, op, where, source) from e


def translated(
    e: Exception, op: str, where: str, source: Callable[[], str] | None = None
) -> Exception:
    """Our error for one of JAX's."""
    text = str(e)
    if "RESOURCE_EXHAUSTED" in text or "out of memory" in text.lower():
        size = _BYTES.search(text)
        room = f"room for {size[1]} bytes" if size else "room"
        return OutOfMemory(
            f"[{op}] expected {room} on {where!r}; {_used(where)}got: {text}. "
            "Hint: smaller batches, or free tensors first"
        )
    if source is not None:
        return CompileError(
            f"[{op}] expected a program that XLA compiles for {where!r}; got:\n{text}\n"
            f"{source()}"
        )
    return DeviceError(f"[{op}] expected to run on {where!r}; got: {text}")


def _used(where: str) -> str:
    from helix_core import Device

    stats = find(Device(where)).memory_stats() or {}
    if "bytes_in_use" not in stats:
        return ""
    return f"{stats['bytes_in_use']} of {stats.get('bytes_limit', 0)} bytes in use; "


def guarded(op: str, run: Callable[..., Any]) -> Callable[..., Any]:
    """``run(device, ...)`` in 64-bit scope, with our errors."""

    @wraps(run)
    def call(dev: Any, *args: Any, **kw: Any) -> Any:
        try:
            with wide(True):
                return run(dev, *args, **kw)
        except JaxRuntimeError as e:
            raise translated(e, op, dev.name) from e

    return call
