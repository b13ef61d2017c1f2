"""``hx.trace`` and ``hx.compile``: a step as one graph, planned once and replayed.

Cells that the function reads and writes (parameters, gradients, optimizer state, random
state) become inputs and outputs of the graph. Values that change between calls must be
tensors or cells; every other Python value is a constant of the plan.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from inspect import getclosurevars
from typing import Any

from ._cell import Cell
from ._device import default_device
from ._errors import DeviceError, TraceError
from ._exclusive import exclusive
from ._fallback import Replay
from ._graph import Graph
from ._state import STATE
from ._tensor import Tensor
from ._trace import Closed, close
from ._tree import flatten, unflatten


class Entry:
    """One traced graph, its plan, and the cell signature it was made for."""

    __slots__ = ("closed", "device", "over", "plan", "seen")

    def __init__(self, closed: Closed, plan: Any, device: Any, seen: Any) -> None:
        self.closed = closed
        self.plan = plan
        self.device = device
        self.seen = seen  # ((cell, aval or None, device), ...) at trace time
        # inputs whose cells get a new value, and whose memory the plan would reuse
        first = len(closed.graph.inputs) - len(closed.cells_in)
        written = {
            c for c, live in zip(closed.cells_out, closed.live, strict=True) if live
        }
        given = [first + i for i, c in enumerate(closed.cells_in) if c in written]
        reuses = getattr(plan, "reuses", None)
        self.over = tuple(reuses(given)) if reuses is not None else ()

    def donated(self) -> tuple[int, ...]:
        """The inputs that may be overwritten now."""
        if not self.over:
            return ()
        cells = self.closed.cells_in
        first = len(self.closed.graph.inputs) - len(cells)
        return self.over if exclusive([cells[i - first] for i in self.over]) else ()

    def fits(self) -> bool:
        return all(_sign(c) == sig for c, sig in self.seen)


def _sign(cell: Cell) -> Any:
    v = cell._value
    return None if v is None else (v.aval, v.device, v.node is not None)


class Explanation(dict[str, Any]):
    """What `Traced.explain` found, by name; prints as a list.

    ``inputs`` and ``cells_read`` are read anew at each call, ``cells_written`` get a new
    value. The rest is fixed in the plan: ``constants``, tensors that the function found
    outside; ``static``, arguments that are no tensors (others make another plan); and
    ``closure``, numbers and texts of the enclosing scope, whose changes go unnoticed.
    """

    def __str__(self) -> str:
        lines = []
        for name, value in self.items():
            items = value if isinstance(value, list) else [value]
            lines.append(f"{name}: {', '.join(map(str, items)) or 'none'}")
        return "\n".join(lines)


def _statics(definition: Any) -> Iterator[Any]:
    kind = definition[0]
    if kind == "dict":
        for _, part in definition[1]:
            yield from _statics(part)
    elif kind == "seq":
        for part in definition[2]:
            yield from _statics(part)
    elif kind == "static" and definition[2] is not None:
        yield definition[2]


def _closure(fn: Any) -> list[str]:
    """Plain values that the function reads from outside of it."""
    try:
        found = getclosurevars(fn)
    except TypeError:  # not a Python function
        return []
    named = {**found.globals, **found.nonlocals}
    plain = (bool, int, float, complex, str)
    return [f"{k}={v!r}" for k, v in named.items() if isinstance(v, plain)]


class Traced:
    """A function as graphs, one per signature of arguments and touched cells.

    Call it like the function. What it returns carries no gradient history:
    differentiate inside.
    """

    def __init__(
        self, fn: Callable[..., Any], optimize: Any = None, explain: bool = False
    ) -> None:
        self.fn = fn
        self.optimize = optimize
        self._says = explain
        self.entries: dict[Any, list[Entry]] = {}
        self.__doc__ = fn.__doc__
        self.__name__ = getattr(fn, "__name__", "traced")

    def __call__(self, *args: Any, **kw: Any) -> Any:
        if STATE.get().trace is not None:
            return self.fn(*args, **kw)  # an outer trace records everything
        leaves, entry = self._entry(args, kw)
        closed = entry.closed
        donate = entry.donated()
        bufs = [t.buffer for t in leaves]
        bufs += [c._value.buffer for c in closed.cells_in]
        bufs += [t.buffer for t in closed.captures]
        outs = entry.plan(*bufs, donate=donate) if donate else entry.plan(*bufs)
        avals = closed.graph.avals
        dev = entry.device
        made = [
            Tensor(b, avals[v], dev)
            for b, v in zip(outs, closed.graph.outputs, strict=True)
        ]
        rest = iter(made[closed.n_out :])
        for cell, live in zip(closed.cells_out, closed.live, strict=True):
            cell.value = next(rest) if live else None
        return unflatten(closed.tree, made[: closed.n_out])

    def graph(self, *args: Any, **kw: Any) -> Graph:
        """The graph for these arguments; tracing runs the function without values."""
        return self._entry(args, kw)[1].closed.graph

    def explain(self, *args: Any, **kw: Any) -> Explanation:
        """What became an input, and what a constant, of the graph."""
        _, entry = self._entry(args, kw)
        return self._explained(entry, flatten((_arrays(args), _arrays(kw)))[1])

    def _explained(self, entry: Entry, tree: Any) -> Explanation:
        closed = entry.closed
        n = len(closed.graph.inputs) - len(closed.cells_in)
        return Explanation(
            inputs=[closed.graph.avals[v] for v in closed.graph.inputs[:n]],
            cells_read=[c.name or repr(c) for c in closed.cells_in],
            cells_written=[c.name or repr(c) for c in closed.cells_out],
            constants=[t.aval for t in closed.captures],
            static=list(_statics(tree)),
            closure=_closure(self.fn),
            equations=len(closed.graph),
        )

    def _entry(self, args: Any, kw: Any) -> tuple[list[Tensor], Entry]:
        from ._create import as_tensor

        leaves, tree = flatten((_arrays(args), _arrays(kw)))
        leaves = [as_tensor(x.value) if isinstance(x, Cell) else x for x in leaves]
        s = STATE.get()
        dev = leaves[0].device if leaves else None
        for t in leaves:
            if t.device is not dev:
                raise DeviceError(
                    f"[trace] expected arguments on one device; got {dev} and {t.device}"
                )
        falls = s.moved is not None
        key = (tuple([t.aval for t in leaves]), tree, dev, s.active, s.compute, falls)
        try:
            known = self.entries.setdefault(key, [])
        except TypeError:
            raise TraceError(
                "[trace] expected hashable static arguments; got an argument that is "
                "neither a tensor nor hashable. Hint: pass arrays, numbers, tuples"
            ) from None
        for entry in known:
            if entry.fits():
                return leaves, entry
        entry = self._make(leaves, tree, dev, s.active)
        if len(self.entries) > 1024:  # a service that sees every shape once
            self.entries = {key: known}
        known.append(entry)
        if self._says:
            print(self._explained(entry, tree), file=sys.stderr)
        return leaves, entry

    def _make(self, leaves: list[Tensor], tree: Any, dev: Any, active: int) -> Entry:
        dev = dev or default_device()

        def run(*ts: Any) -> Any:
            args, kw = unflatten(tree, ts)
            return self.fn(*args, **kw)

        avals = [t.aval for t in leaves]
        closed = close(run, avals, dev, lift=True, active=active)
        graph = closed.graph if self.optimize is None else self.optimize(closed.graph)
        if STATE.get().moved is None:
            plan = dev.backend.compile(graph, dev)
        else:
            plan = Replay(graph, dev)
        cells = dict.fromkeys((*closed.touched, *closed.cells_out))
        seen = tuple((c, _sign(c)) for c in cells)
        return Entry(closed, plan, dev, seen)


_LARGE = 1 << 20  # bytes from which a copy costs more than a trace


def overwrite(cell: Cell, fn: Callable[[Any], Any]) -> bool:
    """``cell.update(fn)`` in the memory of the value; False where that cannot be."""
    v = cell._value
    if v is None or v.aval.nbytes < _LARGE or STATE.get().trace is not None:
        return False
    dev, aval, leaf = v.device, v.aval, v.node is None or v.node.op is None
    del v
    if not leaf or not exclusive([cell]):
        return False
    closed = close(fn, [aval], dev)
    plan = dev.backend.compile(closed.graph, dev)
    one = closed.tree == flatten(cell)[1] and not closed.cells_out
    if not one or getattr(plan, "reuses", lambda _: ())((0,)) != (0,):
        return False
    if not exclusive([cell]):  # the function itself took hold of the value
        return False
    captured = [t.buffer for t in closed.captures]
    (out,) = plan(cell._value.buffer, *captured, donate=(0,))
    cell.value = Tensor(out, closed.graph.avals[closed.graph.outputs[0]], dev)
    return True


def _arrays(tree: Any) -> Any:
    """NumPy arrays among the arguments are inputs, not constants."""
    import numpy as np

    from ._create import tensor

    if isinstance(tree, np.ndarray):
        return tensor(tree)
    if isinstance(tree, dict):
        return {k: _arrays(v) for k, v in tree.items()}
    if isinstance(tree, (tuple, list)) and not hasattr(tree, "_fields"):
        return type(tree)([_arrays(v) for v in tree])
    return tree


def trace(fn: Callable[..., Any]) -> Traced:
    """``fn`` as a graph that core's interpreter replays to the same values.

    Parameters
    ----------
    fn : callable
        Of tensors, arrays, trees of them, and hashable constants. It may read and write
        cells, draw random numbers, and call ``backward``.

    Returns
    -------
    Traced
        Call it like ``fn``; ``.graph(*args)`` is the Graph, ``.explain(*args)`` says
        what became a constant.

    Examples
    --------
    >>> import helix_core as hx
    >>> f = trace(lambda x: x * 2.0 + 1.0)
    >>> f(hx.tensor([1.0])).tolist()
    [3.0]
    >>> len(f.graph(hx.tensor([1.0]))) > 0
    True
    """
    return Traced(fn)


def compile(
    fn: Callable[..., Any],
    optimize: Callable[[Graph], Graph] | None = None,
    explain: bool = False,
) -> Traced:
    """`trace` with graph passes, for speed.

    Parameters
    ----------
    fn : callable
    optimize : callable, optional
        ``optimize(graph) -> graph``, run once per signature.
    explain : bool
        Say on standard error, each time that a plan is made, what is read anew at each
        call and what became a constant: see `Explanation`.
    """
    return Traced(fn, optimize, explain)
