"""Kernels of optimizer updates: all parameters in one call.

Beside each op there is ``op.inplace``, which takes the same arguments, writes results
over the arrays that they replace, and returns the rest. Its caller has made sure that
those are C-contiguous and that nobody else can see them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from helix_core.contracts import KernelSpec

SPECS: list[KernelSpec] = []
Lists = list[Sequence[Any]]


def alike(avals: Sequence[Any]) -> Any:
    """All are float32, or all are float64."""
    kinds = {a.dtype.name for a in avals}
    if len(kinds) == 1 and kinds <= {"float32", "float64"}:
        return True
    return f"expected float32 or float64 throughout; got {', '.join(sorted(kinds))}"


def every(device: Any, *avals: Any, **attrs: Any) -> Any:
    return alike(avals)


def from_second(device: Any, *avals: Any, **attrs: Any) -> Any:
    """The first input is a number."""
    return alike(avals[1:])


def from_third(device: Any, *avals: Any, **attrs: Any) -> Any:
    """The first two inputs are the learning rate and step counts."""
    return alike(avals[2:])


def _serves(op: str, supports: Any) -> Callable[[Any], Any]:
    """Register ``fn(arrays, inplace, **attrs)`` for the op and for ``op.inplace``."""

    def quietly(device: Any, *avals: Any, **attrs: Any) -> Any:
        """The op itself says why it refuses."""
        return True if supports(device, *avals, **attrs) is True else None

    def wrap(fn: Any) -> Any:
        def plain(dev: Any, *flat: Any, **attrs: Any) -> Any:
            return fn(flat, False, **attrs)

        def inplace(dev: Any, *flat: Any, **attrs: Any) -> Any:
            return fn(flat, True, **attrs)

        for name, run, ok in (
            (op, plain, supports),
            (f"{op}.inplace", inplace, quietly),
        ):
            SPECS.append(KernelSpec(name, "cpu", run, supports=ok, priority=100))
        return fn

    return wrap


def _lists(flat: Sequence[Any], n: int) -> Lists:
    return [flat[i : i + n] for i in range(0, len(flat), n)]


def _results(new: Sequence[Any], inplace: bool) -> tuple[Any, ...]:
    return () if inplace else tuple([a for arrays in new for a in arrays])


@_serves("adam_update", from_third)
def _adam(
    flat: Any, inplace: bool, *, n: int, decays: Any, scales: Any, **settings: Any
) -> tuple[Any, ...]:
    from helix_hal.cpu.kernels.adam import adam

    lr, step = flat[0] * np.array(scales), flat[1]
    lists = _lists(flat[2:], n)
    new = adam(
        *lists, lr=lr, step=step, weight_decay=decays, inplace=inplace, **settings
    )
    return _results(new, inplace)


@_serves("sgd_update", from_third)
def _sgd(
    flat: Any, inplace: bool, *, n: int, decays: Any, scales: Any, **settings: Any
) -> tuple[Any, ...]:
    from helix_hal.cpu.kernels.adam import sgd

    lr, step = flat[0] * np.array(scales), flat[1]
    lists = _lists(flat[2:], n)
    new = sgd(
        *lists, lr=lr, step=step, weight_decay=decays, inplace=inplace, **settings
    )
    return _results([arrays for arrays in new if arrays is not None], inplace)


@_serves("rmsprop_update", from_third)
def _rmsprop(
    flat: Any,
    inplace: bool,
    *,
    n: int,
    decays: Any,
    scales: Any,
    momentum: float,
    centered: bool,
    **settings: Any,
) -> tuple[Any, ...]:
    from helix_hal.cpu.kernels.adam import rmsprop

    params, grads, squares, *rest = _lists(flat[2:], n)
    new = rmsprop(
        params,
        grads,
        squares,
        rest.pop(0) if momentum else None,
        rest.pop(0) if centered else None,
        lr=flat[0] * np.array(scales),
        weight_decay=decays,
        momentum=momentum,
        inplace=inplace,
        **settings,
    )
    return _results(new, inplace)


@_serves("clip_by_norm", every)
def _clip(flat: Any, inplace: bool, *, limit: float) -> Any:
    from helix_hal.cpu.kernels.clip import clip_by_norm

    grads, norm = clip_by_norm(flat, limit, inplace=inplace)
    norm = np.asarray(norm)
    return norm if inplace else (*grads, norm)


@_serves("ema_update", from_second)
def _ema(flat: Any, inplace: bool) -> tuple[Any, ...]:
    from helix_hal.cpu.kernels.clip import ema

    averages, values = _lists(flat[1:], (len(flat) - 1) // 2)
    new = ema(averages, values, float(flat[0]), inplace=inplace)
    return _results([new], inplace)
