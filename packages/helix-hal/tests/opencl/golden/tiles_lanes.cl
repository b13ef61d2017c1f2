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
struct numbers { long v[8]; };
__attribute__((reqd_work_group_size(1, 1, 1)))
__kernel void k_lanes(__global const float *a_base, __global const float *x_base, __global float *y_base, const struct numbers given)
{
  const long a_off = (long)given.v[0];
  const long x_off = (long)given.v[1];
  const long y_off = (long)given.v[2];
  const int rows_ = (int)given.v[3];
  const int n_ = (int)given.v[4];
  const int chunk = (int)given.v[5];
  const int each = (int)given.v[6];
  const int tiles = (int)given.v[7];
  __global const float *const a_ = a_base + a_off;
  __global const float *const x_ = x_base + x_off;
  __global float *const y_ = y_base + y_off;
  const int lo = get_group_id(0) * each;
  const int hi = (lo + each < tiles ? lo + each : tiles);
  const int per = (rows_ + chunk - 1) / chunk;
  for (int tile = lo; tile < hi; tile++) {
    int row = tile / per;
    const int first = (tile - row * per) * chunk;
    const int end = (first + chunk < rows_ ? first + chunk : rows_);
    for (int a0 = first; a0 < end; a0++) {
      float s0[4];
      const int v5 = (a0 * 4);
      float v7[4];
      #pragma clang loop vectorize(assume_safety)
      for (int l = 0; l < 4; l++) {
        v7[l] = a_[(v5 + l)];
      }
      #pragma clang loop vectorize(assume_safety)
      for (int l = 0; l < 4; l++) {
        s0[l] = (0x0.0p+0f);
      }
      for (int t = n_ - 1; t >= 0; t--) {
        const int v10 = (t * rows_);
        const int v11 = (v10 + a0);
        const float v12 = x_[v11];
        float r122[4];
        #pragma clang loop vectorize(assume_safety)
        for (int l = 0; l < 4; l++) {
          const float v13 = (v7[l] * v12);
          const int v14 = as_int(v13);
          const int v16 = (v14 & 2147483647);
          const float v17 = as_float(v16);
          const float v18 = (v17 * v17);
          const float v19 = (v17 * v18);
          const float v21 = ((0x1.1978de1e6a09ap-9f) * v18);
          const float v23 = fma((0x1.1978de1e6a09ap-9f), v18, (-0x1.0c2081a223785p-7f));
          const float v24 = (v23 * v18);
          const float v26 = fma(v23, v18, (0x1.6394b1cab53cep-6f));
          const float v27 = (v26 * v18);
          const float v29 = fma(v26, v18, (-0x1.b9ef7a76bea34p-5f));
          const float v30 = (v29 * v18);
          const float v32 = fma(v29, v18, (0x1.11106b880e56ep-3f));
          const float v33 = (v32 * v18);
          const float v35 = fma(v32, v18, (-0x1.55555318abc87p-2f));
          const float v36 = (v19 * v35);
          const float v37 = fma(v19, v35, v17);
          const bool v39 = ((0x1.20a3d70a3d70ap+3f) < v17);
          const float v41 = (v39 ? (0x1.20a3d70a3d70ap+3f) : v17);
          const float v42 = (v41 + v41);
          const bool v44 = (v42 < (-0x1.a000000000000p+6f));
          const float v46 = (v44 ? (-0x1.a000000000000p+6f) : v42);
          const bool v48 = ((0x1.6400000000000p+6f) < v46);
          const float v50 = (v48 ? (0x1.6400000000000p+6f) : v46);
          const float v52 = (v50 * (0x1.71547652b82fep+0f));
          const bool v54 = (v52 < (0x0.0p+0f));
          const float v57 = (v54 ? (-0x1.0000000000000p-1f) : (0x1.0000000000000p-1f));
          const float v58 = fma(v50, (0x1.71547652b82fep+0f), v57);
          const int v59 = (int)v58;
          const float v60 = (float)v59;
          const float v62 = (v60 * (0x1.6300000000000p-1f));
          const float v63 = fma(-v60, (0x1.6300000000000p-1f), v50);
          const float v65 = (v60 * (-0x1.bd0105c611000p-13f));
          const float v66 = fma(-v60, (-0x1.bd0105c611000p-13f), v63);
          const float v67 = (v66 * v66);
          const float v69 = ((0x1.6db8ee882e435p-10f) * v66);
          const float v71 = fma((0x1.6db8ee882e435p-10f), v66, (0x1.123ae8e7be1d6p-7f));
          const float v72 = (v71 * v66);
          const float v74 = fma(v71, v66, (0x1.5554581bf5d4ep-5f));
          const float v75 = (v74 * v66);
          const float v77 = fma(v74, v66, (0x1.5554907b0ce6ap-3f));
          const float v78 = (v77 * v66);
          const float v80 = fma(v77, v66, (0x1.0000000000000p-1f));
          const float v81 = (v67 * v80);
          const float v82 = fma(v67, v80, v66);
          const float v84 = (v82 + (0x1.0000000000000p+0f));
          const int v86 = (v59 >> 1);
          const int v88 = (int)((uint)v86 + (uint)127);
          const int v90 = (int)((uint)v88 << (uint)23);
          const float v91 = as_float(v90);
          const float v92 = (v84 * v91);
          const int v93 = (int)((uint)v59 - (uint)v86);
          const int v95 = (int)((uint)v93 + (uint)127);
          const int v97 = (int)((uint)v95 << (uint)23);
          const float v98 = as_float(v97);
          const float v99 = (v92 * v98);
          const float v101 = fma(v92, v98, (0x1.0000000000000p+0f));
          const float v103 = ((0x1.0000000000000p+1f) / v101);
          const float v105 = ((0x1.0000000000000p+0f) - v103);
          const bool v107 = (v17 < (0x1.4000000000000p-1f));
          const float v108 = (v107 ? v37 : v105);
          const int v109 = as_int(v108);
          const int v111 = (v109 & 2147483647);
          const int v112 = as_int(v13);
          const int v114 = (v112 & ((int)(-2147483647 - 1)));
          const int v115 = (v111 | v114);
          const float v116 = as_float(v115);
          const float v119 = (s0[l] * (0x1.0000000000000p-1f));
          s0[l] = fma(s0[l], (0x1.0000000000000p-1f), v116);
          const float v121 = (s0[l] * v7[l]);
          r122[l] = v121;
        }
        #pragma clang loop vectorize(assume_safety)
        for (int l = 0; l < 2; l++) {
          r122[l] = (r122[l] + r122[l + 2]);
        }
        #pragma clang loop vectorize(assume_safety)
        for (int l = 0; l < 1; l++) {
          r122[l] = (r122[l] + r122[l + 1]);
        }
        const float v122 = r122[0];
        const float v123 = (v122 + v12);
        y_[v11] = v123;
      }
    }
  }
}
