"""``Body``: the elementwise part of a program, a few primitives on scalars."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from helix_core import UnsupportedOp
from helix_core._aval import Aval
from helix_core._composite import Composite
from helix_core._dtypes import DType, as_dtype
from helix_core._graph import Graph
from helix_core._primitive import PRIMITIVES
from helix_core.loop import Builder

from helix_hal.loop.lower.complex_rules import COMPLEX
from helix_hal.loop.lower.rules import RULES
from helix_hal.loop.lower.scalars import (
    Pair,
    Scalar,
    convert,
    number,
    select,
    working,
)

ALIASES = frozenset({"broadcast", "reshape", "identity", "stop_gradient"})


class Step(NamedTuple):
    """``op`` of earlier values: inputs first, then steps, numbered from 0."""

    op: str
    args: tuple[int, ...]
    dtype: DType
    attrs: tuple[tuple[str, Any], ...] = ()


class Body(NamedTuple):
    """A function of scalars.

    Attributes
    ----------
    inputs : tuple of DType
    steps : tuple of Step
    outputs : tuple of int
    """

    inputs: tuple[DType, ...]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]

    def dtype(self, i: int) -> DType:
        n = len(self.inputs)
        return self.inputs[i] if i < n else self.steps[i - n].dtype

    def evaluate(self, b: Builder, values: Sequence[Scalar]) -> list[Scalar]:
        """The outputs for these inputs."""
        known = list(values)
        for s in self.steps:
            args = [known[i] for i in s.args]
            dtypes = [self.dtype(i) for i in s.args]
            known.append(apply(b, s.op, args, dtypes, s.dtype, dict(s.attrs)))
        return [known[i] for i in self.outputs]

    @property
    def name(self) -> str:
        ops = [s.op for s in self.steps if s.op not in ("full", "cast")]
        return "_".join(ops[:4]) or "copy"


def apply(
    b: Builder,
    op: str,
    args: Sequence[Scalar],
    dtypes: Sequence[DType],
    out: DType,
    attrs: dict[str, Any],
) -> Scalar:
    """One elementwise primitive on scalars."""
    if op == "full":
        return number(b, attrs["value"], out)
    if op == "cast":
        return convert(args[0], dtypes[0], out)
    if op == "where":
        return select(*args)
    if op == "bitcast":
        return args[0].bitcast(out.name)
    if op == "complex":
        return Pair(*args)
    kind = dtypes[0]
    wide = working(kind)
    if wide is not kind:  # 16-bit and 8-bit floats are computed in float32
        given = [convert(x, kind, wide) for x in args]
        result = wide if out is kind else out
        value = apply(b, op, given, [wide] * len(given), result, attrs)
        return convert(value, result, out)
    rule = (COMPLEX if kind.category == "complex" else RULES).get(op)
    if rule is not None:
        return rule(*args)
    return composed(op, tuple(args), kind.name)


def composed(op: str, args: tuple[Scalar, ...], dtype: str) -> Scalar:
    """A primitive without a rule: its decomposition, as scalars."""
    first = args[0].re if isinstance(args[0], Pair) else args[0]
    body = decomposition(op, (as_dtype(dtype),) * len(args))
    return body.evaluate(first.builder, args)[0]


@lru_cache(maxsize=1024)
def decomposition(op: str, dtypes: tuple[DType, ...]) -> Body:
    from helix_core import Device
    from helix_core._trace import close

    decompose = PRIMITIVES[op].decompose
    if decompose is None:
        raise UnsupportedOp(f"[{op}] expected a rule for {', '.join(map(str, dtypes))}")
    avals = [Aval((), d) for d in dtypes]
    return body_of(close(decompose, avals, Device("numpy")).graph)


def body_of(graph: Graph) -> Body:
    """A graph of elementwise equations, one scalar for each variable."""
    heads = (*graph.inputs, *graph.captures)
    place = {v: i for i, v in enumerate(heads)}
    steps: list[Step] = []
    _append(graph, place, steps, len(heads))
    inputs = tuple([graph.avals[v].dtype for v in heads])
    return Body(inputs, tuple(steps), tuple([place[v] for v in graph.outputs]))


def _append(graph: Graph, place: dict[int, int], steps: list[Step], n: int) -> None:
    from helix_core import Device

    for e in graph.equations:
        args = tuple([place[v] for v in e.inputs])
        if isinstance(e.op, Composite):
            avals = tuple([graph.avals[v] for v in e.inputs])
            inner = e.op.body(avals, e.attrs, Device("numpy")).graph
            sub = dict(zip(inner.inputs, args, strict=True))
            _append(inner, sub, steps, n)
            for o, v in zip(e.outputs, inner.outputs, strict=True):
                place[o] = sub[v]
            continue
        (out,) = e.outputs
        if e.op.name in ALIASES:
            place[out] = args[0]
            continue
        steps.append(step(e.op.name, args, graph.avals[out].dtype, e.attrs))
        place[out] = n + len(steps) - 1


def step(op: str, args: tuple[int, ...], dtype: DType, attrs: dict[str, Any]) -> Step:
    kept = (("value", attrs["value"]),) if op == "full" else ()
    return Step(op, args, dtype, kept)


def single(op: str, inputs: tuple[DType, ...], out: DType) -> Body:
    """The body of one primitive."""
    args = tuple(range(len(inputs)))
    if op == "copy":
        return Body(inputs, (), (0,))
    return Body(inputs, (Step(op, args, out),), (len(inputs),))
