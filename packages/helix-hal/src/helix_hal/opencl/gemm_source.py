"""Matrix products in OpenCL C: packed panels for CPUs, tiles in local memory for GPUs.

Both read operands through strides and add up each element over k in order, by fused
multiply-adds, so they give the same bits.
"""

from __future__ import annotations

from typing import NamedTuple

from helix_hal.opencl.renderer import DOUBLE, PREAMBLE, TYPES


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
        if self.compute == "bfloat16" and self.dtype not in ("bfloat16", "float64"):
            load = f"from_brain(to_brain({load}))"
        double = DOUBLE if self.dtype == "float64" else ""
        return (
            f"{double}{PREAMBLE}typedef {TYPES[self.dtype]} T;\n"
            f"typedef {self.real} R;\n#define LOAD(x) {load}\n#define STORE(x) {store}\n"
        )


# numbers: memory offsets, strides, extents; see `gemm`
_PACK = """\
struct numbers {{ long v[9]; }};
// y[batch][tile][p][lane] = x[batch, tile * WIDE + lane, p], zeros beyond the edge
__attribute__((reqd_work_group_size(1, 1, 1)))
__kernel void pack(__global const T *x, __global R *y, const struct numbers given)
{{
  const long rows = given.v[2], k = given.v[3], sr = given.v[4], sk = given.v[5];
  const long tiles = (rows + {wide} - 1) / {wide}, outer = given.v[6];
  const long g = get_group_id(0), batch = g / tiles, tile = g - batch * tiles;
  const long b0 = batch / outer, b1 = batch - b0 * outer;
  x += given.v[0] + b0 * given.v[7] + b1 * given.v[8] + tile * {wide} * sr;
  y += given.v[1] + g * k * {wide};
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
    for (int r = 0; r < there; r++)
      for (int q = 0; q < steps; q++)
        y[(p + q) * {wide} + r] = LOAD(x[r * sr + (p + q) * sk]);
  }}
}}
"""

_PANELS = """\
struct numbers {{ long v[10]; }};
// c[batch][i][j] += sum over p of a[batch][i][p] b[batch][p][j], a and b packed;
// an item does PANELS panels of b beside a block of rows, k in blocks of DEPTH
__attribute__((reqd_work_group_size(1, 1, 1)))
__kernel void panels(__global const R *a, __global const R *b, __global T *c,
                     const struct numbers given)
{{
  const long m = given.v[3], n = given.v[4], k = given.v[5];
  const long block = given.v[6], wide = given.v[7], blocks = given.v[8];
  const long strips = given.v[9];
  const long mt = (m + {rows} - 1) / {rows}, nt = (n + {cols} - 1) / {cols};
  long g = get_group_id(0);
  const long batch = g / (blocks * strips);
  g -= batch * blocks * strips;
  const long j0 = (g / blocks) * wide, i0 = (g - (g / blocks) * blocks) * block;
  const long j1 = min(nt, j0 + wide), i1 = min(mt, i0 + block);
  a += given.v[0] + batch * mt * {rows} * k;
  b += given.v[1] + batch * nt * {cols} * k;
  c += given.v[2] + batch * m * n;
  for (long i = i0; i < i1; i++)
    for (long j = j0; j < j1; j++) {{
      __global const R *x = a + i * k * {rows};
      __global const R *y = b + j * k * {cols};
      {vector} s[{rows}][{vectors}];
      #pragma unroll
      for (int r = 0; r < {rows}; r++) {{
        #pragma unroll
        for (int v = 0; v < {vectors}; v++) s[r][v] = ({vector})0;
      }}
      for (long p = 0; p < k; p++) {{
        {vector} z[{vectors}];
        #pragma unroll
        for (int v = 0; v < {vectors}; v++)
          z[v] = vload{width}(0, y + p * {cols} + v * {width});
        #pragma unroll
        for (int r = 0; r < {rows}; r++) {{
          const {vector} w = ({vector})x[p * {rows} + r];
          #pragma unroll
          for (int v = 0; v < {vectors}; v++) s[r][v] = fma(w, z[v], s[r][v]);
        }}
      }}
      R out[{rows}][{cols}];
      #pragma unroll
      for (int r = 0; r < {rows}; r++) {{
        #pragma unroll
        for (int v = 0; v < {vectors}; v++)
          vstore{width}(s[r][v], 0, &out[r][v * {width}]);
      }}
      const int there = min((long){rows}, m - i * {rows});
      const int along = min((long){cols}, n - j * {cols});
      __global T *to = c + i * {rows} * n + j * {cols};
      for (int r = 0; r < there; r++) {{
        if (along == {cols})
          for (int q = 0; q < {cols}; q++) to[r * n + q] = STORE(out[r][q]);
        else
          for (int q = 0; q < along; q++) to[r * n + q] = STORE(out[r][q]);
      }}
    }}
}}
"""

_LOCAL = """\
struct numbers {{ long v[15]; }};
// c[batch][i][j] = sum over p of a[batch, i, p] b[batch, p, j], through strides
__attribute__((reqd_work_group_size({items}, 1, 1)))
__kernel void tiled(__global const T *a, __global const T *b, __global T *c,
                    const struct numbers given)
{{
  __local R as[{depth}][{side_m} + 1];
  __local R bs[{depth}][{side_n} + 1];
  const long m = given.v[3], n = given.v[4], k = given.v[5];
  const long am = given.v[6], ak = given.v[7], bk = given.v[8], bn = given.v[9];
  const long mt = (m + {side_m} - 1) / {side_m}, nt = (n + {side_n} - 1) / {side_n};
  const long outer = given.v[10];
  long g = get_group_id(0);
  const long batch = g / (mt * nt);
  g -= batch * mt * nt;
  const long b0 = batch / outer, b1 = batch - b0 * outer;
  const long i0 = (g / nt) * {side_m}, j0 = (g - (g / nt) * nt) * {side_n};
  a += given.v[0] + b0 * given.v[11] + b1 * given.v[12];
  b += given.v[1] + b0 * given.v[13] + b1 * given.v[14];
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
DEPTH = 16  # steps of k that a group of a GPU has in local memory


def pack(kind: Kind, wide: int) -> str:
    return kind.head + _PACK.format(wide=wide)


def panels(kind: Kind, tile: Tile) -> str:
    return kind.head + _PANELS.format(
        rows=tile.rows,
        cols=tile.columns,
        width=tile.width,
        vectors=tile.columns // tile.width,
        vector=f"{kind.real}{tile.width}",
    )


def tiled(kind: Kind, tile: Tile) -> str:
    return kind.head + _LOCAL.format(
        rows=tile.rows,
        cols=tile.columns,
        side=tile.width,
        side_m=tile.rows * tile.width,
        side_n=tile.columns * tile.width,
        items=tile.width**2,
        depth=DEPTH,
    )
