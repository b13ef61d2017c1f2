"""Control flow: ``scan``, ``while_loop``, ``cond`` over closed graphs, and ``barrier``.

Bodies are Graphs without captures: all they use comes in as an operand.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from .. import _dtypes as dt
from .. import _ops as ops
from .._aval import Aval
from .._errors import GradError, ShapeError
from .._graph import Graph
from .._primitive import PRIMITIVES, Primitive, bind, primitive
from ._rules import shapes

C = "CONTROL"


class _Loop(Primitive):
    """Its gradient reads every input, however many there are, and no output."""

    __slots__ = ()

    def saves(self, wanted: Any, n_out: int) -> Any:
        return (True,) * len(wanted), (False,) * n_out


def _declare(name: str, infer: Any, vjp: Any, decompose: Any) -> Primitive:
    PRIMITIVES[name] = p = _Loop(name, C, infer, vjp, decompose, multi=True)
    return p


# ---------------------------------------------------------------------- shape rules
def _same(op: str, what: str, want: Any, got: Any) -> None:
    ok = len(want) == len(got) and all(
        a.shape == b.shape and a.dtype is b.dtype
        for a, b in zip(want, got, strict=True)
    )
    if not ok:
        raise ShapeError(
            f"[{op}] expected {what} {shapes(*want) or 'nothing'}; got "
            f"{shapes(*got) or 'nothing'}. Hint: shapes and dtypes may not change; "
            "cast or broadcast before the loop"
        )


def _outs(graph: Graph) -> list[Aval]:
    return [graph.avals[v] for v in graph.outputs]


def _ins(graph: Graph) -> list[Aval]:
    return [graph.avals[v] for v in graph.inputs]


def _row(a: Aval) -> Aval:
    return Aval(a.shape[1:], a.dtype)


def _scan_infer(
    *avals: Aval, body: Graph, n_consts: int, n_carry: int, length: int, reverse: bool
) -> tuple[Aval, ...]:
    n = n_consts + n_carry
    xs = avals[n:]
    if any(a.ndim == 0 or a.shape[0] != length for a in xs):
        raise ShapeError(
            f"[scan] expected xs with a first axis of size {length}; got {shapes(*xs)}"
        )
    _same("scan", "operands of the body", _ins(body), (*avals[:n], *map(_row, xs)))
    outs = _outs(body)
    _same("scan", "a body that returns the carry", avals[n_consts:n], outs[:n_carry])
    ys = [Aval((length, *a.shape), a.dtype) for a in outs[n_carry:]]
    return tuple(outs[:n_carry] + ys)


def _while_infer(
    *avals: Aval, cond: Graph, body: Graph, n_cond: int, n_body: int
) -> tuple[Aval, ...]:
    state = avals[n_cond + n_body :]
    _same("while_loop", "operands of cond", _ins(cond), (*avals[:n_cond], *state))
    _same("while_loop", "operands of the body", _ins(body), avals[n_cond:])
    _same("while_loop", "a body that returns the state", state, _outs(body))
    _same("while_loop", "a condition", [Aval((), dt.bool_)], _outs(cond))
    return tuple(_outs(body))


def _cond_infer(pred: Aval, *avals: Aval, true: Graph, false: Graph) -> Any:
    _same("cond", "a predicate", [Aval((), dt.bool_)], [pred])
    _same("cond", "operands of the true branch", _ins(true), avals)
    _same("cond", "operands of the false branch", _ins(false), avals)
    _same("cond", "branches that return the same:", _outs(true), _outs(false))
    return tuple(_outs(true))


# ---------------------------------------------------------- gradients: traced, memoised
def closed_graph(fn: Callable[..., Any], avals: Any, device: Any) -> tuple[Graph, Any]:
    """``fn`` as a graph without captures; these come first among its inputs."""
    from .._trace import close

    c = close(fn, avals, device)
    g = c.graph
    return Graph((*g.captures, *g.inputs), (), g.equations, g.outputs, g.avals), tuple(
        c.captures
    )


def _pulled(body: Graph, which: tuple[int, ...], operands: Any, cts: Any) -> Any:
    """Gradients of the body's operands ``which``."""
    from .._grad import vjp

    def some(*xs: Any) -> Any:
        full = list(operands)
        for i, x in zip(which, xs, strict=True):
            full[i] = x
        return body.replay(*full)

    grads = vjp(some, *[operands[i] for i in which])[1](tuple(cts))
    return grads if isinstance(grads, tuple) else (grads,)


