@group(0) @binding(0) var<uniform> given: array<vec4<i32>, 2>;
@group(0) @binding(1) var<storage, read_write> x0_: array<f32>;
@group(0) @binding(2) var<storage, read_write> y_: array<i32>;
var<workgroup> h0: array<f32, 64>;
var<workgroup> h1: array<i32, 64>;
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn from_bits(b: u32) -> f32 { return bitcast<f32>(b); }
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) at: vec3<u32>, @builtin(num_workgroups) many: vec3<u32>, @builtin(local_invocation_index) item: u32) {
  let x0_off: i32 = given[0].x;
  let y_off: i32 = given[0].y;
  let n0_: i32 = given[0].z;
  let steps_: i32 = given[0].w;
  let m0_: i32 = given[1].x;
  let x0_0_: i32 = given[1].y;
  let lid: i32 = i32(item);
  let turn: i32 = i32(at.x + many.x * (at.y + many.y * at.z));
  if (turn >= n0_) { return; }
  let a0: i32 = turn;
  var s0: f32;
  var s1: i32;
  let v5: i32 = (a0 * x0_0_);
  s0 = from_bits(0xff800000u);
  s1 = 2147483647i;
  for (var t: i32 = 0 + lid; t < steps_; t += 64) {
    let v9: i32 = (v5 + t);
    let v10: f32 = x0_[x0_off + v9];
    let v11: i32 = t;
    let v16: bool = (s0 < v10);
    let v17: bool = (v10 == s0);
    let v18: bool = (!is_nan(v10));
    let v19: bool = (!v18);
    let v20: bool = (!is_nan(s0));
    let v21: bool = (!v20);
    let v22: bool = (!v21);
    let v23: bool = (v19 & v22);
    let v24: bool = (v16 | v23);
    let v25: bool = (v19 & v21);
    let v26: bool = (v17 | v25);
    let v27: bool = (!v19);
    let v28: bool = (v21 & v27);
    let v29: bool = (!v28);
    let v30: bool = (v24 & v29);
    let v31: bool = (v11 < s1);
    let v32: bool = (v26 & v31);
    let v33: bool = (v30 | v32);
    let v34: f32 = select(s0, v10, v33);
    let v35: i32 = select(s1, v11, v33);
    s0 = v34;
    s1 = v35;
  }
  h0[lid] = s0;
  h1[lid] = s1;
  workgroupBarrier();
  storageBarrier();
  if (lid < 32) {
    let v16: bool = (h0[lid] < h0[lid + 32]);
    let v17: bool = (h0[lid + 32] == h0[lid]);
    let v18: bool = (!is_nan(h0[lid + 32]));
    let v19: bool = (!v18);
    let v20: bool = (!is_nan(h0[lid]));
    let v21: bool = (!v20);
    let v22: bool = (!v21);
    let v23: bool = (v19 & v22);
    let v24: bool = (v16 | v23);
    let v25: bool = (v19 & v21);
    let v26: bool = (v17 | v25);
    let v27: bool = (!v19);
    let v28: bool = (v21 & v27);
    let v29: bool = (!v28);
    let v30: bool = (v24 & v29);
    let v31: bool = (h1[lid + 32] < h1[lid]);
    let v32: bool = (v26 & v31);
    let v33: bool = (v30 | v32);
    let v34: f32 = select(h0[lid], h0[lid + 32], v33);
    let v35: i32 = select(h1[lid], h1[lid + 32], v33);
    h0[lid] = v34;
    h1[lid] = v35;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 16) {
    let v16: bool = (h0[lid] < h0[lid + 16]);
    let v17: bool = (h0[lid + 16] == h0[lid]);
    let v18: bool = (!is_nan(h0[lid + 16]));
    let v19: bool = (!v18);
    let v20: bool = (!is_nan(h0[lid]));
    let v21: bool = (!v20);
    let v22: bool = (!v21);
    let v23: bool = (v19 & v22);
    let v24: bool = (v16 | v23);
    let v25: bool = (v19 & v21);
    let v26: bool = (v17 | v25);
    let v27: bool = (!v19);
    let v28: bool = (v21 & v27);
    let v29: bool = (!v28);
    let v30: bool = (v24 & v29);
    let v31: bool = (h1[lid + 16] < h1[lid]);
    let v32: bool = (v26 & v31);
    let v33: bool = (v30 | v32);
    let v34: f32 = select(h0[lid], h0[lid + 16], v33);
    let v35: i32 = select(h1[lid], h1[lid + 16], v33);
    h0[lid] = v34;
    h1[lid] = v35;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 8) {
    let v16: bool = (h0[lid] < h0[lid + 8]);
    let v17: bool = (h0[lid + 8] == h0[lid]);
    let v18: bool = (!is_nan(h0[lid + 8]));
    let v19: bool = (!v18);
    let v20: bool = (!is_nan(h0[lid]));
    let v21: bool = (!v20);
    let v22: bool = (!v21);
    let v23: bool = (v19 & v22);
    let v24: bool = (v16 | v23);
    let v25: bool = (v19 & v21);
    let v26: bool = (v17 | v25);
    let v27: bool = (!v19);
    let v28: bool = (v21 & v27);
    let v29: bool = (!v28);
    let v30: bool = (v24 & v29);
    let v31: bool = (h1[lid + 8] < h1[lid]);
    let v32: bool = (v26 & v31);
    let v33: bool = (v30 | v32);
    let v34: f32 = select(h0[lid], h0[lid + 8], v33);
    let v35: i32 = select(h1[lid], h1[lid + 8], v33);
    h0[lid] = v34;
    h1[lid] = v35;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 4) {
    let v16: bool = (h0[lid] < h0[lid + 4]);
    let v17: bool = (h0[lid + 4] == h0[lid]);
    let v18: bool = (!is_nan(h0[lid + 4]));
    let v19: bool = (!v18);
    let v20: bool = (!is_nan(h0[lid]));
    let v21: bool = (!v20);
    let v22: bool = (!v21);
    let v23: bool = (v19 & v22);
    let v24: bool = (v16 | v23);
    let v25: bool = (v19 & v21);
    let v26: bool = (v17 | v25);
    let v27: bool = (!v19);
    let v28: bool = (v21 & v27);
    let v29: bool = (!v28);
    let v30: bool = (v24 & v29);
    let v31: bool = (h1[lid + 4] < h1[lid]);
    let v32: bool = (v26 & v31);
    let v33: bool = (v30 | v32);
    let v34: f32 = select(h0[lid], h0[lid + 4], v33);
    let v35: i32 = select(h1[lid], h1[lid + 4], v33);
    h0[lid] = v34;
    h1[lid] = v35;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 2) {
    let v16: bool = (h0[lid] < h0[lid + 2]);
    let v17: bool = (h0[lid + 2] == h0[lid]);
    let v18: bool = (!is_nan(h0[lid + 2]));
    let v19: bool = (!v18);
    let v20: bool = (!is_nan(h0[lid]));
    let v21: bool = (!v20);
    let v22: bool = (!v21);
    let v23: bool = (v19 & v22);
    let v24: bool = (v16 | v23);
    let v25: bool = (v19 & v21);
    let v26: bool = (v17 | v25);
    let v27: bool = (!v19);
    let v28: bool = (v21 & v27);
    let v29: bool = (!v28);
    let v30: bool = (v24 & v29);
    let v31: bool = (h1[lid + 2] < h1[lid]);
    let v32: bool = (v26 & v31);
    let v33: bool = (v30 | v32);
    let v34: f32 = select(h0[lid], h0[lid + 2], v33);
    let v35: i32 = select(h1[lid], h1[lid + 2], v33);
    h0[lid] = v34;
    h1[lid] = v35;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 1) {
    let v16: bool = (h0[lid] < h0[lid + 1]);
    let v17: bool = (h0[lid + 1] == h0[lid]);
    let v18: bool = (!is_nan(h0[lid + 1]));
    let v19: bool = (!v18);
    let v20: bool = (!is_nan(h0[lid]));
    let v21: bool = (!v20);
    let v22: bool = (!v21);
    let v23: bool = (v19 & v22);
    let v24: bool = (v16 | v23);
    let v25: bool = (v19 & v21);
    let v26: bool = (v17 | v25);
    let v27: bool = (!v19);
    let v28: bool = (v21 & v27);
    let v29: bool = (!v28);
    let v30: bool = (v24 & v29);
    let v31: bool = (h1[lid + 1] < h1[lid]);
    let v32: bool = (v26 & v31);
    let v33: bool = (v30 | v32);
    let v34: f32 = select(h0[lid], h0[lid + 1], v33);
    let v35: i32 = select(h1[lid], h1[lid + 1], v33);
    h0[lid] = v34;
    h1[lid] = v35;
  }
  workgroupBarrier();
  storageBarrier();
  s0 = h0[0];
  s1 = h1[0];
  workgroupBarrier();
  storageBarrier();
  if (lid == 0) {
    y_[y_off + a0] = s1;
  }
}
