"""Loop programs as Python source that numba compiles: for the CPU, and a base for CUDA."""

from __future__ import annotations

from typing import Any

from helix_core.loop import LoopError, LoopProgram, Value

from helix_hal.loop.render import Renderer

# dtype -> the name of a number type in the source; small floats are their bits
TYPES = {
    "bool": "BOOL",
    "int8": "I8",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "uint8": "U8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
    "float16": "U16",
    "bfloat16": "U16",
    "float32": "F32",
    "float64": "F64",
    "index": "I64",
}
_UNARY = {
    "abs": "abs({0})",
    "floor": "floor{bits}({0})",
    "round": "round{bits}({0})",
    "exp": "exp{bits}({0})",
    "log": "log{bits}({0})",
    "sqrt": "sqrt{bits}({0})",
    "sin": "sin{bits}({0})",
    "cos": "cos{bits}({0})",
    "tanh": "tanh{bits}({0})",
    "erf": "erf{bits}({0})",
}
_BINARY = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "pow": "{0} ** {1}",
    "and": "{0} & {1}",
    "or": "{0} | {1}",
    "xor": "{0} ^ {1}",
    "shl": "{0} << {1}",
    "shr": "{0} >> {1}",
}
_SMALL = {"float16": "half", "bfloat16": "brain"}


class PythonRenderer(Renderer):
    """What numba's targets share: expressions, assignments, loops."""

    tab = "    "

    def __init__(self, program: LoopProgram, **how: Any) -> None:
        super().__init__(program, **how)
        self.starts: list[int] = []  # lines at which open blocks begin

    # -------------------------------------------------------------------- expressions
    def type(self, dtype: str) -> str:
        return TYPES[dtype]

    def literal(self, value: Any, dtype: str) -> str:
        if dtype == "index":
            return str(value)
        if dtype in _SMALL:
            raise LoopError(f"[{self.p.name}] expected no constant of {dtype}")
        if isinstance(value, float) and (value != value or value in (_INF, -_INF)):
            name = "NAN" if value != value else "INF"
            return f"{'-' if value == -_INF else ''}{name}{dtype[-2:]}"
        return f"{TYPES[dtype]}({value!r})"

    def scalar(self, v: Value, args: list[str]) -> str:
        name = self._operand_type(v)
        real = "float" in name
        if v.op in ("eq", "lt"):
            return f"({args[0]} {'==' if v.op == 'eq' else '<'} {args[1]})"
        if v.op == "where":
            return f"({args[1]} if {args[0]} else {args[2]})"
        if v.op == "not":
            return (
                f"(not {args[0]})" if name == "bool" else self._fit(f"~{args[0]}", name)
            )
        if v.op in ("min", "max"):
            return self._extremum(v.op, args, real)
        if v.op in ("div", "rem"):
            return self._quotient(v.op, args, name, real)
        if v.op == "mulhi":
            return f"U32((U64({args[0]}) * U64({args[1]})) >> U64(32))"
        if v.op in _UNARY:
            return self._fit(_UNARY[v.op].format(*args, bits=name[-2:]), name)
        return self._fit(_BINARY[v.op].format(*args), name)

    def _operand_type(self, v: Value) -> str:
        return self.p.values[v.args[-1]].dtype if v.args else v.dtype

    def _fit(self, text: str, dtype: str) -> str:
        """numba computes with narrow integers in 64 bits."""
        if dtype in ("index", "bool", "int64", "float64"):
            return f"({text})"
        if dtype == "float32" and "**" not in text and not text.startswith("abs"):
            return f"({text})"
        return f"{TYPES[dtype]}({text})"

    def _extremum(self, op: str, args: list[str], real: bool) -> str:
        a, b = args
        sign = "<" if op == "min" else ">"
        nan = f" or {a} != {a}" if real else ""
        return f"({a} if {a} {sign} {b}{nan} else {b})"

    def _quotient(self, op: str, args: list[str], name: str, real: bool) -> str:
        a, b = args
        if real:
            return f"({a} / {b})"
        if name.startswith("int"):
            return self._fit(
                f"{'quotient' if op == 'div' else 'remainder'}({a}, {b})", name
            )
        return self._fit(f"{a} {'//' if op == 'div' else '%'} {b}", name)

    def cast(self, x: str, source: str, target: str) -> str:
        if source in _SMALL:
            return f"from_{_SMALL[source]}({x})"
        if target in _SMALL:
            return f"to_{_SMALL[target]}({x})"
        if target == "bool":
            return f"({x} != {self.literal(0, source)})"
        return f"{TYPES[target]}({x})"

    def bitcast(self, x: str, source: str, target: str) -> str:
        source, target = TYPES[source], TYPES[target]
        if source == target:
            return x
        if source[0] == "F" or target[0] == "F":
            wide = f"U{source[1:]}({x})" if source[0] == "I" else x
            return f"bits_to_{target}({wide})"
        return f"{target}({x})"

    def place(self, name: str, index: str) -> str:
        """An element; unsigned, so that no sign is tested and loops become vectors."""
        return f"{name}[U64({name}off + {index})]"

    def load(self, name: str, index: str) -> str:
        return self.place(name, index)

    def store(self, name: str, index: str, value: str, mode: str) -> None:
        sign = "=" if mode == "set" else "+="
        self.line(f"{self.place(name, index)} {sign} {value}")

    def minimum(self, a: str, b: str) -> str:
        return f"min({a}, {b})"

    def select(self, condition: str, x: str, y: str, dtype: str) -> str:
        return f"({x} if {condition} else {y})"

    def whole(self, index: str) -> str:
        return index.replace("/", "//")

    def _count(self, n: str, block: int) -> str:
        return f"(({n} + {block - 1}) // {block})"

    # --------------------------------------------------------------------- statements
    def declare(self, name: str, dtype: str, value: str | None = None) -> None:
        if value is not None:
            self.line(f"{name} = {value}")

    def assign(self, target: str, value: str) -> None:
        self.line(f"{target} = {value}")

    def open_loop(
        self, var: str, start: str, stop: str, step: str = "1", unroll: bool = False
    ) -> None:
        by = "" if step == "1" else f", {step}"
        self._open(f"for {var} in range({start}, {stop}{by}):")

    def open_loop_down(self, var: str, start: str, stop: str) -> None:
        self._open(f"for {var} in range({stop} - 1, {start} - 1, -1):")

    def open_if(self, condition: str) -> None:
        self._open(f"if {condition}:")

    def _open(self, text: str) -> None:
        self.line(text)
        self.depth += 1
        self.starts.append(len(self.lines))

    def close(self) -> None:
        if len(self.lines) == self.starts.pop():
            self.line("pass")
        self.depth -= 1

    def parameters(self) -> list[str]:
        """Memories, their offsets, sizes."""
        names = [a.name for a in self.p.args]
        return [*names, *[f"{n}off" for n in names], *self.p.sizes]


