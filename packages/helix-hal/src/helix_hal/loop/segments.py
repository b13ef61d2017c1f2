"""How the values of a section are laid out in loops over lanes.

Values of width 1 stand alone. Neighbouring values of one width share one loop over their
lanes, as long as none of them needs a sum over the lanes of another.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from helix_core.loop import SCALAR_OPS, LoopProgram

# written where they are used, never kept in a variable
INLINE = frozenset("const size axis step block lane state left right".split())
_PURE = INLINE | frozenset(SCALAR_OPS)


@dataclass(slots=True)
class Segment:
    """Values of one width, in order; ``width`` 1: no loop.

    With a ``gate``: stores that happen where it is true, the same for all lanes.
    """

    width: int
    ids: list[int] = field(default_factory=list)
    gate: int | None = None
    sums: set[int] = field(default_factory=set)  # ready when the loop is over


def lanes(p: LoopProgram, i: int) -> int:
    """Over how many lanes a value is computed: of a sum, those that it sums."""
    v = p.values[i]
    return max([v.width, *[p.values[a].width for a in v.args]])


def places(p: LoopProgram) -> frozenset[int]:
    """Indices of several lanes that are sums and products of scalars and the lane.

    They are written where they are used, so that compilers see neighbours in memory.
    """
    out: set[int] = set()
    for i, v in enumerate(p.values):
        if v.width == 1 or v.op not in ("add", "sub", "mul"):
            continue
        args = [(a, p.values[a]) for a in v.args]
        plain = all(x.width == 1 or x.op == "lane" or a in out for a, x in args)
        if v.dtype == "index" and plain:
            out.add(i)
    return frozenset(out)


def segments(
    p: LoopProgram, ids: tuple[int, ...], inline: frozenset[int] = frozenset()
) -> list[Segment]:
    """The values of a section in loops; inline ones are left out."""
    out: list[Segment] = []
    open_: Segment | None = None
    for i in ids:
        v = p.values[i]
        if v.op in INLINE or i in inline:
            continue
        width = lanes(p, i)
        gate = _common_gate(p, i)
        waits = open_ is not None and any(a in open_.sums for a in v.args)
        if width > 1:
            other = open_ is None or open_.width != width or open_.gate != gate
            if open_ is None or other or waits:
                open_ = Segment(width, gate=gate)
                out.append(open_)
            open_.ids.append(i)
            if v.op in ("sum_lanes", "sum_group"):
                open_.sums.add(i)
            continue
        if open_ is not None and not waits and _early(p, i):
            at = len(out) - 1  # before the open loop
            if at == 0 or out[at - 1].width > 1:
                out.insert(at, Segment(1))
                at += 1
            out[at - 1].ids.append(i)
            continue
        if not out or out[-1].width > 1:
            out.append(Segment(1))
        open_ = None
        out[-1].ids.append(i)
    return out


def _common_gate(p: LoopProgram, i: int) -> int | None:
    """Of a store of several lanes, the gate that they share."""
    v = p.values[i]
    if v.op != "store" or len(v.args) < 3 or p.values[v.args[2]].width > 1:
        return None
    return v.args[2]


def _early(p: LoopProgram, i: int) -> bool:
    """Whether a scalar may be computed before effects that stand before it."""
    v = p.values[i]
    if v.op == "load":
        return p.argument[v.attr].mode == "in"
    return v.op in _PURE


def arrays(p: LoopProgram, sections: list[list[Segment]]) -> set[int]:
    """The values of several lanes that live longer than their loop."""
    home = {
        i: (k, n)
        for k, parts in enumerate(sections)
        for n, part in enumerate(parts)
        for i in part.ids
    }
    out = set()
    for i, place in home.items():
        for a in p.values[i].args:
            if p.values[a].width > 1 and home.get(a, place) != place:
                out.add(a)
    for state in p.states:
        if p.values[state.init].width > 1:
            out.add(state.init)
    for s in p.stages:
        for u in (*s.updates, *s.combined):
            if p.values[u].width > 1:
                out.add(u)
    out |= {i for i in home if p.values[i].op == "sum_group" and p.values[i].width > 1}
    return {i for i in out if i in home}


def overwrites(p: LoopProgram, k: int, parts: list[Segment]) -> dict[int, int]:
    """Updates of a scan that may be assigned to their state where they are computed.

    update -> state, where nothing reads the state's old value afterwards.
    """
    s = p.stages[k]
    if s.kind != "scan":
        return {}
    order = [i for part in parts for i in part.ids]
    at = {i: n for n, i in enumerate(order)}
    out = {}
    for j, u in zip(s.states, s.updates, strict=True):
        width = p.states[j].width
        if u not in at or lanes(p, u) != width or width == 1:
            continue
        readers = [
            i
            for i in order
            if any(
                p.values[a].op == "state" and p.values[a].attr == j
                for a in p.values[i].args
            )
        ]
        given_twice = s.updates.count(u) > 1
        if all(at[r] <= at[u] for r in readers) and not given_twice:
            out[u] = j
    return out
