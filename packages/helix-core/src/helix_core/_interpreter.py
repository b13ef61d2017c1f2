"""Plans: a Graph turned into straight-line Python over a device's lowerings and kernels.

This defines what a graph means, and it is what replays a traced step where no backend
compiles better. One equation costs about a microsecond of Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ._aval import Aval
from ._composite import Composite
from ._graph import Equation, Graph
from ._kernels import choose
from ._primitive import PRIMITIVES

# their results are memory of their own, never views of an operand
_FRESH = frozenset(
    "ELEMENTWISE REDUCE CONTRACT SCAN INDEX SORT FFT CREATE RANDOM".split()
)
_VIEWS = frozenset({"real", "imag", "bitcast"})  # but for these


class Plan:
    """A graph, ready to run: ``plan(*buffers) -> buffers``, inputs before captures.

    ``plan(*buffers, donate=(0, 3))`` gives up these buffers: they may be overwritten by
    the results. The caller is then the only one who could reach them.

    Attributes
    ----------
    source : str
        The generated Python.
    equations : int
        How many there are once the default bodies of composites are inlined.
    """

    __slots__ = ("_flat", "_runs", "_scope", "equations", "run", "source")

    def __init__(self, graph: Graph, device: Any) -> None:
        self._flat = Flat(graph, device)
        self._scope = _bindings(self._flat, device)
        self.equations = len(self._flat.equations)
        self.source = _source(self._flat, {})
        self.run = self._made(self.source)
        self._runs: dict[tuple[int, ...], Callable[..., Any]] = {}

    def __call__(self, *buffers: Any, donate: Sequence[int] = ()) -> tuple[Any, ...]:
        if not donate:
            return self.run(*buffers)
        key = tuple(donate)
        run = self._runs.get(key)
        if run is None:
            source = _source(self._flat, self._flat.overwritten(key))
            run = self._runs[key] = self._made(source)
        return run(*buffers)

    def reuses(self, positions: Sequence[int]) -> tuple[int, ...]:
        """Those of the inputs that would be overwritten if they were donated."""
        heads = self._flat.heads
        over = self._flat.overwritten(positions)
        used = {head for _, head in over.values()}
        return tuple([i for i in positions if heads[i] in used])

    def _made(self, source: str) -> Callable[..., tuple[Any, ...]]:
        scope = dict(self._scope)
        exec(compile(source, "<plan>", "exec"), scope)
        made: Callable[..., tuple[Any, ...]] = scope["plan"]
        return made


def plan_for(graph: Graph, device: Any) -> Plan:
    """The plan of this graph, memoised on the device."""
    plan: Plan | None = device.plans.get(graph)
    if plan is None:
        if len(device.plans) > 1024:
            device.plans.clear()
        plan = device.plans[graph] = Plan(graph, device)
    return plan


class Flat:
    """A graph whose composites without a kernel are replaced by their bodies."""

    def __init__(self, graph: Graph, device: Any) -> None:
        self.heads = (*graph.inputs, *graph.captures)
        self.avals: list[Aval] = list(graph.avals)
        self.equations: list[Equation] = []
        self.constants: dict[int, Any] = {}  # what the bodies captured
        self.device = device
        top = {v: v for v in self.heads}
        self._inline(graph, top)
        self.outputs = tuple([top[o] for o in graph.outputs])
        self.last: dict[int, int] = {}  # where a variable is read last
        for i, e in enumerate(self.equations):
            self.last.update(dict.fromkeys(e.inputs, i))

    def _inline(self, g: Graph, var: dict[int, int]) -> None:
        for e in g.equations:
            ins = tuple([var[i] for i in e.inputs])
            if isinstance(e.op, Composite) and self._choice(e, ins).forward is None:
                avals = tuple([self.avals[i] for i in ins])
                body = e.op.body(avals, e.attrs, self.device)
                sub = dict(zip(body.graph.inputs, ins, strict=False))
                for v, t in zip(body.graph.captures, body.captures, strict=True):
                    sub[v] = self._new(t.aval)
                    self.constants[sub[v]] = t.buffer
                self._inline(body.graph, sub)
                for o, inner in zip(e.outputs, body.graph.outputs, strict=True):
                    var[o] = sub[inner]
                continue
            for o in e.outputs:
                var[o] = self._new(g.avals[o])
            outs = tuple([var[o] for o in e.outputs])
            self.equations.append(Equation(e.op, ins, outs, e.attrs))

    def _new(self, aval: Aval) -> int:
        self.avals.append(aval)
        return len(self.avals) - 1

    def _choice(self, e: Equation, ins: tuple[int, ...]) -> Any:
        avals = tuple([self.avals[v] for v in ins])
        return choose(e.op.name, self.device, avals, e.attrs)

    def lowering(self, e: Equation) -> tuple[Callable[..., Any], bool | None]:
        """What runs an equation, and whether it returns a tuple (None: ask)."""
        if isinstance(e.op, Composite):
            many = True if len(e.outputs) > 1 else None
            return self._choice(e, e.inputs).forward, many
        return self.device.table[e.op.name], PRIMITIVES[e.op.name].multi

    def overwritten(self, donated: Sequence[int]) -> dict[int, tuple[int, int]]:
        """By equation ``(variable, donated input whose memory it holds)``.

        Such an equation writes over an operand that dies there, of its own aval, whose
        memory was donated and that no view can reach.
        """
        ours = {self.heads[i]: self.heads[i] for i in donated}
        out: dict[int, tuple[int, int]] = {}
        for i, e in enumerate(self.equations):
            op = e.op
            v = self._dying(e, i, ours)
            if v is not None:
                if op.name != "reshape":  # which hands the memory on
                    out[i] = v, ours[v]
                ours[e.outputs[0]] = ours.pop(v)
            if op.category not in _FRESH or op.name in _VIEWS:
                for x in e.inputs:  # a view may live on
                    ours.pop(x, None)
        return out

    def _dying(self, e: Equation, i: int, ours: dict[int, int]) -> int | None:
        """The operand whose memory the result of equation ``i`` may take."""
        name = e.op.name
        if name in _VIEWS or not (
            e.op.category == "ELEMENTWISE" or name in ("scatter", "reshape")
        ):
            return None
        aval = self.avals[e.outputs[0]]
        for v in e.inputs if e.op.category == "ELEMENTWISE" else e.inputs[:1]:
            fits = name == "reshape" or self.avals[v].shape == aval.shape
            fits = fits and self.avals[v].dtype is aval.dtype
            if fits and v in ours and self.last[v] == i and v not in self.outputs:
                return v
        return None


def _bindings(flat: Flat, device: Any) -> dict[str, Any]:
    """The names that the source uses: the device, constants, functions, attributes."""
    scope: dict[str, Any] = {"dev": device}
    scope.update({f"v{v}": b for v, b in flat.constants.items()})
    for i, e in enumerate(flat.equations):
        scope[f"f{i}"] = flat.lowering(e)[0]
        if e.attrs:
            scope[f"k{i}"] = e.attrs
    return scope


def _source(flat: Flat, over: dict[int, tuple[int, int]]) -> str:
    keep = set(flat.outputs) | set(flat.constants)
    lines = []
    for i, e in enumerate(flat.equations):
        args = "".join(f", v{v}" for v in e.inputs)
        if i in over:
            args += f", out=v{over[i][0]}"
        if e.attrs:
            args += f", **k{i}"
        outs = ", ".join(f"v{v}" for v in e.outputs)
        many = flat.lowering(e)[1]
        comma = "," if many and len(e.outputs) == 1 else ""
        lines.append(f"{outs}{comma} = f{i}(dev{args})")
        if many is None:  # a kernel may return its one buffer bare or in a tuple
            lines.append(f"if type({outs}) is tuple: {outs}, = {outs}")
        dead = {v for v in e.inputs if flat.last[v] == i}
        dead |= {v for v in e.outputs if v not in flat.last}
        if dead - keep:
            lines.append("del " + ", ".join(f"v{v}" for v in sorted(dead - keep)))
    result = "".join(f"v{v}, " for v in flat.outputs)
    head = ", ".join(f"v{v}" for v in flat.heads)
    body = "\n".join(f"    {line}" for line in lines)
    return f"def plan({head}):\n{body}\n    return ({result})\n"