_INF = float("inf")


class CpuRenderer(PythonRenderer):
    """A range kernel: tiles of the last grid axis, row by row.

    ``k(lo, hi, chunk, *memories, *offsets, *sizes)`` does the tiles ``lo <= i < hi``; a
    tile is at most ``chunk`` points of one row of the grid. Reductions run over sixteen
    partial states, which LLVM keeps in vectors.
    """

    PARTS = 16
    halves = True

    def __init__(self, program: LoopProgram, mode: str = "point", **how: Any) -> None:
        if program.group > 1:
            raise LoopError(f"[{program.name}] expected no sum_group on the CPU")
        super().__init__(program, mode="point", **how)
        self.top = 0

    def open_kernel(self) -> None:
        p = self.p
        self.line(f"def {p.name}(lo, hi, chunk, {', '.join(self.parameters())}):")
        self.depth += 1
        self.top = len(self.lines)
        last = p.grid[-1]
        self.line(f"per = ({last} + chunk - 1) // chunk")
        self._open("for tile in range(lo, hi):")
        self.line("row = tile // per")
        self.line("first = (tile - row * per) * chunk")
        self.line(f"count = min(chunk, {last} - first)")
        for k in reversed(range(len(p.grid) - 1)):
            if k == 0:
                self.line("a0 = row")
            else:
                self.line(f"a{k} = row % {p.grid[k]}")
                self.line(f"row = row // {p.grid[k]}")
        self._open("for place in range(count):")
        self.line(f"a{len(p.grid) - 1} = first + place")

    def close_kernel(self) -> None:
        self.close()
        self.close()
        self.depth -= 1

    def array(self, name: str, dtype: str, n: int) -> None:
        made = f"{self.tab}{name} = np.empty({n}, {TYPES[dtype]})"
        if made not in self.lines:
            self.lines.insert(self.top, made)
            self.starts = [i + 1 for i in self.starts]

    def _stage(self, k: int, start: str, stop: str) -> None:
        s = self.p.stages[k]
        lanes = [self.p.states[j].width for j in s.states]
        lanes += [v.width for v in (self.p.values[i] for i in s.body)]
        if s.kind != "reduce" or max(lanes) > 1 or self.p.block is not None:
            super()._stage(k, start, stop)
            return
        self._section(("head", k))
        for j in s.states:
            self._begin(j)
            self.array(f"p{j}", self.p.states[j].dtype, self.PARTS)
        with self._lanes(self.PARTS):
            for j in s.states:
                self.assign(f"p{j}[l]", f"s{j}")
        self.line(f"whole = {stop} // {self.PARTS}")
        self.open_loop("turn", "0", "whole")
        with self._lanes(self.PARTS):
            self.line(f"t = turn * {self.PARTS} + l")
            self._section(("body", k))
            self._combine(k, [f"p{j}[l]" for j in s.states], s.updates)
        self.close()
        self.open_loop("t", f"whole * {self.PARTS}", stop)
        self._section(("body", k))
        self._combine(k, [f"s{j}" for j in s.states], s.updates)
        self.close()
        with self._lanes(self.PARTS):
            states = [f"s{j}" for j in s.states]
            self._combine(k, states, [f"p{j}[l]" for j in s.states])
