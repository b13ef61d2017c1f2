"""Exponential moving averages of weights, all in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _ops as ops
from .._cell import Cell
from .._composite import composite
from .._state import STATE, no_grad
from .._tensor import Tensor
from ._base import OptimizerError, scalar_dtype
from ._inplace import exclusive, writer


@composite("ema_update")
def ema_weights(decay: Tensor, *flat: Tensor) -> tuple[Tensor, ...]:
    """n averages moved towards n values; inputs: decay (), averages, values."""
    n = len(flat) // 2
    out = []
    for a, x in zip(flat[:n], flat[n:], strict=True):
        d = ops.cast(decay, a.dtype)
        out.append(a * d + ops.cast(x, a.dtype) * (1.0 - d))
    return tuple(out)


def ema_update(
    averages: Sequence[Cell], params: Sequence[Any], decay: float | Tensor
) -> None:
    """``average = decay average + (1 - decay) value``, for every parameter.

    Parameters
    ----------
    averages : sequence of Cell
        Start them as ``hx.Cell(p.value.detach())``. They keep their dtype.
    params : sequence of Parameter, Cell or Tensor
        One for each average, of its shape.
    decay : float or Tensor ()
        In [0, 1]; a tensor may change between the calls of a traced step.

    Examples
    --------
    >>> import helix_core as hx
    >>> p = hx.Parameter(hx.tensor([1.0]))
    >>> average = hx.Cell(hx.tensor([0.0]))
    >>> ema_update([average], [p], decay=0.75)
    >>> average.value.tolist()
    [0.25]
    """
    if len(averages) != len(params):
        raise OptimizerError(
            "[ema_update] expected one average for each parameter; got "
            f"{len(averages)} and {len(params)}"
        )
    if not isinstance(decay, Tensor) and not 0.0 <= decay <= 1.0:
        raise OptimizerError(f"[ema_update] expected 0 <= decay <= 1; got {decay}")
    if not averages:
        return
    with no_grad():
        alone = STATE.get().trace is None and exclusive(averages)
        old = [c.value for c in averages]
        new = [x.value if isinstance(x, Cell) else x for x in params]
        for a, x in zip(old, new, strict=True):
            if a.shape != x.shape:
                raise OptimizerError(
                    f"[ema_update] expected averages shaped like the parameters; got "
                    f"{a.shape} for {x.shape}"
                )
        args = [_scalar(decay, old[0].device), *old, *new]
        kernel = writer(ema_weights.name, args, {}) if alone else None
        if kernel is not None:
            kernel(old[0].device, *[t.buffer for t in args])
            return
        for c, t in zip(averages, ema_weights(*args), strict=True):
            c.value = t


def _scalar(decay: float | Tensor, device: Any) -> Tensor:
    if isinstance(decay, Tensor):
        return decay
    return ops.tensor(decay, dtype=scalar_dtype(device), device=device)
