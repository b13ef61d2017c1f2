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
__kernel void k_blocked(__global const float *x_base, __global float *y_base, const struct numbers given)
{
  const long x_off = (long)given.v[0];
  const long y_off = (long)given.v[1];
  const int o_ = (int)given.v[2];
  const int rows_ = (int)given.v[3];
  const int n_ = (int)given.v[4];
  const int parts_ = (int)given.v[5];
  __global const float *const x_ = x_base + x_off;
  __global float *const y_ = y_base + y_off;
  const int point = get_global_id(0);
  if (point >= o_ * rows_) return;
  int row = point / rows_;
  const int a1 = point - row * rows_;
  const int a0 = row;
  float s0[2];
  float s1[2];
  float kept_[6];
  #pragma unroll
  for (int l = 0; l < 2; l++) {
    s1[l] = (0x0.0p+0f);
  }
  for (int k = ((n_ + 2) / 3) - 1; k >= 0; k--) {
    const int t0 = k * 3;
    const int t1 = (t0 + 3 < n_ ? t0 + 3 : n_);
    const float v8 = (float)k;
    const float v10 = (v8 + (0x1.0000000000000p-1f));
    #pragma unroll
    for (int l = 0; l < 2; l++) {
      s0[l] = v10;
    }
    for (int t = t0; t < t1; t++) {
      const int v11 = (a0 * n_);
      const int v13 = (v11 + t);
      const int v14 = (v13 * rows_);
      const int v15 = (v14 + a1);
      const float v16 = x_[v15];
      #pragma unroll
      for (int l = 0; l < 2; l++) {
        const float v17 = (float)l;
        const float v19 = (v17 + (0x1.0000000000000p+0f));
        const float v20 = (v16 * v19);
        const float v22 = (s0[l] * (0x1.0000000000000p-1f));
        s0[l] = fma(v16, v19, v22);
        kept_[(t - t0) * 2 + l] = s0[l];
      }
    }
    for (int t = t1 - 1; t >= t0; t--) {
      const int v32 = (a0 * n_);
      const int v34 = (v32 + t);
      const int v35 = (v34 * rows_);
      const int v36 = (v35 + a1);
      float v31 = (0x0.0p+0f);
      #pragma unroll
      for (int l = 0; l < 2; l++) {
        const float v28 = (s1[l] * (0x1.0000000000000p-2f));
        const float v29 = kept_[(t - t0) * 2 + l];
        s1[l] = fma(s1[l], (0x1.0000000000000p-2f), v29);
        v31 = (v31 + s1[l]);
      }
      y_[v36] = v31;
    }
  }
}
