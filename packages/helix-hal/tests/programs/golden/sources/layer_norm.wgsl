@group(0) @binding(0) var<uniform> given: array<vec4<i32>, 3>;
@group(0) @binding(1) var<storage, read_write> x_: array<f32>;
@group(0) @binding(2) var<storage, read_write> w_: array<f32>;
@group(0) @binding(3) var<storage, read_write> b_: array<f32>;
@group(0) @binding(4) var<storage, read_write> y_: array<f32>;
@group(0) @binding(5) var<storage, read_write> mean_: array<f32>;
@group(0) @binding(6) var<storage, read_write> rstd_: array<f32>;
var<workgroup> h0: array<f32, 64>;
var<workgroup> h1: array<f32, 64>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) at: vec3<u32>, @builtin(num_workgroups) many: vec3<u32>, @builtin(local_invocation_index) item: u32) {
  let x_off: i32 = given[0].x;
  let w_off: i32 = given[0].y;
  let b_off: i32 = given[0].z;
  let y_off: i32 = given[0].w;
  let mean_off: i32 = given[1].x;
  let rstd_off: i32 = given[1].y;
  let rows_: i32 = given[1].z;
  let n_: i32 = given[1].w;
  let x_row_: i32 = given[2].x;
  let lid: i32 = i32(item);
  let turn: i32 = i32(at.x + many.x * (at.y + many.y * at.z));
  if (turn >= rows_) { return; }
  let a0: i32 = turn;
  var s0: f32;
  var s1: f32;
  s0 = 0x0.0p+0f;
  for (var t: i32 = 0 + lid; t < n_; t += 64) {
    let v6: i32 = (a0 * x_row_);
    let v7: i32 = (v6 + t);
    let v8: f32 = x_[x_off + v7];
    let v11: f32 = (s0 + v8);
    s0 = v11;
  }
  h0[lid] = s0;
  workgroupBarrier();
  storageBarrier();
  if (lid < 32) {
    let v11: f32 = (h0[lid] + h0[lid + 32]);
    h0[lid] = v11;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 16) {
    let v11: f32 = (h0[lid] + h0[lid + 16]);
    h0[lid] = v11;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 8) {
    let v11: f32 = (h0[lid] + h0[lid + 8]);
    h0[lid] = v11;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 4) {
    let v11: f32 = (h0[lid] + h0[lid + 4]);
    h0[lid] = v11;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 2) {
    let v11: f32 = (h0[lid] + h0[lid + 2]);
    h0[lid] = v11;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 1) {
    let v11: f32 = (h0[lid] + h0[lid + 1]);
    h0[lid] = v11;
  }
  workgroupBarrier();
  storageBarrier();
  s0 = h0[0];
  workgroupBarrier();
  storageBarrier();
  let v13: f32 = f32(n_);
  let v14: f32 = (s0 / v13);
  if (lid == 0) {
    mean_[mean_off + a0] = v14;
  }
  s1 = 0x0.0p+0f;
  for (var t: i32 = 0 + lid; t < n_; t += 64) {
    let v17: i32 = (a0 * x_row_);
    let v18: i32 = (v17 + t);
    let v19: f32 = x_[x_off + v18];
    let v20: f32 = (v19 - v14);
    let v21: f32 = (v20 * v20);
    let v24: f32 = (s1 + v21);
    s1 = v24;
  }
  h1[lid] = s1;
  workgroupBarrier();
  storageBarrier();
  if (lid < 32) {
    let v24: f32 = (h1[lid] + h1[lid + 32]);
    h1[lid] = v24;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 16) {
    let v24: f32 = (h1[lid] + h1[lid + 16]);
    h1[lid] = v24;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 8) {
    let v24: f32 = (h1[lid] + h1[lid + 8]);
    h1[lid] = v24;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 4) {
    let v24: f32 = (h1[lid] + h1[lid + 4]);
    h1[lid] = v24;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 2) {
    let v24: f32 = (h1[lid] + h1[lid + 2]);
    h1[lid] = v24;
  }
  workgroupBarrier();
  storageBarrier();
  if (lid < 1) {
    let v24: f32 = (h1[lid] + h1[lid + 1]);
    h1[lid] = v24;
  }
  workgroupBarrier();
  storageBarrier();
  s1 = h1[0];
  workgroupBarrier();
  storageBarrier();
  let v26: f32 = (s1 / v13);
  let v28: f32 = (v26 + 0x1.4f8b580000000p-17f);
  let v29: f32 = sqrt(v28);
  let v31: f32 = (0x1.0000000000000p+0f / v29);
  if (lid == 0) {
    rstd_[rstd_off + a0] = v31;
  }
  for (var t: i32 = 0 + lid; t < n_; t += 64) {
    let v34: i32 = (a0 * x_row_);
    let v35: i32 = (v34 + t);
    let v36: f32 = x_[x_off + v35];
    let v37: f32 = (v36 - v14);
    let v38: f32 = (v37 * v31);
    let v39: f32 = w_[w_off + t];
    let v40: f32 = (v38 * v39);
    let v41: f32 = b_[b_off + t];
    let v42: f32 = (v40 + v41);
    let v43: i32 = (a0 * n_);
    let v44: i32 = (v43 + t);
    y_[y_off + v44] = v42;
  }
}
