@group(0) @binding(0) var<uniform> given: array<vec4<i32>, 2>;
@group(0) @binding(1) var<storage, read_write> x_: array<f32>;
@group(0) @binding(2) var<storage, read_write> y_: array<f32>;
@group(0) @binding(3) var<storage, read_write> part_: array<f32>;
var<workgroup> g45: array<f32, 8>;
var<workgroup> q45: array<f32, 4>;
@compute @workgroup_size(4)
fn main(@builtin(workgroup_id) at: vec3<u32>, @builtin(num_workgroups) many: vec3<u32>, @builtin(local_invocation_index) item: u32) {
  let x_off: i32 = given[0].x;
  let y_off: i32 = given[0].y;
  let part_off: i32 = given[0].z;
  let o_: i32 = given[0].w;
  let rows_: i32 = given[1].x;
  let n_: i32 = given[1].y;
  let parts_: i32 = given[1].z;
  let lid: i32 = i32(item);
  let per: i32 = (rows_ + 3i) / 4i;
  let turn: i32 = i32(at.x + many.x * (at.y + many.y * at.z));
  if (turn >= o_ * per) { return; }
  var row: i32 = turn / per;
  let place: i32 = (turn - row * per) * 4i + lid;
  let inside: bool = place < rows_;
  let a1: i32 = min(place, rows_ - 1i);
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
      var v30: array<f32, 2>;
      { const l = 0i;
        let v28: f32 = (s1[l] * 0x1.0000000000000p-2f);
        let v29: f32 = kept_[(t - t0) * 2 + l];
        v30[l] = (v28 + v29);
        s1[l] = v30[l];
        v31 = (v31 + v30[l]);
      }
      { const l = 1i;
        let v28: f32 = (s1[l] * 0x1.0000000000000p-2f);
        let v29: f32 = kept_[(t - t0) * 2 + l];
        v30[l] = (v28 + v29);
        s1[l] = v30[l];
        v31 = (v31 + v30[l]);
      }
      if (inside) {
        y_[y_off + v36] = v31;
      }
      let v38: i32 = (v34 * parts_);
      let v40: i32 = (a1 / 4i);
      let v41: i32 = (v38 + v40);
      let v43: i32 = (v41 * 2i);
      let v46: i32 = (a1 % 4i);
      let v48: bool = (v46 == 0i);
      var v45: array<f32, 2>;
      { const l = 0i;
        g45[l * 4 + lid] = select(0x0.0p+0f, v30[l], inside);
      }
      { const l = 1i;
        g45[l * 4 + lid] = select(0x0.0p+0f, v30[l], inside);
      }
      workgroupBarrier();
      storageBarrier();
      for (var r: i32 = lid; r < 4; r += 4) {
        var total: f32 = 0x0.0p+0f;
        for (var m: i32 = 0; m < 2; m += 1) {
          total = (total + g45[(r % 2) * 4 + (r / 2) * 2 + m]);
        }
        q45[r] = total;
      }
      workgroupBarrier();
      storageBarrier();
      { const l = 0i;
        v45[l] = (q45[l + 0] + q45[l + 2]);
      }
      { const l = 1i;
        v45[l] = (q45[l + 0] + q45[l + 2]);
      }
      if (v48) {
        { const l = 0i;
          if (inside) {
            part_[part_off + (v43 + l)] = v45[l];
          }
        }
        { const l = 1i;
          if (inside) {
            part_[part_off + (v43 + l)] = v45[l];
          }
        }
      }
    }
  }
}
