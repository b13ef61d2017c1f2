"""Graphs as JAX functions: what `jax.jit` gets, for plans, composites and loop bodies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import jax
import numpy as np
from helix_core import HelixError
from helix_core._aval import Aval
from helix_core._composite import Composite
from helix_core._dtypes import as_dtype
from helix_core._graph import Equation, Graph
from helix_core._kernels import choose
from helix_core._primitive import Primitive
from jax import lax

from .forms import FORMS
from .native import NATIVE

Arrays = Sequence[Any]


class HostErrors:
    """What host calls of one program raised: XLA would tell it as text only."""

    def __init__(self) -> None:
        self.calls = 0  # in the program
        self.raised: list[Exception] = []


HOST: ContextVar[HostErrors | None] = ContextVar("host errors", default=None)


def aval_of(x: Any) -> Aval:
    """Shape and dtype of an array of JAX, traced or not."""
    return Aval(x.shape, as_dtype(x.dtype))


def function_of(graph: Graph, device: Any) -> Callable[..., tuple[Any, ...]]:
    """The graph as a function of its inputs, then captures."""

    def run(*arrays: Any) -> tuple[Any, ...]:
        env = dict(zip((*graph.inputs, *graph.captures), arrays, strict=True))
        for e in graph.equations:
            outs = _apply(e, [env[v] for v in e.inputs], graph, device)
            env.update(zip(e.outputs, outs, strict=True))
        return tuple([env[v] for v in graph.outputs])

    return run


def stays(graph: Graph, device: Any) -> bool:
    """Whether nothing in the graph, or in a loop of it, goes to another device."""
    return all(
        e.attrs.get("target", device) is device
        and all(stays(g, device) for g in e.attrs.values() if isinstance(g, Graph))
        for e in graph.equations
    )


def _apply(e: Equation, xs: Arrays, graph: Graph, device: Any) -> Arrays:
    if isinstance(e.op, Composite):
        avals = tuple([graph.avals[v] for v in e.inputs])
        return composite(e.op, avals, e.attrs, device, xs)
    return primitive(e.op, xs, e.attrs, device)


def composite(
    op: Composite,
    avals: tuple[Aval, ...],
    attrs: dict[str, Any],
    device: Any,
    xs: Arrays,
) -> Arrays:
    """Somebody's kernel for it, a function of JAX's, or its body."""
    theirs = choose(op.name, device, avals, attrs).forward
    if theirs is not None and not getattr(theirs, "default_body", False):
        out = theirs(device, *xs, **attrs)
        return out if isinstance(out, tuple) else (out,)
    if op.name in NATIVE:
        return (NATIVE[op.name](*xs),)
    with jax.ensure_compile_time_eval():  # constants of the body are values
        body = op.body(avals, attrs, device)
    return _closed(body, device, xs)


def _closed(body: Any, device: Any, xs: Arrays) -> Arrays:
    captured = [t.buffer for t in body.captures]
    return function_of(body.graph, device)(*xs, *captured)


def primitive(op: Primitive, xs: Arrays, attrs: dict[str, Any], device: Any) -> Arrays:
    """One primitive, as a tuple of its results."""
    out: Any
    if op.name in FORMS:
        out = FORMS[op.name](*xs, **attrs)
    elif op.name in CONTROL:
        out = CONTROL[op.name](device, *xs, **attrs)
    elif op.category == "HOST":
        return _on_host(op, xs, attrs, device)
    elif op.category == "TRANSFER":
        out = xs[0]
    else:
        return _decomposed(op, xs, attrs, device)
    return out if op.multi else (out,)


def _decomposed(
    op: Primitive, xs: Arrays, attrs: dict[str, Any], device: Any
) -> Arrays:
    from helix_core._trace import close

    rule = op.decompose
    if rule is None:
        raise NotImplementedError(f"[{op.name}] expected a form in JAX; got none")
    with jax.ensure_compile_time_eval():
        avals = [aval_of(x) for x in xs]
        body = close(lambda *ts: rule(*ts, **attrs), avals, device)
    return _closed(body, device, xs)


def _on_host(op: Primitive, xs: Arrays, attrs: dict[str, Any], device: Any) -> Arrays:
    """Linear algebra: NumPy's lowering, called back from the program."""
    from helix_core.reference.linalg import LOWERINGS

    outs = op.infer(*[aval_of(x) for x in xs], **attrs)
    shapes = tuple([jax.ShapeDtypeStruct(a.shape, a.dtype.dtype) for a in outs])
    errors = HOST.get()
    if errors is not None:
        errors.calls += 1

    def call(*arrays: Any) -> tuple[Any, ...]:
        try:
            got = LOWERINGS[op.name](device, *map(np.asarray, arrays), **attrs)
        except HelixError as e:
            if errors is None:
                raise
            errors.raised.append(e)
            return tuple([np.zeros(s.shape, s.dtype) for s in shapes])
        return got if isinstance(got, tuple) else (got,)

    return tuple(jax.pure_callback(call, shapes, *xs))


# ------------------------------------------------------------------------ control flow
def _scan(
    device: Any,
    *xs: Any,
    body: Graph,
    n_consts: int,
    n_carry: int,
    length: int,
    reverse: bool,
) -> Arrays:
    run, n = function_of(body, device), n_consts + n_carry
    consts = xs[:n_consts]

    def step(carry: Any, row: Any) -> Any:
        out = run(*consts, *carry, *row)
        return out[:n_carry], out[n_carry:]

    carry, ys = lax.scan(step, xs[n_consts:n], xs[n:], length, reverse)
    return (*carry, *ys)


def _while_loop(
    device: Any, *xs: Any, cond: Graph, body: Graph, n_cond: int, n_body: int
) -> Arrays:
    test, step = function_of(cond, device), function_of(body, device)
    first, second = xs[:n_cond], xs[n_cond : n_cond + n_body]
    out: tuple[Any, ...] = lax.while_loop(
        lambda state: test(*first, *state)[0],
        lambda state: step(*second, *state),
        xs[n_cond + n_body :],
    )
    return out


def _cond(device: Any, pred: Any, *xs: Any, true: Graph, false: Graph) -> Arrays:
    out: tuple[Any, ...] = lax.cond(
        pred, function_of(true, device), function_of(false, device), *xs
    )
    return out


CONTROL: dict[str, Callable[..., Any]] = {
    "scan": _scan,
    "while_loop": _while_loop,
    "cond": _cond,
    "barrier": lambda device, *xs: lax.optimization_barrier(xs),
}
