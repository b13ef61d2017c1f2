"""Matrix products in OpenCL C: packed panels for CPUs, tiles in local memory for GPUs.

Both read operands through strides and add up each element over k in order, by fused
multiply-adds, so they give the same bits.
"""

from __future__ import annotations

from math import gcd
from typing import NamedTuple

from helix_hal.opencl.renderer import DOUBLE, PREAMBLE, TYPES

DEPTH = 16  # steps of k that a group of a GPU has in local memory


class Tile(NamedTuple):
    """A register tile of ``rows`` by ``columns`` numbers.

    ``width``: numbers of a vector, for CPUs; on GPUs items of a group's side.
    """

    rows: int
    columns: int
    width: int


class Kind(NamedTuple):
    """What is multiplied: the stored dtype, and what numbers are rounded to first."""

    dtype: str
    compute: str

    @property
    def real(self) -> str:
        """The type of sums."""
        return "double" if self.dtype == "float64" else "float"

    @property
    def plain(self) -> bool:
        """Whether numbers are multiplied as they are stored."""
        return self.dtype == "float64" or (
            self.dtype == "float32" and self.compute != "bfloat16"
        )

    @property
    def head(self) -> str:
        load, store = "(x)", "(x)"
        if self.dtype in ("float16", "bfloat16"):
            name = "half" if self.dtype == "float16" else "brain"
            load, store = f"from_{name}(x)", f"to_{name}(x)"
        if self.compute == "bfloat16" and self.dtype == "float32":
            load = "from_brain(to_brain(x))"
        double = DOUBLE if self.dtype == "float64" else ""
        return (
            f"{double}{PREAMBLE}typedef {TYPES[self.dtype]} T;\n"
            f"typedef {self.real} R;\n#define LOAD(x) {load}\n#define STORE(x) {store}\n"
        )


PACK_NUMBERS, PANEL_NUMBERS, TILED_NUMBERS = 16, 14, 13

# y[batch][tile][p][lane] = x[batch, tile * wide + lane, p], zeros beyond the edge;
# a group packs ``per`` tiles, so that it reads whole lines of x
_PACK_ONE = """\
inline void pack_{wide}(__global const T *x, __global R *y, const long g,
                        const long rows, const long k, const long sb, const long sr,
                        const long sk, const long per)
{{
  const long tiles = (rows + {wide} - 1) / {wide};
  const long sets = (tiles + per - 1) / per;
  const long batch = g / sets, first = (g - batch * sets) * per;
  x += batch * sb + first * {wide} * sr;
  y += (batch * tiles + first) * k * {wide};
  const long count = min(per, tiles - first), whole = rows / {wide} - first;
  if (sr == 1 && whole >= count) {{
    for (long p = 0; p < k; p++)
      for (long t = 0; t < count; t++) {{
        __global const T *from = x + p * sk + t * {wide};
        __global R *to = y + (t * k + p) * {wide};
{copies}
      }}
    return;
  }}
  for (long t = 0; t < count; t++) {{
    const int there = min((long){wide}, rows - (first + t) * {wide});
    if (there < {wide})
      for (long p = 0; p < k; p++)
        for (int r = there; r < {wide}; r++) y[p * {wide} + r] = 0;
    // blocks of both: one side is read or written in strides, from a cache
    for (long p = 0; p < k; p += 16) {{
      const int steps = min(16L, k - p);
      if (there == {wide} && steps == 16) {{
        for (int q = 0; q < 16; q++) {{
          #pragma unroll
          for (int r = 0; r < {wide}; r++)
            y[(p + q) * {wide} + r] = LOAD(x[r * sr + (p + q) * sk]);
        }}
      }} else {{
        for (int q = 0; q < steps; q++)
          for (int r = 0; r < there; r++)
            y[(p + q) * {wide} + r] = LOAD(x[r * sr + (p + q) * sk]);
      }}
    }}
    x += {wide} * sr;
    y += {wide} * k;
  }}
}}
"""
_PACK = """\
struct numbers {{ long v[16]; }};
__attribute__((reqd_work_group_size(1, 1, 1)))
__kernel void pack(__global const T *a, __global const T *b, __global R *x,
                   __global R *y, const struct numbers given)
{{
  const long g = get_group_id(0), first = given.v[13];
  const long k = given.v[4];
  if (g < first)
    pack_{rows}(a + given.v[0], x + given.v[2], g, given.v[5], k, given.v[6],
                given.v[7], given.v[8], given.v[14]);
  else
    pack_{cols}(b + given.v[1], y + given.v[3], g - first, given.v[9], k, given.v[10],
                given.v[11], given.v[12], given.v[15]);
}}
"""

