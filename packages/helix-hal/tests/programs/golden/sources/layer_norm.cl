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
struct numbers { long v[9]; };
__attribute__((reqd_work_group_size(64, 1, 1)))
__kernel void k_layer_norm(__global const float *x_base, __global const float *w_base, __global const float *b_base, __global float *y_base, __global float *mean_base, __global float *rstd_base, const struct numbers given)
{
  const long x_off = (long)given.v[0];
  const long w_off = (long)given.v[1];
  const long b_off = (long)given.v[2];
  const long y_off = (long)given.v[3];
  const long mean_off = (long)given.v[4];
  const long rstd_off = (long)given.v[5];
  const int rows_ = (int)given.v[6];
  const int n_ = (int)given.v[7];
  const int x_row_ = (int)given.v[8];
  __global const float *const x_ = x_base + x_off;
  __global const float *const w_ = w_base + w_off;
  __global const float *const b_ = b_base + b_off;
  __global float *const y_ = y_base + y_off;
  __global float *const mean_ = mean_base + mean_off;
  __global float *const rstd_ = rstd_base + rstd_off;
  __local float h0[64];
  __local float h1[64];
  const int lid = get_local_id(0);
  int row = get_group_id(0) / rows_;
  const int a0 = get_group_id(0) - row * rows_;
  float s0;
  float s1;
  s0 = (0x0.0p+0f);
  for (int t = 0 + lid; t < n_; t += 64) {
    const int v6 = (a0 * x_row_);
    const int v7 = (v6 + t);
    const float v8 = x_[v7];
    const float v11 = (s0 + v8);
    s0 = v11;
  }
  h0[lid] = s0;
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 32) {
    const float v11 = (h0[lid] + h0[lid + 32]);
    h0[lid] = v11;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 16) {
    const float v11 = (h0[lid] + h0[lid + 16]);
    h0[lid] = v11;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 8) {
    const float v11 = (h0[lid] + h0[lid + 8]);
    h0[lid] = v11;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 4) {
    const float v11 = (h0[lid] + h0[lid + 4]);
    h0[lid] = v11;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 2) {
    const float v11 = (h0[lid] + h0[lid + 2]);
    h0[lid] = v11;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 1) {
    const float v11 = (h0[lid] + h0[lid + 1]);
    h0[lid] = v11;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  s0 = h0[0];
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  const float v13 = (float)n_;
  const float v14 = (s0 / v13);
  if (lid == 0) {
    mean_[a0] = v14;
  }
  s1 = (0x0.0p+0f);
  for (int t = 0 + lid; t < n_; t += 64) {
    const int v17 = (a0 * x_row_);
    const int v18 = (v17 + t);
    const float v19 = x_[v18];
    const float v20 = (v19 - v14);
    const float v21 = (v20 * v20);
    const float v24 = (s1 + v21);
    s1 = v24;
  }
  h1[lid] = s1;
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 32) {
    const float v24 = (h1[lid] + h1[lid + 32]);
    h1[lid] = v24;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 16) {
    const float v24 = (h1[lid] + h1[lid + 16]);
    h1[lid] = v24;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 8) {
    const float v24 = (h1[lid] + h1[lid + 8]);
    h1[lid] = v24;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 4) {
    const float v24 = (h1[lid] + h1[lid + 4]);
    h1[lid] = v24;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 2) {
    const float v24 = (h1[lid] + h1[lid + 2]);
    h1[lid] = v24;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 1) {
    const float v24 = (h1[lid] + h1[lid + 1]);
    h1[lid] = v24;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  s1 = h1[0];
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  const float v26 = (s1 / v13);
  const float v28 = (v26 + (0x1.4f8b588e368f1p-17f));
  const float v29 = sqrt(v28);
  const float v31 = ((0x1.0000000000000p+0f) / v29);
  if (lid == 0) {
    rstd_[a0] = v31;
  }
  for (int t = 0 + lid; t < n_; t += 64) {
    const int v34 = (a0 * x_row_);
    const int v35 = (v34 + t);
    const float v36 = x_[v35];
    const float v37 = (v36 - v14);
    const float v38 = (v37 * v31);
    const float v39 = w_[t];
    const float v40 = (v38 * v39);
    const float v41 = b_[t];
    const float v42 = fma(v38, v39, v41);
    const int v43 = (a0 * n_);
    const int v44 = (v43 + t);
    y_[v44] = v42;
  }
}
