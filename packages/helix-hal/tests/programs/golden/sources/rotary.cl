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
struct numbers { long v[18]; };
__attribute__((reqd_work_group_size(64, 1, 1)))
__kernel void k_rotary(__global const float *x_base, __global const float *cos_base, __global const float *sin_base, __global float *y_base, const struct numbers given)
{
  const long x_off = (long)given.v[0];
  const long cos_off = (long)given.v[1];
  const long sin_off = (long)given.v[2];
  const long y_off = (long)given.v[3];
  const int batch_ = (int)given.v[4];
  const int time_ = (int)given.v[5];
  const int heads_ = (int)given.v[6];
  const int half_ = (int)given.v[7];
  const int x_b_ = (int)given.v[8];
  const int x_t_ = (int)given.v[9];
  const int x_h_ = (int)given.v[10];
  const int cos_b_ = (int)given.v[11];
  const int cos_t_ = (int)given.v[12];
  const int sin_b_ = (int)given.v[13];
  const int sin_t_ = (int)given.v[14];
  const int y_b_ = (int)given.v[15];
  const int y_t_ = (int)given.v[16];
  const int y_h_ = (int)given.v[17];
  __global const float *const x_ = x_base + x_off;
  __global const float *const cos_ = cos_base + cos_off;
  __global const float *const sin_ = sin_base + sin_off;
  __global float *const y_ = y_base + y_off;
  const int point = get_global_id(0);
  if (point >= batch_ * time_ * heads_ * half_) return;
  int row = point / half_;
  const int a3 = point - row * half_;
  const int a2 = row % heads_;
  row = row / heads_;
  const int a1 = row % time_;
  row = row / time_;
  const int a0 = row;
  const int v18 = (a0 * cos_b_);
  const int v19 = (a1 * cos_t_);
  const int v20 = (v18 + v19);
  const int v21 = (v20 + a3);
  const float v22 = cos_[v21];
  const int v23 = (a0 * sin_b_);
  const int v24 = (a1 * sin_t_);
  const int v25 = (v23 + v24);
  const int v26 = (v25 + a3);
  const float v27 = sin_[v26];
  const int v28 = (half_ + a3);
  const int v29 = (a0 * x_b_);
  const int v30 = (a1 * x_t_);
  const int v31 = (v29 + v30);
  const int v32 = (a2 * x_h_);
  const int v33 = (v31 + v32);
  const int v34 = (v33 + a3);
  const float v35 = x_[v34];
  const int v36 = (v33 + v28);
  const float v37 = x_[v36];
  const int v38 = (a0 * y_b_);
  const int v39 = (a1 * y_t_);
  const int v40 = (v38 + v39);
  const int v41 = (a2 * y_h_);
  const int v42 = (v40 + v41);
  const float v43 = (v35 * v22);
  const float v44 = (v37 * v27);
  const float v45 = fma(-v37, v27, v43);
  const int v46 = (v42 + a3);
  y_[v46] = v45;
  const float v48 = (v37 * v22);
  const float v49 = (v35 * v27);
  const float v50 = fma(v35, v27, v48);
  const int v51 = (v42 + v28);
  y_[v51] = v50;
}