# c[batch][i][j] = sum over p of a[batch][i][p] b[batch][p][j], b packed, and a where
# its rows are not read as they lie; an item has ``wide`` panels of b, which stay in its
# cache, ``tall`` panels of a, and ``deep`` steps of k at a time
_PANELS = """\
struct numbers {{ long v[14]; }};
__attribute__((reqd_work_group_size(1, 1, 1)))
__kernel void panels(__global const R *a, __global const R *b, __global T *c,
                     const struct numbers given)
{{
  const long m = given.v[3], n = given.v[4], k = given.v[5];
  const long tall = given.v[6], wide = given.v[7];
  const long blocks = given.v[8], strips = given.v[9];
  const long row = given.v[12], deep = given.v[13];
  const long mt = (m + {rows} - 1) / {rows}, nt = (n + {cols} - 1) / {cols};
  long g = get_group_id(0);
  const long batch = g / (blocks * strips);
  g -= batch * blocks * strips;
  const long j0 = (g / blocks) * wide, i0 = (g - (g / blocks) * blocks) * tall;
  const long j1 = min(nt, j0 + wide), i1 = min(mt, i0 + tall);
  a += given.v[0] + batch * given.v[10];
  b += given.v[1] + batch * given.v[11];
  c += given.v[2] + batch * m * n;
  for (long p0 = 0; p0 < k; p0 += deep)
  for (long i = i0; i < i1; i++)
    for (long j = j0; j < j1; j++) {{
      const long steps = min(deep, k - p0);
{rowsof}
      __global const R *y = b + (j * k + p0) * {cols};
      const int there = min((long){rows}, m - i * {rows});
      const int along = min((long){cols}, n - j * {cols});
      __global T *to = c + i * {rows} * n + j * {cols};
      R out[{rows} * {cols}];
{zeros}
      if (p0 > 0) {{
        if (there == {rows} && along == {cols}) {{
{resumes}
        }} else {{
          for (int r = 0; r < there; r++)
            for (int q = 0; q < along; q++) out[r * {cols} + q] = LOAD(to[r * n + q]);
{unspills}
        }}
      }}
      for (long p = 0; p < steps; p++) {{
{loads}
{products}
        y += {cols};
      }}
      if (there == {rows} && along == {cols}) {{
{stores}
        continue;
      }}
{spills}
      for (int r = 0; r < there; r++)
        for (int q = 0; q < along; q++) to[r * n + q] = STORE(out[r * {cols} + q]);
    }}
}}
"""

_LOCAL = """\
struct numbers {{ long v[13]; }};
// c[batch][i][j] = sum over p of a[batch, i, p] b[batch, p, j], through strides
__attribute__((reqd_work_group_size({items}, 1, 1)))
__kernel void tiled(__global const T *a, __global const T *b, __global T *c,
                    const struct numbers given)
{{
  __local R as[{depth}][{side_m} + 1];
  __local R bs[{depth}][{side_n} + 1];
  const long m = given.v[3], n = given.v[4], k = given.v[5];
  const long am = given.v[7], ak = given.v[8], bk = given.v[10], bn = given.v[11];
  const long mt = (m + {side_m} - 1) / {side_m}, nt = (n + {side_n} - 1) / {side_n};
  long g = get_group_id(0);
  const long batch = g / (mt * nt);
  g -= batch * mt * nt;
  const long i0 = (g / nt) * {side_m}, j0 = (g - (g / nt) * nt) * {side_n};
  a += given.v[0] + batch * given.v[6];
  b += given.v[1] + batch * given.v[9];
  c += given.v[2] + batch * m * n;
  const int lid = get_local_id(0), ty = lid / {side}, tx = lid - ty * {side};
  R s[{rows}][{cols}];
  #pragma unroll
  for (int r = 0; r < {rows}; r++) {{
    #pragma unroll
    for (int q = 0; q < {cols}; q++) s[r][q] = 0;
  }}
  for (long p0 = 0; p0 < k; p0 += {depth}) {{
    for (int e = lid; e < {depth} * {side_m}; e += {items}) {{
      // neighbours read neighbours: along the axis of stride 1
      const int p = ak == 1 ? e % {depth} : e / {side_m};
      const int i = ak == 1 ? e / {depth} : e % {side_m};
      const bool in = i0 + i < m && p0 + p < k;
      as[p][i] = in ? LOAD(a[(i0 + i) * am + (p0 + p) * ak]) : 0;
    }}
    for (int e = lid; e < {depth} * {side_n}; e += {items}) {{
      const int p = bk == 1 ? e % {depth} : e / {side_n};
      const int j = bk == 1 ? e / {depth} : e % {side_n};
      const bool in = j0 + j < n && p0 + p < k;
      bs[p][j] = in ? LOAD(b[(p0 + p) * bk + (j0 + j) * bn]) : 0;
    }}
    barrier(CLK_LOCAL_MEM_FENCE);
    #pragma unroll
    for (int p = 0; p < {depth}; p++) {{
      R x[{rows}], y[{cols}];
      #pragma unroll
      for (int r = 0; r < {rows}; r++) x[r] = as[p][ty + r * {side}];
      #pragma unroll
      for (int q = 0; q < {cols}; q++) y[q] = bs[p][tx + q * {side}];
      #pragma unroll
      for (int r = 0; r < {rows}; r++) {{
        #pragma unroll
        for (int q = 0; q < {cols}; q++) s[r][q] = fma(x[r], y[q], s[r][q]);
      }}
    }}
    barrier(CLK_LOCAL_MEM_FENCE);
  }}
  for (int r = 0; r < {rows}; r++)
    for (int q = 0; q < {cols}; q++) {{
      const long i = i0 + ty + r * {side}, j = j0 + tx + q * {side};
      if (i < m && j < n) c[i * n + j] = STORE(s[r][q]);
    }}
}}
"""


