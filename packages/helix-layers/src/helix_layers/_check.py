"""Shape checks of layers: what is wrong, in one form."""

from __future__ import annotations

from typing import Any

from helix_core import DTypeError, HelixError, ShapeError


class LayerError(HelixError, ValueError):
    """A layer's settings do not fit."""


def positive(layer: str, name: str, value: int) -> int:
    """The value, if it is a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise LayerError(f"[{layer}] expected {name} to be an int >= 1; got {value!r}")
    return value


def last_axis(layer: str, x: Any, size: int) -> None:
    """The last axis of ``x`` has this size."""
    if x.ndim == 0 or x.shape[-1] != size:
        raise ShapeError(
            f"[{layer}] expected x (..., {size}); got x.shape={tuple(x.shape)} on "
            f"{x.device.name!r}"
        )


def sequence(layer: str, x: Any, size: int) -> None:
    """``x`` is (batch, time, size)."""
    if x.ndim != 3 or x.shape[2] != size:
        raise ShapeError(
            f"[{layer}] expected x (batch, time, {size}); got "
            f"x.shape={tuple(x.shape)} on {x.device.name!r}"
        )


def own_state(
    layer: str, kind: type, state: Any, shapes: list[tuple[int, ...]]
) -> None:
    """``state`` is None, or a state of this kind whose parts have these shapes."""
    if state is None:
        return
    got = [tuple(getattr(s, "shape", ())) for s in state]
    if not isinstance(state, kind) or got != shapes:
        raise LayerError(
            f"[{layer}] expected a {kind.__name__} of {shapes}; got "
            f"{type(state).__name__} of {got}. Hint: it belongs to another model or batch"
        )


def token_ids(layer: str, ids: Any, ndim: int, axes: str) -> None:
    """``ids`` are integers with this many axes."""
    if ids.dtype.category not in ("int", "uint"):
        raise DTypeError(f"[{layer}] expected integer ids; got {ids.aval!r}")
    if ids.ndim != ndim:
        raise ShapeError(
            f"[{layer}] expected ids ({axes}); got ids.shape={tuple(ids.shape)}"
        )
