"""Plans of kernel backends: core's straight-line Python over joined programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from helix_core._graph import Equation, Graph
from helix_core._interpreter import Flat, _bindings, _source
from helix_core._interpreter import Plan as Base
from helix_core._kernels import Choice

from helix_hal.loop.bodies import ByPlan
from helix_hal.loop.engine import Engine
from helix_hal.loop.fuse import Fused, FusedReduction, Fusion

_SIDELESS = frozenset(
    "ELEMENTWISE REDUCE CONTRACT SCAN INDEX SORT FFT CREATE RANDOM MOVEMENT".split()
)
NONE = Choice("default", "a plan joins the default body with its neighbours")


class Joined(Flat):
    """A flat graph without what nobody reads, its elementwise equations joined."""

    def __init__(self, graph: Graph, device: Any, engine: Engine) -> None:
        super().__init__(graph, device)
        self._prune()
        self.equations = Fusion(self, engine).equations
        self._prune()

    def _prune(self) -> None:
        used, kept = set(self.outputs), []
        for e in reversed(self.equations):
            if e.op.category in _SIDELESS and not used & set(e.outputs):
                continue
            used.update(e.inputs)
            kept.append(e)
        self.equations = kept[::-1]
        self.constants = {v: b for v, b in self.constants.items() if v in used}
        self.last = {}
        for i, e in enumerate(self.equations):
            self.last.update(dict.fromkeys(e.inputs, i))

    def lowering(self, e: Equation) -> tuple[Callable[..., Any], bool | None]:
        if isinstance(e.op, (Fused, FusedReduction)):
            return e.op.run, e.op.multi
        return super().lowering(e)

    def _choice(self, e: Equation, ins: tuple[int, ...]) -> Any:
        """The kernel of a composite; bodies that a plan joins itself are inlined."""
        choice = super()._choice(e, ins)
        return NONE if isinstance(choice.forward, ByPlan) else choice

    def rewritten(
        self, donated: Sequence[int]
    ) -> tuple[dict[int, list[int | None]], set[int]]:
        """By joined equation the place of the input that each result is written over.

        Also which of the heads these are. Such an input dies there, holds donated
        memory of the result's shape and dtype, and no view can reach it. The first
        output takes the first donated input where that is possible, and so on.
        """
        ours = {self.heads[i]: self.heads[i] for i in donated}
        wish = dict(zip(self.outputs, ours, strict=False))
        places: dict[int, list[int | None]] = {}
        used: set[int] = set()
        for i, e in enumerate(self.equations):
            if isinstance(e.op, Fused):
                mine = self._places(e, i, ours, wish)
                if mine:
                    places[i] = [
                        e.inputs.index(mine[o]) if o in mine else None
                        for o in e.outputs
                    ]
                    for o, v in mine.items():
                        used.add(ours[v])
                        ours[o] = ours.pop(v)
                continue
            if e.op.category != "CONTRACT":
                for v in e.inputs:  # a view may live on
                    ours.pop(v, None)
        return places, used

    def _places(
        self, e: Equation, i: int, ours: dict[int, int], wish: dict[int, int]
    ) -> dict[int, int]:
        """By output of a joined equation the input that it is written over."""
        free = [v for v in e.inputs if v in ours and self.last[v] == i]
        free = [v for v in free if v not in self.outputs]
        found: dict[int, int] = {}
        for wanted in (True, False):
            for o in e.outputs:
                aval = self.avals[o]
                for v in free if o not in found else ():
                    like = self.avals[v]
                    same = like.shape == aval.shape and like.dtype is aval.dtype
                    if same and (wish.get(o) == v or not wanted):
                        found[o] = v
                        free.remove(v)
                        break
        return found


class Plan(Base):
    """A graph, ready to run on a kernel device."""

    __slots__ = ()

    def __init__(self, graph: Graph, device: Any, engine: Engine) -> None:
        flat = self._flat = Joined(graph, device, engine)
        self._scope = _bindings(flat, device)
        self.equations = len(flat.equations)
        self._runs = {}
        self.source = _source(flat, {})
        self.run = self._made(self.source)

    def __call__(self, *buffers: Any, donate: Sequence[int] = ()) -> tuple[Any, ...]:
        if not donate:
            return self.run(*buffers)
        key = tuple(donate)
        run = self._runs.get(key)
        if run is None:
            run = self._runs[key] = self._donating(key)
        return run(*buffers)

    def _donating(self, donated: tuple[int, ...]) -> Callable[..., tuple[Any, ...]]:
        flat: Any = self._flat
        scope = dict(self._scope)
        for i, places in flat.rewritten(donated)[0].items():
            scope[f"f{i}"] = flat.equations[i].op.over(places)
        exec(compile(self.source, "<plan>", "exec"), scope)
        made: Callable[..., tuple[Any, ...]] = scope["plan"]
        return made

    def reuses(self, positions: Sequence[int]) -> tuple[int, ...]:
        """Those of the inputs that would be overwritten if they were donated."""
        flat: Any = self._flat
        used = flat.rewritten(positions)[1]
        return tuple([i for i in positions if flat.heads[i] in used])


def plan_for(graph: Graph, device: Any, engine: Engine) -> Plan:
    """The plan of this graph, memoised on the device."""
    key = ("loop", graph)
    plan: Plan | None = device.plans.get(key)
    if plan is None:
        if len(device.plans) > 1024:
            device.plans.clear()
        plan = device.plans[key] = Plan(graph, device, engine)
    return plan