def pack(kind: Kind, tile: Tile) -> str:
    """Both operands into panels: ``rows`` and ``columns`` numbers of each step of k."""
    parts = []
    for wide in sorted({tile.rows, tile.columns}):
        width = gcd(wide, 16)
        if kind.plain:
            by = range(0, wide, width)
            lines = [
                f"vstore{width}(vload{width}(0, from + {q}), 0, to + {q});" for q in by
            ]
        else:
            lines = [f"to[{r}] = LOAD(from[{r}]);" for r in range(wide)]
        parts.append(_PACK_ONE.format(wide=wide, copies=_lines(4, lines)))
    return kind.head + "".join(parts) + _PACK.format(rows=tile.rows, cols=tile.columns)


def panels(kind: Kind, tile: Tile, direct: bool) -> str:
    """The product with packed b, its tile in named registers.

    ``direct``: rows of a are read as they lie, with neighbouring steps of k.
    """
    rows, cols, width = tile
    vector = f"{kind.real}{width}"
    across = range(cols // width)
    each = [(r, v) for r in range(rows) for v in across]
    if direct:
        rowsof = [
            f"__global const R *x{r} = a + min(i * {rows} + {r}, m - 1) * row + p0;"
            for r in range(rows)
        ]
        element = "x{r}[p]"
    else:
        rowsof = [f"__global const R *x = a + (i * k + p0) * {rows};"]
        element = f"x[p * {rows} + {{r}}]"
    products = []
    for r in range(rows):
        products.append(f"const {vector} w{r} = ({vector}){element.format(r=r)};")
        products += [f"s{r}_{v} = fma(w{r}, z{v}, s{r}_{v});" for v in across]
    if kind.plain:
        place = [(f"s{r}_{v}", f"to + {r} * n + {v * width}") for r, v in each]
        stores = [f"vstore{width}({s}, 0, {at});" for s, at in place]
        resumes = [f"{s} = vload{width}(0, {at});" for s, at in place]
    else:  # all of k at once, as sums are not kept in the result
        stores = [
            f"to[{r} * n + {v * width + q}] = STORE(s{r}_{v}.s{q:x});"
            for r, v in each
            for q in range(width)
        ]
        resumes = []
    spilt = [(f"s{r}_{v}", r * len(across) + v) for r, v in each]
    return kind.head + _PANELS.format(
        rows=rows,
        cols=cols,
        rowsof=_lines(3, rowsof),
        zeros=_lines(3, [f"{vector} s{r}_{v} = ({vector})0;" for r, v in each]),
        resumes=_lines(5, resumes),
        unspills=_lines(5, [f"{s} = vload{width}({at}, out);" for s, at in spilt]),
        loads=_lines(
            4, [f"const {vector} z{v} = vload{width}({v}, y);" for v in across]
        ),
        products=_lines(4, products),
        stores=_lines(4, stores),
        spills=_lines(3, [f"vstore{width}({s}, {at}, out);" for s, at in spilt]),
    )


def _lines(depth: int, made: list[str]) -> str:
    return "\n".join(["  " * depth + x for x in made])


def tiled(kind: Kind, tile: Tile) -> str:
    """The product with tiles of both operands in local memory."""
    return kind.head + _LOCAL.format(
        rows=tile.rows,
        cols=tile.columns,
        side=tile.width,
        side_m=tile.rows * tile.width,
        side_n=tile.columns * tile.width,
        items=tile.width**2,
        depth=DEPTH,
    )
