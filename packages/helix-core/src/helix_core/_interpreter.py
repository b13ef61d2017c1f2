"""Plans: a Graph turned into straight-line Python over a device's lowerings and kernels.

This defines what a graph means, and it is what replays a traced step where no backend
compiles better. One equation costs about a microsecond of Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._composite import Composite
from ._graph import Equation, Graph
from ._kernels import choose
from ._primitive import PRIMITIVES


def plan_for(graph: Graph, device: Any) -> Callable[..., tuple[Any, ...]]:
    """``plan(*buffers) -> buffers`` for this graph, memoised on the device."""
    plan = device.plans.get(graph)
    if plan is None:
        if len(device.plans) > 1024:
            device.plans.clear()
        plan = device.plans[graph] = make_plan(graph, device)
    return plan


def flatten_graph(graph: Graph, device: Any) -> tuple[list[Equation], list[Any], Any]:
    """Equations with composites that have no kernel replaced by their bodies.

    Returns the equations, the avals of all variables, and the output variables.
    """
    avals = list(graph.avals)
    equations: list[Equation] = []

    def inline(g: Graph, var: dict[int, int]) -> None:
        for e in g.equations:
            ins = tuple([var[i] for i in e.inputs])
            if isinstance(e.op, Composite):
                in_avals = tuple([avals[i] for i in ins])
                if choose(e.op.name, device, in_avals, e.attrs).kernel == "default":
                    body = e.op.body(in_avals, e.attrs, device)
                    sub = dict(zip(body.graph.inputs, ins, strict=False))
                    for v, t in zip(body.graph.captures, body.captures, strict=True):
                        avals.append(t.aval)
                        sub[v] = len(avals) - 1
                        constants[sub[v]] = t.buffer
                    inline(body.graph, sub)
                    for o, inner in zip(e.outputs, body.graph.outputs, strict=True):
                        var[o] = sub[inner]
                    continue
            outs = []
            for o in e.outputs:
                avals.append(g.avals[o])
                var[o] = len(avals) - 1
                outs.append(var[o])
            equations.append(Equation(e.op, ins, tuple(outs), e.attrs))

    constants: dict[int, Any] = {}
    top = {v: v for v in (*graph.inputs, *graph.captures)}
    inline(graph, top)
    return equations, avals, (tuple(top[o] for o in graph.outputs), constants)


def make_plan(graph: Graph, device: Any) -> Callable[..., tuple[Any, ...]]:
    """Generate and compile the Python source of a plan."""
    equations, avals, (outputs, constants) = flatten_graph(graph, device)
    last: dict[int, int] = {}
    for i, e in enumerate(equations):
        for v in e.inputs:
            last[v] = i
    heads = (*graph.inputs, *graph.captures)
    keep = set(outputs) | set(constants)
    scope: dict[str, Any] = {"dev": device}
    scope.update({f"v{v}": b for v, b in constants.items()})
    lines = []
    for i, e in enumerate(equations):
        if isinstance(e.op, Composite):
            in_avals = tuple([avals[v] for v in e.inputs])
            fn = choose(e.op.name, device, in_avals, e.attrs).forward
            multi = None
        else:
            fn = device.table[e.op.name]
            multi = PRIMITIVES[e.op.name].multi
        scope[f"f{i}"] = fn
        args = "".join(f", v{v}" for v in e.inputs)
        if e.attrs:
            scope[f"k{i}"] = e.attrs
            args += f", **k{i}"
        outs = ", ".join(f"v{v}" for v in e.outputs)
        if multi or (multi is None and len(e.outputs) > 1):
            lines.append(
                f"{outs}{',' if len(e.outputs) == 1 else ''} = f{i}(dev{args})"
            )
        elif multi is None:  # a kernel may return its one buffer bare or in a tuple
            lines.append(f"{outs} = f{i}(dev{args})")
            lines.append(f"if type({outs}) is tuple: {outs}, = {outs}")
        else:
            lines.append(f"{outs} = f{i}(dev{args})")
        dead = {v for v in (*e.inputs, *e.outputs) if last.get(v, i) == i} - keep
        dead |= {v for v in e.outputs if v not in last} - keep
        if dead:
            lines.append("del " + ", ".join(f"v{v}" for v in sorted(dead)))
    result = "".join(f"v{v}, " for v in outputs)
    head = ", ".join(f"v{v}" for v in heads)
    body = "\n".join(f"    {line}" for line in lines)
    source = f"def plan({head}):\n{body}\n    return ({result})\n"
    exec(compile(source, "<plan>", "exec"), scope)
    plan: Callable[..., tuple[Any, ...]] = scope["plan"]
    plan.source = source  # type: ignore[attr-defined]
    plan.equations = len(equations)  # type: ignore[attr-defined]
    return plan
