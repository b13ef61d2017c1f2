@group(0) @binding(0) var<uniform> given: array<vec4<i32>, 2>;
@group(0) @binding(1) var<storage, read_write> z_: array<f32>;
@group(0) @binding(2) var<storage, read_write> labels_: array<i32>;
@group(0) @binding(3) var<storage, read_write> scale_: array<f32>;
@group(0) @binding(4) var<storage, read_write> loss_: array<f32>;
@group(0) @binding(5) var<storage, read_write> lse_: array<f32>;
var<workgroup> h0: array<f32, 64>;
var<workgroup> h1: array<f32, 64>;
var<workgroup> h2: array<f32, 64>;
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn kept(x: f32) -> f32 { return bitcast<f32>(bitcast<i32>(x) ^ given[1].w); }
fn from_bits(b: u32) -> f32 { return bitcast<f32>(b); }
fn greatest(a: f32, b: f32) -> f32 {
  return select(select(select(b, a, a > b), b, is_nan(b)), a, is_nan(a));
}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) at: vec3<u32>, @builtin(num_workgroups) many: vec3<u32>, @builtin(local_invocation_index) item: u32) {
  let z_off: i32 = given[0].x;
  let labels_off: i32 = given[0].y;
  let scale_off: i32 = given[0].z;
  let loss_off: i32 = given[0].w;
  let lse_off: i32 = given[1].x;
  let rows_: i32 = given[1].y;
  let v_: i32 = given[1].z;
  let lid: i32 = i32(item);
  let turn: i32 = i32(at.x + many.x * (at.y + many.y * at.z));
  if (turn >= rows_) { return; }
  let a0: i32 = turn;
  var s0: f32;
  var s1: f32;
  var s2: f32;
  let v3: i32 = labels_[labels_off + a0];
  let v5: bool = (v3 == (-100i));
  let v6: bool = (!v5);
  let v8: bool = (0i < v3);
  let v9: bool = (v3 == 0i);
  let v10: bool = (v8 | v9);
  let v11: i32 = v_;
  let v12: bool = (v3 < v11);
  let v13: bool = (v10 & v12);
  let v14: i32 = select(0i, v3, v13);
  let v15: i32 = v14;
  s0 = from_bits(0xff800000u);
  for (var t: i32 = 0 + lid; t < v_; t += 64) {
    let v18: i32 = (a0 * v_);
    let v19: i32 = (v18 + t);
    let v20: f32 = z_[z_off + v19];
    let v23: f32 = greatest(s0, v20);
    s0 = v23;
  }
  h0[lid] = s0;
  workgroupBarrier();
  storageBarrier();
  if (lid < 32) {
    let v23: f32 = greatest(h0[lid], h0[lid + 32]);
    h0[lid] = v23;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 16) {
    let v23: f32 = greatest(h0[lid], h0[lid + 16]);
    h0[lid] = v23;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 8) {
    let v23: f32 = greatest(h0[lid], h0[lid + 8]);
    h0[lid] = v23;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 4) {
    let v23: f32 = greatest(h0[lid], h0[lid + 4]);
    h0[lid] = v23;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 2) {
    let v23: f32 = greatest(h0[lid], h0[lid + 2]);
    h0[lid] = v23;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 1) {
    let v23: f32 = greatest(h0[lid], h0[lid + 1]);
    h0[lid] = v23;
  }
  workgroupBarrier();
  storageBarrier();
  s0 = h0[0];
  workgroupBarrier();
  storageBarrier();
  s1 = 0x0.0p+0f;
  s2 = 0x0.0p+0f;
  for (var t: i32 = 0 + lid; t < v_; t += 64) {
    let v27: i32 = (a0 * v_);
    let v28: i32 = (v27 + t);
    let v29: f32 = z_[z_off + v28];
    let v30: bool = (t == v15);
    let v31: f32 = (v29 - s0);
    let v33: bool = (v31 < (-0x1.a000000000000p+6f));
    let v35: f32 = select(v31, (-0x1.a000000000000p+6f), v33);
    let v37: bool = (0x1.6400000000000p+6f < v35);
    let v39: f32 = select(v35, 0x1.6400000000000p+6f, v37);
    let v41: f32 = (v39 * 0x1.7154760000000p+0f);
    let v43: bool = (v41 < 0x0.0p+0f);
    let v46: f32 = select(0x1.0000000000000p-1f, (-0x1.0000000000000p-1f), v43);
    let v47: f32 = (v41 + v46);
    let v48: i32 = i32(v47);
    let v49: f32 = f32(v48);
    let v51: f32 = (v49 * 0x1.6300000000000p-1f);
    let v52: f32 = (v39 - v51);
    let v54: f32 = (v49 * (-0x1.bd01060000000p-13f));
    let v55: f32 = (kept(v52) - v54);
    let v56: f32 = (v55 * v55);
    let v58: f32 = (0x1.6db8ee0000000p-10f * v55);
    let v60: f32 = (v58 + 0x1.123ae80000000p-7f);
    let v61: f32 = (v60 * v55);
    let v63: f32 = (v61 + 0x1.5554580000000p-5f);
    let v64: f32 = (v63 * v55);
    let v66: f32 = (v64 + 0x1.5554900000000p-3f);
    let v67: f32 = (v66 * v55);
    let v69: f32 = (v67 + 0x1.0000000000000p-1f);
    let v70: f32 = (v56 * v69);
    let v71: f32 = (v70 + kept(v55));
    let v73: f32 = (kept(v71) + 0x1.0000000000000p+0f);
    let v75: i32 = (v48 >> 1u);
    let v77: i32 = (v75 + 127i);
    let v79: i32 = (v77 << 23u);
    let v80: f32 = bitcast<f32>(v79);
    let v81: f32 = (v73 * v80);
    let v82: i32 = (v48 - v75);
    let v84: i32 = (v82 + 127i);
    let v86: i32 = (v84 << 23u);
    let v87: f32 = bitcast<f32>(v86);
    let v88: f32 = (v81 * v87);
    let v89: f32 = select(0x0.0p+0f, v29, v30);
    let v94: f32 = (s1 + v88);
    let v95: f32 = (s2 + v89);
    s1 = v94;
    s2 = v95;
  }
  h1[lid] = s1;
  h2[lid] = s2;
  workgroupBarrier();
  storageBarrier();
  if (lid < 32) {
    let v94: f32 = (h1[lid] + h1[lid + 32]);
    let v95: f32 = (h2[lid] + h2[lid + 32]);
    h1[lid] = v94;
    h2[lid] = v95;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 16) {
    let v94: f32 = (h1[lid] + h1[lid + 16]);
    let v95: f32 = (h2[lid] + h2[lid + 16]);
    h1[lid] = v94;
    h2[lid] = v95;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 8) {
    let v94: f32 = (h1[lid] + h1[lid + 8]);
    let v95: f32 = (h2[lid] + h2[lid + 8]);
    h1[lid] = v94;
    h2[lid] = v95;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 4) {
    let v94: f32 = (h1[lid] + h1[lid + 4]);
    let v95: f32 = (h2[lid] + h2[lid + 4]);
    h1[lid] = v94;
    h2[lid] = v95;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 2) {
    let v94: f32 = (h1[lid] + h1[lid + 2]);
    let v95: f32 = (h2[lid] + h2[lid + 2]);
    h1[lid] = v94;
    h2[lid] = v95;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 1) {
    let v94: f32 = (h1[lid] + h1[lid + 1]);
    let v95: f32 = (h2[lid] + h2[lid + 1]);
    h1[lid] = v94;
    h2[lid] = v95;
  }
  workgroupBarrier();
  storageBarrier();
  s1 = h1[0];
  s2 = h2[0];
  workgroupBarrier();
  storageBarrier();
  let v99: bool = (s1 < 0x1.0000000000000p-126f);
  let v101: f32 = (s1 * 0x1.0000000000000p+24f);
  let v102: f32 = select(s1, v101, v99);
  let v103: i32 = bitcast<i32>(v102);
  let v105: i32 = (v103 - 1060439283i);
  let v107: i32 = (v105 >> 23u);
  let v108: i32 = bitcast<i32>(v102);
  let v110: i32 = (v107 << 23u);
  let v111: i32 = (v108 - v110);
  let v112: f32 = bitcast<f32>(v111);
  let v115: i32 = select(0i, 24i, v99);
  let v116: i32 = (v107 - v115);
  let v118: f32 = (v112 - 0x1.0000000000000p+0f);
  let v119: f32 = f32(v116);
  let v121: f32 = (kept(v118) + 0x1.0000000000000p+1f);
  let v122: f32 = (v118 / v121);
  let v123: f32 = (v122 * v122);
  let v125: f32 = (0x1.e2ed6a0000000p-3f * v123);
  let v127: f32 = (v125 + 0x1.2439140000000p-2f);
  let v128: f32 = (v127 * v123);
  let v130: f32 = (v128 + 0x1.999a7a0000000p-2f);
  let v131: f32 = (v130 * v123);
  let v133: f32 = (v131 + 0x1.5555540000000p-1f);
  let v134: f32 = (v123 * v133);
  let v135: f32 = (kept(v118) - v134);
  let v136: f32 = (v122 * v135);
  let v138: f32 = (v119 * (-0x1.bd01060000000p-13f));
  let v139: f32 = (v136 - v138);
  let v141: bool = (s1 == 0x0.0p+0f);
  let v143: bool = (s1 < 0x0.0p+0f);
  let v145: f32 = select(s1, from_bits(0x7fc00000u), v143);
  let v147: f32 = select(v145, from_bits(0xff800000u), v141);
  let v149: bool = (0x0.0p+0f < s1);
  let v151: bool = (s1 < from_bits(0x7f800000u));
  let v152: bool = (v149 & v151);
  let v154: f32 = (v119 * 0x1.6300000000000p-1f);
  let v155: f32 = (kept(v118) - kept(v139));
  let v156: f32 = (v154 + kept(v155));
  let v157: f32 = select(v147, v156, v152);
  let v158: f32 = (s0 + v157);
  let v159: f32 = (kept(v158) - s2);
  let v161: f32 = (v159 * 0x1.0000000000000p+0f);
  let v163: f32 = select(from_bits(0x7fc00000u), v161, v13);
  let v164: f32 = select(0x0.0p+0f, v163, v6);
  if (lid == 0) {
    loss_[loss_off + a0] = v164;
  }
  if (lid == 0) {
    lse_[lse_off + a0] = v158;
  }
  let v168: f32 = scale_[scale_off + 0i];
  let v169: f32 = f32(v_);
  for (var t: i32 = 0 + lid; t < v_; t += 64) {
    let v171: i32 = (a0 * v_);
    let v172: i32 = (v171 + t);
    let v173: f32 = z_[z_off + v172];
    let v174: f32 = (v173 - kept(v158));
    let v176: bool = (v174 < (-0x1.a000000000000p+6f));
    let v178: f32 = select(v174, (-0x1.a000000000000p+6f), v176);
    let v180: bool = (0x1.6400000000000p+6f < v178);
    let v182: f32 = select(v178, 0x1.6400000000000p+6f, v180);
    let v184: f32 = (v182 * 0x1.7154760000000p+0f);
    let v186: bool = (v184 < 0x0.0p+0f);
    let v189: f32 = select(0x1.0000000000000p-1f, (-0x1.0000000000000p-1f), v186);
    let v190: f32 = (v184 + v189);
    let v191: i32 = i32(v190);
    let v192: f32 = f32(v191);
    let v194: f32 = (v192 * 0x1.6300000000000p-1f);
    let v195: f32 = (v182 - v194);
    let v197: f32 = (v192 * (-0x1.bd01060000000p-13f));
    let v198: f32 = (kept(v195) - v197);
    let v199: f32 = (v198 * v198);
    let v201: f32 = (0x1.6db8ee0000000p-10f * v198);
    let v203: f32 = (v201 + 0x1.123ae80000000p-7f);
    let v204: f32 = (v203 * v198);
    let v206: f32 = (v204 + 0x1.5554580000000p-5f);
    let v207: f32 = (v206 * v198);
    let v209: f32 = (v207 + 0x1.5554900000000p-3f);
    let v210: f32 = (v209 * v198);
    let v212: f32 = (v210 + 0x1.0000000000000p-1f);
    let v213: f32 = (v199 * v212);
    let v214: f32 = (v213 + kept(v198));
    let v216: f32 = (kept(v214) + 0x1.0000000000000p+0f);
    let v218: i32 = (v191 >> 1u);
    let v220: i32 = (v218 + 127i);
    let v222: i32 = (v220 << 23u);
    let v223: f32 = bitcast<f32>(v222);
    let v224: f32 = (v216 * v223);
    let v225: i32 = (v191 - v218);
    let v227: i32 = (v225 + 127i);
    let v229: i32 = (v227 << 23u);
    let v230: f32 = bitcast<f32>(v229);
    let v231: f32 = (v224 * v230);
    let v232: bool = (t == v15);
    let v233: f32 = select(0x0.0p+0f, 0x1.0000000000000p+0f, v232);
    let v234: f32 = (v231 - v233);
    let v235: f32 = select(from_bits(0x7fc00000u), v234, v13);
    let v236: f32 = select(0x0.0p+0f, v235, v6);
    let v237: f32 = (v236 * v168);
    z_[z_off + v172] = v237;
  }
}
