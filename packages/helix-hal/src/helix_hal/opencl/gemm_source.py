"""Matrix products in OpenCL C: packed panels for CPUs, tiles in local memory for GPUs.

Both read operands through strides and add up each element over k in order, by fused
multiply-adds, so they give the same bits.
"""

from __future__ import annotations

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


PACK_NUMBERS, PANEL_NUMBERS, TILED_NUMBERS = 14, 12, 13

# y[batch][tile][p][lane] = x[batch, tile * wide + lane, p], zeros beyond the edge
_PACK_ONE = """\
inline void pack_{wide}(__global const T *x, __global R *y, const long g,
                        const long rows, const long k, const long sb, const long sr,
                        const long sk)
{{
  const long tiles = (rows + {wide} - 1) / {wide};
  const long batch = g / tiles, tile = g - batch * tiles;
  x += batch * sb + tile * {wide} * sr;
  y += g * k * {wide};
  const int there = min((long){wide}, rows - tile * {wide});
  if (there < {wide})
    for (long p = 0; p < k; p++)
      for (int r = there; r < {wide}; r++) y[p * {wide} + r] = 0;
  if (sr == 1 && there == {wide}) {{
    for (long p = 0; p < k; p++) {{
      #pragma unroll
      for (int r = 0; r < {wide}; r++) y[p * {wide} + r] = LOAD(x[p * sk + r]);
    }}
    return;
  }}
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
}}
"""
_PACK = """\
struct numbers {{ long v[14]; }};
__attribute__((reqd_work_group_size(1, 1, 1)))
__kernel void pack(__global const T *a, __global const T *b, __global R *x,
                   __global R *y, const struct numbers given)
{{
  const long g = get_group_id(0), first = given.v[13];
  const long k = given.v[4];
  if (g < first)
    pack_{rows}(a + given.v[0], x + given.v[2], g, given.v[5], k, given.v[6],
                given.v[7], given.v[8]);
  else
    pack_{cols}(b + given.v[1], y + given.v[3], g - first, given.v[9], k, given.v[10],
                given.v[11], given.v[12]);
}}
"""

# c[batch][i][j] = sum over p of a[batch][i][p] b[batch][p][j], a and b packed; an item
# has ``wide`` panels of b, which stay in its cache, and ``tall`` panels of a
_PANELS = """\
struct numbers {{ long v[12]; }};
__attribute__((reqd_work_group_size(1, 1, 1)))
__kernel void panels(__global const R *a, __global const R *b, __global T *c,
                     const struct numbers given)
{{
  const long m = given.v[3], n = given.v[4], k = given.v[5];
  const long tall = given.v[6], wide = given.v[7];
  const long blocks = given.v[8], strips = given.v[9];
  const long mt = (m + {rows} - 1) / {rows}, nt = (n + {cols} - 1) / {cols};
  long g = get_group_id(0);
  const long batch = g / (blocks * strips);
  g -= batch * blocks * strips;
  const long j0 = (g / blocks) * wide, i0 = (g - (g / blocks) * blocks) * tall;
  const long j1 = min(nt, j0 + wide), i1 = min(mt, i0 + tall);
  a += given.v[0] + batch * given.v[10];
  b += given.v[1] + batch * given.v[11];
  c += given.v[2] + batch * m * n;
  for (long i = i0; i < i1; i++)
    for (long j = j0; j < j1; j++) {{
      __global const R *x = a + i * k * {rows};
      __global const R *y = b + j * k * {cols};
{zeros}
      for (long p = 0; p < k; p++) {{
{loads}
{products}
        x += {rows};
        y += {cols};
      }}
      const int there = min((long){rows}, m - i * {rows});
      const int along = min((long){cols}, n - j * {cols});
      __global T *to = c + i * {rows} * n + j * {cols};
      if (there == {rows} && along == {cols}) {{
{stores}
        continue;
      }}
      R out[{rows} * {cols}];
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
    widths = sorted({tile.rows, tile.columns})
    parts = "".join([_PACK_ONE.format(wide=w) for w in widths])
    return kind.head + parts + _PACK.format(rows=tile.rows, cols=tile.columns)


def panels(kind: Kind, tile: Tile) -> str:
    """The product of packed operands, its tile in named registers."""
    rows, cols, width = tile
    vector = f"{kind.real}{width}"
    across = range(cols // width)
    each = [(r, v) for r in range(rows) for v in across]

    def lines(depth: int, made: list[str]) -> str:
        return "\n".join(["  " * depth + x for x in made])

    products = []
    for r in range(rows):
        products.append(f"const {vector} w{r} = ({vector})x[{r}];")
        products += [f"s{r}_{v} = fma(w{r}, z{v}, s{r}_{v});" for v in across]
    plain = kind.dtype in ("float32", "float64")
    if plain:
        stores = [
            f"vstore{width}(s{r}_{v}, 0, to + {r} * n + {v * width});" for r, v in each
        ]
    else:
        stores = [
            f"to[{r} * n + {v * width + q}] = STORE(s{r}_{v}.s{q:x});"
            for r, v in each
            for q in range(width)
        ]
    return kind.head + _PANELS.format(
        rows=rows,
        cols=cols,
        zeros=lines(3, [f"{vector} s{r}_{v} = ({vector})0;" for r, v in each]),
        loads=lines(
            4, [f"const {vector} z{v} = vload{width}({v}, y);" for v in across]
        ),
        products=lines(4, products),
        stores=lines(4, stores),
        spills=lines(
            3,
            [f"vstore{width}(s{r}_{v}, {r * len(across) + v}, out);" for r, v in each],
        ),
    )


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
