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
struct numbers { long v[6]; };
__attribute__((reqd_work_group_size(64, 1, 1)))
__kernel void k_argmax(__global const float *x0_base, __global int *y_base, const struct numbers given)
{
  const long x0_off = (long)given.v[0];
  const long y_off = (long)given.v[1];
  const int n0_ = (int)given.v[2];
  const int steps_ = (int)given.v[3];
  const int m0_ = (int)given.v[4];
  const int x0_0_ = (int)given.v[5];
  __global const float *const x0_ = x0_base + x0_off;
  __global int *const y_ = y_base + y_off;
  __local float h0[64];
  __local int h1[64];
  const int lid = get_local_id(0);
  int row = get_group_id(0) / n0_;
  const int a0 = get_group_id(0) - row * n0_;
  float s0;
  int s1;
  const int v5 = (a0 * x0_0_);
  s0 = (-INFINITY);
  s1 = 2147483647;
  for (int t = 0 + lid; t < steps_; t += 64) {
    const int v9 = (v5 + t);
    const float v10 = x0_[v9];
    const int v11 = (int)t;
    const bool v16 = (s0 < v10);
    const bool v17 = (v10 == s0);
    const bool v18 = (v10 == v10);
    const bool v19 = (!v18);
    const bool v20 = (s0 == s0);
    const bool v21 = (!v20);
    const bool v22 = (!v21);
    const bool v23 = (v19 & v22);
    const bool v24 = (v16 | v23);
    const bool v25 = (v19 & v21);
    const bool v26 = (v17 | v25);
    const bool v27 = (!v19);
    const bool v28 = (v21 & v27);
    const bool v29 = (!v28);
    const bool v30 = (v24 & v29);
    const bool v31 = (v11 < s1);
    const bool v32 = (v26 & v31);
    const bool v33 = (v30 | v32);
    const float v34 = (v33 ? v10 : s0);
    const int v35 = (v33 ? v11 : s1);
    s0 = v34;
    s1 = v35;
  }
  h0[lid] = s0;
  h1[lid] = s1;
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 32) {
    const bool v16 = (h0[lid] < h0[lid + 32]);
    const bool v17 = (h0[lid + 32] == h0[lid]);
    const bool v18 = (h0[lid + 32] == h0[lid + 32]);
    const bool v19 = (!v18);
    const bool v20 = (h0[lid] == h0[lid]);
    const bool v21 = (!v20);
    const bool v22 = (!v21);
    const bool v23 = (v19 & v22);
    const bool v24 = (v16 | v23);
    const bool v25 = (v19 & v21);
    const bool v26 = (v17 | v25);
    const bool v27 = (!v19);
    const bool v28 = (v21 & v27);
    const bool v29 = (!v28);
    const bool v30 = (v24 & v29);
    const bool v31 = (h1[lid + 32] < h1[lid]);
    const bool v32 = (v26 & v31);
    const bool v33 = (v30 | v32);
    const float v34 = (v33 ? h0[lid + 32] : h0[lid]);
    const int v35 = (v33 ? h1[lid + 32] : h1[lid]);
    h0[lid] = v34;
    h1[lid] = v35;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 16) {
    const bool v16 = (h0[lid] < h0[lid + 16]);
    const bool v17 = (h0[lid + 16] == h0[lid]);
    const bool v18 = (h0[lid + 16] == h0[lid + 16]);
    const bool v19 = (!v18);
    const bool v20 = (h0[lid] == h0[lid]);
    const bool v21 = (!v20);
    const bool v22 = (!v21);
    const bool v23 = (v19 & v22);
    const bool v24 = (v16 | v23);
    const bool v25 = (v19 & v21);
    const bool v26 = (v17 | v25);
    const bool v27 = (!v19);
    const bool v28 = (v21 & v27);
    const bool v29 = (!v28);
    const bool v30 = (v24 & v29);
    const bool v31 = (h1[lid + 16] < h1[lid]);
    const bool v32 = (v26 & v31);
    const bool v33 = (v30 | v32);
    const float v34 = (v33 ? h0[lid + 16] : h0[lid]);
    const int v35 = (v33 ? h1[lid + 16] : h1[lid]);
    h0[lid] = v34;
    h1[lid] = v35;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 8) {
    const bool v16 = (h0[lid] < h0[lid + 8]);
    const bool v17 = (h0[lid + 8] == h0[lid]);
    const bool v18 = (h0[lid + 8] == h0[lid + 8]);
    const bool v19 = (!v18);
    const bool v20 = (h0[lid] == h0[lid]);
    const bool v21 = (!v20);
    const bool v22 = (!v21);
    const bool v23 = (v19 & v22);
    const bool v24 = (v16 | v23);
    const bool v25 = (v19 & v21);
    const bool v26 = (v17 | v25);
    const bool v27 = (!v19);
    const bool v28 = (v21 & v27);
    const bool v29 = (!v28);
    const bool v30 = (v24 & v29);
    const bool v31 = (h1[lid + 8] < h1[lid]);
    const bool v32 = (v26 & v31);
    const bool v33 = (v30 | v32);
    const float v34 = (v33 ? h0[lid + 8] : h0[lid]);
    const int v35 = (v33 ? h1[lid + 8] : h1[lid]);
    h0[lid] = v34;
    h1[lid] = v35;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 4) {
    const bool v16 = (h0[lid] < h0[lid + 4]);
    const bool v17 = (h0[lid + 4] == h0[lid]);
    const bool v18 = (h0[lid + 4] == h0[lid + 4]);
    const bool v19 = (!v18);
    const bool v20 = (h0[lid] == h0[lid]);
    const bool v21 = (!v20);
    const bool v22 = (!v21);
    const bool v23 = (v19 & v22);
    const bool v24 = (v16 | v23);
    const bool v25 = (v19 & v21);
    const bool v26 = (v17 | v25);
    const bool v27 = (!v19);
    const bool v28 = (v21 & v27);
    const bool v29 = (!v28);
    const bool v30 = (v24 & v29);
    const bool v31 = (h1[lid + 4] < h1[lid]);
    const bool v32 = (v26 & v31);
    const bool v33 = (v30 | v32);
    const float v34 = (v33 ? h0[lid + 4] : h0[lid]);
    const int v35 = (v33 ? h1[lid + 4] : h1[lid]);
    h0[lid] = v34;
    h1[lid] = v35;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 2) {
    const bool v16 = (h0[lid] < h0[lid + 2]);
    const bool v17 = (h0[lid + 2] == h0[lid]);
    const bool v18 = (h0[lid + 2] == h0[lid + 2]);
    const bool v19 = (!v18);
    const bool v20 = (h0[lid] == h0[lid]);
    const bool v21 = (!v20);
    const bool v22 = (!v21);
    const bool v23 = (v19 & v22);
    const bool v24 = (v16 | v23);
    const bool v25 = (v19 & v21);
    const bool v26 = (v17 | v25);
    const bool v27 = (!v19);
    const bool v28 = (v21 & v27);
    const bool v29 = (!v28);
    const bool v30 = (v24 & v29);
    const bool v31 = (h1[lid + 2] < h1[lid]);
    const bool v32 = (v26 & v31);
    const bool v33 = (v30 | v32);
    const float v34 = (v33 ? h0[lid + 2] : h0[lid]);
    const int v35 = (v33 ? h1[lid + 2] : h1[lid]);
    h0[lid] = v34;
    h1[lid] = v35;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid < 1) {
    const bool v16 = (h0[lid] < h0[lid + 1]);
    const bool v17 = (h0[lid + 1] == h0[lid]);
    const bool v18 = (h0[lid + 1] == h0[lid + 1]);
    const bool v19 = (!v18);
    const bool v20 = (h0[lid] == h0[lid]);
    const bool v21 = (!v20);
    const bool v22 = (!v21);
    const bool v23 = (v19 & v22);
    const bool v24 = (v16 | v23);
    const bool v25 = (v19 & v21);
    const bool v26 = (v17 | v25);
    const bool v27 = (!v19);
    const bool v28 = (v21 & v27);
    const bool v29 = (!v28);
    const bool v30 = (v24 & v29);
    const bool v31 = (h1[lid + 1] < h1[lid]);
    const bool v32 = (v26 & v31);
    const bool v33 = (v30 | v32);
    const float v34 = (v33 ? h0[lid + 1] : h0[lid]);
    const int v35 = (v33 ? h1[lid + 1] : h1[lid]);
    h0[lid] = v34;
    h1[lid] = v35;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  s0 = h0[0];
  s1 = h1[0];
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (lid == 0) {
    y_[a0] = s1;
  }
}
