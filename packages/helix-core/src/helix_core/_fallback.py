"""``with hx.fallback("cpu") as moved:`` ops that a device lacks run elsewhere, counted.

An op runs elsewhere where its device has no way to do it: no lowering and no
decomposition, a dtype that the op does not take there, or a HOST primitive, which NumPy
does for every backend. Outside of the block the first two are errors. Nothing is moved
that the device can do, and nothing silently: `Moved` has counts and bytes by op.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from ._device import Device
from ._errors import DTypeError, HelixError, UnsupportedOp
from ._state import STATE, scope

_MISSING = (UnsupportedOp, DTypeError)  # what a backend raises for what it lacks


class Move(NamedTuple):
    """How often an op ran elsewhere, and the bytes of its operands and results."""

    ops: int
    bytes: int


class Moved(dict[str, Move]):
    """What a fallback did: ``op -> Move(ops, bytes)``; ``str`` is a table.

    Attributes
    ----------
    device : Device
        Where the ops ran.
    ops, bytes : int
        Of all ops together.
    """

    def __init__(self, device: Device) -> None:
        super().__init__()
        self.device = device
        self._lock = threading.Lock()

    @property
    def ops(self) -> int:
        return sum(m.ops for m in self.values())

    @property
    def bytes(self) -> int:
        return sum(m.bytes for m in self.values())

    def add(self, name: str, size: int) -> None:
        """Count one op."""
        with self._lock:
            old = self.get(name, Move(0, 0))
            self[name] = Move(old.ops + 1, old.bytes + size)

    def __str__(self) -> str:
        rows = [("op", "ops", "bytes")]
        rows += [(k, str(m.ops), str(m.bytes)) for k, m in sorted(self.items())]
        rows.append(("all", str(self.ops), str(self.bytes)))
        return "\n".join(f"{name:24} {ops:>8} {size:>14}" for name, ops, size in rows)


class fallback(scope):
    """Ops that their device has no way to do run on another, and come back.

    Parameters
    ----------
    device : str or Device
        Where they run; default the CPU.

    Returns
    -------
    Moved
        From ``with``: how many ops and bytes went there, by name of the op.

    Notes
    -----
    Of this thread, and for ops of Tensors, gradients, and traced functions that are
    called inside. A result comes back, so it needs a dtype that the device has: a
    float64 cannot be kept where there is none. Each op waits for its operands.

    >>> import helix_core as hx
    >>> x = hx.tensor([[4.0, 0.0], [0.0, 2.0]], device="numpy")
    >>> with hx.fallback("cpu") as moved:
    ...     y = hx.linalg.det(x) + 1.0
    >>> y.item(), len(moved)
    (9.0, 0)
    """

    def __init__(self, device: str | Device = "cpu") -> None:
        self._device = Device(device)

    def __enter__(self) -> Moved:  # type: ignore[override]
        self._device.backend  # noqa: B018  (a device that is not there is said now)
        moved = Moved(self._device)
        super().__init__(moved=moved)
        super().__enter__()
        return moved


def elsewhere(
    error: HelixError,
    op: Any,
    dev: Device,
    buffers: Sequence[Any],
    attrs: dict[str, Any],
    avals: Sequence[Any],
) -> Any:
    """The result of a primitive that its device refused, or the error.

    Parameters
    ----------
    error : HelixError
        What the device raised.
    avals : sequence of Aval
        Of the results.

    Raises
    ------
    HelixError
        ``error`` where no fallback is active or may help; an ``UnsupportedOp`` that does
        not name its device with the name.
    """
    moved = STATE.get().moved
    if not isinstance(error, _MISSING) or op.category == "TRANSFER":
        raise error
    if moved is None or moved.device is dev:
        raise _named(error, op, dev)
    have = dev.info.dtypes
    if have and any(a.dtype.name not in have for a in avals):
        raise error  # it could not come back
    there = moved.device
    given = [np.array(dev.backend.to_host(b)) for b in buffers]
    size = sum(a.nbytes for a in given)
    out = there.table[op.name](
        there, *[there.backend.from_host(a, there) for a in given], **attrs
    )
    results = [
        np.array(there.backend.to_host(o)) for o in (out if op.multi else (out,))
    ]
    moved.add(op.name, size + sum(a.nbytes for a in results))
    back = tuple([dev.backend.from_host(a, dev) for a in results])
    return back if op.multi else back[0]


def _named(error: HelixError, op: Any, dev: Device) -> HelixError:
    """The error with op, device and the way out; as it is where it names them."""
    text = str(error)
    if not isinstance(error, UnsupportedOp) or repr(dev.name) in text:
        return error
    way = "with hx.fallback('cpu'): ... runs what a device lacks on the CPU"
    head = text if text.startswith("[") else f"[{op.name}] {text}"
    named = UnsupportedOp(f"{head} on {dev.name!r}. Hint: {way}")
    named.__cause__ = error
    return named


class Replay:
    """A plan that goes op by op once its device refuses the whole graph."""

    def __init__(self, graph: Any, device: Device) -> None:
        self.graph, self.device = graph, device
        self.plan: Any = None
        with suppress(*_MISSING):
            self.plan = device.backend.compile(graph, device)

    def __call__(self, *buffers: Any) -> tuple[Any, ...]:
        if self.plan is not None:
            try:
                out: tuple[Any, ...] = self.plan(*buffers)
                return out
            except _MISSING:
                self.plan = None
        return self.steps(buffers)

    def steps(self, buffers: Sequence[Any]) -> tuple[Any, ...]:
        """Each equation as an eager op: it falls back by itself."""
        from ._composite import Composite
        from ._primitive import bind
        from ._tensor import Tensor

        g, dev = self.graph, self.device
        heads = (*g.inputs, *g.captures)
        env = {
            v: Tensor(b, g.avals[v], dev) for v, b in zip(heads, buffers, strict=True)
        }
        with scope(active=0, device=dev, trace=None):
            for e in g.equations:
                args = [env[v] for v in e.inputs]
                if isinstance(e.op, Composite):
                    out = e.op(*args, **e.attrs)
                else:
                    out = bind(e.op, *args, **e.attrs)
                outs = out if isinstance(out, tuple) else (out,)
                env.update(zip(e.outputs, outs, strict=True))
        return tuple([env[v].buffer for v in g.outputs])
