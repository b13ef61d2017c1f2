"""Matrix products in WGSL: tiles in registers, and tiles in workgroup memory.

Both read operands through strides and add up each element over k in order. Operands come
in words of several numbers where they lie so: ``"k"`` along k, ``"x"`` along the other
axis, else (``"one"``) one by one.
"""

from __future__ import annotations

from typing import NamedTuple

from helix_hal.webgpu.helpers import helpers

DEPTH = 16  # steps of k that a group has in workgroup memory
NUMBERS = 14


class Tile(NamedTuple):
    """``rows`` by ``columns`` numbers of an item, in groups of ``local`` items.

    ``shared``: a group's operands lie in workgroup memory; ``local`` is then a square.
    """

    rows: int
    columns: int
    local: int
    shared: bool = False

    @property
    def side(self) -> int:
        """Items along an edge of a group that shares."""
        return int(self.local**0.5)


class Kind(NamedTuple):
    """How operands lie, whether they are rounded to bfloat16, and what a pair is.

    ``even``: k is a multiple of two; ``wide``: there are 64-bit integers.
    """

    a: str
    b: str
    rounded: bool
    even: bool
    wide: bool


_HEAD = """\
@group(0) @binding(0) var<uniform> given: array<vec4<i32>, 4>;
@group(0) @binding(1) var<storage, read_write> a: array<{a}>;
@group(0) @binding(2) var<storage, read_write> b: array<{b}>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;
"""
_OPEN = """\
@compute @workgroup_size({local})
fn main(@builtin(workgroup_id) at: vec3<u32>, @builtin(num_workgroups) many: vec3<u32>,
        @builtin(local_invocation_index) item: u32) {{
  let m = given[0].w;
  let n = given[1].x;
  let k = given[1].y;
  let am = given[1].w;
  let ak = given[2].x;
  let bk = given[2].z;
  let bn = given[2].w;
  let turn = i32(at.x + many.x * (at.y + many.y * at.z));
  let mt = (m + {high} - 1) / {high};
  let nt = (n + {wide} - 1) / {wide};
"""
_PLACE = """\
  if (place >= given[3].x * mt * nt) { return; }
  let batch = place / (mt * nt);
  let tile = place - batch * mt * nt;
  let a0 = given[0].x + batch * given[1].z;
  let b0 = given[0].y + batch * given[2].y;
  let c0 = given[0].z + batch * m * n;
"""


def source(kind: Kind, tile: Tile) -> str:
    """The module of a tile."""
    text = (_shared if tile.shared else _registers)(kind, tile)
    return text.replace("// helpers\n", helpers(text, "given[3].y"))


def _round(kind: Kind, x: str) -> str:
    return f"from_brain(to_brain({x}))" if kind.rounded else x


# ------------------------------------------------------------------ tiles in registers
def _registers(kind: Kind, tile: Tile) -> str:
    pair = "u64" if kind.wide else "vec2<f32>"
    types = {"k": pair, "x": pair, "one": "f32"}
    head = _HEAD.format(a=types[kind.a], b=types[kind.b]) + "// helpers\n"
    rows, columns = range(tile.rows), range(tile.columns)
    steps = 2 if kind.even else 1
    lines = [_OPEN.format(local=tile.local, high=tile.rows, wide=tile.columns)]
    lines.append(f"  let place = turn * {tile.local} + i32(item);\n{_PLACE}")
    lines.append(f"  let i0 = tile / nt * {tile.rows};")
    lines.append(f"  let j0 = tile % nt * {tile.columns};")
    lines += _starts("a", kind.a, tile.rows, "a0", "i0", "m", "am")
    lines += _starts("b", kind.b, tile.columns, "b0", "j0", "n", "bn")
    lines += [f"  var s{r}_{q} = 0.0f;" for r in rows for q in columns]
    lines.append(f"  for (var p: i32 = 0; p < k; p += {steps}) {{")
    lines += _loads(kind, "a", kind.a, tile.rows, "ak", steps)
    lines += _loads(kind, "b", kind.b, tile.columns, "bk", steps)
    for step in range(steps):
        lines += [
            f"    s{r}_{q} = fma(a{r}_{step}, b{q}_{step}, s{r}_{q});"
            for r in rows
            for q in columns
        ]
    lines.append("  }")
    for r in rows:
        lines.append(f"  if (i0 + {r} < m) {{")
        lines.append(f"    let to = c0 + (i0 + {r}) * n + j0;")
        for q in columns:
            lines.append(f"    if (j0 + {q} < n) {{ c[to + {q}] = s{r}_{q}; }}")
        lines.append("  }")
    return head + "\n".join(lines) + "\n}\n"


