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
struct numbers { long v[7]; };
__attribute__((reqd_work_group_size(64, 1, 1)))
__kernel void k_cross_entropy(__global float *z_base, __global const int *labels_base, __global const float *scale_base, __global float *loss_base, __global float *lse_base, const struct numbers given)
{
  const long z_off = (long)given.v[0];
  const long labels_off = (long)given.v[1];
  const long scale_off = (long)given.v[2];
  const long loss_off = (long)given.v[3];
  const long lse_off = (long)given.v[4];
  const int rows_ = (int)given.v[5];
  const int v_ = (int)given.v[6];
  __global float *const z_ = z_base + z_off;
  __global const int *const labels_ = labels_base + labels_off;
  __global const float *const scale_ = scale_base + scale_off;
  __global float *const loss_ = loss_base + loss_off;
  __global float *const lse_ = lse_base + lse_off;
  __local float h0[64];
  __local float h1[64];
  __local float h2[64];
  const int lid = get_local_id(0);
  int row = get_group_id(0) / rows_;
  const int a0 = get_group_id(0) - row * rows_;
  float s0;
  float s1;
  float s2;
  const int v3 = labels_[a0];
  const bool v5 = (v3 == (-100));
  const bool v6 = (!v5);
  const bool v8 = (0 < v3);
  const bool v9 = (v3 == 0);
  const bool v10 = (v8 | v9);
  const int v11 = (int)v_;
  const bool v12 = (v3 < v11);
  const bool v13 = (v10 & v12);
  const int v14 = (v13 ? v3 : 0);
  const int v15 = (int)v14;
  s0 = (-INFINITY);
  for (int t = 0 + lid; t < v_; t += 64) {
    const int v18 = (a0 * v_);
    const int v19 = (v18 + t);
    const float v20 = z_[v19];
    const float v23 = (s0 > v20 || s0 != s0 ? s0 : v20);
    s0 = v23;
  }
  h0[lid] = s0;
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 32) {
    const float v23 = (h0[lid] > h0[lid + 32] || h0[lid] != h0[lid] ? h0[lid] : h0[lid + 32]);
    h0[lid] = v23;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 16) {
    const float v23 = (h0[lid] > h0[lid + 16] || h0[lid] != h0[lid] ? h0[lid] : h0[lid + 16]);
    h0[lid] = v23;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 8) {
    const float v23 = (h0[lid] > h0[lid + 8] || h0[lid] != h0[lid] ? h0[lid] : h0[lid + 8]);
    h0[lid] = v23;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 4) {
    const float v23 = (h0[lid] > h0[lid + 4] || h0[lid] != h0[lid] ? h0[lid] : h0[lid + 4]);
    h0[lid] = v23;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 2) {
    const float v23 = (h0[lid] > h0[lid + 2] || h0[lid] != h0[lid] ? h0[lid] : h0[lid + 2]);
    h0[lid] = v23;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 1) {
    const float v23 = (h0[lid] > h0[lid + 1] || h0[lid] != h0[lid] ? h0[lid] : h0[lid + 1]);
    h0[lid] = v23;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  s0 = h0[0];
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  s1 = (0x0.0p+0f);
  s2 = (0x0.0p+0f);
  for (int t = 0 + lid; t < v_; t += 64) {
    const int v27 = (a0 * v_);
    const int v28 = (v27 + t);
    const float v29 = z_[v28];
    const bool v30 = (t == v15);
    const float v31 = (v29 - s0);
    const float v32 = exp(v31);
    const float v33 = (v30 ? v29 : (0x0.0p+0f));
    const float v38 = (s1 + v32);
    const float v39 = (s2 + v33);
    s1 = v38;
    s2 = v39;
  }
  h1[lid] = s1;
  h2[lid] = s2;
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 32) {
    const float v38 = (h1[lid] + h1[lid + 32]);
    const float v39 = (h2[lid] + h2[lid + 32]);
    h1[lid] = v38;
    h2[lid] = v39;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 16) {
    const float v38 = (h1[lid] + h1[lid + 16]);
    const float v39 = (h2[lid] + h2[lid + 16]);
    h1[lid] = v38;
    h2[lid] = v39;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 8) {
    const float v38 = (h1[lid] + h1[lid + 8]);
    const float v39 = (h2[lid] + h2[lid + 8]);
    h1[lid] = v38;
    h2[lid] = v39;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 4) {
    const float v38 = (h1[lid] + h1[lid + 4]);
    const float v39 = (h2[lid] + h2[lid + 4]);
    h1[lid] = v38;
    h2[lid] = v39;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 2) {
    const float v38 = (h1[lid] + h1[lid + 2]);
    const float v39 = (h2[lid] + h2[lid + 2]);
    h1[lid] = v38;
    h2[lid] = v39;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 1) {
    const float v38 = (h1[lid] + h1[lid + 1]);
    const float v39 = (h2[lid] + h2[lid + 1]);
    h1[lid] = v38;
    h2[lid] = v39;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  s1 = h1[0];
  s2 = h2[0];
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  const float v42 = log(s1);
  const float v43 = (s0 + v42);
  const float v44 = (v43 - s2);
  const float v46 = (v44 * (0x1.0000000000000p+0f));
  const float v48 = (v13 ? v46 : NAN);
  const float v49 = (v6 ? v48 : (0x0.0p+0f));
  if (lid == 0) {
    loss_[a0] = v49;
  }
  if (lid == 0) {
    lse_[a0] = v43;
  }
  const float v53 = scale_[0];
  const float v54 = (float)v_;
  for (int t = 0 + lid; t < v_; t += 64) {
    const int v56 = (a0 * v_);
    const int v57 = (v56 + t);
    const float v58 = z_[v57];
    const float v59 = (v58 - v43);
    const float v60 = exp(v59);
    const bool v61 = (t == v15);
    const float v62 = (v61 ? (0x1.0000000000000p+0f) : (0x0.0p+0f));
    const float v63 = (v60 - v62);
    const float v64 = (v13 ? v63 : NAN);
    const float v65 = (v6 ? v64 : (0x0.0p+0f));
    const float v66 = (v65 * v53);
    z_[v57] = v66;
  }
}
