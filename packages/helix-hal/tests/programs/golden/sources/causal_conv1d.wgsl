@group(0) @binding(0) var<uniform> given: array<vec4<i32>, 3>;
@group(0) @binding(1) var<storage, read_write> x_: array<f32>;
@group(0) @binding(2) var<storage, read_write> w_: array<f32>;
@group(0) @binding(3) var<storage, read_write> b_: array<f32>;
@group(0) @binding(4) var<storage, read_write> y_: array<f32>;
fn kept(x: f32) -> f32 { return bitcast<f32>(bitcast<i32>(x) ^ given[2].y); }
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) at: vec3<u32>, @builtin(num_workgroups) many: vec3<u32>, @builtin(local_invocation_index) item: u32) {
  let x_off: i32 = given[0].x;
  let w_off: i32 = given[0].y;
  let b_off: i32 = given[0].z;
  let y_off: i32 = given[0].w;
  let batch_: i32 = given[1].x;
  let time_: i32 = given[1].y;
  let channels_: i32 = given[1].z;
  let x_b_: i32 = given[1].w;
  let x_t_: i32 = given[2].x;
  let point: i32 = i32((at.x + many.x * (at.y + many.y * at.z)) * 64u + item);
  if (point >= batch_ * time_ * channels_) { return; }
  var row: i32 = point / channels_;
  let a2: i32 = point - row * channels_;
  let a1: i32 = row % time_;
  row = row / time_;
  let a0: i32 = row;
  let v8: f32 = b_[b_off + a2];
  let v10: i32 = (a1 + (-3i));
  let v12: bool = (0i < v10);
  let v13: bool = (v10 == 0i);
  let v14: bool = (v12 | v13);
  let v15: i32 = (a0 * x_b_);
  let v16: i32 = (v10 * x_t_);
  let v17: i32 = (v15 + v16);
  let v18: i32 = (v17 + a2);
  var v20: f32 = 0x0.0p+0f;
  if (v14) {
    v20 = x_[x_off + v18];
  }
  let v22: i32 = (a2 * 4i);
  let v23: i32 = (v22 + 0i);
  let v24: f32 = w_[w_off + v23];
  let v25: f32 = (v20 * v24);
  let v26: f32 = (v8 + v25);
  let v28: i32 = (a1 + (-2i));
  let v29: bool = (0i < v28);
  let v30: bool = (v28 == 0i);
  let v31: bool = (v29 | v30);
  let v32: i32 = (v28 * x_t_);
  let v33: i32 = (v15 + v32);
  let v34: i32 = (v33 + a2);
  var v35: f32 = 0x0.0p+0f;
  if (v31) {
    v35 = x_[x_off + v34];
  }
  let v37: i32 = (v22 + 1i);
  let v38: f32 = w_[w_off + v37];
  let v39: f32 = (v35 * v38);
  let v40: f32 = (kept(v26) + v39);
  let v42: i32 = (a1 + (-1i));
  let v43: bool = (0i < v42);
  let v44: bool = (v42 == 0i);
  let v45: bool = (v43 | v44);
  let v46: i32 = (v42 * x_t_);
  let v47: i32 = (v15 + v46);
  let v48: i32 = (v47 + a2);
  var v49: f32 = 0x0.0p+0f;
  if (v45) {
    v49 = x_[x_off + v48];
  }
  let v51: i32 = (v22 + 2i);
  let v52: f32 = w_[w_off + v51];
  let v53: f32 = (v49 * v52);
  let v54: f32 = (kept(v40) + v53);
  let v55: i32 = (a1 + 0i);
  let v56: bool = (0i < v55);
  let v57: bool = (v55 == 0i);
  let v58: bool = (v56 | v57);
  let v59: i32 = (v55 * x_t_);
  let v60: i32 = (v15 + v59);
  let v61: i32 = (v60 + a2);
  var v62: f32 = 0x0.0p+0f;
  if (v58) {
    v62 = x_[x_off + v61];
  }
  let v64: i32 = (v22 + 3i);
  let v65: f32 = w_[w_off + v64];
  let v66: f32 = (v62 * v65);
  let v67: f32 = (kept(v54) + v66);
  let v68: f32 = abs(v67);
  let v70: f32 = (v68 * (-0x1.0000000000000p+0f));
  let v72: bool = (v70 < (-0x1.a000000000000p+6f));
  let v74: f32 = select(v70, (-0x1.a000000000000p+6f), v72);
  let v76: bool = (0x1.6400000000000p+6f < v74);
  let v78: f32 = select(v74, 0x1.6400000000000p+6f, v76);
  let v80: f32 = (v78 * 0x1.7154760000000p+0f);
  let v82: bool = (v80 < 0x0.0p+0f);
  let v85: f32 = select(0x1.0000000000000p-1f, (-0x1.0000000000000p-1f), v82);
  let v86: f32 = (v80 + v85);
  let v87: i32 = i32(v86);
  let v88: f32 = f32(v87);
  let v90: f32 = (v88 * 0x1.6300000000000p-1f);
  let v91: f32 = (v78 - v90);
  let v93: f32 = (v88 * (-0x1.bd01060000000p-13f));
  let v94: f32 = (kept(v91) - v93);
  let v95: f32 = (v94 * v94);
  let v97: f32 = (0x1.6db8ee0000000p-10f * v94);
  let v99: f32 = (v97 + 0x1.123ae80000000p-7f);
  let v100: f32 = (v99 * v94);
  let v102: f32 = (v100 + 0x1.5554580000000p-5f);
  let v103: f32 = (v102 * v94);
  let v105: f32 = (v103 + 0x1.5554900000000p-3f);
  let v106: f32 = (v105 * v94);
  let v108: f32 = (v106 + 0x1.0000000000000p-1f);
  let v109: f32 = (v95 * v108);
  let v110: f32 = (v109 + kept(v94));
  let v112: f32 = (kept(v110) + 0x1.0000000000000p+0f);
  let v114: i32 = (v87 >> 1u);
  let v116: i32 = (v114 + 127i);
  let v118: i32 = (v116 << 23u);
  let v119: f32 = bitcast<f32>(v118);
  let v120: f32 = (v112 * v119);
  let v121: i32 = (v87 - v114);
  let v123: i32 = (v121 + 127i);
  let v125: i32 = (v123 << 23u);
  let v126: f32 = bitcast<f32>(v125);
  let v127: f32 = (v120 * v126);
  let v128: bool = (v67 < 0x0.0p+0f);
  let v130: f32 = select(0x1.0000000000000p+0f, v127, v128);
  let v131: f32 = (0x1.0000000000000p+0f + v127);
  let v132: f32 = (v130 / v131);
  let v133: f32 = (v67 * v132);
  let v134: i32 = (a0 * time_);
  let v135: i32 = (v134 + a1);
  let v136: i32 = (v135 * channels_);
  let v137: i32 = (v136 + a2);
  y_[y_off + v137] = v133;
}
