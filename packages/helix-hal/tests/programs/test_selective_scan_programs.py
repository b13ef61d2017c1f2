from __future__ import annotations

import helix_core as hx
import numpy as np
import pytest
from helix_core._composites.selective_scan import OPTIONAL
from helix_hal.programs.selective_scan import Form, scan, scan_backward
from programs_device import close

ALL = Form("float32", 2, True, True, True, True, False, 1, True)


def test_text(golden):
    golden(scan(ALL))
    golden(scan_backward(ALL))
    golden(scan(ALL._replace(lanes=16)), "_of_lanes")


def _arrays(b, t, d, n, names):
    rng = np.random.default_rng(0)
    r = rng.standard_normal
    shapes = {"D": (d,), "z": (b, t, d), "dt_bias": (d,), "h0": (b, d, n)}
    first = [r((b, t, d)), r((b, t, d)), -np.exp(r((d, n))), r((b, t, n)), r((b, t, n))]
    return [*first, *[r(shapes[k]) for k in OPTIONAL if k in names]]


def _scan(names, softplus=True):
    def run(*args):
        given = dict(zip([k for k in OPTIONAL if k in names], args[5:], strict=True))
        return hx.selective_scan(
            *args[:5], **given, softplus=softplus, return_state=True
        )

    return run


@pytest.mark.parametrize("b, t, d, n", [(2, 5, 3, 4), (1, 1, 1, 1), (1, 70, 2, 3)])
@pytest.mark.parametrize("names", [(), OPTIONAL, ("D", "z"), ("dt_bias", "h0")])
def test_default_body(either, b, t, d, n, names):
    close(_scan(names), _arrays(b, t, d, n, names), either, "float64")


def test_step_sizes_as_they_are(either):
    arrays = _arrays(2, 6, 3, 2, ("dt_bias",))
    arrays[1] = np.abs(arrays[1])
    close(_scan(("dt_bias",), softplus=False), arrays, either, "float64")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_dtypes_and_several_groups(either, dtype):
    """More channels than a group has, the last group a part of one."""
    close(_scan(OPTIONAL), _arrays(2, 34, 130, 2, OPTIONAL), either, dtype)


def test_tiny_step_sizes_keep_their_digits(either):
    """softplus(-15) is 3e-7: log(1 + it) would have two digits left in float32."""
    u, dt, A, B, C = (
        np.ones(s) for s in ((1, 2, 1), (1, 2, 1), (1, 1), (1, 2, 1), (1, 2, 1))
    )
    args = [
        hx.tensor(x, device=either, dtype="float32") for x in (u, dt * -15, -A, B, C)
    ]
    got = hx.selective_scan(*args).numpy()[0, 0, 0]
    np.testing.assert_allclose(got, np.log1p(np.exp(-15.0)), rtol=1e-6)


def test_recurrence_of_the_paper(either):
    """arXiv:2312.00752, equations 2 and 4, one step after the other."""
    u, dt, A, B, C = _arrays(1, 8, 2, 3, ())
    dt = np.abs(dt)
    h, want = np.zeros((2, 3)), []
    for k in range(8):
        h = np.exp(dt[0, k][:, None] * A) * h
        h += (dt[0, k] * u[0, k])[:, None] * B[0, k]
        want.append(h @ C[0, k])
    args = [hx.tensor(x, device=either) for x in (u, dt, A, B, C)]
    got = hx.selective_scan(*args, softplus=False).numpy()[0]
    np.testing.assert_allclose(got, want, rtol=1e-10)


def test_views_are_read_in_place(either):
    """u is half of a projection; B and C are slices of one."""
    u, dt, A, B, C = _arrays(2, 5, 3, 4, ())
    wide = hx.tensor(np.concatenate([u, u], 2), device=either)
    both = hx.tensor(np.concatenate([B, C], 2), device=either)
    dt_, A_ = (hx.tensor(x, device=either) for x in (dt, A))
    got = hx.selective_scan(wide[..., 3:], dt_, A_, both[..., :4], both[..., 4:])
    want = hx.selective_scan(*[hx.tensor(x) for x in (u, dt, A, B, C)])
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-10)


def test_many_states_are_refused(either):
    x, A, B = hx.zeros((1, 2, 3)), hx.zeros((3, 65)), hx.zeros((1, 2, 65))
    flags = dict.fromkeys((*OPTIONAL, "softplus"), False)
    choice = hx.which("selective_scan", either, x, x, A, B, B, **flags)
    assert choice.kernel == "default" and "at most 64 states" in choice.why
