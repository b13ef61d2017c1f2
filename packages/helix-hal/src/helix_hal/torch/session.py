"""torch as this backend uses it: devices by name, and its errors as ours."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import torch
from helix_core import DeviceError, OutOfMemory

_NAME = re.compile(r"([a-z]+)([0-9]*)\Z")
KINDS = ("cpu", "cuda", "mps", "xpu")


def count(kind: str) -> int:
    """How many devices of this kind torch has here."""
    if kind == "cpu":
        return 1
    if kind == "mps":
        return int(torch.backends.mps.is_available())
    module = getattr(torch, kind, None)
    return module.device_count() if module is not None and module.is_available() else 0


def names() -> list[str]:
    """``["cpu", "cuda", "cuda1"]``: the first of a kind has no number."""
    return [f"{k}{i or ''}" for k in KINDS for i in range(count(k))]


@cache
def _found(index: str, name: str) -> torch.device:
    there = names()
    if index not in there:
        known = ", ".join(f"torch:{n}" for n in there)
        raise DeviceError(
            f"[device] expected a device of torch ({known}); got {name!r}. Hint: the "
            "second card of a kind is torch:cuda1; other kinds need a torch built for "
            "them"
        )
    match = _NAME.match(index)
    assert match is not None
    kind, number = match[1], int(match[2] or 0)
    return torch.device(kind) if kind in ("cpu", "mps") else torch.device(kind, number)


def find(device: Any) -> torch.device:
    """The torch device behind ``"torch:cpu"`` or ``"torch:cuda1"``.

    Raises
    ------
    DeviceError
        If torch has no such device.
    """
    return _found(device.index, device.name)


def module_of(where: torch.device) -> Any:
    """``torch.cuda`` and its like."""
    return getattr(torch, where.type)


_BYTES = re.compile(r"allocate ([0-9.]+ ?[KMGT]?i?B|\d+ bytes)")
_MEMORY = (
    "can't allocate memory",
    "out of memory",
    "Storage size calculation",
    "alloc",
)


def translated(e: Exception, op: str, dev: Any) -> Exception:
    """Our error for one of torch's."""
    text = str(e)
    first = text.splitlines()[0] if text else type(e).__name__
    if isinstance(e, torch.OutOfMemoryError) or any(m in text for m in _MEMORY):
        size = _BYTES.search(text)
        room = f"room for {size[1]}" if size else "room"
        where = find(dev)
        used = _used(where)
        if where.type == "cuda":
            torch.cuda.empty_cache()
        return OutOfMemory(
            f"[{op}] expected {room} on {dev.name!r}; {used}got: {first}. "
            "Hint: smaller batches, or free tensors first"
        )
    return DeviceError(f"[{op}] expected to run on {dev.name!r}; got: {text}")


def _used(where: torch.device) -> str:
    if where.type == "cuda":
        free, total = torch.cuda.mem_get_info(where)
        return f"{total - free} of {total} bytes in use; "
    if where.type == "cpu":
        import psutil

        memory = psutil.virtual_memory()
        return f"{memory.total - memory.available} of {memory.total} bytes in use; "
    return ""


def guarded(op: str, run: Callable[..., Any]) -> Callable[..., Any]:
    """``run(device, ...)`` with our errors."""

    @wraps(run)
    def call(dev: Any, *args: Any, **kw: Any) -> Any:
        try:
            return run(dev, *args, **kw)
        except (RuntimeError, MemoryError) as e:
            if isinstance(e, (DeviceError, NotImplementedError)):
                raise
            raise translated(e, op, dev) from e

    return call
