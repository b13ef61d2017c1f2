"""Tracing: run a function on tensors without values, and keep what it did as a Graph.

One closure converter, `close`, serves `trace`, `compile`, `checkpoint`, the bodies of
composites and of control flow. While a trace is active every bind records, whatever its
arguments: else a mask or a constant would be baked in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ._aval import Aval
from ._cell import Cell
from ._errors import DeviceError, TraceError
from ._graph import Equation, Graph
from ._state import STATE, scope
from ._tape import Mark, Node
from ._tensor import Tensor
from ._tree import flatten


class Trace:
    """The state of one running trace.

    ``lift``: cells that are read become inputs of the graph; else their values are
    captured, from the parent trace if there is one.
    """

    __slots__ = ("device", "lift", "literals", "parent", "reads", "token", "writes")

    def __init__(self, parent: Trace | None, device: Any, lift: bool) -> None:
        self.parent = parent
        self.device = device
        self.lift = lift
        self.token = object()
        self.reads: dict[Cell, Any] = {}
        self.writes: dict[Cell, Any] = {}
        self.literals: dict[Any, Tensor] = {}

    def read(self, cell: Cell) -> Any:
        if cell in self.writes:
            return self.writes[cell]
        if not self.lift:
            return self.parent.read(cell) if self.parent else cell._value
        if cell not in self.reads:
            v = cell._value
            if v is None:
                self.reads[cell] = None
            else:
                mask = v.node.mask if v.node is not None else 0
                leaf = Mark(None, (), {}, (v.aval,), mask, v.device, self.token, cell)
                self.reads[cell] = Tensor(None, v.aval, v.device, leaf)
        return self.reads[cell]

    def placeholder(self, aval: Aval) -> Tensor:
        node = Mark(None, (), {}, (aval,), 0, self.device, self.token)
        return Tensor(None, aval, self.device, node)

    def record(
        self, op: Any, args: tuple[Tensor, ...], attrs: dict[str, Any], multi: bool
    ) -> Any:
        dev = self.device
        mask = 0
        for a in args:
            if a.device is not dev and op.category != "TRANSFER":
                raise DeviceError(
                    f"[{op.name}] expected tensors on {dev.name!r}, the device of this "
                    f"trace; got one on {a.device.name!r}. Hint: x.to({dev.name!r})"
                )
            if a.node is not None:
                mask |= a.node.mask
        in_avals = tuple([a.aval for a in args])
        try:
            avals = op.avals((*in_avals, *attrs.items()), in_avals, attrs)
        except TypeError as e:
            from ._primitive import raise_unhashable

            raise_unhashable(op.name, attrs, e)
        mask &= STATE.get().active
        if op.vjp is None:
            mask = 0
        out_dev = attrs["target"] if op.category == "TRANSFER" else dev
        node = Mark(op, args, attrs, avals, mask, out_dev, self.token)
        outs = tuple([Tensor(None, a, out_dev, node, i) for i, a in enumerate(avals)])
        return outs if multi else outs[0]


class Closed:
    """What `close` returns: a graph, what it captured, and which cells it touched."""

    __slots__ = (
        "captures",
        "cells_in",
        "cells_out",
        "graph",
        "live",
        "n_out",
        "touched",
        "tree",
    )

    def __init__(
        self,
        graph: Graph,
        captures: list[Tensor],
        tree: Any,
        n_out: int,
        cells_in: tuple[Cell, ...],
        cells_out: tuple[Cell, ...],
        live: tuple[bool, ...],
        touched: tuple[Cell, ...],
    ) -> None:
        self.graph = graph
        self.captures = captures  # values for graph.captures
        self.tree = tree  # definition of the returned tree
        self.n_out = n_out  # how many graph outputs belong to it; the rest are cells
        self.cells_in = cells_in  # lifted: the last inputs of the graph
        self.cells_out = cells_out
        self.touched = touched  # every cell that was read, also where it was None
        self.live = live  # per written cell: a tensor (True) or None (False)


def close(
    fn: Callable[..., Any],
    avals: Sequence[Aval],
    device: Any,
    lift: bool = False,
    active: int | None = None,
) -> Closed:
    """Trace ``fn`` on tensors of these avals.

    Parameters
    ----------
    lift : bool
        Cells become inputs and outputs of the graph.
    active : int, optional
        Levels that record inside; default none but those opened inside.
    """
    s = STATE.get()
    tr = Trace(s.trace, device, lift)
    ins = [tr.placeholder(a) for a in avals]
    with scope(trace=tr, device=device, active=active or 0):
        out = fn(*ins)
        leaves, tree = flatten(out)
        leaves = [x.value if isinstance(x, Cell) else x for x in leaves]
    cells = [c for c, t in tr.reads.items() if t is not None]
    writes = list(tr.writes.items())
    roots = leaves + [t for _, t in writes if t is not None]
    heads = ins + [tr.reads[c] for c in cells]
    graph, captures = _build(tr, heads, roots)
    return Closed(
        graph,
        captures,
        tree,
        len(leaves),
        tuple(cells),
        tuple(c for c, _ in writes),
        tuple(t is not None for _, t in writes),
        tuple(tr.reads),
    )


def _build(
    tr: Trace, heads: list[Tensor], roots: list[Tensor]
) -> tuple[Graph, list[Tensor]]:
    """The graph of what is reachable from the roots."""
    token = tr.token

    def mine(t: Tensor) -> bool:
        return t.buffer is None and t.node is not None and t.node.trace is token

    seen: set[Node] = set()
    stack = [t.node for t in roots if mine(t)]
    while stack:
        n = stack.pop()
        if n not in seen:
            seen.add(n)
            stack += [t.node for t in n.inputs if mine(t)]
    avals: list[Aval] = []
    var: dict[Any, int] = {}
    captures: list[Tensor] = []
    capture_vars: list[int] = []

    def new(aval: Aval) -> int:
        avals.append(aval)
        return len(avals) - 1

    def ref(t: Tensor) -> int:
        if mine(t):
            key: Any = (t.node, t.index)
            if key not in var:
                raise TraceError("[trace] a tensor of this trace was lost")
        else:
            if t.buffer is None and (t.node is None or t.node.trace is None):
                raise TraceError(
                    "[trace] a gradient rule read a value that its primitive does not "
                    f"keep ({t.aval})"
                )
            # the node too: x and x.detach() share a buffer, not a history
            key = (id(t.buffer), id(t.node), t.index, t.aval)
            if key not in var:
                var[key] = new(t.aval)
                captures.append(t)
                capture_vars.append(var[key])
        return var[key]

    for t in heads:
        var[t.node, 0] = new(t.aval)
    equations = []
    for n in sorted(seen, key=lambda n: -n.seq):
        if n.op is None:
            continue
        if n.op.name == "identity":  # marks a level; nothing to compute
            var[n, 0] = ref(n.inputs[0])
            continue
        inputs = tuple([ref(t) for t in n.inputs])
        outputs = tuple([new(a) for a in n.avals])
        for i, v in enumerate(outputs):
            var[n, i] = v
        equations.append(Equation(n.op, inputs, outputs, n.attrs))
    outs = [ref(t) for t in roots]
    graph = Graph([var[t.node, 0] for t in heads], capture_vars, equations, outs, avals)
    return graph, captures