@lru_cache(512)
def _carries(body: Graph, n_consts: int, n_carry: int, device: Any) -> Any:
    """The body that returns its next carry, and stacks the one it was given."""

    def again(*a: Any) -> Any:
        return *body.replay(*a)[:n_carry], *a[n_consts : n_consts + n_carry]

    return closed_graph(again, _ins(body), device)


@lru_cache(512)
def _backward_body(
    body: Graph,
    n_consts: int,
    n_carry: int,
    wanted: tuple[int, ...],
    has_ct: tuple[bool, ...],
    device: Any,
) -> Any:
    """One step against time.

    Operands: consts; cotangents of the inexact carry, sums for the wanted consts; rows
    of xs, the carry before this step, rows of the cotangents of ys that exist.
    """
    ins, outs = _ins(body), _outs(body)
    n = n_consts + n_carry
    live = [i for i in range(n_consts, n) if ins[i].dtype.inexact]
    sums = [i for i in wanted if i < n_consts]
    rows = [i for i in wanted if i >= n]
    which = (*sums, *live, *rows)

    def back(*a: Any) -> Any:
        it = iter(a)

        def take(k: int) -> list[Any]:
            return [next(it) for _ in range(k)]

        consts, d_carry, d_consts = take(n_consts), take(len(live)), take(len(sums))
        xs, carry = take(len(ins) - n), take(n_carry)
        moving = iter(d_carry)
        cts = [next(moving) if o.dtype.inexact else None for o in outs[:n_carry]]
        cts += [next(it) if h else None for h in has_ct]
        grads = list(_pulled(body, which, (*consts, *carry, *xs), cts))
        g_consts = grads[: len(sums)]
        g_carry = grads[len(sums) : len(sums) + len(live)]
        added = [
            ops.add_p(d, ops.cast(g, d.dtype))
            for d, g in zip(d_consts, g_consts, strict=True)
        ]
        return *g_carry, *added, *grads[len(sums) + len(live) :]

    avals = ins[:n_consts] + [ins[i] for i in live]
    avals += [Aval(ins[i].shape, dt.accumulate_dtype(ins[i].dtype)) for i in sums]
    avals += ins[n:] + ins[n_consts:n]
    avals += [o for o, h in zip(outs[n_carry:], has_ct, strict=True) if h]
    return closed_graph(back, avals, device)


def _scan_vjp(
    inputs: Any,
    outputs: Any,
    cts: Any,
    wanted: Any,
    body: Graph,
    n_consts: int,
    n_carry: int,
    length: int,
    reverse: bool,
) -> Any:
    """Two scans: forward again, stacking the carries; then the body's vjp backward."""
    n, dev = n_consts + n_carry, inputs[0].device
    consts, xs = inputs[:n_consts], inputs[n:]
    carries: tuple[Any, ...] = ()
    if n_carry:
        again, extra = _carries(body, n_consts, n_carry, dev)
        carries = bind(
            scan_p,
            *extra,
            *inputs,
            body=again,
            n_consts=len(extra) + n_consts,
            n_carry=n_carry,
            length=length,
            reverse=reverse,
        )[n_carry:]
    live = [i for i in range(n_carry) if inputs[n_consts + i].dtype.inexact]
    need = tuple([i for i, w in enumerate(wanted) if w])
    sums = [i for i in need if i < n_consts]
    has = tuple([c is not None for c in cts[n_carry:]])
    back, extra = _backward_body(body, n_consts, n_carry, need, has, dev)
    d_carry = [
        ops.zeros_like(inputs[n_consts + i]) if cts[i] is None else cts[i] for i in live
    ]
    d_consts = [
        ops.zeros_like(consts[i], dt.accumulate_dtype(consts[i].dtype)) for i in sums
    ]
    out = bind(
        scan_p,
        *extra,
        *consts,
        *d_carry,
        *d_consts,
        *xs,
        *carries,
        *[c for c in cts[n_carry:] if c is not None],
        body=back,
        n_consts=len(extra) + n_consts,
        n_carry=len(live) + len(sums),
        length=length,
        reverse=not reverse,
    )
    grads: list[Any] = [None] * len(inputs)
    split = len(live) + len(sums)
    for i, g in zip(live, out, strict=False):
        if wanted[n_consts + i]:
            grads[n_consts + i] = g
    for i, g in zip(sums, out[len(live) : split], strict=True):
        grads[i] = g
    for i, g in zip([i for i in need if i >= n], out[split:], strict=True):
        grads[i] = g
    return tuple(grads)


@lru_cache(512)
def _branch_body(
    branch: Graph, which: tuple[int, ...], has: tuple[bool, ...], device: Any
) -> Any:
    ins, outs = _ins(branch), _outs(branch)

    def back(*a: Any) -> Any:
        given = iter(a[len(ins) :])
        cts = [next(given) if h else None for h in has]
        return _pulled(branch, which, a[: len(ins)], cts)

    avals = ins + [o for o, h in zip(outs, has, strict=True) if h]
    return closed_graph(back, avals, device)


