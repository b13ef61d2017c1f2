from __future__ import annotations

import helix_core as hx
import numpy as np
import pytest
from helix_hal.programs.causal_conv1d import conv, conv_backward
from programs_device import close


def test_text(golden):
    golden(conv("float32", 4, True, False, True))
    golden(conv_backward("float32", 4))


def _arrays(shape, k, bias, state):
    rng = np.random.default_rng(0)
    n, _, c = shape
    shapes = [shape, (c, k), *[(c,)] * bias, *[(n, k - 1, c)] * state]
    return [rng.standard_normal(s) for s in shapes]


def _conv(bias, state, activation):
    def run(x, w, *rest):
        return hx.causal_conv1d(
            x,
            w,
            rest[0] if bias else None,
            activation,
            rest[-1] if state else None,
            return_state=True,
        )

    return run


@pytest.mark.parametrize("shape, k", [((2, 6, 3), 4), ((1, 2, 5), 4), ((2, 1, 1), 1)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("state", [True, False])
@pytest.mark.parametrize("activation", [None, "silu"])
def test_default_body(dev, shape, k, bias, state, activation):
    fn = _conv(bias, state, activation)
    close(fn, _arrays(shape, k, bias, state), dev, "float64")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_many_parts(dev, dtype):
    close(_conv(True, True, "silu"), _arrays((3, 90, 4), 4, True, True), dev, dtype)


def test_numpy(dev):
    """Each channel is NumPy's full convolution, cut to the length of x."""
    x, w = _arrays((1, 9, 2), 3, False, False)
    got = hx.causal_conv1d(hx.tensor(x, device=dev), hx.tensor(w, device=dev)).numpy()
    for c in range(2):
        want = np.convolve(x[0, :, c], w[c, ::-1])[:9]
        np.testing.assert_allclose(got[0, :, c], want, rtol=1e-12)


def test_half_of_a_projection(dev):
    """A slice of channels is read in place."""
    x, w = _arrays((2, 5, 6), 3, False, False)
    t = hx.tensor(x, device=dev)[:, :, 3:]
    got = hx.causal_conv1d(t, hx.tensor(w[3:], device=dev)).numpy()
    want = hx.causal_conv1d(hx.tensor(x[:, :, 3:].copy()), hx.tensor(w[3:].copy()))
    np.testing.assert_allclose(got, want.numpy(), rtol=1e-12)


def test_long_filters_are_refused(dev):
    x, w = hx.zeros((1, 4, 2)), hx.zeros((2, 17))
    flags = {"bias": False, "state": False, "silu": False}
    choice = hx.which("causal_conv1d", dev, x, w, **flags)
    assert choice.kernel == "default" and "at most 16 taps" in choice.why
