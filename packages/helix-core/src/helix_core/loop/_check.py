"""``check``: the form of a loop program."""

from __future__ import annotations

from ._program import MAX_WIDTH, SCALAR_OPS, STRUCTURE, LoopError, LoopProgram, Value

_FLOATS = ("float16", "bfloat16", "float32", "float64")
_FLOAT_OPS = frozenset("floor round exp log sqrt sin cos tanh erf pow".split())
_BIT_OPS = frozenset("mulhi and or xor not shl shr rem".split())
_KINDS = ("map", "reduce", "scan")
_MODES = ("set", "add")


def check(p: LoopProgram) -> None:
    """Prove that a program is well formed.

    Raises
    ------
    LoopError
        Unknown ops, operands of other dtypes or widths, values that are used where they
        are not visible, states without a stage, stores to inputs.
    """
    _Check(p).run()


class _Check:
    def __init__(self, p: LoopProgram) -> None:
        self.p = p
        self.visible: set[int] = set()
        self.final: set[int] = set()  # states that may be read
        self.kept: set[str] = set()  # scratches that hold something

    def fail(self, text: str) -> None:
        raise LoopError(f"[{self.p.name}] {text}")

    def run(self) -> None:
        p = self.p
        if not p.name.isidentifier():
            self.fail(f"expected an identifier as name; got {p.name!r}")
        names = [*p.sizes, *[a.name for a in p.args], *[s.name for s in p.scratch]]
        if len(set(names)) != len(names) or not all(n.isidentifier() for n in names):
            self.fail(f"expected identifiers, each once; got {names}")
        for size in (*p.grid, *([] if p.serial is None else [p.serial])):
            if size not in p.sizes:
                self.fail(f"expected a size as extent; got {size!r}")
        if not p.grid:
            self.fail("expected a parallel axis")
        if p.stages and p.serial is None:
            self.fail("expected a serial axis under its stages")
        if p.block is not None and p.block < 1:
            self.fail(f"expected blocks of at least one step; got {p.block}")
        if not 1 <= p.group <= 1024:
            self.fail(f"expected groups of 1 to 1024 points; got {p.group}")
        self.values(p.prologue)
        first = set(self.visible)
        for i in range(len(p.stages)):
            self.stage(i, first)
        if p.block is not None:  # the heads' values are those of the last block
            self.visible = first
        self.values(p.epilogue)
        for a in p.args:
            if a.mode not in ("in", "out", "inout"):
                self.fail(f"expected mode in, out or inout of {a.name}; got {a.mode!r}")
        modes: dict[str, str] = {}
        for v in p.values:
            if v.op == "store" and modes.setdefault(*v.attr) != v.attr[1]:
                self.fail(f"expected one mode of stores to {v.attr[0]}; got both")

    def stage(self, i: int, first: set[int]) -> None:
        p, s = self.p, self.p.stages[i]
        if s.kind not in _KINDS:
            self.fail(f"expected a stage of {', '.join(_KINDS)}; got {s.kind!r}")
        self.values(s.head)
        for j in s.states:
            state = p.states[j]
            init = p.values[state.init]
            if state.init not in self.visible:
                self.fail(f"state {j} begins with %{state.init}, which is not there")
            if init.dtype != state.dtype or init.width not in (1, state.width):
                self.fail(f"state {j} expected {state}; begins with {init}")
            early = state.init in first or init.op == "const"
            if p.block is not None and not s.restart and not early:
                self.fail(f"state {j} expected to begin in the prologue; got {init}")
            if not 1 <= state.width <= MAX_WIDTH:
                self.fail(f"expected at most {MAX_WIDTH} lanes; got {state.width}")
        if (s.kind == "map" and s.states) or (s.kind != "scan" and s.reverse):
            self.fail(f"a {s.kind} has no states of its own order; got {s}")
        outside = set(self.visible)
        if s.kind == "scan":
            self.final |= set(s.states)
        self.values(s.body, step=True)
        self.given(s.states, s.updates)
        if s.kind == "reduce":
            self.visible = set(outside)
            self.values(s.combine, combine=s.states)
            self.given(s.states, s.combined)
        self.visible = outside
        self.final |= set(s.states)

    def given(self, states: tuple[int, ...], ids: tuple[int, ...]) -> None:
        if len(states) != len(ids):
            self.fail(f"expected a value for each state; got {len(ids)}")
        for j, i in zip(states, ids, strict=True):
            v, state = self.p.values[i], self.p.states[j]
            if i not in self.visible:
                self.fail(f"state {j} takes %{i}, which is not visible there")
            if v.dtype != state.dtype or v.width not in (1, state.width):
                self.fail(f"state {j} expected {state}; takes {v}")

    def values(
        self, ids: tuple[int, ...], step: bool = False, combine: tuple[int, ...] = ()
    ) -> None:
        for i in ids:
            v = self.p.values[i]
            for a in v.args:
                if a not in self.visible:
                    self.fail(f"%{i} = {v.op} uses %{a}, which is not visible there")
            if v.op in SCALAR_OPS:
                self.scalar(i, v)
            elif v.op in STRUCTURE:
                self.structure(i, v, step, combine)
            else:
                self.fail(f"%{i}: unknown op {v.op!r}")
            self.visible.add(i)

    def scalar(self, i: int, v: Value) -> None:
        args = [self.p.values[a] for a in v.args]
        if len(args) != SCALAR_OPS[v.op]:
            self.fail(f"%{i} = {v.op} expected {SCALAR_OPS[v.op]} operands; got {v}")
        width = max([a.width for a in args])
        if v.width != width or any(a.width not in (1, width) for a in args):
            self.fail(f"%{i} = {v.op} expected one width; got {[*args, v]}")
        kinds = [a.dtype for a in args]
        if v.op in ("cast", "bitcast"):
            return
        if v.op == "where":
            if kinds[0] != "bool":
                self.fail(f"%{i} = where expected a bool; got {kinds[0]}")
            kinds = kinds[1:]
        result = "bool" if v.op in ("eq", "lt") else kinds[0]
        if len(set(kinds)) != 1 or v.dtype != result:
            self.fail(f"%{i} = {v.op} expected one dtype; got {kinds} -> {v.dtype}")
        if v.op in _FLOAT_OPS and kinds[0] not in _FLOATS:
            self.fail(f"%{i} = {v.op} expected a float; got {kinds[0]}")
        if v.op in _BIT_OPS and kinds[0] in _FLOATS:
            self.fail(f"%{i} = {v.op} expected integers or bool; got {kinds[0]}")

    def structure(self, i: int, v: Value, step: bool, combine: tuple[int, ...]) -> None:
        p = self.p
        wanted = STRUCTURE[v.op]
        if wanted is not None and len(v.args) != wanted:
            self.fail(f"%{i} = {v.op} expected {wanted} operands; got {v}")
        if v.op == "axis" and not 0 <= v.attr < len(p.grid):
            self.fail(f"%{i}: expected one of {len(p.grid)} axes; got {v.attr}")
        if v.op == "size" and v.attr not in p.sizes:
            self.fail(f"%{i}: unknown size {v.attr!r}")
        if v.op in ("step", "put", "get") and not step:
            self.fail(f"%{i} = {v.op} is there at the steps of a stage only")
        if v.op == "sum_group" and (p.group == 1 or combine):
            self.fail(f"%{i} = sum_group expected groups; got {p.group}")
        if v.op == "block" and p.block is None:
            self.fail(f"%{i} = block: the serial axis is not in blocks")
        if v.op == "state" and v.attr not in self.final:
            self.fail(f"%{i} reads state {v.attr} before it is known")
        if v.op in ("left", "right") and v.attr not in combine:
            self.fail(f"%{i} = {v.op} is there in the combine of its stage only")
        if v.op in ("load", "store"):
            self.memory(i, v)
        if v.op in ("put", "get"):
            self.private(i, v)

    def memory(self, i: int, v: Value) -> None:
        name = v.attr if v.op == "load" else v.attr[0]
        arg = self.p.argument.get(name)
        if arg is None:
            self.fail(f"%{i}: unknown argument {name!r}")
            return
        args = [self.p.values[a] for a in v.args]
        data = args[2:] if v.op == "load" else args[1:2]
        gate = args[1:2] if v.op == "load" else args[2:]
        if v.op == "load":
            good = len(args) in (1, 3) and v.dtype == arg.dtype and arg.mode != "out"
        else:
            good = len(args) in (2, 3) and arg.mode != "in" and v.attr[1] in _MODES
        good = good and args[0].dtype == "index"
        good = good and all(a.dtype == arg.dtype for a in data)
        good = good and all(g.dtype == "bool" for g in gate)
        if not good:
            self.fail(f"%{i} = {v.op} expected an index and {arg}; got {v} of {args}")

    def private(self, i: int, v: Value) -> None:
        known = {s.name: s for s in self.p.scratch}
        s = known.get(v.attr)
        if s is None or self.p.block is None:
            self.fail(f"%{i}: expected a scratch and blocks; got {v.attr!r}")
            return
        if v.op == "put":
            x = self.p.values[v.args[0]]
            if x.dtype != s.dtype or x.width not in (1, s.width):
                self.fail(f"%{i}: expected {s}; got {x}")
            self.kept.add(s.name)
        elif s.name not in self.kept:
            self.fail(f"%{i} reads scratch {s.name} before an earlier stage wrote it")
