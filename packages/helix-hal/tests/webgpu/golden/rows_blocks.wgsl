@group(0) @binding(0) var<uniform> given: array<vec4<i32>, 2>;
@group(0) @binding(1) var<storage, read_write> x_: array<f32>;
@group(0) @binding(2) var<storage, read_write> y_: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) at: vec3<u32>, @builtin(num_workgroups) many: vec3<u32>, @builtin(local_invocation_index) item: u32) {
  let x_off: i32 = given[0].x;
  let y_off: i32 = given[0].y;
  let o_: i32 = given[0].z;
  let rows_: i32 = given[0].w;
  let n_: i32 = given[1].x;
  let parts_: i32 = given[1].y;
  let lid: i32 = i32(item);
  let a1: i32 = i32(at.x * 64u) + lid;
  var row: i32 = i32(at.y + many.y * at.z);
  if (a1 >= rows_ || row >= o_) { return; }
  let a0: i32 = row;
  var s0: array<f32, 2>;
  var s1: array<f32, 2>;
  var kept_: array<f32, 6>;
  { const l = 0i;
    s1[l] = 0x0.0p+0f;
  }
  { const l = 1i;
    s1[l] = 0x0.0p+0f;
  }
  for (var k: i32 = ((n_ + 2i) / 3i) - 1; k >= 0; k -= 1) {
    let t0: i32 = k * 3i;
    let t1: i32 = min(t0 + 3i, n_);
    let v8: f32 = f32(k);
    let v10: f32 = (v8 + 0x1.0000000000000p-1f);
    { const l = 0i;
      s0[l] = v10;
    }
    { const l = 1i;
      s0[l] = v10;
    }
    for (var t: i32 = t0; t < t1; t += 1) {
      let v11: i32 = (a0 * n_);
      let v13: i32 = (v11 + t);
      let v14: i32 = (v13 * rows_);
      let v15: i32 = (v14 + a1);
      let v16: f32 = x_[x_off + v15];
      { const l = 0i;
        let v17: f32 = f32(l);
        let v19: f32 = (v17 + 0x1.0000000000000p+0f);
        let v20: f32 = (v16 * v19);
        let v22: f32 = (s0[l] * 0x1.0000000000000p-1f);
        s0[l] = (v22 + v20);
        kept_[(t - t0) * 2 + l] = s0[l];
      }
      { const l = 1i;
        let v17: f32 = f32(l);
        let v19: f32 = (v17 + 0x1.0000000000000p+0f);
        let v20: f32 = (v16 * v19);
        let v22: f32 = (s0[l] * 0x1.0000000000000p-1f);
        s0[l] = (v22 + v20);
        kept_[(t - t0) * 2 + l] = s0[l];
      }
    }
    for (var t: i32 = t1 - 1; t >= t0; t -= 1) {
      let v32: i32 = (a0 * n_);
      let v34: i32 = (v32 + t);
      let v35: i32 = (v34 * rows_);
      let v36: i32 = (v35 + a1);
      var v31: f32 = 0x0.0p+0f;
      { const l = 0i;
        let v28: f32 = (s1[l] * 0x1.0000000000000p-2f);
        let v29: f32 = kept_[(t - t0) * 2 + l];
        s1[l] = (v28 + v29);
        v31 = (v31 + s1[l]);
      }
      { const l = 1i;
        let v28: f32 = (s1[l] * 0x1.0000000000000p-2f);
        let v29: f32 = kept_[(t - t0) * 2 + l];
        s1[l] = (v28 + v29);
        v31 = (v31 + s1[l]);
      }
      y_[y_off + v36] = v31;
    }
  }
}
