"""What the current thread is doing: tracing, levels in force, default device.

One context variable holds one immutable record, so that an eager op reads its whole
context in one lookup, and a new thread starts from the defaults.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import RLock
from typing import Any


class State:
    """``trace``: the innermost Trace or None; ``active``: bit mask of the levels that
    record; ``device``: the default device or None (then it is found at first use);
    ``compute``: what public products round their operands to, "float32" or "bfloat16";
    ``moved``: what a fallback counts in, or None.
    """

    __slots__ = ("active", "compute", "device", "moved", "trace")

    def __init__(
        self,
        trace: Any,
        active: int,
        device: Any,
        compute: str = "float32",
        moved: Any = None,
    ) -> None:
        self.trace = trace
        self.active = active
        self.device = device
        self.compute = compute
        self.moved = moved


_START = State(None, -1, None)  # never changed: scopes set new records
STATE: ContextVar[State] = ContextVar("helix_state", default=_START)


class scope:
    """``with scope(active=0): ...`` changes parts of the state, and restores it.

    A class and not a generator: it costs a third, and a generator that is suspended
    inside a ``with`` of the caller would leak the change.
    """

    __slots__ = ("change", "token")

    def __init__(self, **change: Any) -> None:
        self.change = change

    def __enter__(self) -> None:
        s = STATE.get()
        get = self.change.get
        state = State(
            get("trace", s.trace),
            get("active", s.active),
            get("device", s.device),
            get("compute", s.compute),
            get("moved", s.moved),
        )
        self.token = STATE.set(state)

    def __exit__(self, *exc: object) -> None:
        STATE.reset(self.token)


def no_grad() -> scope:
    """Block the gradient levels that are open now; levels opened inside still record.

    >>> import helix_core as hx
    >>> p = hx.Parameter(hx.ones((2,)))
    >>> with hx.no_grad():
    ...     y = p * 2.0
    >>> y.requires_grad
    False
    """
    return scope(active=0)


_LEVELS: list[int] = []
_LOCK = RLock()  # reentrant: the collector may free a level while one is taken


@contextmanager
def open_level() -> Iterator[int]:
    """Open a gradient level: yields its bit, active inside, free again after."""
    bit = take_level()
    try:
        with scope(active=STATE.get().active | bit):
            yield bit
    finally:
        free_level(bit)


def take_level() -> int:
    """The lowest free bit; bit 0 belongs to ``backward``."""
    bit = 2
    with _LOCK:
        while bit in _LEVELS:
            bit <<= 1
        _LEVELS.append(bit)
    return bit


def free_level(bit: int) -> None:
    with _LOCK:
        _LEVELS.remove(bit)
