"""Loop programs in WGSL.

Three forms of one program:

``"flat"``
    An item runs one point; points lie in C order.
``"rows"``
    As flat, but the last grid axis lies on the x axis of work groups alone, so that no
    item divides to find its place on it.
``"group"``
    A work group runs one point, its items share the steps.

Binding 0 holds the numbers of a launch (each argument's offset, the program's sizes) as
``vec4<i32>``; the program's arguments follow. In memory, elements of fewer than 32 bits
lie packed in words as on the host; they are written with two atomic operations.
"""

from __future__ import annotations

import re
from typing import Any

from helix_core.loop import LoopError, LoopProgram, Value

from helix_hal.loop.render import Renderer
from helix_hal.webgpu.helpers import float_add, helpers, small_load, small_store

TYPES = {
    "bool": "bool",
    "int8": "i32",
    "int16": "i32",
    "int32": "i32",
    "int64": "i64",
    "uint8": "u32",
    "uint16": "u32",
    "uint32": "u32",
    "uint64": "u64",
    "float16": "u32",
    "bfloat16": "u32",
    "float32": "f32",
    "index": "i32",
}
BITS = {
    **{"bool": 8, "int8": 8, "uint8": 8},
    **{"int16": 16, "uint16": 16, "float16": 16, "bfloat16": 16},
}
_SUFFIX = {"i32": "i", "u32": "u", "i64": "li", "u64": "lu"}
_SMALL = {"float16": "half", "bfloat16": "brain"}
_INFIX = {
    **{"add": "+", "sub": "-", "mul": "*", "div": "/", "rem": "%"},
    **{"and": "&", "or": "|", "xor": "^"},
}
_OF_BOOLS = {"add": "|", "mul": "&", "min": "&", "max": "|", "xor": "!="}
_FUNCTIONS = frozenset("floor round exp sqrt".split())
_SUMS = ("add", "sub")
_INF = float("inf")
_UNROLLED = 400  # lines that a loop over lanes may become


