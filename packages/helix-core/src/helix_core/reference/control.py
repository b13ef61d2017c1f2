"""NumPy lowerings of control flow: Python loops over a plan of the body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._graph import Graph
from .._interpreter import plan_for


def _scan(
    dev: Any,
    *buffers: np.ndarray,
    body: Graph,
    n_consts: int,
    n_carry: int,
    length: int,
    reverse: bool,
    out: Any = None,
) -> tuple[np.ndarray, ...]:
    plan = plan_for(body, dev).run
    consts = buffers[:n_consts]
    carry = buffers[n_consts : n_consts + n_carry]
    xs = buffers[n_consts + n_carry :]
    avals = [body.avals[v] for v in body.outputs[n_carry:]]
    ys = [np.empty((length, *a.shape), a.dtype.dtype) for a in avals]
    for t in reversed(range(length)) if reverse else range(length):
        # x[t, ...] is an array also where a row is one number
        res = plan(*consts, *carry, *[x[t, ...] for x in xs])
        carry = res[:n_carry]
        for y, v in zip(ys, res[n_carry:], strict=True):
            y[t] = v
    return (*carry, *ys)


def _while_loop(
    dev: Any,
    *buffers: np.ndarray,
    cond: Graph,
    body: Graph,
    n_cond: int,
    n_body: int,
    out: Any = None,
) -> tuple[np.ndarray, ...]:
    test, step = plan_for(cond, dev).run, plan_for(body, dev).run
    first, second = buffers[:n_cond], buffers[n_cond : n_cond + n_body]
    state = buffers[n_cond + n_body :]
    while test(*first, *state)[0]:
        state = step(*second, *state)
    return state


def _cond(
    dev: Any,
    pred: np.ndarray,
    *buffers: np.ndarray,
    true: Graph,
    false: Graph,
    out: Any = None,
) -> tuple[np.ndarray, ...]:
    return plan_for(true if pred else false, dev)(*buffers)


LOWERINGS: dict[str, Callable[..., Any]] = {
    "scan": _scan,
    "while_loop": _while_loop,
    "cond": _cond,
    "barrier": lambda dev, *xs, out=None: xs,
}
