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
struct numbers { long v[10]; };
__attribute__((reqd_work_group_size(64, 1, 1)))
__kernel void k_layer_norm_backward(__global const float *x_base, __global const float *w_base, __global const float *mean_base, __global const float *rstd_base, __global const float *dy_base, __global float *dx_base, const struct numbers given)
{
  const long x_off = (long)given.v[0];
  const long w_off = (long)given.v[1];
  const long mean_off = (long)given.v[2];
  const long rstd_off = (long)given.v[3];
  const long dy_off = (long)given.v[4];
  const long dx_off = (long)given.v[5];
  const int rows_ = (int)given.v[6];
  const int n_ = (int)given.v[7];
  const int x_row_ = (int)given.v[8];
  const int dy_row_ = (int)given.v[9];
  __global const float *const x_ = x_base + x_off;
  __global const float *const w_ = w_base + w_off;
  __global const float *const mean_ = mean_base + mean_off;
  __global const float *const rstd_ = rstd_base + rstd_off;
  __global const float *const dy_ = dy_base + dy_off;
  __global float *const dx_ = dx_base + dx_off;
  __local float h0[64];
  __local float h1[64];
  const int lid = get_local_id(0);
  int row = get_group_id(0) / rows_;
  const int a0 = get_group_id(0) - row * rows_;
  float s0;
  float s1;
  const float v5 = rstd_[a0];
  const float v6 = mean_[a0];
  s0 = (0x0.0p+0f);
  for (int t = 0 + lid; t < n_; t += 64) {
    const int v9 = (a0 * x_row_);
    const int v10 = (v9 + t);
    const float v11 = x_[v10];
    const float v12 = (v11 - v6);
    const float v13 = (v12 * v5);
    const int v14 = (a0 * dy_row_);
    const int v15 = (v14 + t);
    const float v16 = dy_[v15];
    const float v17 = w_[t];
    const float v18 = (v16 * v17);
    const float v21 = (s0 + v18);
    s0 = v21;
  }
  h0[lid] = s0;
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 32) {
    const float v21 = (h0[lid] + h0[lid + 32]);
    h0[lid] = v21;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 16) {
    const float v21 = (h0[lid] + h0[lid + 16]);
    h0[lid] = v21;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 8) {
    const float v21 = (h0[lid] + h0[lid + 8]);
    h0[lid] = v21;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 4) {
    const float v21 = (h0[lid] + h0[lid + 4]);
    h0[lid] = v21;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 2) {
    const float v21 = (h0[lid] + h0[lid + 2]);
    h0[lid] = v21;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 1) {
    const float v21 = (h0[lid] + h0[lid + 1]);
    h0[lid] = v21;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  s0 = h0[0];
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  const float v23 = (float)n_;
  const float v24 = (s0 / v23);
  s1 = (0x0.0p+0f);
  for (int t = 0 + lid; t < n_; t += 64) {
    const int v26 = (a0 * x_row_);
    const int v27 = (v26 + t);
    const float v28 = x_[v27];
    const float v29 = (v28 - v6);
    const float v30 = (v29 * v5);
    const int v31 = (a0 * dy_row_);
    const int v32 = (v31 + t);
    const float v33 = dy_[v32];
    const float v34 = w_[t];
    const float v35 = (v33 * v34);
    const float v36 = (v35 * v30);
    const float v39 = (s1 + v36);
    s1 = v39;
  }
  h1[lid] = s1;
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 32) {
    const float v39 = (h1[lid] + h1[lid + 32]);
    h1[lid] = v39;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 16) {
    const float v39 = (h1[lid] + h1[lid + 16]);
    h1[lid] = v39;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 8) {
    const float v39 = (h1[lid] + h1[lid + 8]);
    h1[lid] = v39;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 4) {
    const float v39 = (h1[lid] + h1[lid + 4]);
    h1[lid] = v39;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 2) {
    const float v39 = (h1[lid] + h1[lid + 2]);
    h1[lid] = v39;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 1) {
    const float v39 = (h1[lid] + h1[lid + 1]);
    h1[lid] = v39;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  s1 = h1[0];
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  const float v41 = (s1 / v23);
  for (int t = 0 + lid; t < n_; t += 64) {
    const int v43 = (a0 * x_row_);
    const int v44 = (v43 + t);
    const float v45 = x_[v44];
    const float v46 = (v45 - v6);
    const float v47 = (v46 * v5);
    const int v48 = (a0 * dy_row_);
    const int v49 = (v48 + t);
    const float v50 = dy_[v49];
    const float v51 = w_[t];
    const float v52 = (v50 * v51);
    const float v53 = fma(v50, v51, -v24);
    const float v54 = (v47 * v41);
    const float v55 = fma(-v47, v41, v53);
    const float v56 = (v5 * v55);
    const int v57 = (a0 * n_);
    const int v58 = (v57 + t);
    dx_[v58] = v56;
  }
}
