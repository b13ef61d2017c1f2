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
__kernel void k_causal_conv1d(__global const float *x_base, __global const float *w_base, __global const float *b_base, __global float *y_base, const struct numbers given)
{
  const long x_off = (long)given.v[0];
  const long w_off = (long)given.v[1];
  const long b_off = (long)given.v[2];
  const long y_off = (long)given.v[3];
  const int batch_ = (int)given.v[4];
  const int time_ = (int)given.v[5];
  const int channels_ = (int)given.v[6];
  const int x_b_ = (int)given.v[7];
  const int x_t_ = (int)given.v[8];
  __global const float *const x_ = x_base + x_off;
  __global const float *const w_ = w_base + w_off;
  __global const float *const b_ = b_base + b_off;
  __global float *const y_ = y_base + y_off;
  const int point = get_global_id(0);
  if (point >= batch_ * time_ * channels_) return;
  int row = point / channels_;
  const int a2 = point - row * channels_;
  const int a1 = row % time_;
  row = row / time_;
  const int a0 = row;
  const float v8 = b_[a2];
  const int v10 = (a1 + (-3));
  const bool v12 = (0 < v10);
  const bool v13 = (v10 == 0);
  const bool v14 = (v12 | v13);
  const int v15 = (a0 * x_b_);
  const int v16 = (v10 * x_t_);
  const int v17 = (v15 + v16);
  const int v18 = (v17 + a2);
  float v20 = (0x0.0p+0f);
  if (v14) {
    v20 = x_[v18];
  }
  const int v22 = (a2 * 4);
  const int v23 = (v22 + 0);
  const float v24 = w_[v23];
  const float v25 = (v20 * v24);
  const float v26 = fma(v20, v24, v8);
  const int v28 = (a1 + (-2));
  const bool v29 = (0 < v28);
  const bool v30 = (v28 == 0);
  const bool v31 = (v29 | v30);
  const int v32 = (v28 * x_t_);
  const int v33 = (v15 + v32);
  const int v34 = (v33 + a2);
  float v35 = (0x0.0p+0f);
  if (v31) {
    v35 = x_[v34];
  }
  const int v37 = (v22 + 1);
  const float v38 = w_[v37];
  const float v39 = (v35 * v38);
  const float v40 = fma(v35, v38, v26);
  const int v42 = (a1 + (-1));
  const bool v43 = (0 < v42);
  const bool v44 = (v42 == 0);
  const bool v45 = (v43 | v44);
  const int v46 = (v42 * x_t_);
  const int v47 = (v15 + v46);
  const int v48 = (v47 + a2);
  float v49 = (0x0.0p+0f);
  if (v45) {
    v49 = x_[v48];
  }
  const int v51 = (v22 + 2);
  const float v52 = w_[v51];
  const float v53 = (v49 * v52);
  const float v54 = fma(v49, v52, v40);
  const int v55 = (a1 + 0);
  const bool v56 = (0 < v55);
  const bool v57 = (v55 == 0);
  const bool v58 = (v56 | v57);
  const int v59 = (v55 * x_t_);
  const int v60 = (v15 + v59);
  const int v61 = (v60 + a2);
  float v62 = (0x0.0p+0f);
  if (v58) {
    v62 = x_[v61];
  }
  const int v64 = (v22 + 3);
  const float v65 = w_[v64];
  const float v66 = (v62 * v65);
  const float v67 = fma(v62, v65, v54);
  const float v68 = fabs(v67);
  const float v70 = (v68 * (-0x1.0000000000000p+0f));
  const float v71 = exp(v70);
  const bool v72 = (v67 < (0x0.0p+0f));
  const float v74 = (v72 ? v71 : (0x1.0000000000000p+0f));
  const float v75 = ((0x1.0000000000000p+0f) + v71);
  const float v76 = (v74 / v75);
  const float v77 = (v67 * v76);
  const int v78 = (a0 * time_);
  const int v79 = (v78 + a1);
  const int v80 = (v79 * channels_);
  const int v81 = (v80 + a2);
  y_[v81] = v77;
}
