"""Plans: core's straight-line Python, with what torch can do to it.

What depends on no input is computed once; masks by a sign become torch's ReLU; results
are written over operands that nothing reads any more, and optimizer updates over the
parameters and states that were given up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from helix_core._composite import Composite
from helix_core._graph import Equation, Graph
from helix_core._interpreter import Flat, _bindings, _source
from helix_core._interpreter import Plan as Base
from helix_core._kernels import choose

from .fusion import Fused, masks

_SMALL = 4096  # elements of what is computed once
_VIEWS = frozenset(
    "identity stop_gradient reshape permute broadcast slice bitcast".split()
)
_WHOLE = frozenset(("identity", "stop_gradient", "reshape"))  # of the same elements
_FRESH = frozenset(
    "ELEMENTWISE REDUCE CONTRACT SCAN INDEX SORT FFT CREATE RANDOM MOVEMENT".split()
)
# kernels of ours that hand on an operand: a cotangent
_SHARING = frozenset(("linear.bwd", "linear_act.bwd", "batch_norm.bwd"))
_UPDATES = frozenset(("adam_update", "sgd_update", "rmsprop_update"))


class Optimised(Flat):
    """A flat graph with constants folded, and a view of who shares memory."""

    def __init__(self, graph: Graph, device: Any) -> None:
        super().__init__(graph, device)
        self._fold()
        self.equations = masks(self)
        self._prune()

    def lowering(self, e: Equation) -> tuple[Callable[..., Any], bool | None]:
        if isinstance(e.op, Fused):
            return e.op.run, False
        return super().lowering(e)

    def _fold(self) -> None:
        kept = []
        for e in self.equations:
            small = all(self.avals[o].size <= _SMALL for o in e.outputs)
            plain = e.op.category in ("CREATE", "ELEMENTWISE", "MOVEMENT")
            known = all(v in self.constants for v in e.inputs)
            shown = any(o in self.outputs for o in e.outputs)
            if not (small and plain and known) or shown:
                kept.append(e)
                continue
            args = [self.constants[v] for v in e.inputs]
            self.constants[e.outputs[0]] = self.lowering(e)[0](
                self.device, *args, **e.attrs
            )
        self.equations = kept

    def _prune(self) -> None:
        """Without what nobody reads, and constants without readers."""
        used, kept = set(self.outputs), []
        for e in reversed(self.equations):
            if e.op.category in _FRESH and not used & set(e.outputs):
                continue
            used.update(e.inputs)
            kept.append(e)
        self.equations = kept[::-1]
        self.constants = {v: b for v, b in self.constants.items() if v in used}
        self.last = {}
        for i, e in enumerate(self.equations):
            self.last.update(dict.fromkeys(e.inputs, i))

    # --------------------------------------------------------------------- memory
    def roots(self) -> tuple[dict[int, int], set[int]]:
        """By variable the one whose memory it lies in; and which are of a plan's own.

        What nobody can tell apart is joined: operands and results of a loop, a branch,
        or a kernel of others.
        """
        root = {v: v for v in (*self.heads, *self.constants)}
        own: set[int] = set()
        for e in self.equations:
            name, ins = e.op.name, [root[v] for v in e.inputs]
            if name in _VIEWS:
                root[e.outputs[0]] = ins[0]
            elif self._fresh(e):
                root.update({o: o for o in e.outputs})
                if len(e.outputs) == 1:
                    own.add(e.outputs[0])
            else:
                joined = {*ins}
                first = ins[0] if ins else e.outputs[0]
                root.update({v: first for v, r in root.items() if r in joined})
                root.update(dict.fromkeys(e.outputs, first))
                own -= joined
        return root, own

    def _fresh(self, e: Equation) -> bool:
        if not isinstance(e.op, Composite):
            return e.op.category in _FRESH
        forward = self.lowering(e)[0]
        ours = getattr(forward, "__module__", "").startswith("helix_hal.torch.")
        return ours and e.op.name not in _SHARING

    def dying(self) -> list[set[int]]:
        """By equation the operands whose memory nothing reads afterwards."""
        root, own = self.roots()
        end: dict[int, int] = {}
        for v, r in root.items():
            at = len(self.equations) if v in self.outputs else self.last.get(v, -1)
            end[r] = max(end.get(r, -1), at)
        out = []
        free = own | set(self.heads)
        whole = dict(zip((*self.heads, *own), (*self.heads, *own), strict=True))
        for e in self.equations:
            if e.op.name in _WHOLE and e.inputs[0] in whole:
                whole[e.outputs[0]] = whole[e.inputs[0]]
        for i, e in enumerate(self.equations):
            out.append(
                {
                    v
                    for v in e.inputs
                    if v in whole and root[v] in free and end[root[v]] == i
                }
            )
        self._root = root
        return out

    def overwritten(self, donated: Sequence[int]) -> dict[int, tuple[int, int]]:
        """By equation the operand that its result is written over, and whose it was."""
        dying, given = self.dying(), {self.heads[i] for i in donated}
        heads, out, taken = set(self.heads), {}, dict[int, int]()
        for i, e in enumerate(self.equations):
            if e.op.category != "ELEMENTWISE" and e.op.name != "scatter":
                continue
            aval = self.avals[e.outputs[0]]
            for v in e.inputs if e.op.category == "ELEMENTWISE" else e.inputs[:1]:
                r = self._root[v]
                mine = r not in heads or r in given
                fits = self.avals[v].shape == aval.shape
                fits = fits and self.avals[v].dtype is aval.dtype
                if v in dying[i] and mine and fits and e.inputs.count(v) == 1:
                    out[i] = v, taken.get(r, r)
                    taken[e.outputs[0]] = taken.get(r, r)
                    break
        return out

    def updates(self, donated: Sequence[int]) -> dict[int, tuple[bool, ...]]:
        """By optimizer update which of its operands it may write over."""
        dying, given = self.dying(), {self.heads[i] for i in donated}
        out = {}
        for i, e in enumerate(self.equations):
            if e.op.name in _UPDATES and self._writer(e) is not None:
                mask = tuple([v in dying[i] and v in given for v in e.inputs])
                if any(mask):
                    out[i] = mask
        return out

    def _writer(self, e: Equation) -> Any:
        avals = tuple([self.avals[v] for v in e.inputs])
        return choose(f"{e.op.name}.inplace", self.device, avals, e.attrs).forward

    def updating(self, e: Equation, mask: tuple[bool, ...]) -> Callable[..., Any]:
        """The update, over the operands that may be written, and copies of others."""
        kernel, n = self._writer(e), e.attrs["n"]

        def run(dev: Any, *flat: Any, **attrs: Any) -> tuple[Any, ...]:
            state = [*range(2, 2 + n), *range(2 + 2 * n, len(flat))]
            xs = list(flat)
            for i in state:
                xs[i] = xs[i] if mask[i] else _copied(xs[i])
            kernel(dev, *xs, **attrs)
            return tuple([xs[i] for i in state])

        return run


def _copied(x: Any) -> Any:
    return x.clone(memory_format=torch.contiguous_format)


class Plan(Base):
    """A graph, ready to run on a device of torch."""

    __slots__ = ()

    def __init__(self, graph: Graph, device: Any) -> None:
        self._flat = Optimised(graph, device)
        self._scope = _bindings(self._flat, device)
        self.equations = len(self._flat.equations)
        self._runs = {}
        self.source = _source(self._flat, self._flat.overwritten(()))
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
        for i, mask in flat.updates(donated).items():
            scope[f"f{i}"] = flat.updating(flat.equations[i], mask)
        exec(compile(_source(flat, flat.overwritten(donated)), "<plan>", "exec"), scope)
        made: Callable[..., tuple[Any, ...]] = scope["plan"]
        return made

    def reuses(self, positions: Sequence[int]) -> tuple[int, ...]:
        """Those of the inputs that would be overwritten if they were donated."""
        flat: Any = self._flat
        used = {head for _, head in flat.overwritten(positions).values()}
        for i, mask in flat.updates(positions).items():
            ins = flat.equations[i].inputs
            used.update(v for v, m in zip(ins, mask, strict=True) if m)
        return tuple([i for i in positions if flat.heads[i] in used])


def plan_for(graph: Graph, device: Any) -> Plan:
    """The plan of this graph, memoised on the device."""
    plan: Plan | None = device.plans.get(graph)
    if plan is None:
        if len(device.plans) > 1024:
            device.plans.clear()
        plan = device.plans[graph] = Plan(graph, device)
    return plan
