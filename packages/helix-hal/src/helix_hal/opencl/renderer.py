"""Loop programs in OpenCL C 1.2.

Three forms of one program:

``"tiles"``
    For CPUs: a work item runs many points one after the other, in loops that the
    compiler turns into vectors.
``"items"``
    For GPUs, and for programs that sum over groups: a work item runs one point.
``"group"``
    A work group runs one point, its items share the steps.

A kernel takes its memories, then one struct of 64-bit integers: each memory's offset,
the program's sizes, and for tiles how the grid is cut.
"""

from __future__ import annotations

from helix_core.loop import LoopProgram

from helix_hal.loop.c import CRenderer

TYPES = {
    "bool": "bool",
    "int8": "char",
    "int16": "short",
    "int32": "int",
    "int64": "long",
    "uint8": "uchar",
    "uint16": "ushort",
    "uint32": "uint",
    "uint64": "ulong",
    "float16": "ushort",
    "bfloat16": "ushort",
    "float32": "float",
    "float64": "double",
}

# Python's reading of the stored types does not depend on the device's extensions
PREAMBLE = """\
#pragma OPENCL FP_CONTRACT OFF
inline float from_half(ushort h) {
  const uint sign = (uint)(h & 0x8000) << 16, e = (h >> 10) & 31, m = h & 1023;
  const float tiny = (float)m * 0x1p-24f;
  const uint wide = e == 31 ? 0x7F800000 | m << 13 : (e + 112) << 23 | m << 13;
  return as_float(sign | (e ? wide : as_uint(tiny)));
}
inline ushort to_half(float x) {
  const uint b = as_uint(x), sign = (b >> 16) & 0x8000, a = b & 0x7FFFFFFF;
  const uint near = as_uint(as_float(a) + 0.5f) - 0x3F000000;
  const uint usual = (a - 0x38000000 + 0xFFF + ((a >> 13) & 1)) >> 13;
  const uint half_ = a > 0x7F800000 ? 0x7E00 : a >= 0x477FF000 ? 0x7C00
    : a >= 0x38800000 ? usual : near;
  return (ushort)(sign | half_);
}
inline float from_brain(ushort h) { return as_float((uint)h << 16); }
inline ushort to_brain(float x) {
  const uint b = as_uint(x), rounded = (b + 0x7FFF + ((b >> 16) & 1)) >> 16;
  return (ushort)(x != x ? (b >> 16) | 0x40 : rounded);
}
"""
DOUBLE = "#pragma OPENCL EXTENSION cl_khr_fp64 : enable\n"
_LONG_ATOMICS = "#pragma OPENCL EXTENSION cl_khr_int64_base_atomics : enable\n"
# programs of primitives: they round as each primitive does
_EXACT = ("map_", "sum", "prod", "max", "min", "arg")
_ADD = """\
inline void add_{name}(volatile __global {name} *p, {name} x) {{
  volatile __global {bits} *q = (volatile __global {bits} *)p;
  {bits} was = *q, had;
  do {{
    had = was;
    was = {swap}(q, had, as_{bits}(as_{name}(had) + x));
  }} while (was != had);
}}
"""


