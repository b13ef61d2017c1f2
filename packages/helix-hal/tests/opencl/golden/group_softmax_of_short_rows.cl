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
struct numbers { long v[4]; };
__attribute__((reqd_work_group_size(64, 1, 1)))
__kernel void k_softmax(__global const float *x_base, __global float *y_base, const struct numbers given)
{
  const long x_off = (long)given.v[0];
  const long y_off = (long)given.v[1];
  const int rows_ = (int)given.v[2];
  const int n_ = (int)given.v[3];
  __global const float *const x_ = x_base + x_off;
  __global float *const y_ = y_base + y_off;
  __local float h0[64];
  __local float h1[64];
  const int lid = get_local_id(0);
  int row = get_group_id(0) / rows_;
  const int a0 = get_group_id(0) - row * rows_;
  float s0;
  float s1;
  s0 = (-INFINITY);
  for (int t = 0 + lid; t < n_; t += 64) {
    const int v4 = (a0 * n_);
    const int v6 = (v4 + t);
    const float v7 = x_[v6];
    const float v10 = (s0 > v7 || s0 != s0 ? s0 : v7);
    s0 = v10;
  }
  h0[lid] = s0;
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 32) {
    const float v10 = (h0[lid] > h0[lid + 32] || h0[lid] != h0[lid] ? h0[lid] : h0[lid + 32]);
    h0[lid] = v10;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 16) {
    const float v10 = (h0[lid] > h0[lid + 16] || h0[lid] != h0[lid] ? h0[lid] : h0[lid + 16]);
    h0[lid] = v10;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 8) {
    const float v10 = (h0[lid] > h0[lid + 8] || h0[lid] != h0[lid] ? h0[lid] : h0[lid + 8]);
    h0[lid] = v10;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 4) {
    const float v10 = (h0[lid] > h0[lid + 4] || h0[lid] != h0[lid] ? h0[lid] : h0[lid + 4]);
    h0[lid] = v10;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 2) {
    const float v10 = (h0[lid] > h0[lid + 2] || h0[lid] != h0[lid] ? h0[lid] : h0[lid + 2]);
    h0[lid] = v10;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 1) {
    const float v10 = (h0[lid] > h0[lid + 1] || h0[lid] != h0[lid] ? h0[lid] : h0[lid + 1]);
    h0[lid] = v10;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  s0 = h0[0];
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  s1 = (0x0.0p+0f);
  for (int t = 0 + lid; t < n_; t += 64) {
    const int v13 = (a0 * n_);
    const int v15 = (v13 + t);
    const float v16 = x_[v15];
    const float v17 = (v16 - s0);
    const bool v19 = (v17 < (-0x1.a000000000000p+6f));
    const float v21 = (v19 ? (-0x1.a000000000000p+6f) : v17);
    const bool v23 = ((0x1.6400000000000p+6f) < v21);
    const float v25 = (v23 ? (0x1.6400000000000p+6f) : v21);
    const float v27 = (v25 * (0x1.71547652b82fep+0f));
    const bool v29 = (v27 < (0x0.0p+0f));
    const float v32 = (v29 ? (-0x1.0000000000000p-1f) : (0x1.0000000000000p-1f));
    const float v33 = fma(v25, (0x1.71547652b82fep+0f), v32);
    const int v34 = (int)v33;
    const float v35 = (float)v34;
    const float v37 = (v35 * (0x1.6300000000000p-1f));
    const float v38 = fma(-v35, (0x1.6300000000000p-1f), v25);
    const float v40 = (v35 * (-0x1.bd0105c611000p-13f));
    const float v41 = fma(-v35, (-0x1.bd0105c611000p-13f), v38);
    const float v42 = (v41 * v41);
    const float v44 = ((0x1.6db8ee882e435p-10f) * v41);
    const float v46 = fma((0x1.6db8ee882e435p-10f), v41, (0x1.123ae8e7be1d6p-7f));
    const float v47 = (v46 * v41);
    const float v49 = fma(v46, v41, (0x1.5554581bf5d4ep-5f));
    const float v50 = (v49 * v41);
    const float v52 = fma(v49, v41, (0x1.5554907b0ce6ap-3f));
    const float v53 = (v52 * v41);
    const float v55 = fma(v52, v41, (0x1.0000000000000p-1f));
    const float v56 = (v42 * v55);
    const float v57 = fma(v42, v55, v41);
    const float v59 = (v57 + (0x1.0000000000000p+0f));
    const int v61 = (v34 >> 1);
    const int v63 = (int)((uint)v61 + (uint)127);
    const int v65 = (int)((uint)v63 << (uint)23);
    const float v66 = as_float(v65);
    const float v67 = (v59 * v66);
    const int v68 = (int)((uint)v34 - (uint)v61);
    const int v70 = (int)((uint)v68 + (uint)127);
    const int v72 = (int)((uint)v70 << (uint)23);
    const float v73 = as_float(v72);
    const float v74 = (v67 * v73);
    const float v77 = (s1 + v74);
    s1 = v77;
  }
  h1[lid] = s1;
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 32) {
    const float v77 = (h1[lid] + h1[lid + 32]);
    h1[lid] = v77;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 16) {
    const float v77 = (h1[lid] + h1[lid + 16]);
    h1[lid] = v77;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 8) {
    const float v77 = (h1[lid] + h1[lid + 8]);
    h1[lid] = v77;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 4) {
    const float v77 = (h1[lid] + h1[lid + 4]);
    h1[lid] = v77;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 2) {
    const float v77 = (h1[lid] + h1[lid + 2]);
    h1[lid] = v77;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 1) {
    const float v77 = (h1[lid] + h1[lid + 1]);
    h1[lid] = v77;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  s1 = h1[0];
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  for (int t = 0 + lid; t < n_; t += 64) {
    const int v78 = (a0 * n_);
    const int v80 = (v78 + t);
    const float v81 = x_[v80];
    const float v82 = (v81 - s0);
    const bool v84 = (v82 < (-0x1.a000000000000p+6f));
    const float v86 = (v84 ? (-0x1.a000000000000p+6f) : v82);
    const bool v88 = ((0x1.6400000000000p+6f) < v86);
    const float v90 = (v88 ? (0x1.6400000000000p+6f) : v86);
    const float v92 = (v90 * (0x1.71547652b82fep+0f));
    const bool v94 = (v92 < (0x0.0p+0f));
    const float v97 = (v94 ? (-0x1.0000000000000p-1f) : (0x1.0000000000000p-1f));
    const float v98 = fma(v90, (0x1.71547652b82fep+0f), v97);
    const int v99 = (int)v98;
    const float v100 = (float)v99;
    const float v102 = (v100 * (0x1.6300000000000p-1f));
    const float v103 = fma(-v100, (0x1.6300000000000p-1f), v90);
    const float v105 = (v100 * (-0x1.bd0105c611000p-13f));
    const float v106 = fma(-v100, (-0x1.bd0105c611000p-13f), v103);
    const float v107 = (v106 * v106);
    const float v109 = ((0x1.6db8ee882e435p-10f) * v106);
    const float v111 = fma((0x1.6db8ee882e435p-10f), v106, (0x1.123ae8e7be1d6p-7f));
    const float v112 = (v111 * v106);
    const float v114 = fma(v111, v106, (0x1.5554581bf5d4ep-5f));
    const float v115 = (v114 * v106);
    const float v117 = fma(v114, v106, (0x1.5554907b0ce6ap-3f));
    const float v118 = (v117 * v106);
    const float v120 = fma(v117, v106, (0x1.0000000000000p-1f));
    const float v121 = (v107 * v120);
    const float v122 = fma(v107, v120, v106);
    const float v124 = (v122 + (0x1.0000000000000p+0f));
    const int v126 = (v99 >> 1);
    const int v128 = (int)((uint)v126 + (uint)127);
    const int v130 = (int)((uint)v128 << (uint)23);
    const float v131 = as_float(v130);
    const float v132 = (v124 * v131);
    const int v133 = (int)((uint)v99 - (uint)v126);
    const int v135 = (int)((uint)v133 + (uint)127);
    const int v137 = (int)((uint)v135 << (uint)23);
    const float v138 = as_float(v137);
    const float v139 = (v132 * v138);
    const float v141 = (v139 / s1);
    y_[v80] = v141;
  }
}