def _starts(
    name: str, how: str, many: int, base: str, first: str, extent: str, stride: str
) -> list[str]:
    """Where each row (column) begins; those beyond the edge repeat the last."""
    if how == "x":
        return [
            f"  let {name}at{r} = ({base} + min({first} + {2 * r}, {extent} - 2)) / 2;"
            for r in range(many // 2)
        ]
    half = " / 2" if how == "k" else ""
    return [
        f"  let {name}at{r} = ({base} + min({first} + {r}, {extent} - 1) * {stride})"
        f"{half};"
        for r in range(many)
    ]


def _loads(
    kind: Kind, name: str, how: str, many: int, stride: str, steps: int
) -> list[str]:
    out = []
    if how == "one":
        for r in range(many):
            for q in range(steps):
                x = _round(kind, f"{name}[{name}at{r} + (p + {q}) * {stride}]")
                out.append(f"    let {name}{r}_{q} = {x};")
        return out
    if how == "k":
        for r in range(many):
            where = f"{name}at{r} + p / 2"
            out += _halves(kind, name, f"{r}", where, [f"{r}_0", f"{r}_1"])
        return out
    for q in range(steps):
        for r in range(many // 2):
            where = f"{name}at{r} + (p + {q}) * {stride} / 2"
            names = [f"{2 * r}_{q}", f"{2 * r + 1}_{q}"]
            out += _halves(kind, name, f"{r}_{q}", where, names)
    return out


def _halves(kind: Kind, name: str, tag: str, where: str, names: list[str]) -> list[str]:
    """Two numbers out of one word."""
    word = f"{name}w{tag}"
    parts = [f"{word}.x", f"{word}.y"]
    if kind.wide:
        parts = [f"bitcast<f32>(u32({word}))", f"bitcast<f32>(u32({word} >> 32u))"]
    out = [f"    let {word} = {name}[{where}];"]
    for n, x in zip(names, parts, strict=True):
        out.append(f"    let {name}{n} = {_round(kind, x)};")
    return out


# ----------------------------------------------------------- tiles in workgroup memory
def _shared(kind: Kind, tile: Tile) -> str:
    """Items of a group load what all of them need; each has 4 by 4 sums."""
    side = tile.side
    high = wide = 4 * side
    types = {"k": "vec4<f32>", "x": "vec4<f32>", "one": "f32"}
    head = _HEAD.format(a=types[kind.a], b=types[kind.b])
    for name in ("left", "right"):
        size = DEPTH * side
        head += f"var<workgroup> {name}: array<vec4<f32>, {size}>;\n"
    body = _OPEN.format(local=tile.local, high=high, wide=wide)
    body += f"  let place = turn;\n{_PLACE}"
    body += f"  let i0 = tile / nt * {high};\n  let j0 = tile % nt * {wide};\n"
    body += f"  let y = i32(item) / {side};\n  let x = i32(item) % {side};\n"
    body += "".join([f"  var s{r} = vec4<f32>();\n" for r in range(4)])
    body += f"  for (var p0: i32 = 0; p0 < k; p0 += {DEPTH}) {{\n"
    body += _fill(kind, tile, "a", kind.a, "left", ("a0", "i0", "m", "am", "ak"))
    body += _fill(kind, tile, "b", kind.b, "right", ("b0", "j0", "n", "bn", "bk"))
    body += "    workgroupBarrier();\n"
    body += f"    for (var p: i32 = 0; p < {DEPTH}; p += 1) {{\n"
    body += (
        f"      let u = left[p * {side} + y];\n      let v = right[p * {side} + x];\n"
    )
    for r, part in enumerate("xyzw"):
        body += f"      s{r} = fma(vec4<f32>(u.{part}), v, s{r});\n"
    body += "    }\n    workgroupBarrier();\n  }\n"
    body += "  let i = i0 + 4 * y;\n  let j = j0 + 4 * x;\n"
    for r in range(4):
        body += f"  if (i + {r} < m) {{\n    let to = c0 + (i + {r}) * n + j;\n"
        for q, part in enumerate("xyzw"):
            body += f"    if (j + {q} < n) {{ c[to + {q}] = s{r}.{part}; }}\n"
        body += "  }\n"
    return head + "// helpers\n" + body + "}\n"


def _fill(
    kind: Kind, tile: Tile, name: str, how: str, target: str, axes: tuple[str, ...]
) -> str:
    """One operand's ``DEPTH`` steps into workgroup memory; zeros beyond the edges."""
    base, first, extent, stride, along = axes
    side = tile.side
    words = DEPTH * side if how != "one" else 4 * DEPTH * side
    out = f"    for (var e = i32(item); e < {words}; e += {tile.local}) {{\n"
    if how == "x":  # four neighbours of one step
        out += f"      let p = e / {side};\n      let i = e % {side} * 4;\n"
        place, word = f"({base} + (p0 + p) * {along} + {first} + i) / 4", True
    elif how == "k":  # four steps of one row
        out += f"      let p = e % {DEPTH // 4} * 4;\n      let i = e / {DEPTH // 4};\n"
        place, word = f"({base} + ({first} + i) * {stride} + p0 + p) / 4", True
    else:
        out += f"      let p = e % {DEPTH};\n      let i = e / {DEPTH};\n"
        place, word = f"{base} + ({first} + i) * {stride} + (p0 + p) * {along}", False
    zero = "vec4<f32>()" if word else "0.0f"
    out += f"      var z = {zero};\n"
    out += (
        f"      if (p0 + p < k && {first} + i < {extent}) {{ z = {name}[{place}]; }}\n"
    )
    if how == "x":
        parts = ", ".join([_round(kind, f"z.{part}") for part in "xyzw"])
        value = f"vec4<f32>({parts})" if kind.rounded else "z"
        out += f"      {target}[p * {side} + i / 4] = {value};\n"
    elif how == "k":
        for q, part in enumerate("xyzw"):
            value = _round(kind, f"z.{part}")
            out += f"      {target}[(p + {q}) * {side} + i / 4][i % 4] = {value};\n"
    else:
        out += f"      {target}[p * {side} + i / 4][i % 4] = {_round(kind, 'z')};\n"
    return out + "    }\n"