class OpenClRenderer(CRenderer):
    """One program in one form, for work groups of ``local`` items.

    ``fma``: the device has fused multiply-adds that are fast. ``vector``: numbers of
    32 bits in a vector of a CPU.
    """

    types = TYPES
    unsigned = {"int32": "uint", "int64": "ulong"}
    infinity = {"float32": "INFINITY", "float64": "(double)INFINITY"}
    nan = {"float32": "NAN", "float64": "(double)NAN"}
    space = "__global "
    _suffixed = False

    def __init__(
        self,
        program: LoopProgram,
        form: str,
        local: int = 64,
        wide: bool = False,
        fma: bool = True,
        vector: int = 0,
    ) -> None:
        self.form = form
        self.parts = 16 if form == "tiles" else 0
        self.hints = self.halves = form == "tiles"
        self.fused = not program.name.startswith(_EXACT) if fma else None
        self.vector = vector
        mode = "group" if form == "group" else "point"
        super().__init__(program, mode=mode, local=local, wide=wide)
        if form == "tiles":
            self.local = 1
        self.used: set[str] = set()  # helpers beyond the preamble

    def source(self) -> str:
        """The kernel with everything that it needs."""
        body = super().source()
        dtypes = {a.dtype for a in self.p.args} | {v.dtype for v in self.p.values}
        head = DOUBLE if "float64" in dtypes else ""
        if "add_double" in self.used:
            head += _LONG_ATOMICS
        head += PREAMBLE
        if "add_float" in self.used:
            head += _ADD.format(name="float", bits="uint", swap="atomic_cmpxchg")
        if "add_double" in self.used:
            head += _ADD.format(name="double", bits="ulong", swap="atom_cmpxchg")
        return f"{head}{body}"

    @property
    def numbers(self) -> list[str]:
        """Names of the struct's integers, in order."""
        names = [f"{a.name}off" for a in self.p.args] + list(self.p.sizes)
        return [*names, *(["chunk", "each", "tiles"] if self.form == "tiles" else [])]

    # ------------------------------------------------------------------------- kernel
    def open_kernel(self) -> None:
        p = self.p
        self.line(f"struct numbers {{ long v[{len(self.numbers)}]; }};")
        self.line(f"__attribute__((reqd_work_group_size({self.local}, 1, 1)))")
        args = []
        for a in p.args:
            const = "const " if a.mode == "in" else ""
            args.append(f"__global {const}{self.memory(a.dtype)} *{a.name}base")
        args.append("const struct numbers given")
        self.line(f"__kernel void {self.symbol}({', '.join(args)})")
        self.line("{")
        self.depth += 1
        for k, name in enumerate(self.numbers):
            kind = "long" if name.endswith("_off") else self.type("index")
            self.line(f"const {kind} {name} = ({kind})given.v[{k}];")
        self.bases()
        for name, dtype, n in self.shared:
            self.line(f"__local {self.type(dtype)} {name}[{n}];")
        getattr(self, f"_open_{self.form}")()

    def close_kernel(self) -> None:
        if self.form == "tiles":
            self.close_tiles()
        self.depth -= 1
        self.line("}")

    def _open_tiles(self) -> None:
        self.constant("lo", "index", "get_group_id(0) * each")
        self.constant("hi", "index", self.minimum("lo + each", "tiles"))
        self.open_tiles()

    def _open_items(self) -> None:
        """Points in C order; where groups sum, a group stays within a row."""
        p = self.p
        last = len(p.grid) - 1
        extent = p.grid[last]
        rows = " * ".join(p.grid[:-1]) or "1"
        if p.group == 1:
            self.constant("point", "index", "get_global_id(0)")
            self.line(f"if (point >= {' * '.join(p.grid)}) return;")
            self.declare("row", "index", f"point / {extent}")
            self.constant(f"a{last}", "index", f"point - row * {extent}")
            self.axes_of("row")
            return
        self.constant("lid", "index", "get_local_id(0)")
        self.constant("per", "index", f"({extent} + {self.local - 1}) / {self.local}")
        self.declare("row", "index", "get_group_id(0) / per")
        at = f"(get_group_id(0) - row * per) * {self.local} + lid"
        self.constant("place", "index", at)
        self.constant("active", "bool", f"place < {extent} && row < {rows}")
        self.constant(f"a{last}", "index", self.minimum("place", f"{extent} - 1"))
        self.axes_of("row")

    def _open_group(self) -> None:
        last = len(self.p.grid) - 1
        extent = self.p.grid[last]
        self.constant("lid", "index", "get_local_id(0)")
        self.declare("row", "index", f"get_group_id(0) / {extent}")
        self.constant(f"a{last}", "index", f"get_group_id(0) - row * {extent}")
        self.axes_of("row")

    # ------------------------------------------------------------- expressions and rest
    def function(self, op: str, dtype: str) -> str:
        return {"round": "rint"}.get(op, op)

    def mulhi(self, x: str, y: str) -> str:
        return f"mul_hi({x}, {y})"

    def reinterpret(self, x: str, source: str, target: str) -> str:
        return f"as_{target}({x})"

    def store(self, name: str, index: str, value: str, mode: str) -> None:
        if mode == "set":
            super().store(name, index, value, mode)
            return
        kind = self.memory(self.p.argument[name].dtype)
        if kind in ("int", "uint"):
            self.line(f"atomic_add({name} + {index}, {value});")
            return
        self.used.add(f"add_{kind}")
        self.line(f"add_{kind}({name} + {index}, {value});")

    def unrolled(self, turns: int) -> None:
        if self.hints:
            self.hint(turns)
        else:
            self.line("#pragma unroll")

    def barrier(self) -> None:
        self.line("barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);")
