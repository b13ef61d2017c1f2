"""What recurrent layers ask of their arguments."""

from __future__ import annotations

from typing import Any

import helix_core as hx
import numpy as np

from .._check import LayerError


def same_dtype(layer: str, x: Any, weight: Any) -> None:
    """x has the dtype of the weights."""
    if x.dtype is not weight.aval.dtype:
        raise hx.DTypeError(
            f"[{layer}] expected x of the weights' dtype {weight.aval.dtype}; got "
            f"{x.aval!r}. Hint: x.astype, or layer.to({x.dtype.name!r})"
        )


def state_parts(
    layer: str, state: Any, names: tuple[str, ...], shapes: Any
) -> tuple[Any, ...]:
    """The tensors of a state, if it has those of this layer."""
    got = (state,) if isinstance(state, (hx.Tensor, hx.Cell)) else tuple(state)
    if len(got) != len(names):
        raise LayerError(
            f"[{layer}] expected a state of {', '.join(names)}; got {len(got)} tensors. "
            "Hint: it belongs to another layer"
        )
    tensors = tuple([hx.as_tensor(t) for t in got])
    for name, t, shape in zip(names, tensors, shapes, strict=True):
        if t.shape != shape:
            raise hx.ShapeError(
                f"[{layer}] expected state.{name} of shape {shape}; got {t.shape}. "
                "Hint: it belongs to another layer, or another batch"
            )
    return tensors


def sequence_lengths(layer: str, lengths: Any, x: Any) -> hx.Tensor:
    """Lengths (batch,) as int32 on x's device; every step by default."""
    batch, time = x.shape[:2]
    if lengths is None:
        return hx.full((batch,), time, dtype="int32", device=x.device)
    lengths = hx.as_tensor(lengths)
    if lengths.dtype.category not in ("int", "uint") or lengths.shape != (batch,):
        raise hx.ShapeError(
            f"[{layer}] expected lengths ({batch},) of integers, one a sequence; got "
            f"{lengths.aval!r}"
        )
    if lengths.buffer is not None:
        values = np.asarray(lengths)
        wrong = [int(i) for i in np.flatnonzero((values < 0) | (values > time))]
        if wrong:
            raise LayerError(
                f"[{layer}] expected lengths in [0, {time}], the steps of x; got "
                f"{values[wrong[0]]} of sequence {wrong[0]}"
            )
    return hx.cast(lengths, "int32").to(x.device)
