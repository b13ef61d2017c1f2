from __future__ import annotations

import helix_core as hx
import numpy as np
import pytest
from helix_hal.programs.norms import norm, norm_backward, norm_weights
from programs_device import close

SHAPES = [(3, 5), (1, 1), (2, 3, 7), (200, 3)]
NORMS = {
    "rms_norm": lambda x, w: hx.rms_norm(x, w, eps=1e-3),
    "layer_norm": lambda x, w, b: hx.layer_norm(x, w, b, eps=1e-3),
    "rms_norm_add": lambda x, w, r: hx.rms_norm(x, w, residual=r),
    "layer_norm_add": lambda x, w, b, r: hx.layer_norm(x, w, b, residual=r),
}


def _arrays(name, shape):
    rng = np.random.default_rng(0)
    vectors = 1 if name.startswith("rms") else 2
    shapes = [shape, *[shape[-1:]] * vectors, *[shape] * name.endswith("add")]
    return [rng.standard_normal(s) for s in shapes]


def test_text(golden):
    golden(norm("float32", 1e-5, True, False))
    golden(norm_backward("float32", True, False))
    golden(norm_weights("float32", True))


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("shape", SHAPES)
def test_default_body(dev, name, shape):
    close(NORMS[name], _arrays(name, shape), dev, "float64")


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_dtypes(dev, name, dtype):
    close(NORMS[name], _arrays(name, (6, 33)), dev, dtype)


def test_published_formula(dev):
    """arXiv:1607.06450, equation 3."""
    x, w, b = _arrays("layer_norm", (4, 11))
    mean, sigma = x.mean(1, keepdims=True), np.sqrt(x.var(1, keepdims=True) + 1e-5)
    got = hx.layer_norm(*[hx.tensor(t, device=dev) for t in (x, w, b)]).numpy()
    np.testing.assert_allclose(got, (x - mean) / sigma * w + b, rtol=1e-12)


def test_rows_of_a_view(dev):
    """A slice of features has a row stride; a flipped one is copied."""
    x = np.random.default_rng(1).standard_normal((5, 12))
    w = np.ones(4)
    t = hx.tensor(x, device=dev)
    for part, view in ((t[:, 3:7], x[:, 3:7]), (t[::2, 7:3:-1], x[::2, 7:3:-1])):
        want = view / np.sqrt((view**2).mean(1, keepdims=True) + 1e-5)
        got = hx.rms_norm(part, hx.tensor(w, device=dev)).numpy()
        np.testing.assert_allclose(got, want, rtol=1e-12)
