@group(0) @binding(0) var<uniform> given: array<vec4<i32>, 2>;
@group(0) @binding(1) var<storage, read_write> x_: array<f32>;
@group(0) @binding(2) var<storage, read_write> y_: array<f32>;
var<workgroup> h0: array<f32, 64>;
var<workgroup> h1: array<f32, 64>;
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn kept(x: f32) -> f32 { return bitcast<f32>(bitcast<i32>(x) ^ given[1].y); }
fn from_bits(b: u32) -> f32 { return bitcast<f32>(b); }
fn greatest(a: f32, b: f32) -> f32 {
  return select(select(select(b, a, a > b), b, is_nan(b)), a, is_nan(a));
}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) at: vec3<u32>, @builtin(num_workgroups) many: vec3<u32>, @builtin(local_invocation_index) item: u32) {
  let x_off: i32 = given[0].x;
  let y_off: i32 = given[0].y;
  let rows_: i32 = given[0].z;
  let n_: i32 = given[0].w;
  let x_row_: i32 = given[1].x;
  let lid: i32 = i32(item);
  let turn: i32 = i32(at.x + many.x * (at.y + many.y * at.z));
  if (turn >= rows_) { return; }
  let a0: i32 = turn;
  var s0: f32;
  var s1: f32;
  s0 = from_bits(0xff800000u);
  for (var t: i32 = 0 + lid; t < n_; t += 64) {
    let v5: i32 = (a0 * x_row_);
    let v7: i32 = (v5 + t);
    let v8: f32 = x_[x_off + v7];
    let v11: f32 = greatest(s0, v8);
    s0 = v11;
  }
  h0[lid] = s0;
  workgroupBarrier();
  storageBarrier();
  if (lid < 32) {
    let v11: f32 = greatest(h0[lid], h0[lid + 32]);
    h0[lid] = v11;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 16) {
    let v11: f32 = greatest(h0[lid], h0[lid + 16]);
    h0[lid] = v11;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 8) {
    let v11: f32 = greatest(h0[lid], h0[lid + 8]);
    h0[lid] = v11;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 4) {
    let v11: f32 = greatest(h0[lid], h0[lid + 4]);
    h0[lid] = v11;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 2) {
    let v11: f32 = greatest(h0[lid], h0[lid + 2]);
    h0[lid] = v11;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 1) {
    let v11: f32 = greatest(h0[lid], h0[lid + 1]);
    h0[lid] = v11;
  }
  workgroupBarrier();
  storageBarrier();
  s0 = h0[0];
  workgroupBarrier();
  storageBarrier();
  s1 = 0x0.0p+0f;
  for (var t: i32 = 0 + lid; t < n_; t += 64) {
    let v14: i32 = (a0 * x_row_);
    let v16: i32 = (v14 + t);
    let v17: f32 = x_[x_off + v16];
    let v18: f32 = (v17 - s0);
    let v20: bool = (v18 < (-0x1.a000000000000p+6f));
    let v22: f32 = select(v18, (-0x1.a000000000000p+6f), v20);
    let v24: bool = (0x1.6400000000000p+6f < v22);
    let v26: f32 = select(v22, 0x1.6400000000000p+6f, v24);
    let v28: f32 = (v26 * 0x1.7154760000000p+0f);
    let v30: bool = (v28 < 0x0.0p+0f);
    let v33: f32 = select(0x1.0000000000000p-1f, (-0x1.0000000000000p-1f), v30);
    let v34: f32 = (v28 + v33);
    let v35: i32 = i32(v34);
    let v36: f32 = f32(v35);
    let v38: f32 = (v36 * 0x1.6300000000000p-1f);
    let v39: f32 = (v26 - v38);
    let v41: f32 = (v36 * (-0x1.bd01060000000p-13f));
    let v42: f32 = (kept(v39) - v41);
    let v43: f32 = (v42 * v42);
    let v45: f32 = (0x1.6db8ee0000000p-10f * v42);
    let v47: f32 = (v45 + 0x1.123ae80000000p-7f);
    let v48: f32 = (v47 * v42);
    let v50: f32 = (v48 + 0x1.5554580000000p-5f);
    let v51: f32 = (v50 * v42);
    let v53: f32 = (v51 + 0x1.5554900000000p-3f);
    let v54: f32 = (v53 * v42);
    let v56: f32 = (v54 + 0x1.0000000000000p-1f);
    let v57: f32 = (v43 * v56);
    let v58: f32 = (v57 + kept(v42));
    let v60: f32 = (kept(v58) + 0x1.0000000000000p+0f);
    let v62: i32 = (v35 >> 1u);
    let v64: i32 = (v62 + 127i);
    let v66: i32 = (v64 << 23u);
    let v67: f32 = bitcast<f32>(v66);
    let v68: f32 = (v60 * v67);
    let v69: i32 = (v35 - v62);
    let v71: i32 = (v69 + 127i);
    let v73: i32 = (v71 << 23u);
    let v74: f32 = bitcast<f32>(v73);
    let v75: f32 = (v68 * v74);
    let v78: f32 = (s1 + v75);
    s1 = v78;
  }
  h1[lid] = s1;
  workgroupBarrier();
  storageBarrier();
  if (lid < 32) {
    let v78: f32 = (h1[lid] + h1[lid + 32]);
    h1[lid] = v78;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 16) {
    let v78: f32 = (h1[lid] + h1[lid + 16]);
    h1[lid] = v78;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 8) {
    let v78: f32 = (h1[lid] + h1[lid + 8]);
    h1[lid] = v78;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 4) {
    let v78: f32 = (h1[lid] + h1[lid + 4]);
    h1[lid] = v78;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 2) {
    let v78: f32 = (h1[lid] + h1[lid + 2]);
    h1[lid] = v78;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 1) {
    let v78: f32 = (h1[lid] + h1[lid + 1]);
    h1[lid] = v78;
  }
  workgroupBarrier();
  storageBarrier();
  s1 = h1[0];
  workgroupBarrier();
  storageBarrier();
  for (var t: i32 = 0 + lid; t < n_; t += 64) {
    let v80: i32 = (a0 * x_row_);
    let v82: i32 = (v80 + t);
    let v83: f32 = x_[x_off + v82];
    let v84: f32 = (v83 - s0);
    let v86: bool = (v84 < (-0x1.a000000000000p+6f));
    let v88: f32 = select(v84, (-0x1.a000000000000p+6f), v86);
    let v90: bool = (0x1.6400000000000p+6f < v88);
    let v92: f32 = select(v88, 0x1.6400000000000p+6f, v90);
    let v94: f32 = (v92 * 0x1.7154760000000p+0f);
    let v96: bool = (v94 < 0x0.0p+0f);
    let v99: f32 = select(0x1.0000000000000p-1f, (-0x1.0000000000000p-1f), v96);
    let v100: f32 = (v94 + v99);
    let v101: i32 = i32(v100);
    let v102: f32 = f32(v101);
    let v104: f32 = (v102 * 0x1.6300000000000p-1f);
    let v105: f32 = (v92 - v104);
    let v107: f32 = (v102 * (-0x1.bd01060000000p-13f));
    let v108: f32 = (kept(v105) - v107);
    let v109: f32 = (v108 * v108);
    let v111: f32 = (0x1.6db8ee0000000p-10f * v108);
    let v113: f32 = (v111 + 0x1.123ae80000000p-7f);
    let v114: f32 = (v113 * v108);
    let v116: f32 = (v114 + 0x1.5554580000000p-5f);
    let v117: f32 = (v116 * v108);
    let v119: f32 = (v117 + 0x1.5554900000000p-3f);
    let v120: f32 = (v119 * v108);
    let v122: f32 = (v120 + 0x1.0000000000000p-1f);
    let v123: f32 = (v109 * v122);
    let v124: f32 = (v123 + kept(v108));
    let v126: f32 = (kept(v124) + 0x1.0000000000000p+0f);
    let v128: i32 = (v101 >> 1u);
    let v130: i32 = (v128 + 127i);
    let v132: i32 = (v130 << 23u);
    let v133: f32 = bitcast<f32>(v132);
    let v134: f32 = (v126 * v133);
    let v135: i32 = (v101 - v128);
    let v137: i32 = (v135 + 127i);
    let v139: i32 = (v137 << 23u);
    let v140: f32 = bitcast<f32>(v139);
    let v141: f32 = (v134 * v140);
    let v142: f32 = (v141 / s1);
    let v143: i32 = (a0 * n_);
    let v144: i32 = (v143 + t);
    y_[y_off + v144] = v142;
  }
}
