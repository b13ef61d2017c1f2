@group(0) @binding(0) var<uniform> given: array<vec4<i32>, 3>;
@group(0) @binding(1) var<storage, read_write> x_: array<f32>;
@group(0) @binding(2) var<storage, read_write> w_: array<f32>;
@group(0) @binding(3) var<storage, read_write> mean_: array<f32>;
@group(0) @binding(4) var<storage, read_write> rstd_: array<f32>;
@group(0) @binding(5) var<storage, read_write> dy_: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx_: array<f32>;
var<workgroup> h0: array<f32, 64>;
var<workgroup> h1: array<f32, 64>;
fn kept(x: f32) -> f32 { return bitcast<f32>(bitcast<i32>(x) ^ given[2].z); }
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) at: vec3<u32>, @builtin(num_workgroups) many: vec3<u32>, @builtin(local_invocation_index) item: u32) {
  let x_off: i32 = given[0].x;
  let w_off: i32 = given[0].y;
  let mean_off: i32 = given[0].z;
  let rstd_off: i32 = given[0].w;
  let dy_off: i32 = given[1].x;
  let dx_off: i32 = given[1].y;
  let rows_: i32 = given[1].z;
  let n_: i32 = given[1].w;
  let x_row_: i32 = given[2].x;
  let dy_row_: i32 = given[2].y;
  let lid: i32 = i32(item);
  let turn: i32 = i32(at.x + many.x * (at.y + many.y * at.z));
  if (turn >= rows_) { return; }
  let a0: i32 = turn;
  var s0: f32;
  var s1: f32;
  let v5: f32 = rstd_[rstd_off + a0];
  let v6: f32 = mean_[mean_off + a0];
  s0 = 0x0.0p+0f;
  for (var t: i32 = 0 + lid; t < n_; t += 64) {
    let v9: i32 = (a0 * x_row_);
    let v10: i32 = (v9 + t);
    let v11: f32 = x_[x_off + v10];
    let v12: f32 = (v11 - v6);
    let v13: f32 = (v12 * v5);
    let v14: i32 = (a0 * dy_row_);
    let v15: i32 = (v14 + t);
    let v16: f32 = dy_[dy_off + v15];
    let v17: f32 = w_[w_off + t];
    let v18: f32 = (v16 * v17);
    let v21: f32 = (s0 + v18);
    s0 = v21;
  }
  h0[lid] = s0;
  workgroupBarrier();
  storageBarrier();
  if (lid < 32) {
    let v21: f32 = (h0[lid] + h0[lid + 32]);
    h0[lid] = v21;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 16) {
    let v21: f32 = (h0[lid] + h0[lid + 16]);
    h0[lid] = v21;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 8) {
    let v21: f32 = (h0[lid] + h0[lid + 8]);
    h0[lid] = v21;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 4) {
    let v21: f32 = (h0[lid] + h0[lid + 4]);
    h0[lid] = v21;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 2) {
    let v21: f32 = (h0[lid] + h0[lid + 2]);
    h0[lid] = v21;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 1) {
    let v21: f32 = (h0[lid] + h0[lid + 1]);
    h0[lid] = v21;
  }
  workgroupBarrier();
  storageBarrier();
  s0 = h0[0];
  workgroupBarrier();
  storageBarrier();
  let v23: f32 = f32(n_);
  let v24: f32 = (s0 / v23);
  s1 = 0x0.0p+0f;
  for (var t: i32 = 0 + lid; t < n_; t += 64) {
    let v26: i32 = (a0 * x_row_);
    let v27: i32 = (v26 + t);
    let v28: f32 = x_[x_off + v27];
    let v29: f32 = (v28 - v6);
    let v30: f32 = (v29 * v5);
    let v31: i32 = (a0 * dy_row_);
    let v32: i32 = (v31 + t);
    let v33: f32 = dy_[dy_off + v32];
    let v34: f32 = w_[w_off + t];
    let v35: f32 = (v33 * v34);
    let v36: f32 = (v35 * v30);
    let v39: f32 = (s1 + v36);
    s1 = v39;
  }
  h1[lid] = s1;
  workgroupBarrier();
  storageBarrier();
  if (lid < 32) {
    let v39: f32 = (h1[lid] + h1[lid + 32]);
    h1[lid] = v39;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 16) {
    let v39: f32 = (h1[lid] + h1[lid + 16]);
    h1[lid] = v39;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 8) {
    let v39: f32 = (h1[lid] + h1[lid + 8]);
    h1[lid] = v39;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 4) {
    let v39: f32 = (h1[lid] + h1[lid + 4]);
    h1[lid] = v39;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 2) {
    let v39: f32 = (h1[lid] + h1[lid + 2]);
    h1[lid] = v39;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 1) {
    let v39: f32 = (h1[lid] + h1[lid + 1]);
    h1[lid] = v39;
  }
  workgroupBarrier();
  storageBarrier();
  s1 = h1[0];
  workgroupBarrier();
  storageBarrier();
  let v41: f32 = (s1 / v23);
  for (var t: i32 = 0 + lid; t < n_; t += 64) {
    let v43: i32 = (a0 * x_row_);
    let v44: i32 = (v43 + t);
    let v45: f32 = x_[x_off + v44];
    let v46: f32 = (v45 - v6);
    let v47: f32 = (v46 * v5);
    let v48: i32 = (a0 * dy_row_);
    let v49: i32 = (v48 + t);
    let v50: f32 = dy_[dy_off + v49];
    let v51: f32 = w_[w_off + t];
    let v52: f32 = (v50 * v51);
    let v53: f32 = (v52 - v24);
    let v54: f32 = (v47 * v41);
    let v55: f32 = (kept(v53) - v54);
    let v56: f32 = (v5 * v55);
    let v57: i32 = (a0 * n_);
    let v58: i32 = (v57 + t);
    dx_[dx_off + v58] = v56;
  }
}
