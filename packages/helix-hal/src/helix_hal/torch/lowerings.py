"""The table of lowerings: each form, with the device and our errors around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from helix_core._device import _decomposed, need_dtype

from .dtypes import TORCH
from .forms import contract, elementwise, index, movement, random, reduce, scan, signal
from .session import find, guarded, translated

FORMS: dict[str, Callable[..., Any]] = {}
for _m in (contract, index, movement, random, reduce, scan, signal):
    FORMS |= _m.FORMS
_WRITE = {**elementwise.FORMS, "scatter": index.FORMS["scatter"]}


def _form(name: str, form: Callable[..., Any]) -> Callable[..., Any]:
    def run(dev: Any, *xs: Any, out: Any = None, **attrs: Any) -> Any:
        try:
            return form(*xs, **attrs)
        except RuntimeError as e:
            raise translated(e, name, dev) from e

    return run


def _writing(name: str, form: Callable[..., Any]) -> Callable[..., Any]:
    """A form that may write its result over an operand."""

    def run(dev: Any, *xs: Any, out: Any = None, **attrs: Any) -> Any:
        try:
            return form(*xs, out=out, **attrs)
        except RuntimeError as e:
            raise translated(e, name, dev) from e

    return run


def _full(
    dev: Any, shape: Any, value: Any, dtype: Any, weak: bool = False, out: Any = None
) -> torch.Tensor:
    where = find(dev)
    if where.type != "cpu":
        need_dtype(dev, dtype, "full")
    return movement.full(shape, value, dtype, where)


def _iota(dev: Any, n: int, dtype: Any, out: Any = None) -> torch.Tensor:
    where = find(dev)
    if where.type != "cpu":
        need_dtype(dev, dtype, "iota")
    return movement.iota(n, dtype, where)


def _cast(dev: Any, x: torch.Tensor, dtype: Any, out: Any = None) -> torch.Tensor:
    if x.dtype == TORCH[dtype]:
        return x.clone()  # memory of its own, as of any elementwise op
    if x.device.type != "cpu":
        need_dtype(dev, dtype, "cast")
    return elementwise.cast(x, dtype)


def _conv(dev: Any, x: Any, w: Any, out: Any = None, **attrs: Any) -> Any:
    y = signal.conv(x, w, **attrs)
    return _decomposed("conv", dev)(dev, x, w, **attrs) if y is None else y


def _copy_to(dev: Any, x: torch.Tensor, target: Any, out: Any = None) -> Any:
    """To another device of torch directly, to one of another backend by the host."""
    if target is dev:
        return x
    if target.backend is dev.backend:
        return x.to(find(target))
    return target.backend.from_host(dev.backend.to_host(x).copy(), target)


def _kept(dev: Any, x: torch.Tensor, out: Any = None) -> torch.Tensor:
    return x


def _scan(
    dev: Any,
    *buffers: torch.Tensor,
    body: Any,
    n_consts: int,
    n_carry: int,
    length: int,
    reverse: bool,
    out: Any = None,
) -> tuple[torch.Tensor, ...]:
    """A Python loop over a plan of the body."""
    from .plan import plan_for

    plan, where = plan_for(body, dev).run, find(dev)
    n = n_consts + n_carry
    consts, carry, xs = buffers[:n_consts], buffers[n_consts:n], buffers[n:]
    avals = [body.avals[v] for v in body.outputs[n_carry:]]
    ys = [
        torch.empty((length, *a.shape), dtype=TORCH[a.dtype], device=where)
        for a in avals
    ]
    rows = [x.unbind(0) if length else () for x in xs]
    for t in reversed(range(length)) if reverse else range(length):
        res = plan(*consts, *carry, *[x[t] for x in rows])
        carry = res[:n_carry]
        for y, v in zip(ys, res[n_carry:], strict=True):
            y[t] = v
    return (*carry, *ys)


def _while_loop(
    dev: Any,
    *buffers: torch.Tensor,
    cond: Any,
    body: Any,
    n_cond: int,
    n_body: int,
    out: Any = None,
) -> tuple[torch.Tensor, ...]:
    from .plan import plan_for

    test, step = plan_for(cond, dev).run, plan_for(body, dev).run
    first, second = buffers[:n_cond], buffers[n_cond : n_cond + n_body]
    state = buffers[n_cond + n_body :]
    while test(*first, *state)[0]:
        state = step(*second, *state)
    return state


def _cond(
    dev: Any, pred: Any, *buffers: Any, true: Any, false: Any, out: Any = None
) -> tuple[torch.Tensor, ...]:
    from .plan import plan_for

    return plan_for(true if pred else false, dev)(*buffers)


LOWERINGS: dict[str, Callable[..., Any]] = {
    **{name: _form(name, form) for name, form in FORMS.items()},
    **{name: _writing(name, form) for name, form in _WRITE.items()},
    "scan": guarded("scan", _scan),
    "while_loop": guarded("while_loop", _while_loop),
    "cond": guarded("cond", _cond),
    "barrier": lambda dev, *xs, out=None: xs,
    "identity": _kept,
    "stop_gradient": _kept,
    "cast": guarded("cast", _cast),
    "full": guarded("full", _full),
    "iota": guarded("iota", _iota),
    "conv": guarded("conv", _conv),
    "copy_to": guarded("copy_to", _copy_to),
}