def _cond_vjp(
    inputs: Any, outputs: Any, cts: Any, wanted: Any, true: Graph, false: Graph
) -> Any:
    pred, *args = inputs
    which = tuple([i for i, w in enumerate(wanted[1:]) if w])
    has = tuple([c is not None for c in cts])
    graphs = [_branch_body(g, which, has, pred.device) for g in (true, false)]
    out = cond_of(pred, [*args, *[c for c in cts if c is not None]], *graphs)
    grads: list[Any] = [None] * len(inputs)
    for i, g in zip(which, out, strict=True):
        grads[i + 1] = g
    return tuple(grads)


def cond_of(pred: Any, args: Any, *branches: tuple[Graph, Any]) -> Any:
    """Bind ``cond`` for two closed graphs that have captures of their own."""
    (a, more_a), (b, more_b) = branches
    true = _padded(a, len(more_a), [t.aval for t in more_b])
    false = _padded(b, 0, [t.aval for t in more_a])
    return bind(cond_p, pred, *more_a, *more_b, *args, true=true, false=false)


def _padded(g: Graph, at: int, avals: list[Aval]) -> Graph:
    """The graph with inputs that it does not use, inserted at a position."""
    n = len(g.avals)
    extra = range(n, n + len(avals))
    ins = (*g.inputs[:at], *extra, *g.inputs[at:])
    return Graph(ins, (), g.equations, g.outputs, (*g.avals, *avals))


def _no_gradient(inputs: Any, outputs: Any, cts: Any, wanted: Any, **attrs: Any) -> Any:
    raise GradError(
        "[while_loop] expected no gradient: its number of steps is not known, so it "
        "runs forward only. Hint: hx.scan with a fixed length, or x.detach() on the "
        "state"
    )


# ------------------------------------------------------------------------- any backend
def _run(graph: Graph, tensors: Any) -> Any:
    """The plan of a body on the current device's buffers, as tensors."""
    from .._interpreter import plan_for
    from .._tensor import Tensor

    dev = tensors[0].device if tensors else _here()
    out = plan_for(graph, dev)(*[t.buffer for t in tensors])
    avals = _outs(graph)
    return [Tensor(b, a, dev) for b, a in zip(out, avals, strict=True)]


def _here() -> Any:
    from .._device import default_device

    return default_device()


def _scan_decomposed(
    *ts: Any, body: Graph, n_consts: int, n_carry: int, length: int, reverse: bool
) -> Any:
    consts, carry = ts[:n_consts], list(ts[n_consts : n_consts + n_carry])
    xs = ts[n_consts + n_carry :]
    outs = _outs(body)[n_carry:]
    ys: list[list[Any]] = [[] for _ in outs]
    for t in reversed(range(length)) if reverse else range(length):
        row = [ops.reshape_p(ops.narrow(x, 0, t, t + 1), x.shape[1:]) for x in xs]
        out = _run(body, (*consts, *carry, *row))
        carry = out[:n_carry]
        for y, v in zip(ys, out[n_carry:], strict=True):
            y.append(v)
    stacked = [
        ops.stack(y[::-1] if reverse else y)
        if length
        else ops.zeros((0, *a.shape), a.dtype, ts[0].device if ts else None)
        for y, a in zip(ys, outs, strict=True)
    ]
    return (*carry, *stacked)


def _while_decomposed(
    *ts: Any, cond: Graph, body: Graph, n_cond: int, n_body: int
) -> Any:
    first, second = ts[:n_cond], ts[n_cond : n_cond + n_body]
    state = list(ts[n_cond + n_body :])
    while _run(cond, (*first, *state))[0]:
        state = _run(body, (*second, *state))
    return tuple(state)


def _cond_decomposed(pred: Any, *ts: Any, true: Graph, false: Graph) -> Any:
    return tuple(_run(true if pred else false, ts))


scan_p = _declare("scan", _scan_infer, _scan_vjp, _scan_decomposed)
cond_p = _declare("cond", _cond_infer, _cond_vjp, _cond_decomposed)
while_loop_p = primitive(
    "while_loop",
    C,
    _while_infer,
    _no_gradient,
    decompose=_while_decomposed,
    multi=True,
    reads=((),),
)
barrier_p = primitive(
    "barrier",
    C,
    lambda *avals: avals,
    lambda inputs, outputs, cts, wanted: cts,
    decompose=lambda *xs: xs,
    multi=True,
    reads=((),),
)
