@group(0) @binding(0) var<uniform> given: array<vec4<i32>, 4>;
@group(0) @binding(1) var<storage, read_write> a_: array<f32>;
@group(0) @binding(2) var<storage, read_write> x_: array<f32>;
@group(0) @binding(3) var<storage, read_write> h0_: array<f32>;
@group(0) @binding(4) var<storage, read_write> y_: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) at: vec3<u32>, @builtin(num_workgroups) many: vec3<u32>, @builtin(local_invocation_index) item: u32) {
  let a_off: i32 = given[0].x;
  let x_off: i32 = given[0].y;
  let h0_off: i32 = given[0].z;
  let y_off: i32 = given[0].w;
  let outer_: i32 = given[1].x;
  let n_: i32 = given[1].y;
  let inner_: i32 = given[1].z;
  let a_o_: i32 = given[1].w;
  let a_a_: i32 = given[2].x;
  let a_i_: i32 = given[2].y;
  let x_o_: i32 = given[2].z;
  let x_a_: i32 = given[2].w;
  let x_i_: i32 = given[3].x;
  let point: i32 = i32((at.x + many.x * (at.y + many.y * at.z)) * 64u + item);
  if (point >= outer_ * inner_) { return; }
  var row: i32 = point / inner_;
  let a1: i32 = point - row * inner_;
  let a0: i32 = row;
  var s0: f32;
  let v11: i32 = (a0 * inner_);
  let v12: i32 = (v11 + a1);
  let v13: f32 = h0_[h0_off + v12];
  s0 = v13;
  for (var t: i32 = n_ - 1; t >= 0; t -= 1) {
    let v15: i32 = (a0 * a_o_);
    let v16: i32 = (t * a_a_);
    let v17: i32 = (v15 + v16);
    let v18: i32 = (a1 * a_i_);
    let v19: i32 = (v17 + v18);
    let v20: f32 = a_[a_off + v19];
    let v21: i32 = (a0 * x_o_);
    let v22: i32 = (t * x_a_);
    let v23: i32 = (v21 + v22);
    let v24: i32 = (a1 * x_i_);
    let v25: i32 = (v23 + v24);
    let v26: f32 = x_[x_off + v25];
    let v28: f32 = (v20 * s0);
    let v29: f32 = (v28 + v26);
    let v30: i32 = (a0 * n_);
    let v31: i32 = (v30 + t);
    let v32: i32 = (v31 * inner_);
    let v33: i32 = (v32 + a1);
    y_[y_off + v33] = v29;
    s0 = v29;
  }
}
