"""Composites whose default bodies run as plans: updates of optimizers in a few programs.

Eager code would run such a body operation by operation, hundreds of launches a step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from helix_core._composite import COMPOSITES
from helix_core.contracts import KernelSpec

from helix_hal.loop.buffer import Buffer

_UPDATES = ("adam_update", "sgd_update", "rmsprop_update")


class ByPlan:
    """``forward(device, *buffers, **attrs)`` by the compiled default body."""

    def __init__(self, op: str) -> None:
        self.op = op

    def __call__(self, dev: Any, *flat: Buffer, **attrs: Any) -> Any:
        return self.results(dev, flat, attrs, ())

    def results(
        self, dev: Any, flat: Sequence[Buffer], attrs: Any, donate: Sequence[int]
    ) -> tuple[Buffer, ...]:
        body = COMPOSITES[self.op].body(tuple([x.aval for x in flat]), attrs, dev)
        captured = [t.buffer for t in body.captures]
        plan = dev.backend.compile(body.graph, dev)
        out: tuple[Buffer, ...] = plan(*flat, *captured, donate=donate)
        return out


class InPlace(ByPlan):
    """The same, its results written over the inputs at ``places(count, **attrs)``.

    What replaces none of the ``count`` inputs is returned, bare where it is one buffer.
    """

    def __init__(self, op: str, places: Callable[..., list[int]]) -> None:
        super().__init__(op)
        self.places = places

    def __call__(self, dev: Any, *flat: Buffer, **attrs: Any) -> Any:
        places = self.places(len(flat), **attrs)
        out = self.results(dev, flat, attrs, places)
        engine = dev.backend.engine(dev)
        pairs = list(zip(places, out, strict=False))
        apart = [(flat[i], x) for i, x in pairs if x.memory is not flat[i].memory]
        held = {id(x.memory) for x in flat}
        for k, (old, new) in enumerate(apart):
            if id(new.memory) in held:  # over another one, which it must outlive
                copy = engine.empty(new.shape, new.dtype)
                engine.copy(new, copy)
                apart[k] = old, copy
        for old, new in apart:
            engine.copy(new, old)
        rest = out[len(places) :]
        return rest[0] if len(rest) == 1 else rest


def _of_update(count: int, n: int, **attrs: Any) -> list[int]:
    """Parameters, then every kind of state: all lists but the gradients."""
    return [*range(2, 2 + n), *range(2 + 2 * n, count)]


def _of_averages(count: int, **attrs: Any) -> list[int]:
    return [*range(1, 1 + (count - 1) // 2)]


def _of_clip(count: int, **attrs: Any) -> list[int]:
    return [*range(count)]


def specs(backend: str) -> list[KernelSpec]:
    """Every update, and its ``.inplace``, for a backend or a device kind."""
    places: dict[str, Callable[..., list[int]]] = dict.fromkeys(_UPDATES, _of_update)
    places |= {"ema_update": _of_averages, "clip_by_norm": _of_clip}
    found = []
    for op, where in places.items():
        found.append(KernelSpec(op, backend, ByPlan(op)))
        found.append(KernelSpec(f"{op}.inplace", backend, InPlace(op, where)))
    return found
