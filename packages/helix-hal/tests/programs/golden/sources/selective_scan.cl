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
struct numbers { long v[25]; };
__attribute__((reqd_work_group_size(64, 1, 1)))
__kernel void k_selective_scan(__global const float *u_base, __global const float *dt_base, __global const float *A_base, __global const float *B_base, __global const float *C_base, __global const float *D_base, __global const float *z_base, __global float *y_base, __global float *last_base, __global float *ends_base, const struct numbers given)
{
  const long u_off = (long)given.v[0];
  const long dt_off = (long)given.v[1];
  const long A_off = (long)given.v[2];
  const long B_off = (long)given.v[3];
  const long C_off = (long)given.v[4];
  const long D_off = (long)given.v[5];
  const long z_off = (long)given.v[6];
  const long y_off = (long)given.v[7];
  const long last_off = (long)given.v[8];
  const long ends_off = (long)given.v[9];
  const int batch_ = (int)given.v[10];
  const int time_ = (int)given.v[11];
  const int d_ = (int)given.v[12];
  const int points_ = (int)given.v[13];
  const int chunks_ = (int)given.v[14];
  const int u_b_ = (int)given.v[15];
  const int u_t_ = (int)given.v[16];
  const int dt_b_ = (int)given.v[17];
  const int dt_t_ = (int)given.v[18];
  const int B_b_ = (int)given.v[19];
  const int B_t_ = (int)given.v[20];
  const int C_b_ = (int)given.v[21];
  const int C_t_ = (int)given.v[22];
  const int z_b_ = (int)given.v[23];
  const int z_t_ = (int)given.v[24];
  __global const float *const u_ = u_base + u_off;
  __global const float *const dt_ = dt_base + dt_off;
  __global const float *const A_ = A_base + A_off;
  __global const float *const B_ = B_base + B_off;
  __global const float *const C_ = C_base + C_off;
  __global const float *const D_ = D_base + D_off;
  __global const float *const z_ = z_base + z_off;
  __global float *const y_ = y_base + y_off;
  __global float *const last_ = last_base + last_off;
  __global float *const ends_ = ends_base + ends_off;
  const int point = get_global_id(0);
  if (point >= batch_ * points_) return;
  int row = point / points_;
  const int a1 = point - row * points_;
  const int a0 = row;
  float s0[4];
  const int v19 = (a1 * 4);
  const float v22 = D_[a1];
  float v21[4];
  #pragma unroll
  for (int l = 0; l < 4; l++) {
    v21[l] = A_[(v19 + l)];
  }
  #pragma unroll
  for (int l = 0; l < 4; l++) {
    s0[l] = (0x0.0p+0f);
  }
  for (int t = 0; t < time_; t++) {
    const int v27 = (t / 32);
    const int v28 = (a0 * chunks_);
    const int v29 = (v28 + v27);
    const int v30 = (v29 * 4);
    const int v31 = (t % 32);
    const bool v33 = (v31 == 0);
    const int v38 = (a0 * dt_b_);
    const int v39 = (t * dt_t_);
    const int v40 = (v38 + v39);
    const int v41 = (v40 + a1);
    const float v42 = dt_[v41];
    const float v43 = (v42 > (0x0.0p+0f) || v42 != v42 ? v42 : (0x0.0p+0f));
    const float v44 = fabs(v42);
    const float v46 = (v44 * (-0x1.0000000000000p+0f));
    const float v47 = exp(v46);
    const float v49 = (v47 + (0x1.0000000000000p+0f));
    const float v50 = (v49 - (0x1.0000000000000p+0f));
    const float v51 = log(v49);
    const bool v52 = (v50 == (0x0.0p+0f));
    const float v53 = (v52 ? (0x1.0000000000000p+0f) : v50);
    const float v54 = (v47 / v53);
    const float v55 = (v51 * v54);
    const bool v57 = (v49 == (INFINITY));
    const float v58 = (v57 ? v49 : v55);
    const float v59 = (v52 ? v47 : v58);
    const float v60 = (v43 + v59);
    const int v61 = (a0 * u_b_);
    const int v62 = (t * u_t_);
    const int v63 = (v61 + v62);
    const int v64 = (v63 + a1);
    const float v65 = u_[v64];
    if (v33) {
      #pragma unroll
      for (int l = 0; l < 4; l++) {
        ends_[(((v30 + l) * d_) + a1)] = s0[l];
      }
    }
    const int v69 = (a0 * B_b_);
    const int v70 = (t * B_t_);
    const int v71 = (v69 + v70);
    const float v74 = (v60 * v65);
    const int v77 = (a0 * C_b_);
    const int v78 = (t * C_t_);
    const int v79 = (v77 + v78);
    const float v84 = (v65 * v22);
    float v83 = (0x0.0p+0f);
    #pragma unroll
    for (int l = 0; l < 4; l++) {
      const float v66 = (v21[l] * v60);
      const float v67 = exp(v66);
      const float v68 = (s0[l] * v67);
      const float v73 = B_[(v71 + l)];
      const float v75 = (v73 * v74);
      s0[l] = fma(v73, v74, v68);
      const float v81 = C_[(v79 + l)];
      const float v82 = (s0[l] * v81);
      v83 = (v83 + v82);
    }
    const float v85 = fma(v65, v22, v83);
    const int v86 = (a0 * z_b_);
    const int v87 = (t * z_t_);
    const int v88 = (v86 + v87);
    const int v89 = (v88 + a1);
    const float v90 = z_[v89];
    const float v91 = fabs(v90);
    const float v92 = (v91 * (-0x1.0000000000000p+0f));
    const float v93 = exp(v92);
    const bool v94 = (v90 < (0x0.0p+0f));
    const float v95 = (v94 ? v93 : (0x1.0000000000000p+0f));
    const float v96 = ((0x1.0000000000000p+0f) + v93);
    const float v97 = (v95 / v96);
    const float v98 = (v90 * v97);
    const float v99 = (v85 * v98);
    const int v100 = (a0 * time_);
    const int v101 = (v100 + t);
    const int v102 = (v101 * d_);
    const int v103 = (v102 + a1);
    y_[v103] = v99;
  }
  const int v106 = (a0 * d_);
  const int v107 = (v106 + a1);
  const int v108 = (v107 * 4);
  #pragma unroll
  for (int l = 0; l < 4; l++) {
    last_[(v108 + l)] = s0[l];
  }
}
