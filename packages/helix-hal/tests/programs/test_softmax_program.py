from __future__ import annotations

import helix_core as hx
import numpy as np
import pytest
import scipy.special
from helix_hal.programs.softmax import softmax
from programs_device import close

OPS = [hx.softmax, hx.log_softmax]


def test_text(golden):
    golden(softmax("float32", False))


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("shape", [(3, 5), (1, 1), (2, 3, 17)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_default_body(dev, op, shape, dtype):
    x = 3 * np.random.default_rng(0).standard_normal(shape)
    close(op, [x], dev, dtype)


@pytest.mark.parametrize("op", OPS)
def test_scipy(dev, op):
    x = np.random.default_rng(1).standard_normal((4, 9)) * 30
    want = getattr(scipy.special, op.__name__)(x, axis=-1)
    got = op(hx.tensor(x, device=dev)).numpy()
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_kernels_serve(dev):
    x = hx.tensor(np.ones((2, 3), np.float32), device=dev)
    for op in ("softmax", "softmax.fwd", "log_softmax.fwd"):
        assert hx.which(op, dev, x).kernel != "default"
    assert hx.which("softmax", dev, hx.zeros((0, 3))).kernel == "default"
    assert hx.softmax(hx.zeros((0, 3), device=dev)).shape == (0, 3)


def test_other_axes_and_strides(dev):
    """Rows that are views: columns of a table, every second element, broadcast rows."""
    x = np.random.default_rng(2).standard_normal((4, 6)).astype(np.float32)
    t = hx.tensor(x, device=dev)
    want = scipy.special.softmax(x, axis=0)
    np.testing.assert_allclose(hx.softmax(t, 0).numpy(), want, rtol=1e-5)
    want = scipy.special.softmax(x[1::2, ::2], axis=1)
    np.testing.assert_allclose(hx.softmax(t[1::2, ::2]).numpy(), want, rtol=1e-5)
    wide = hx.broadcast_to(t[:1], (3, 6))
    want = scipy.special.softmax(np.repeat(x[:1], 3, 0), axis=1)
    np.testing.assert_allclose(hx.softmax(wide).numpy(), want, rtol=1e-5)


def test_infinities_are_numpys(dev):
    """A row of -inf has no softmax; one -inf has probability 0."""
    x = np.array([[-np.inf, -np.inf], [0.0, -np.inf], [np.nan, 1.0]], np.float32)
    got = hx.softmax(hx.tensor(x, device=dev)).numpy()
    with np.errstate(invalid="ignore"):
        want = scipy.special.softmax(x, axis=1)
    np.testing.assert_array_equal(got, want)
