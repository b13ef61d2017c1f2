"""``Renderer``: the walk over a loop program that every language shares.

A language says how a line, a loop, a load and each scalar op are written. Two modes:

``"point"``
    One work item runs one point, with serial loops inside.
``"group"``
    A group of work items runs one point: they share the steps of maps and reductions,
    and combine what each has reduced in shared memory. For programs without scans.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from helix_core.loop import LoopError, LoopProgram, Value

from helix_hal.loop.segments import (
    INLINE,
    Segment,
    arrays,
    overwrites,
    places,
    segments,
)

MODES = ("point", "group")


def cooperative(p: LoopProgram) -> bool:
    """Whether a group of work items can share the steps of one point."""
    return (
        bool(p.stages)
        and p.block is None
        and p.group == 1
        and all(s.kind != "scan" for s in p.stages)
        and all(s.width == 1 for s in p.states)
    )


def renamed(p: LoopProgram) -> LoopProgram:
    """Names end in ``_``: they are no keyword of a language and none of our variables."""

    def value(v: Value) -> Value:
        if v.op in ("load", "put", "get", "size"):
            return replace(v, attr=f"{v.attr}_")
        if v.op == "store":
            return replace(v, attr=(f"{v.attr[0]}_", v.attr[1]))
        return v

    return replace(
        p,
        args=tuple([replace(a, name=f"{a.name}_") for a in p.args]),
        sizes=tuple([f"{s}_" for s in p.sizes]),
        grid=tuple([f"{g}_" for g in p.grid]),
        serial=None if p.serial is None else f"{p.serial}_",
        scratch=tuple([replace(c, name=f"{c.name}_") for c in p.scratch]),
        values=tuple([value(v) for v in p.values]),
    )


class Renderer:
    """Writes one program in one language; subclasses fill in the language.

    Parameters
    ----------
    program : LoopProgram
        Legal for the device.
    mode : str
        ``"point"`` or ``"group"``.
    local : int
        Work items of a group along the last grid axis; ``program.group`` if that sums.
    wide : bool
        Indices have 64 bits.
    """

    tab = "  "
    # sums over lanes: added up after their loop, so that compilers of CPUs make vectors
    # of it, instead of one by one
    halves = False

    def __init__(
        self,
        program: LoopProgram,
        mode: str = "point",
        local: int = 64,
        wide: bool = False,
    ) -> None:
        if mode == "group" and not cooperative(program):
            raise LoopError(f"[{program.name}] cannot be shared by a group")
        program = renamed(program)
        self.p, self.mode, self.wide = program, mode, wide
        self.local = program.group if program.group > 1 else local
        self.lines: list[str] = []
        self.depth = 0
        self.names: dict[int, str] = {}  # of values in variables
        self.sides: dict[Any, str] = {}  # of left and right, in a combine
        self.shared: list[tuple[str, str, int]] = []  # name, dtype, elements
        self.step = "t"
        self.single = False  # only one work item of the group may write now
        self.sections: dict[Any, list[Segment]] = {}
        self._plan()

    # ------------------------------------------------------- what a language fills in
    def open_kernel(self) -> None:
        """Everything up to the first statement, axes ``a0 ...`` and ``lid`` included.

        In point mode without ``sum_group`` work items beyond the grid end here. With
        ``sum_group`` they stay, at the last point, with ``active`` false.
        """
        raise NotImplementedError

    def close_kernel(self) -> None:
        raise NotImplementedError

    def type(self, dtype: str) -> str:
        raise NotImplementedError

    def literal(self, value: Any, dtype: str) -> str:
        raise NotImplementedError

    def scalar(self, v: Value, args: list[str]) -> str:
        """An expression for a scalar op but cast and bitcast."""
        raise NotImplementedError

    def cast(self, x: str, source: str, target: str) -> str:
        raise NotImplementedError

    def bitcast(self, x: str, source: str, target: str) -> str:
        raise NotImplementedError

    def load(self, name: str, index: str) -> str:
        """The element; index 0 is the view's first one."""
        raise NotImplementedError

    def store(self, name: str, index: str, value: str, mode: str) -> None:
        raise NotImplementedError

    def declare(self, name: str, dtype: str, value: str | None = None) -> None:
        """A variable that may be assigned again."""
        raise NotImplementedError

    def constant(self, name: str, dtype: str, value: str) -> None:
        """A variable that is assigned once."""
        self.declare(name, dtype, value)

    def array(self, name: str, dtype: str, n: int) -> None:
        """Private memory."""
        raise NotImplementedError

    def assign(self, target: str, value: str) -> None:
        raise NotImplementedError

    def open_loop(
        self, var: str, start: str, stop: str, step: str = "1", unroll: bool = False
    ) -> None:
        raise NotImplementedError

    def open_loop_down(self, var: str, start: str, stop: str) -> None:
        """From ``stop - 1`` to ``start``."""
        raise NotImplementedError

    def open_if(self, condition: str) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """The end of a loop or an if."""
        raise NotImplementedError

    def barrier(self) -> None:
        raise NotImplementedError

    def size(self, name: str) -> str:
        return name

    def minimum(self, a: str, b: str) -> str:
        """Of two indices."""
        raise NotImplementedError

    def select(self, condition: str, x: str, y: str, dtype: str) -> str:
        """``x`` where true; both may be evaluated."""
        raise NotImplementedError

    # ------------------------------------------------------------------------ the walk
    def source(self) -> str:
        p = self.p
        self.open_kernel()
        for j, s in enumerate(p.states):
            if s.width == 1:
                self.declare(f"s{j}", s.dtype)
            else:
                self.array(f"s{j}", s.dtype, s.width)
        for c in p.scratch:
            self.array(c.name, c.dtype, c.width * (p.block or 1))
        with self._alone():
            self._section("prologue")
        if p.block is None:
            for k in range(len(p.stages)):
                self._stage(k, "0", self.size(str(p.serial)))
        else:
            self._blocks(p.block)
        with self._alone():
            self._section("epilogue")
        self.close_kernel()
        return "\n".join(self.lines) + "\n"

    def line(self, text: str) -> None:
        self.lines.append(self.tab * self.depth + text)

    def _plan(self) -> None:
        p = self.p
        self.places = places(p)
        parts: dict[Any, tuple[int, ...]] = {
            "prologue": p.prologue,
            "epilogue": p.epilogue,
        }
        for k, s in enumerate(p.stages):
            parts |= {("head", k): s.head, ("body", k): s.body}
            parts["combine", k] = s.combine
        self.sections = {
            key: segments(p, ids, self.places) for key, ids in parts.items()
        }
        self.over: dict[int, int] = {}
        for k in range(len(p.stages)):
            self.over |= overwrites(p, k, self.sections["body", k])
        needed = arrays(p, list(self.sections.values()))
        used = {a for v in p.values for a in v.args}
        self.arrays = {i for i in needed if i not in self.over or self._later(i, used)}
        for i in self.arrays:
            self.names[i] = f"v{i}"
        if self.mode == "group":
            for s in p.stages:
                if s.kind == "reduce":
                    self.shared += [
                        (f"h{j}", p.states[j].dtype, self.local) for j in s.states
                    ]
        for i, v in enumerate(p.values):
            if v.op == "sum_group":
                self.shared.append((f"g{i}", v.dtype, v.width * self.local))
                sums = v.width * self._parts(v.width)
                self.shared.append((f"q{i}", v.dtype, sums))

    def _later(self, i: int, used: set[int]) -> bool:
        """Whether an update that is assigned at once is read by another loop too."""
        if i not in used:
            return False
        for parts in self.sections.values():
            for part in parts:
                if i in part.ids:
                    continue
                if any(i in self.p.values[x].args for x in part.ids):
                    return True
        return False

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """What every work item of a group computes, and one writes."""
        self.single = self.mode == "group"
        yield
        self.single = False

    def _blocks(self, block: int) -> None:
        p, n = self.p, self.size(str(self.p.serial))
        for s in p.stages:
            if not s.restart:
                for j in s.states:
                    self._begin(j)
        count = self._count(n, block)
        if p.reverse:
            self.open_loop_down("k", "0", count)
        else:
            self.open_loop("k", "0", count)
        width = self.literal(block, "index")
        self.constant("t0", "index", f"k * {width}")
        self.constant("t1", "index", self.minimum(f"t0 + {width}", n))
        for k in range(len(p.stages)):
            self._stage(k, "t0", "t1")
        self.close()

    def _count(self, n: str, block: int) -> str:
        less, width = self.literal(block - 1, "index"), self.literal(block, "index")
        return f"(({n} + {less}) / {width})"

    def _stage(self, k: int, start: str, stop: str) -> None:
        p, s = self.p, self.p.stages[k]
        with self._alone():
            self._section(("head", k))
        if p.block is None or s.restart:
            for j in s.states:
                self._begin(j)
        if self.mode == "group":
            self.open_loop("t", f"{start} + lid", stop, str(self.local))
        elif s.reverse:
            self.open_loop_down("t", start, stop)
        else:
            self.open_loop("t", start, stop)
        self._section(("body", k))
        if s.kind == "reduce":
            self._combine(k, [f"s{j}" for j in s.states], s.updates)
        else:
            self._advance(k)
        self.close()
        if self.mode == "group":
            if s.kind == "reduce":
                self._tree(k)
            elif k + 1 < len(p.stages):
                self.barrier()

    def _begin(self, j: int) -> None:
        s = self.p.states[j]
        if s.width == 1:
            self.assign(f"s{j}", self.ref(s.init))
            return
        with self._lanes(s.width):
            self.assign(f"s{j}[l]", self.ref(s.init))

    def _combine(self, k: int, left: list[str], right: Any) -> None:
        """``left = combine(left, right)``; ``right``: values, or names."""
        s = self.p.stages[k]
        for j, a, b in zip(s.states, left, right, strict=True):
            width = self.p.states[j].width
            lane = "[l]" if width > 1 else ""
            self.sides["left", j] = a + lane
            self.sides["right", j] = b if isinstance(b, str) else self.ref(b)
        self._section(("combine", k))
        self._assign_all(s.states, s.combined, left)

    def _advance(self, k: int) -> None:
        s = self.p.stages[k]
        rest = [
            (j, u)
            for j, u in zip(s.states, s.updates, strict=True)
            if u not in self.over
        ]
        if rest:
            states, updates = zip(*rest, strict=True)
            self._assign_all(states, updates, [f"s{j}" for j in states])

    def _assign_all(self, states: Any, values: Any, targets: list[str]) -> None:
        """At once: what is read is what was there before."""
        p = self.p
        crossed = len(states) > 1 and any(
            p.values[i].op in ("state", "left", "right") for i in values
        )
        names = []
        for j, i in zip(states, values, strict=True):
            s = p.states[j]
            if not crossed:
                names.append(self.ref(i))
            elif s.width == 1:
                self.constant(f"n{j}", s.dtype, self.ref(i))
                names.append(f"n{j}")
            else:
                self.array(f"n{j}", s.dtype, s.width)
                with self._lanes(s.width):
                    self.assign(f"n{j}[l]", self.ref(i))
                names.append(f"n{j}[l]")
        for j, target, name in zip(states, targets, names, strict=True):
            if p.states[j].width == 1:
                self.assign(target, name)
                continue
            with self._lanes(p.states[j].width):
                self.assign(f"{target}[l]", name)

    def _tree(self, k: int) -> None:
        """Every work item's states into one, in shared memory; then read by all."""
        s = self.p.stages[k]
        here = [f"h{j}[lid]" for j in s.states]
        for j, place in zip(s.states, here, strict=True):
            self.assign(place, f"s{j}")
        half = self.local // 2
        while half:
            self.barrier()
            self.open_if(f"lid < {half}")
            self._combine(k, here, [f"h{j}[lid + {half}]" for j in s.states])
            self.close()
            half //= 2
        self.barrier()
        for j in s.states:
            self.assign(f"s{j}", f"h{j}[0]")
        self.barrier()

    # ------------------------------------------------------------------------- values
    def _section(self, key: Any) -> None:
        for part in self.sections[key]:
            if part.width == 1:
                for i in part.ids:
                    self._value(i)
                continue
            sums = [i for i in sorted(part.sums) if self.p.values[i].op == "sum_lanes"]
            for i in sums:
                dtype = self.p.values[i].dtype
                self.names[i] = f"v{i}"
                if self.halves:
                    self.array(f"r{i}", dtype, part.width)
                else:
                    self.declare(f"v{i}", dtype, self.literal(0, dtype))
            for i in part.ids:
                if i in self.arrays:
                    self.array(f"v{i}", self.p.values[i].dtype, part.width)
            if part.gate is not None:
                self.open_if(self.ref(part.gate))
            with self._lanes(part.width):
                for i in part.ids:
                    self._value(i, part.gate)
            if part.gate is not None:
                self.close()
            if self.halves:
                for i in sums:
                    self._halved(i, part.width)
            for i in part.ids:
                if self.p.values[i].op == "sum_group":
                    self._gathered(i, self.p.values[i])

    @contextmanager
    def _lanes(self, width: int) -> Iterator[None]:
        self.open_loop("l", "0", str(width), unroll=True)
        yield
        self.close()

    def ref(self, i: int) -> str:
        """How a value is read here."""
        v = self.p.values[i]
        if i in self.places:
            return self._expression(v)
        if v.op not in INLINE:
            return self.names[i] + ("[l]" if i in self.arrays else "")
        if v.op == "const":
            return self.literal(v.attr, v.dtype)
        if v.op == "size":
            return self.size(v.attr)
        if v.op == "axis":
            return f"a{v.attr}"
        if v.op in ("left", "right"):
            return self.sides[v.op, v.attr]
        if v.op == "state":
            return f"s{v.attr}[l]" if v.width > 1 else f"s{v.attr}"
        return {"step": self.step, "block": "k", "lane": "l"}[v.op]

    def _value(self, i: int, gate: int | None = None) -> None:
        """A statement; the gate that it stands under is tested already."""
        v = self.p.values[i]
        if v.op == "store":
            self._store(v, gate)
        elif v.op == "put":
            width = {s.name: s.width for s in self.p.scratch}[v.attr]
            if width > 1 and self.p.values[v.args[0]].width == 1:
                with self._lanes(width):
                    self.assign(self._slot(v.attr), self.ref(v.args[0]))
            else:
                self.assign(self._slot(v.attr), self.ref(v.args[0]))
        elif v.op == "sum_lanes":
            self._sum_lanes(i, v)
        elif v.op == "sum_group":
            self._sum_group(i, v)
        elif v.op == "load" and len(v.args) == 3:
            self._gated(i, v)
        else:
            self._keep(i, v, self._expression(v))

    def _expression(self, v: Value) -> str:
        args = [self.ref(a) for a in v.args]
        if v.op in ("cast", "bitcast"):
            source = self.p.values[v.args[0]].dtype
            return getattr(self, v.op)(args[0], source, v.dtype)  # type: ignore[no-any-return]
        if v.op == "load":
            return self.load(v.attr, args[0])
        if v.op == "get":
            return self._slot(v.attr)
        return self.scalar(v, args)

    def _keep(self, i: int, v: Value, text: str) -> None:
        state = self.over.get(i)
        if i in self.arrays:
            self.assign(f"v{i}[l]", text)
        elif state is not None:  # readers in this loop see the state's new value
            self.assign(f"s{state}[l]", text)
            self.names[i] = f"s{state}[l]"
            return
        else:
            self.names[i] = f"v{i}"
            self.constant(f"v{i}", v.dtype, text)
        if state is not None:
            self.assign(f"s{state}[l]", self.ref(i))

    def _slot(self, name: str) -> str:
        width = {s.name: s.width for s in self.p.scratch}[name]
        return (
            f"{name}[({self.step} - t0) * {width} + l]"
            if width > 1
            else (f"{name}[{self.step} - t0]")
        )

    def _gated(self, i: int, v: Value) -> None:
        """A load that happens only where its gate is true."""
        index, gate, other = [self.ref(a) for a in v.args]
        target = f"v{i}[l]" if i in self.arrays else f"v{i}"
        if i in self.arrays:
            self.assign(target, other)
        else:
            self.names[i] = target
            self.declare(target, v.dtype, other)
        self.open_if(gate)
        self.assign(target, self.load(v.attr, index))
        self.close()

    def _store(self, v: Value, tested: int | None) -> None:
        name, mode = v.attr
        index, value = [self.ref(a) for a in v.args[:2]]
        gates = [self.ref(a) for a in v.args[2:] if a != tested]
        if self.single:
            gates.append("lid == 0")
        if self.p.group > 1:
            gates.append("active")
        for gate in gates:
            self.open_if(gate)
        self.store(name, index, value, mode)
        for _ in gates:
            self.close()

    def _sum_lanes(self, i: int, v: Value) -> None:
        if self.halves:
            self.assign(f"r{i}[l]", self.ref(v.args[0]))
        else:
            self._add(f"v{i}", self.ref(v.args[0]), v.dtype)

    def _halved(self, i: int, width: int) -> None:
        """The sum of what a loop left in an array: one half onto the other."""
        dtype = self.p.values[i].dtype
        while width % 2 == 0:
            width //= 2
            with self._lanes(width):
                self._add(f"r{i}[l]", f"r{i}[l + {width}]", dtype)
        terms = [f"r{i}[{k}]" for k in range(width)]
        self.constant(f"v{i}", dtype, self._sum(terms, dtype))

    def _sum_group(self, i: int, v: Value) -> None:
        """Leave the summand in shared memory; `_gathered` does the rest."""
        x = self.ref(v.args[0])
        given = self.select("active", x, self.literal(0, v.dtype), v.dtype)
        if v.width > 1:
            self.assign(f"g{i}[l * {self.local} + lid]", given)
        else:
            self.assign(f"g{i}[lid]", given)
            self._gathered(i, v)

    def _gathered(self, i: int, v: Value) -> None:
        """Sum over the group in two steps, always in the same order."""
        points, width, parts = self.local, v.width, self._parts(v.width)
        each = points // parts
        self.barrier()
        self.open_loop("r", "lid", str(width * parts), str(points))
        self.declare("total", v.dtype, self.literal(0, v.dtype))
        self.open_loop("m", "0", str(each))
        at = f"(r % {width}) * {points} + (r / {width}) * {each} + m"
        self._add("total", f"g{i}[{self.whole(at)}]", v.dtype)
        self.close()
        self.assign(f"q{i}[r]", "total")
        self.close()
        self.barrier()
        if width > 1:
            with self._lanes(width):
                terms = [f"q{i}[l + {c * width}]" for c in range(parts)]
                self.assign(f"v{i}[l]", self._sum(terms, v.dtype))
        else:
            self.names[i] = f"v{i}"
            terms = [f"q{i}[{c}]" for c in range(parts)]
            self.constant(f"v{i}", v.dtype, self._sum(terms, v.dtype))

    def _parts(self, width: int) -> int:
        """Into how many parts the points of a group are split to be summed."""
        parts = 1
        while parts < 8 and self.local % (parts * 2) == 0:
            if width * parts * 2 > self.local:
                break
            parts *= 2
        return parts

    def _sum(self, terms: list[str], dtype: str) -> str:
        text = terms[0]
        for term in terms[1:]:
            text = self.scalar(Value("add", dtype), [text, term])
        return text

    def _add(self, target: str, term: str, dtype: str) -> None:
        self.assign(target, self.scalar(Value("add", dtype), [target, term]))

    def whole(self, index: str) -> str:
        """An index expression with ``/`` for whole division, in this language."""
        return index