class WgslRenderer(Renderer):
    """One program in one form, for work groups of ``local`` items."""

    def __init__(self, program: LoopProgram, form: str, local: int = 64) -> None:
        self.form = form
        mode = "group" if form == "group" else "point"
        super().__init__(program, mode=mode, local=local)
        self.open_blocks: list[tuple[int, int] | None] = []  # first line, turns
        written = self.p.stored
        self.atomic = {
            name
            for name, mode in written.items()
            if mode == "add" or self.p.argument[name].dtype in BITS
        }

    @property
    def numbers(self) -> int:
        """How many integers a launch passes: offsets, sizes, and a zero."""
        return len(self.p.args) + len(self.p.sizes) + 1

    @property
    def words(self) -> int:
        """Bytes of binding 0, over 16."""
        return -(-self.numbers // 4)

    def source(self) -> str:
        """The module: helpers, memory and the entry point ``main``."""
        body = super().source()
        head = ["@group(0) @binding(0) "]
        head[0] += f"var<uniform> given: array<vec4<i32>, {self.words}>;\n"
        for k, a in enumerate(self.p.args):
            kind = f"array<{self._element(a.name)}>"
            place = f"@group(0) @binding({k + 1}) var<storage, read_write>"
            head.append(f"{place} {a.name}: {kind};\n")
        for name, dtype, n in self.shared:
            head.append(f"var<workgroup> {name}: array<{self.type(dtype)}, {n}>;\n")
        access = "".join([self._access(a.name) for a in self.p.args])
        called = helpers(access + body, self._number(self.numbers - 1))
        text = "".join(head) + called + access + body
        return re.sub(r"\bactive\b", "inside", text)  # a reserved word of WGSL

    def _element(self, name: str) -> str:
        dtype = self.p.argument[name].dtype
        if dtype in BITS:
            return "atomic<u32>" if name in self.atomic else "u32"
        if name in self.atomic:
            return "atomic<i32>" if dtype == "int32" else "atomic<u32>"
        return TYPES[dtype]

    def _access(self, name: str) -> str:
        """Functions that read and write one argument, where an index is not enough."""
        dtype = self.p.argument[name].dtype
        if dtype in BITS:
            bits, signed = BITS[dtype], dtype in ("int8", "int16")
            text = small_load(name, self._element(name), bits, signed)
            if name in self.atomic:
                text += small_store(name, bits)
            return text
        return float_add(name) if self._sums(name) == "float32" else ""

    def _sums(self, name: str) -> str:
        """The dtype of an argument that is added to; else an empty string."""
        adds = self.p.stored.get(name) == "add"
        return self.p.argument[name].dtype if adds else ""

    # ------------------------------------------------------------------------- kernel
    def open_kernel(self) -> None:
        p = self.p
        for a in p.args:
            if self._sums(a.name) not in ("", "int32", "uint32", "float32"):
                raise LoopError(f"[{p.name}] expected no atomic sums of {a.dtype}")
        self.line(f"@compute @workgroup_size({self.local})")
        builtins = {
            "workgroup_id) at": "vec3<u32>",
            "num_workgroups) many": "vec3<u32>",
            "local_invocation_index) item": "u32",
        }
        args = ", ".join([f"@builtin({k}: {t}" for k, t in builtins.items()])
        self.line(f"fn main({args}) {{")
        self.depth += 1
        names = [f"{a.name}off" for a in p.args] + list(p.sizes)
        for k, name in enumerate(names):
            self.constant(name, "index", self._number(k))
        if self.form != "flat" or p.group > 1:
            self.constant("lid", "index", "i32(item)")
        getattr(self, f"_open_{'summed' if p.group > 1 else self.form}")()

    def _number(self, k: int) -> str:
        return f"given[{k // 4}].{'xyzw'[k % 4]}"

    def _total(self, sizes: Any) -> str:
        return " * ".join(sizes) or self.literal(1, "index")

    def _turn(self, count: str) -> None:
        """``turn``: which work group this is; those beyond ``count`` end."""
        self.constant("turn", "index", "i32(at.x + many.x * (at.y + many.y * at.z))")
        self.line(f"if (turn >= {count}) {{ return; }}")

    def _open_flat(self) -> None:
        last = len(self.p.grid) - 1
        turn = f"(at.x + many.x * (at.y + many.y * at.z)) * {self.local}u + item"
        self.constant("point", "index", f"i32({turn})")
        self.line(f"if (point >= {self._total(self.p.grid)}) {{ return; }}")
        if not last:
            self.constant("a0", "index", "point")
            return
        self.declare("row", "index", f"point / {self.p.grid[last]}")
        self.constant(f"a{last}", "index", f"point - row * {self.p.grid[last]}")
        self._axes()

    def _open_rows(self) -> None:
        last = len(self.p.grid) - 1
        self.constant(f"a{last}", "index", f"i32(at.x * {self.local}u) + lid")
        self.declare("row", "index", "i32(at.y + many.y * at.z)")
        rows = self._total(self.p.grid[:-1])
        self.line(f"if (a{last} >= {self.p.grid[last]} || row >= {rows}) {{ return; }}")
        self._axes()

    def _open_group(self) -> None:
        last = len(self.p.grid) - 1
        self._turn(self._total(self.p.grid))
        if not last:
            self.constant("a0", "index", "turn")
            return
        self.declare("row", "index", f"turn / {self.p.grid[last]}")
        self.constant(f"a{last}", "index", f"turn - row * {self.p.grid[last]}")
        self._axes()

    def _open_summed(self) -> None:
        """A group stays within a row; items beyond its end are not ``active``."""
        last = len(self.p.grid) - 1
        extent, local = self.p.grid[last], self.literal(self.local, "index")
        less = self.literal(self.local - 1, "index")
        self.constant("per", "index", f"({extent} + {less}) / {local}")
        self._turn(self._total([*self.p.grid[:-1], "per"]))
        self.declare("row", "index", "turn / per")
        self.constant("place", "index", f"(turn - row * per) * {local} + lid")
        self.constant("active", "bool", f"place < {extent}")
        end = f"{extent} - {self.literal(1, 'index')}"
        self.constant(f"a{last}", "index", self.minimum("place", end))
        self._axes()

    def _axes(self) -> None:
        """Places on all axes but the last, from ``row``."""
        grid = self.p.grid
        for k in reversed(range(len(grid) - 1)):
            if k == 0:
                self.constant("a0", "index", "row")
            else:
                self.constant(f"a{k}", "index", f"row % {grid[k]}")
                self.assign("row", f"row / {grid[k]}")

    def close_kernel(self) -> None:
        self.depth -= 1
        self.line("}")

    # -------------------------------------------------------------------- expressions
    def type(self, dtype: str) -> str:
        return TYPES[dtype]

    def literal(self, value: Any, dtype: str) -> str:
        if dtype == "bool":
            return "true" if value else "false"
        if dtype in _SMALL:
            raise LoopError(f"[{self.p.name}] expected no constant of {dtype}")
        if dtype == "float32":
            return self._real(float(value))
        kind = self.type(dtype)
        suffix, bits = _SUFFIX[kind], int(kind[1:])
        value = int(value)
        if kind[0] == "u":
            return f"{value % 2**bits}{suffix}"
        if value == -(2 ** (bits - 1)):  # no literal is that low
            return f"({value + 1}{suffix} - 1{suffix})"
        return f"({value}{suffix})" if value < 0 else f"{value}{suffix}"

    def _real(self, value: float) -> str:
        from numpy import errstate, float32

        with errstate(over="ignore"):
            value = float(float32(value))
        if value != value:
            return "from_bits(0x7fc00000u)"
        if value in (_INF, -_INF):
            return f"from_bits(0x{'7' if value > 0 else 'f'}f800000u)"
        text = f"{value.hex()}f"
        return f"({text})" if text[0] == "-" else text

    def scalar(self, v: Value, args: list[str]) -> str:
        dtype = self.p.values[v.args[-1]].dtype if v.args else v.dtype
        given = [self.p.values[a] for a in v.args]
        if given and all(g.op == "const" for g in given):
            args = [self._hidden(a, g.dtype) for a, g in zip(args, given, strict=True)]
        if dtype == "bool" and v.op in _OF_BOOLS:
            return f"({args[0]} {_OF_BOOLS[v.op]} {args[1]})"
        if v.op == "eq":
            if dtype == "float32" and v.args and v.args[0] == v.args[1]:
                return f"(!is_nan({args[0]}))"
            return f"({args[0]} == {args[1]})"
        if v.op == "lt":
            if dtype == "bool":
                return f"(!{args[0]} & {args[1]})"
            return f"({args[0]} < {args[1]})"
        if v.op == "where":
            return self.select(args[0], args[1], args[2], v.dtype)
        if v.op in ("min", "max"):
            names = {"min": "least", "max": "greatest"} if dtype == "float32" else {}
            return f"{names.get(v.op, v.op)}({', '.join(args)})"
        if v.op == "not":
            return f"(!{args[0]})" if dtype == "bool" else f"(~{args[0]})"
        if v.op in _INFIX:
            if dtype == "float32" and given:
                pairs = zip(v.args, args, strict=True)
                args = [self._kept(v.op, i, a) for i, a in pairs]
            return f"({args[0]} {_INFIX[v.op]} {args[1]})"
        if v.op in ("shl", "shr"):
            count = given[1]
            by = f"{count.attr}u" if count.op == "const" else f"u32({args[1]})"
            return f"({args[0]} {'<<' if v.op == 'shl' else '>>'} {by})"
        if v.op == "abs":
            zero = self.literal(0, dtype)
            if dtype in ("float32", "int32", "index"):
                return f"abs({args[0]})"
            return args[0] if dtype[0] == "u" else f"max({args[0]}, {zero} - {args[0]})"
        if v.op == "mulhi":
            return f"u32((u64({args[0]}) * u64({args[1]})) >> 32u)"
        if v.op in _FUNCTIONS:
            return f"{v.op}({args[0]})"
        raise LoopError(f"[{self.p.name}] {v.op} is no scalar op of WGSL")

    def _kept(self, op: str, i: int, text: str) -> str:
        """An operand; hidden where a driver would put (1 + x) - 1 as x, or 0 x as 0."""
        x = self.p.values[i]
        nested = op in _SUMS and x.op in _SUMS
        zero = op == "mul" and x.op == "const" and x.attr == 0
        return f"kept({text})" if nested or zero else text

    def _hidden(self, literal: str, dtype: str) -> str:
        """WGSL refuses what overflows between constants."""
        kind = self.type(dtype)
        if kind == "f32":
            return f"(from_bits(0u) + {literal})"
        return f"hidden_{kind}({literal})" if kind in ("i32", "u32") else literal

    def minimum(self, a: str, b: str) -> str:
        return f"min({a}, {b})"

    def select(self, condition: str, x: str, y: str, dtype: str) -> str:
        return f"select({y}, {x}, {condition})"

    def cast(self, x: str, source: str, target: str) -> str:
        if source in _SMALL:
            return f"from_{_SMALL[source]}({x})"
        if target in _SMALL:
            return f"to_{_SMALL[target]}({x})"
        if target == "bool":
            return f"(!({x} == {self.literal(0, source)}))"  # true for NaN
        if source == "bool":
            return self.select(x, self.literal(1, target), self.literal(0, target), "")
        kind, was = self.type(target), self.type(source)
        if (was, kind) in (("i32", "u64"), ("u32", "i64")):  # the sign is the source's
            x = f"{was[0]}64({x})"
        return self._narrow(x if kind == was else f"{kind}({x})", target)

    def _narrow(self, x: str, dtype: str) -> str:
        """Integers in registers of 32 bits have the values of their dtype."""
        bits = BITS.get(dtype)
        if bits is None:
            return x
        if dtype.startswith("int"):
            return f"(({x} << {32 - bits}u) >> {32 - bits}u)"
        return f"({x} & 0x{(1 << bits) - 1:x}u)"

    def _expression(self, v: Value) -> str:
        if v.op == "cast":
            x = self.p.values[v.args[0]]
            if x.op == "const" and v.dtype not in _SMALL and x.dtype != "float32":
                return self.literal(x.attr, v.dtype)  # of 64 bits, WGSL converts none
        return super()._expression(v)

    def bitcast(self, x: str, source: str, target: str) -> str:
        a, b = self.type(source), self.type(target)
        if target == "bool":
            return f"({x} != {self.literal(0, source)})"
        if source == "bool":
            return self.select(x, self.literal(1, target), self.literal(0, target), "")
        if a == b and source not in BITS:
            return x
        moved = x if a == b else f"bitcast<{b}>({x})"
        return self._narrow(moved, target)

    def load(self, name: str, index: str) -> str:
        dtype, at = self.p.argument[name].dtype, f"{name}off + {index}"
        if dtype == "bool":
            return f"(load_{name}({at}) != 0u)"
        if dtype in BITS:
            return f"load_{name}({at})"
        if name not in self.atomic:
            return f"{name}[{at}]"
        read = f"atomicLoad(&{name}[{at}])"
        return f"bitcast<f32>({read})" if dtype == "float32" else read

    def store(self, name: str, index: str, value: str, mode: str) -> None:
        dtype, at = self.p.argument[name].dtype, f"{name}off + {index}"
        if dtype == "bool":
            value = f"select(0u, 1u, {value})"
        elif dtype in BITS and self.type(dtype) == "i32":
            value = f"bitcast<u32>({value})"
        if dtype in BITS:
            self.line(f"store_{name}({at}, {value});")
            return
        if mode == "add" and dtype == "float32":
            self.line(f"add_{name}({at}, {value});")
            return
        if mode == "add":
            self.line(f"atomicAdd(&{name}[{at}], {value});")
        else:
            self.line(f"{name}[{at}] = {value};")

    # --------------------------------------------------------------------- statements
    def declare(self, name: str, dtype: str, value: str | None = None) -> None:
        given = "" if value is None else f" = {value}"
        self.line(f"var {name}: {self.type(dtype)}{given};")

    def constant(self, name: str, dtype: str, value: str) -> None:
        self.line(f"let {name}: {self.type(dtype)} = {value};")

    def array(self, name: str, dtype: str, n: int) -> None:
        self.line(f"var {name}: array<{self.type(dtype)}, {n}>;")

    def assign(self, target: str, value: str) -> None:
        self.line(f"{target} = {value};")

    def open_loop(
        self, var: str, start: str, stop: str, step: str = "1", unroll: bool = False
    ) -> None:
        text = f"for (var {var}: i32 = {start}; {var} < {stop}; {var} += {step})"
        self._open(text, int(stop) if unroll else 0)

    def open_loop_down(self, var: str, start: str, stop: str) -> None:
        self._open(f"for (var {var}: i32 = {stop} - 1; {var} >= {start}; {var} -= 1)")

    def open_if(self, condition: str) -> None:
        self._open(f"if ({condition})")

    def _open(self, text: str, turns: int = 0) -> None:
        self.open_blocks.append((len(self.lines), turns) if turns else None)
        self.line(f"{text} {{")
        self.depth += 1

    def close(self) -> None:
        self.depth -= 1
        block = self.open_blocks.pop()
        if block is not None:
            first, turns = block
            body = self.lines[first + 1 :]
            if turns * len(body) <= _UNROLLED:
                del self.lines[first:]
                for lane in range(turns):
                    self.line(f"{{ const l = {lane}i;")
                    self.lines += body
                    self.line("}")
                return
        self.line("}")

    def barrier(self) -> None:
        self.line("workgroupBarrier();")
        self.line("storageBarrier();")
