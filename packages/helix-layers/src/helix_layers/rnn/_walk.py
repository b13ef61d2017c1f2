"""What the bodies of recurrent composites share."""

from __future__ import annotations

from typing import Any

import helix_core as hx


def product(x: Any, weight: Any, compute: str) -> hx.Tensor:
    """``x @ weight.T``."""
    dims = (((x.ndim - 1,), (1,)), ((), ()))
    return hx.dot_general(x, weight, dims, compute)


def weight_grad(da: Any, x: Any, compute: str) -> hx.Tensor:
    """(out, in): the sum over batch and time of ``da_out x_in``."""
    return hx.dot_general(da, x, (((0, 1), (0, 1)), ((), ())), compute)


def time_major(a: Any) -> hx.Tensor:
    """(time, batch, ...) of (batch, time, ...), and back."""
    return hx.swapaxes(a, 0, 1)


def steps(x: Any) -> hx.Tensor:
    """0, 1, ... of x (batch, time, ...); (time,)."""
    return hx.arange(x.shape[1], dtype="int32", device=x.device)


def live(t: Any, lengths: Any) -> hx.Tensor:
    """Which sequences have a step t; (batch, 1)."""
    return hx.expand_dims(t < lengths, 1)


def before(first: Any, every: Any, lengths: Any, reverse: bool) -> hx.Tensor:
    """What each step began with, of what each step ended with.

    Parameters
    ----------
    first : Tensor (batch, h)
        What the first step began with: in reverse, the last of the sequence's.
    every : Tensor (batch, time, h)
    lengths : Tensor (batch,) of int
    """
    time = every.shape[1]
    first = hx.expand_dims(first, 1)
    if not reverse:
        return hx.concat([first, every], 1)[:, :time]
    begins = hx.expand_dims(hx.minimum(lengths, time), 1) == steps(every) + 1
    shifted = hx.concat([every, first], 1)[:, 1:]
    return hx.where(hx.expand_dims(begins, 2), first, shifted)
