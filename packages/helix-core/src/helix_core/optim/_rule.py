"""``update_rule``: from the update of one parameter to one call for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import _ops as ops
from .._composite import Composite, composite
from .._tensor import Tensor


def update_rule(
    name: str, scalars: Callable[..., Sequence[Tensor]]
) -> Callable[[Callable[..., Sequence[Tensor]]], Composite]:
    """Decorator: a composite that updates n parameters from the update of one.

    Parameters
    ----------
    name : str
        Of the composite. A kernel ``name`` replaces the whole update; a kernel
        ``name.inplace`` takes the same arguments and writes parameters and state over
        the old ones.
    scalars : callable
        ``scalars(rates, decays, steps, **settings)`` gives what is one number a
        parameter: tensors (n,) from learning rates (n,), weight decays (n,) and step
        counts (n,) int32, in float64 where the device has it.

    Notes
    -----
    The decorated function is ``one(p, g, *state, *scalars, decay, **settings)`` and
    returns the new parameter and its new state. All are float32 or wider: narrower
    parameters are widened before and rounded after; the scalars are 0-d.

    The composite's inputs are lr (), steps (n,), then lists of n tensors: parameters,
    gradients, and each kind of state. Its attributes are ``n``, the ``decays`` and the
    learning rate ``scales`` of each parameter, and the settings. It returns n
    parameters, then each kind of state.
    """

    def wrap(one: Callable[..., Sequence[Tensor]]) -> Composite:
        def body(
            *flat: Tensor,
            n: int,
            decays: tuple[float, ...],
            scales: tuple[float, ...],
            **settings: Any,
        ) -> tuple[Tensor, ...]:
            lr, steps = flat[:2]
            params, *others = lists(flat[2:], n)
            where = {"dtype": lr.dtype, "device": lr.device}
            numbers = scalars(
                lr * ops.tensor(scales, **where),
                ops.tensor(decays, **where),
                steps,
                **settings,
            )
            new = []
            for i, p in enumerate(params):
                wide = wide_dtype(p)
                mine = [ops.cast(s[i], wide) for s in numbers]
                given = [ops.cast(t[i], wide) for t in others]
                out = one(ops.cast(p, wide), *given, *mine, decay=decays[i], **settings)
                new.append((ops.cast(out[0], p.dtype), *out[1:]))
            return tuple([t for column in zip(*new, strict=True) for t in column])

        body.__doc__ = one.__doc__
        return composite(name)(body)

    return wrap


def wide_dtype(p: Tensor) -> Any:
    """The dtype of a parameter's state: its own, float32 at least."""
    return p.dtype if p.dtype.itemsize >= 4 else "float32"


def lists(flat: Sequence[Tensor], n: int) -> list[Sequence[Tensor]]:
    """Consecutive lists of n tensors."""
    return [flat[i : i + n] for i in range(0, len(flat), n)]
