@group(0) @binding(0) var<uniform> given: array<vec4<i32>, 2>;
@group(0) @binding(1) var<storage, read_write> x_: array<u32>;
@group(0) @binding(2) var<storage, read_write> y_: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read_write> z_: array<f32>;
fn from_brain(h: u32) -> f32 { return bitcast<f32>(h << 16u); }
fn to_brain(x: f32) -> u32 {
  let b = bitcast<u32>(x);
  let rounded = (b + 0x7fffu + ((b >> 16u) & 1u)) >> 16u;
  return select(rounded, (b >> 16u) | 0x40u, (b & 0x7fffffffu) > 0x7f800000u);
}
fn load_x_(k: i32) -> u32 { return (x_[u32(k) / 2u] >> ((u32(k) % 2u) * 16u)) & 0xffffu; }
fn load_y_(k: i32) -> u32 { return (atomicLoad(&y_[u32(k) / 2u]) >> ((u32(k) % 2u) * 16u)) & 0xffffu; }
fn store_y_(k: i32, x: u32) {
  let at = u32(k) / 2u;
  let shift = (u32(k) % 2u) * 16u;
  atomicAnd(&y_[at], ~(0xffffu << shift));
  atomicOr(&y_[at], (x & 0xffffu) << shift);
}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) at: vec3<u32>, @builtin(num_workgroups) many: vec3<u32>, @builtin(local_invocation_index) item: u32) {
  let x_off: i32 = given[0].x;
  let y_off: i32 = given[0].y;
  let z_off: i32 = given[0].z;
  let n_: i32 = given[0].w;
  let point: i32 = i32((at.x + many.x * (at.y + many.y * at.z)) * 64u + item);
  if (point >= n_) { return; }
  let a0: i32 = point;
  let v2: u32 = load_x_(x_off + a0);
  let v3: f32 = from_brain(v2);
  let v4: f32 = from_brain(v2);
  let v5: f32 = (v3 * v4);
  let v6: u32 = to_brain(v5);
  let v8: u32 = to_brain(0x1.0000000000000p-1f);
  let v9: f32 = from_brain(v6);
  let v10: f32 = from_brain(v8);
  let v11: f32 = (v9 + v10);
  let v12: u32 = to_brain(v11);
  store_y_(y_off + a0, v12);
  let v14: f32 = from_brain(v2);
  let v16: f32 = (v14 * 0x1.8000000000000p+1f);
  z_[z_off + a0] = v16;
}
