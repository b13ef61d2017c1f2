"""The tape: nodes, the reverse walk, and what users call to differentiate.

Every tracked tensor points at the Node that made it. A node carries the set of gradient
*levels* that reach it, as a bit mask: bit 0 is ``backward()``'s, each running ``grad``
or ``vjp`` owns another. A walk follows one level and records for all others, so that
gradients of gradients need nothing special.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable
from typing import Any

from . import _ops as ops
from ._aval import Aval
from ._errors import GradError
from ._state import STATE, State, scope
from ._tensor import Tensor

SEQ = itertools.count(0, -1)  # the latest node is the smallest: a heap pops it first
NO_ATTRS: dict[str, Any] = {}  # shared by every node without attributes


class Node:
    """How a tensor was made. ``outs`` are buffers, not Tensors: no reference cycle."""

    __slots__ = ("attrs", "avals", "device", "inputs", "mask", "op", "outs", "seq")
    cell: Any = None
    trace: Any = None

    def __init__(
        self,
        op: Any,
        inputs: Any,
        attrs: Any,
        avals: Any,
        mask: int,
        outs: Any,
        device: Any,
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.attrs = attrs
        self.avals = avals
        self.mask = mask
        self.outs = outs
        self.device = device
        self.seq = next(SEQ)

    def outputs(self) -> tuple[Tensor, ...]:
        outs = self.outs or (None,) * len(self.avals)
        return tuple(
            [
                Tensor(b, a, self.device, self, i)
                for i, (b, a) in enumerate(zip(outs, self.avals, strict=True))
            ]
        )


class Mark(Node):
    """A node of a trace (``trace`` is its token), or a leaf that belongs to a cell."""

    __slots__ = ("cell", "trace")

    def __init__(
        self,
        op: Any,
        inputs: Any,
        attrs: Any,
        avals: Any,
        mask: int,
        device: Any,
        trace: Any = None,
        cell: Any = None,
    ) -> None:
        super().__init__(op, inputs, attrs, avals, mask, None, device)
        self.trace = trace
        self.cell = cell


_NO_OUTPUT = (None,)  # what an op gets whose gradient reads no output


def ghost(t: Tensor) -> Tensor:
    """The tensor without its buffer: still knows its aval and where it came from."""
    return Tensor(None, t.aval, t.device, t.node, t.index)


def unbroadcast(g: Tensor, aval: Aval) -> Tensor:
    """Sum a gradient down to the shape of its input, and cast it to its dtype."""
    have, want = g.aval.shape, aval.shape
    if have != want:
        lead = len(have) - len(want)
        axes = tuple(range(lead)) + tuple(
            i + lead for i, n in enumerate(want) if n == 1 and have[i + lead] != 1
        )
        if axes:
            g = ops.reduce_sum_p(g, axes)
        if g.aval.shape != want:
            g = ops.reshape_p(g, want)
    if g.aval.dtype is not aval.dtype:
        g = ops.cast(g, aval.dtype)
    return g


def walk(
    roots: Iterable[tuple[Tensor, Tensor]],
    bit: int,
    stop: Iterable[Node] = (),
    free: bool = False,
) -> dict[Node, Tensor]:
    """Reverse walk of one level from ``(tensor, cotangent)`` roots.

    Returns the cotangents that arrive at the ``stop`` nodes and at leaves.
    """
    cots: dict[Node, Any] = {}  # a cotangent, or a list where there are several outputs
    heap: list[tuple[int, Node]] = []
    found: dict[Node, Tensor] = {}
    stops = set(stop)
    add, push, pop = ops.add_p, heapq.heappush, heapq.heappop

    def give(x: Tensor, g: Tensor) -> None:
        n = x.node
        have = cots.get(n)
        if have is None:
            push(heap, (n.seq, n))
            if len(n.avals) == 1:
                cots[n] = g
            else:
                cots[n] = slots = [None] * len(n.avals)
                slots[x.index] = g  # type: ignore[call-overload]
        elif type(have) is list:
            old = have[x.index]
            have[x.index] = g if old is None else add(old, g)
        else:
            cots[n] = add(have, g)

    s = STATE.get()
    here, trace, active = s.device, s.trace, s.active & ~bit
    token = STATE.set(State(trace, active, here, "float32", s.moved))
    try:
        for t, ct in roots:
            if t.node is not None and t.node.mask & bit:
                give(t, ct)
        while heap:
            n = pop(heap)[1]
            got = cots.pop(n)
            op = n.op
            if op is None or (stops and n in stops):
                found[n] = got
                continue
            inputs = n.inputs
            if inputs is None:
                raise GradError(
                    "[backward] expected a graph that was not walked before; it was "
                    "freed by an earlier backward(). Hint: backward(retain=True)"
                )
            if n.device is not here:
                here = n.device
                STATE.set(State(trace, active, here, "float32", s.moved))
            outputs = n.outputs() if op.reads_out else _NO_OUTPUT
            if op.pulls is not None:  # one rule per input: only the wanted ones run
                out = outputs[0]
                for x, pull in zip(inputs, op.pulls):  # noqa: B905
                    m = x.node
                    if m is not None and m.mask & bit and x.aval.dtype.inexact:
                        g = pull(got, *inputs, out)
                        give(x, g if g.aval is x.aval else unbroadcast(g, x.aval))
            else:
                wanted = tuple([_wants(x, bit) for x in inputs])
                cts = tuple(got) if type(got) is list else (got,)
                grads = op.vjp(inputs, outputs, cts, wanted, **n.attrs)
                for x, g, w in zip(inputs, grads, wanted, strict=True):
                    if w and g is not None:
                        give(x, g if g.aval is x.aval else unbroadcast(g, x.aval))
            if free and n.mask == bit and n.trace is None:
                n.inputs = n.outs = None
    finally:
        STATE.reset(token)
    return found


def _wants(x: Tensor, bit: int) -> bool:
    n = x.node
    return n is not None and n.mask & bit != 0 and x.aval.dtype.inexact


def backward(loss: Tensor, grad: Tensor | None = None, retain: bool = False) -> None:
    """Add d loss / d p to ``p.grad`` of every Parameter that reaches ``loss``.

    Parameters
    ----------
    loss : Tensor
        Real, with one element, unless ``grad`` is given.
    grad : Tensor, optional
        Cotangent of ``loss``, of its shape.
    retain : bool
        Keep the graph, so that another ``backward`` can walk it.

    Raises
    ------
    GradError
        If nothing that needs a gradient reaches ``loss``, if it has more than one
        element, or if the graph was freed. No ``.grad`` is written then.
    """
    if loss.node is None or not loss.node.mask & 1:
        raise GradError(
            "[backward] expected a loss that a Parameter reaches; got one without a "
            "graph. Hint: was it computed inside no_grad()?"
        )
    if grad is None:
        if loss.aval.size != 1 or loss.aval.dtype.category != "float":
            raise GradError(
                f"[backward] expected a real loss of one element; got {loss.aval}. "
                "Hint: loss.mean().backward(), or pass grad="
            )
        grad = ops.ones_like(loss)
    elif grad.aval.shape != loss.aval.shape:
        raise GradError(
            f"[backward] expected grad of shape {loss.shape}; got {grad.shape}"
        )
    found = walk([(loss, grad)], 1, free=not retain)
    cells = [(n.cell, ct) for n, ct in found.items() if n.cell is not None]
    if any(c.grad is not None for c, _ in cells):
        with no_level_one():
            cells = [
                (c, ct if c.grad is None else ops.add_p(c.grad, ct)) for c, ct in cells
            ]
    for c, g in cells:
        c.grad = g


def no_level_one() -> scope:
    return scope(active=STATE.get().active & ~1)
