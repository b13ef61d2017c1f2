"""Loop programs as C: C99 as it stands, and what dialects of C have in common.

C99's kernel is a range function, for whoever compiles C: ``NAME(lo, hi, chunk, memories,
offsets, sizes)`` runs the tiles ``lo <= i < hi``; a tile is at most ``chunk`` points of
one row of the grid. ``PREAMBLE`` comes before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from helix_core.loop import LoopError, LoopProgram, Value

from helix_hal.loop.legal import FREE
from helix_hal.loop.render import Renderer

_INFIX = {"and": "&", "or": "|", "xor": "^", "shl": "<<", "shr": ">>"}
_ARITHMETIC = {"add": "+", "sub": "-", "mul": "*"}
_FUNCTIONS = frozenset("floor round exp log sqrt sin cos tanh erf pow".split())
_SMALL = {"float16": "half", "bfloat16": "brain"}
_INF = float("inf")
_PARALLEL = "#pragma clang loop vectorize(assume_safety)"

# conversions of bits; dialects of C have their own
PREAMBLE = """\
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#define BITS(to, from) \\
  static inline to from##_as_##to(from x) { \\
    union { from f; to t; } u; u.f = x; return u.t; }
BITS(float, int32_t) BITS(float, uint32_t) BITS(int32_t, float) BITS(uint32_t, float)
BITS(double, int64_t) BITS(double, uint64_t) BITS(int64_t, double)
BITS(uint64_t, double)
static inline float from_half(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = (h >> 10) & 31, m = h & 1023;
  float tiny = m * 5.9604644775390625e-08f;
  uint32_t wide = e == 31 ? 0x7F800000 | m << 13 : (e + 112) << 23 | m << 13;
  return uint32_t_as_float(sign | (e ? wide : float_as_uint32_t(tiny)));
}
static inline uint16_t to_half(float x) {
  uint32_t b = float_as_uint32_t(x), sign = (b >> 16) & 0x8000, a = b & 0x7FFFFFFF;
  uint32_t near = float_as_uint32_t(uint32_t_as_float(a) + 0.5f) - 0x3F000000;
  uint32_t usual = (a - 0x38000000 + 0xFFF + ((a >> 13) & 1)) >> 13;
  uint32_t half = a > 0x7F800000 ? 0x7E00 : a >= 0x477FF000 ? 0x7C00
    : a >= 0x38800000 ? usual : near;
  return (uint16_t)(sign | half);
}
static inline float from_brain(uint16_t h) {
  return uint32_t_as_float((uint32_t)h << 16);
}
static inline uint16_t to_brain(float x) {
  uint32_t b = float_as_uint32_t(x);
  uint32_t rounded = (b + 0x7FFF + ((b >> 16) & 1)) >> 16;
  return (uint16_t)(x != x ? (b >> 16) | 0x40 : rounded);
}
"""


class CRenderer(Renderer):
    """C99; dialects replace types, functions and how a kernel begins.

    Small floats are their bits in registers too, so a program has to be made legal for
    arithmetic in float32 before.

    Attributes
    ----------
    types : mapping of str to str
        The language's name of each dtype.
    unsigned : mapping of str to str
        Signed types to the ones in which integers wrap.
    parts : int
        Partial states of a reduction, side by side, so that compilers of CPUs keep them
        in a vector; 0 for none.
    hints : bool
        Whether loops that compilers may turn into vectors say so.
    vector : int
        Turns of such a loop that go together, where there are so many; 0: as the
        compiler thinks.
    fused : bool, optional
        Whether all sums of products are fused multiply-adds; False: those that stand
        for other functions alone; None: no sums.
    """

    types: Mapping[str, str] = {
        "bool": "bool",
        "int8": "int8_t",
        "int16": "int16_t",
        "int32": "int32_t",
        "int64": "int64_t",
        "uint8": "uint8_t",
        "uint16": "uint16_t",
        "uint32": "uint32_t",
        "uint64": "uint64_t",
        "float16": "uint16_t",
        "bfloat16": "uint16_t",
        "float32": "float",
        "float64": "double",
    }
    unsigned: Mapping[str, str] = {"int32": "uint32_t", "int64": "uint64_t"}
    infinity: Mapping[str, str] = {"float32": "INFINITY", "float64": "INFINITY"}
    nan: Mapping[str, str] = {"float32": "NAN", "float64": "NAN"}
    parts = 16
    hints = halves = True
    vector = 0
    fused: bool | None = None

    def __init__(self, program: LoopProgram, mode: str = "point", **how: Any) -> None:
        super().__init__(program, mode=mode, **how)
        self._steps_apart = False  # the next loop over steps has independent ones

    # ------------------------------------------------------------------------- kernel
    def open_kernel(self) -> None:
        p = self.p
        if p.group > 1 or self.mode != "point":
            raise LoopError(f"[{p.name}] expected a program without groups, for C")
        index = self.types["int64"]
        head = [f"{index} {x}" for x in ("lo", "hi", "chunk")]
        const = {a.name: "const " if a.mode == "in" else "" for a in p.args}
        for a in p.args:
            head.append(f"{const[a.name]}{self.memory(a.dtype)} *{a.name}base")
        head += [f"{index} {a.name}off" for a in p.args]
        head += [f"{index} {s}" for s in p.sizes]
        self.line(f"void {self.symbol}({', '.join(head)})")
        self.line("{")
        self.depth += 1
        self.bases()
        self.open_tiles()

    @property
    def symbol(self) -> str:
        """The kernel's name, which is none of the language's functions."""
        return f"k_{self.p.name}"

    def close_kernel(self) -> None:
        self.close_tiles()
        self.depth -= 1
        self.line("}")

    def bases(self) -> None:
        """Pointers to each view's first element."""
        for a in self.p.args:
            const = "const " if a.mode == "in" else ""
            kind = f"{self.space}{const}{self.memory(a.dtype)} *"
            self.line(f"{kind}const {a.name} = {a.name}base + {a.name}off;")

    space = ""  # the address space of memory that a caller passes

    def open_tiles(self) -> None:
        """Loops over tiles ``lo <= tile < hi`` of ``chunk`` points along the last axis."""
        p, index = self.p, self.type("index")
        last = len(p.grid) - 1
        extent = p.grid[last]
        self.constant("per", "index", f"({extent} + chunk - 1) / chunk")
        self._open(f"for ({index} tile = lo; tile < hi; tile++)")
        self.declare("row", "index", "tile / per")
        self.constant("first", "index", "(tile - row * per) * chunk")
        self.constant("end", "index", self.minimum("first + chunk", extent))
        self.axes_of("row")
        if not p.stages:
            self.hint(apart=2)
        self._open(f"for ({index} a{last} = first; a{last} < end; a{last}++)")

    def close_tiles(self) -> None:
        self.close()
        self.close()

    def axes_of(self, row: str) -> None:
        """Places on all axes but the last, from the position ``row`` in C order."""
        grid = self.p.grid
        for k in reversed(range(len(grid) - 1)):
            if k == 0:
                self.constant("a0", "index", row)
            else:
                self.constant(f"a{k}", "index", f"{row} % {grid[k]}")
                self.assign(row, f"{row} / {grid[k]}")

    # -------------------------------------------------------------------- expressions
    def type(self, dtype: str) -> str:
        if dtype == "index":
            return self.types["int64" if self.wide else "int32"]
        return self.types[dtype]

    def memory(self, dtype: str) -> str:
        """The type of elements in memory."""
        return self.types["uint8"] if dtype == "bool" else self.types[dtype]

    def literal(self, value: Any, dtype: str) -> str:
        if dtype == "index":
            return f"({value})" if value < 0 else str(value)
        if dtype in _SMALL:
            raise LoopError(f"[{self.p.name}] expected no constant of {dtype}")
        if dtype == "bool":
            return "true" if value else "false"
        if "float" in dtype:
            return self._real(float(value), dtype)
        return self._whole(int(value), dtype)

    def _real(self, value: float, dtype: str) -> str:
        if value != value:
            return self.nan[dtype]
        if value in (_INF, -_INF):
            return f"({'-' if value < 0 else ''}{self.infinity[dtype]})"
        text = value.hex()
        return f"({text}f)" if dtype == "float32" else f"({text})"

    def _whole(self, value: int, dtype: str) -> str:
        bits = int(dtype.removeprefix("uint").removeprefix("int"))
        if dtype.startswith("u"):
            end = "ul" if bits == 64 else "u"
            return f"(({self.types[dtype]}){value % 2**bits}{end})"
        if bits == 32 and value > -(2**31):
            return str(value) if value >= 0 else f"({value})"
        end = "l" if bits == 64 else ""
        if value == -(2 ** (bits - 1)):  # no literal is that low
            return f"(({self.types[dtype]})({value + 1}{end} - 1))"
        return (
            f"(({self.types[dtype]}){value}{end})" if value >= 0 else f"({value}{end})"
        )

    def _expression(self, v: Value) -> str:
        return self._multiply_add(v) or super()._expression(v)

    def _multiply_add(self, v: Value) -> str | None:
        """A sum with a product as one rounding, where that is allowed."""
        free = self.fused or (self.fused is False and v.attr == FREE)
        if not free or v.op not in ("add", "sub") or v.dtype not in self.nan:
            return None
        for k in (1, 0):
            m = self.p.values[v.args[k]]
            if m.op != "mul" or m.width > v.width or not self._there(v, v.args[k]):
                continue
            x, y = (self.ref(a) for a in m.args)
            other = self.ref(v.args[1 - k])
            if v.op == "sub":
                x, other = (f"-{x}", other) if k else (x, f"-{other}")
            return f"{self.function('fma', v.dtype)}({x}, {y}, {other})"
        return None

    def _there(self, v: Value, product: int) -> bool:
        """Whether the factors of a product can still be read where ``v`` is computed."""
        if product in self.arrays:  # of an earlier loop over lanes
            return False
        factors = [self.p.values[a] for a in self.p.values[product].args]
        old = {f.attr for f in factors if f.op == "state"}
        return all(j not in old or self.p.values[u] is v for u, j in self.over.items())

    def scalar(self, v: Value, args: list[str]) -> str:
        dtype = self.p.values[v.args[-1]].dtype if v.args else v.dtype
        if v.op in ("eq", "lt"):
            return f"({args[0]} {'==' if v.op == 'eq' else '<'} {args[1]})"
        if v.op == "where":
            condition, x, y = args
            return self.select(condition, x, y, v.dtype)
        if v.op in ("min", "max"):
            return self._extremum(v.op, args, dtype)
        if v.op == "not":
            return f"(!{args[0]})" if dtype == "bool" else f"(~{args[0]})"
        if v.op in ("add", "sub", "mul", "shl"):
            return self._wrapping(v.op, args, dtype)
        if v.op in ("div", "rem"):
            return f"({args[0]} {'/' if v.op == 'div' else '%'} {args[1]})"
        if v.op in _INFIX:
            return f"({args[0]} {_INFIX[v.op]} {args[1]})"
        if v.op == "abs":
            return self._magnitude(args[0], dtype)
        if v.op == "mulhi":
            return self.mulhi(*args)
        if v.op in _FUNCTIONS:
            return f"{self.function(v.op, dtype)}({', '.join(args)})"
        raise LoopError(f"[{self.p.name}] {v.op} is no scalar op of C")

    def function(self, op: str, dtype: str) -> str:
        """The name of a function of floats."""
        name = {"round": "rint"}.get(op, op)
        return f"{name}f" if dtype == "float32" else name

    def mulhi(self, x: str, y: str) -> str:
        wide = self.types["uint64"]
        return f"({self.types['uint32']})((({wide}){x} * {y}) >> 32)"

    def _wrapping(self, op: str, args: list[str], dtype: str) -> str:
        """Signed integers wrap as unsigned ones do; indices never need to."""
        sign = _ARITHMETIC.get(op) or _INFIX[op]
        wraps = self.unsigned.get(dtype)
        if wraps is None:
            return f"({args[0]} {sign} {args[1]})"
        return f"({self.types[dtype]})(({wraps}){args[0]} {sign} ({wraps}){args[1]})"

    def _magnitude(self, x: str, dtype: str) -> str:
        if "float" in dtype:
            return f"fabs{'f' if dtype == 'float32' and self._suffixed else ''}({x})"
        wraps = self.unsigned.get(dtype, self.type(dtype))
        return f"({self.type(dtype)})({x} < 0 ? 0 - ({wraps}){x} : ({wraps}){x})"

    _suffixed = True  # functions of float32 have names of their own

    def _extremum(self, op: str, args: list[str], dtype: str) -> str:
        a, b = args
        nan = f" || {a} != {a}" if "float" in dtype else ""
        return f"({a} {'<' if op == 'min' else '>'} {b}{nan} ? {a} : {b})"

    def minimum(self, a: str, b: str) -> str:
        return f"({a} < {b} ? {a} : {b})"

    def select(self, condition: str, x: str, y: str, dtype: str) -> str:
        return f"({condition} ? {x} : {y})"

    def cast(self, x: str, source: str, target: str) -> str:
        if source in _SMALL:
            return f"from_{_SMALL[source]}({x})"
        if target in _SMALL:
            return f"to_{_SMALL[target]}({x})"
        if target == "bool":
            return f"({x} != 0)"
        return f"({self.type(target)}){x}"

    def bitcast(self, x: str, source: str, target: str) -> str:
        a, b = self.type(source), self.type(target)
        if a == b or ("float" in source) == ("float" in target):
            return f"({b}){x}"
        return self.reinterpret(x, a, b)

    def reinterpret(self, x: str, source: str, target: str) -> str:
        """The bits of one type read as another of the same size."""
        return f"{source}_as_{target}({x})"

    def load(self, name: str, index: str) -> str:
        return f"{name}[{index}]"

    def store(self, name: str, index: str, value: str, mode: str) -> None:
        sign = "=" if mode == "set" else "+="
        self.line(f"{name}[{index}] {sign} {value};")

    # --------------------------------------------------------------------- statements
    def declare(self, name: str, dtype: str, value: str | None = None) -> None:
        given = "" if value is None else f" = {value}"
        self.line(f"{self.type(dtype)} {name}{given};")

    def constant(self, name: str, dtype: str, value: str) -> None:
        self.line(f"const {self.type(dtype)} {name} = {value};")

    def array(self, name: str, dtype: str, n: int) -> None:
        self.line(f"{self.type(dtype)} {name}[{n}];")

    def assign(self, target: str, value: str) -> None:
        self.line(f"{target} = {value};")

    def open_loop(
        self, var: str, start: str, stop: str, step: str = "1", unroll: bool = False
    ) -> None:
        if unroll:
            self.unrolled(int(stop))
        elif var == "t" and self._steps_apart:
            self._steps_apart = False
            self.hint()
        by = f"{var}++" if step == "1" else f"{var} += {step}"
        index = self.type("index")
        self._open(f"for ({index} {var} = {start}; {var} < {stop}; {by})")

    def unrolled(self, turns: int) -> None:
        """Before a loop over lanes."""
        self.hint(turns)

    def hint(self, turns: int = 0, apart: int = 0) -> None:
        """Before a loop whose turns are independent.

        ``turns``: how many, where that is known. ``apart``: vectors at a time, for
        loops that wait for results more than they compute.
        """
        if not self.hints:
            return
        text = _PARALLEL
        if 1 < self.vector <= (turns or self.vector):
            text += f" vectorize_width({self.vector})"
            text += f" interleave_count({apart})" if apart else ""
        self.line(text)

    def open_loop_down(self, var: str, start: str, stop: str) -> None:
        index = self.type("index")
        self._open(f"for ({index} {var} = {stop} - 1; {var} >= {start}; {var}--)")

    def open_if(self, condition: str) -> None:
        self._open(f"if ({condition})")

    def _open(self, text: str) -> None:
        self.line(f"{text} {{")
        self.depth += 1

    def close(self) -> None:
        self.depth -= 1
        self.line("}")

    # --------------------------------------------------------- reductions into vectors
    def _stage(self, k: int, start: str, stop: str) -> None:
        p, s = self.p, self.p.stages[k]
        widths = [p.states[j].width for j in s.states]
        narrow = max(widths + [p.values[i].width for i in s.body], default=1) == 1
        plain = narrow and p.block is None and self.mode == "point"
        if not (self.parts and plain and s.kind == "reduce"):
            self._steps_apart = plain and s.kind == "map"
            super()._stage(k, start, stop)
            return
        self._section(("head", k))
        for j in s.states:
            self._begin(j)
            self.array(f"p{j}", p.states[j].dtype, self.parts)
        with self._lanes(self.parts):
            for j in s.states:
                self.assign(f"p{j}[l]", f"s{j}")
        self.constant(f"whole{k}", "index", f"{stop} / {self.parts}")
        self.open_loop("turn", "0", f"whole{k}")
        with self._lanes(self.parts):
            self.constant("t", "index", f"turn * {self.parts} + l")
            self._section(("body", k))
            self._combine(k, [f"p{j}[l]" for j in s.states], s.updates)
        self.close()
        self.open_loop("t", f"whole{k} * {self.parts}", stop)
        self._section(("body", k))
        self._combine(k, [f"s{j}" for j in s.states], s.updates)
        self.close()
        self.open_loop("l", "0", str(self.parts))
        self._combine(k, [f"s{j}" for j in s.states], [f"p{j}[l]" for j in s.states])
        self.close()
