"""Elementwise equations of a plan, joined into programs with several results.

A joined program rounds where its equations would: it gives the same bits as they do one
after the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import Any, NamedTuple

from helix_core._aval import Aval
from helix_core._dtypes import DType
from helix_core._graph import Equation

from helix_hal.loop.buffer import Buffer
from helix_hal.loop.engine import Engine, Prepared
from helix_hal.loop.lower.body import Body, Step
from helix_hal.loop.lower.elementwise import layout, prepare
from helix_hal.loop.lower.reduce import KINDS, Reduction

STEPS = 64  # of one program: more would not fit in registers
ARGUMENTS = 24  # memories of one program, where a device does not say
_VIEWS = frozenset(("real", "imag", "bitcast"))
_SUMS = frozenset(n for n, kind in KINDS.items() if not kind.startswith("arg"))


class Result(NamedTuple):
    """How an output lies in memory."""

    nbytes: int
    strides: tuple[int, ...]
    dtype: DType


class Fused:
    """What stands for a primitive in a plan: a body at every place of one shape.

    Parameters
    ----------
    body : Body
    shape : tuple of int
        That of all outputs; inputs broadcast to it.
    engine : Engine
    """

    category = "ELEMENTWISE"
    multi = True

    def __init__(self, body: Body, shape: tuple[int, ...], engine: Engine) -> None:
        self.body, self.shape, self.engine = body, shape, engine
        self.name = f"fused_{body.name}"
        self._ready: dict[Any, tuple[Prepared, list[Result]]] = {}

    def run(self, dev: Any, *xs: Buffer) -> tuple[Buffer, ...]:
        key = tuple([x.strides for x in xs])
        found = self._ready.get(key)
        if found is None:
            found = self._ready[key] = self._prepared(xs)
        launch, results = found
        take, shape = self.engine.pool.take, self.shape
        outs = tuple([Buffer(take(r.nbytes), 0, shape, *r[1:]) for r in results])
        launch(*xs, *outs)
        return outs

    def over(self, places: Sequence[int | None]) -> Callable[..., tuple[Buffer, ...]]:
        """The same, each result over the input of this place; None: in new memory."""

        def run(dev: Any, *xs: Buffer) -> tuple[Buffer, ...]:
            key = ("over", *[x.strides for x in xs])
            found = self._ready.get(key)
            if found is None:
                given = [None if i is None else xs[i] for i in places]
                found = self._ready[key] = self._prepared(xs, given)
            launch, results = found
            outs = []
            for r, i in zip(results, places, strict=True):
                if i is None:
                    block = self.engine.pool.take(r.nbytes)
                    outs.append(Buffer(block, 0, self.shape, *r[1:]))
                else:
                    outs.append(xs[i])
            launch(*xs, *outs)
            return tuple(outs)

        return run

    def _prepared(
        self, xs: Sequence[Buffer], given: Sequence[Buffer | None] = ()
    ) -> tuple[Prepared, list[Result]]:
        if len(self._ready) > 256:
            self._ready.clear()
        own = layout(self.shape, xs)
        results, outs = [], []
        for i, v in enumerate(self.body.outputs):
            dtype = self.body.dtype(v)
            out = given[i] if given else None
            if dtype not in self.engine.dtypes:
                self.engine.refuse(dtype, self.body.steps[-1].op)
            if out is None:
                nbytes = prod(self.shape) * dtype.itemsize
                block = self.engine.pool.take(nbytes)
                out = Buffer(block, 0, self.shape, own, dtype)
            outs.append(out)
            results.append(Result(out.size * dtype.itemsize, out.strides, dtype))
        return prepare(self.engine, self.body, xs, outs), results


class FusedReduction:
    """A reduction of a body, which is never written to memory."""

    category = "REDUCE"
    multi = False

    def __init__(
        self, body: Body, shape: tuple[int, ...], engine: Engine, e: Equation
    ) -> None:
        self.body, self.shape, self.engine = body, shape, engine
        self.kind, self.axes = KINDS[e.op.name], tuple(sorted(e.attrs["axes"]))
        self.name = f"{e.op.name}_{body.name}"
        self._ready: dict[Any, Reduction] = {}

    def run(self, dev: Any, *xs: Buffer) -> Buffer:
        key = tuple([x.strides for x in xs])
        found = self._ready.get(key)
        if found is None:
            if len(self._ready) > 256:
                self._ready.clear()
            dtype = self.body.dtype(self.body.outputs[0])
            found = self._ready[key] = Reduction(
                self.engine, self.body, self.kind, xs, self.shape, self.axes, dtype
            )
        return found(self.engine, *xs)


class Fusion:
    """Joins the equations of a flat graph; `equations` is the result.

    An elementwise equation waits until something else needs its value; then it runs
    together with what waits below it. What waits reads nothing that is still to come,
    so nothing can wait for itself.
    """

    def __init__(self, flat: Any, engine: Engine) -> None:
        self.flat, self.engine = flat, engine
        self.most = min(ARGUMENTS, getattr(engine.device, "max_arguments", ARGUMENTS))
        self.equations: list[Equation] = []
        self.waiting: dict[int, Equation] = {}  # by result, in order
        self.numbers: dict[int, Equation] = {}  # ``full``: part of whoever reads them
        self.casts: dict[int, Equation] = {}  # of one number: likewise
        self.readers = Counter(flat.outputs)
        for e in flat.equations:
            self.readers.update(set(e.inputs))
        for e in flat.equations:
            self._take(e)
        for v in sorted(set(flat.outputs), reverse=True):
            self._need(v)

    def _take(self, e: Equation) -> None:
        if e.op.name == "full":
            self.numbers[e.outputs[0]] = e
        elif self._joins(e):
            one = e.op.name == "cast" and self.aval(e.inputs[0]).size == 1
            (self.casts if one else self.waiting)[e.outputs[0]] = e
        elif not (e.op.name in _SUMS and self._reduced(e)):
            for v in e.inputs:
                self._need(v)
            self._emit(e, [e])

    def _joins(self, e: Equation) -> bool:
        if e.op.category != "ELEMENTWISE" or e.op.name in _VIEWS:
            return False
        same = self.aval(e.inputs[0]).dtype is self.aval(e.outputs[0]).dtype
        return not (e.op.name == "cast" and same)  # it is its operand

    def _need(self, v: int) -> None:
        """Have the value of ``v`` in memory."""
        if v in self.numbers:
            self.equations.append(self.numbers.pop(v))
            return
        if v in self.casts:
            self.waiting[v] = self.casts.pop(v)
        if v in self.waiting:
            self._flush(v)

    def _emit(self, made: Equation, members: Iterable[Equation]) -> None:
        self.equations.append(made)
        for e in members:
            for v in set(e.inputs):
                self.readers[v] -= 1

    def aval(self, v: int) -> Aval:
        found: Aval = self.flat.avals[v]
        return found

    def _cone(self, v: int) -> list[int]:
        """What waits and is needed for ``v``, of its shape, in order."""
        shape, found, stack = self.aval(v).shape, {v}, [v]
        while stack:
            for u in self.waiting[stack.pop()].inputs:
                if u not in self.waiting or u in found:
                    continue
                if self.aval(u).shape == shape:
                    found.add(u)
                    stack.append(u)
        return [u for u in self.waiting if u in found]

    def _settled(self, v: int) -> tuple[list[int], list[int], list[int]]:
        """What runs for ``v``, with its inputs in memory, and its outputs."""
        cone = self._cone(v)
        inputs, outputs = self._ends(cone, v)
        late = [u for u in inputs if u in self.waiting]
        for u in late:
            self._need(u)
        return self._settled(v) if late else (cone, inputs, outputs)

    def _flush(self, v: int) -> None:
        cone, inputs, outputs = self._settled(v)
        if len(cone) > 1 and not self._fits(cone, len(inputs) + len(outputs)):
            for u in self.waiting[v].inputs:
                if u in self.waiting:
                    self._flush(u)
            cone, inputs, outputs = self._settled(v)
        members = [self.waiting.pop(u) for u in cone]
        shape = self.aval(v).shape
        op: Any = Fused(self._body(members, inputs, outputs), shape, self.engine)
        self._emit(Equation(op, tuple(inputs), tuple(outputs), {}), members)

    def _fits(self, cone: Sequence[int], memories: int) -> bool:
        return memories <= self.most and len(cone) <= STEPS

    def _ends(self, cone: Sequence[int], v: int) -> tuple[list[int], list[int]]:
        """What a program of these reads, and what others read of it."""
        inside, within = set(cone), Counter[int]()
        inputs: dict[int, None] = {}
        for u in cone:
            ins = set(self.waiting[u].inputs)
            within.update(ins)
            for i in self.waiting[u].inputs:
                while i in self.casts:
                    (i,) = self.casts[i].inputs
                if i not in inside and i not in self.numbers:
                    inputs[i] = None
        outputs = [u for u in cone if u == v or self.readers[u] > within[u]]
        return list(inputs), outputs

    def _body(
        self, members: Sequence[Equation], inputs: Sequence[int], outputs: Sequence[int]
    ) -> Body:
        place = {v: i for i, v in enumerate(inputs)}
        steps: list[Step] = []

        def add(v: int, made: Step) -> None:
            place[v] = len(inputs) + len(steps)
            steps.append(made)

        def have(v: int) -> None:
            """What is computed anew by each of its readers."""
            if v in place:
                return
            if v in self.numbers:
                value = self.numbers[v].attrs["value"]
                # -0.0 equals 0.0, but makes another program
                attrs = (("value", value), ("text", repr(value)))
                add(v, Step("full", (), self.aval(v).dtype, attrs))
            elif v in self.casts:
                (u,) = self.casts[v].inputs
                have(u)
                add(v, Step("cast", (place[u],), self.aval(v).dtype))

        for e in members:
            for v in e.inputs:
                have(v)
            args = tuple([place[v] for v in e.inputs])
            (out,) = e.outputs
            add(out, Step(e.op.name, args, self.aval(out).dtype))
        dtypes = tuple([self.aval(v).dtype for v in inputs])
        return Body(dtypes, tuple(steps), tuple([place[v] for v in outputs]))

    def _reduced(self, e: Equation) -> bool:
        """The reduction together with what waits for it alone, if it does."""
        (v,) = e.inputs
        if v not in self.waiting or not e.attrs["axes"]:
            return False
        cone, inputs, outputs = self._settled(v)
        alone = outputs == [v] and self.readers[v] == 1
        if not (alone and inputs and self._fits(cone, len(inputs) + 1)):
            return False
        members = [self.waiting.pop(u) for u in cone]
        body, shape = self._body(members, inputs, outputs), self.aval(v).shape
        op: Any = FusedReduction(body, shape, self.engine, e)
        self._emit(Equation(op, tuple(inputs), e.outputs, {}), [*members, e])
        return True
