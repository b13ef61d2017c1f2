from __future__ import annotations

import helix_core as hx
import numpy as np
import pytest
import scipy.special
from helix_hal.programs import cross_entropy
from helix_hal.programs.cross_entropy import Form
from programs_device import close

REDUCTIONS = ["mean", "sum", "none"]


def test_text(golden):
    golden(cross_entropy.cross_entropy(Form("float32", "int32", True, -1, 0.0, "mean")))


def _arrays(n, d, v, bias=True):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, v, n).astype(np.int32)
    labels[:: max(2, n // 2)] = -100
    shapes = [(n, d), (v, d), *[(v,)] * bias]
    x, w, *b = [rng.standard_normal(s) for s in shapes]
    return [x, w, labels, *b]


def _loss(reduction, **attrs):
    return lambda x, w, labels, *b: hx.linear_cross_entropy(
        x, w, labels, b[0] if b else None, reduction=reduction, **attrs
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("n, d, v", [(5, 3, 7), (130, 2, 3), (2, 1, 1)])
def test_default_body(dev, reduction, smoothing, bias, n, d, v):
    fn = _loss(reduction, label_smoothing=smoothing)
    close(fn, _arrays(n, d, v, bias), dev, "float64")


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_several_parts(dev, reduction, monkeypatch):
    """Logits of few rows at a time: the same result."""
    monkeypatch.setattr(cross_entropy, "_LOGITS", 40)
    close(_loss(reduction), _arrays(17, 3, 9), dev, "float64")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_dtypes(dev, dtype):
    close(_loss("mean"), _arrays(9, 4, 11), dev, dtype)


def test_scipy(dev):
    x, w, labels, b = _arrays(6, 3, 5)
    labels = np.abs(labels) % 5
    want = -scipy.special.log_softmax(x @ w.T + b, axis=1)[np.arange(6), labels]
    given = [hx.tensor(t, device=dev) for t in (x, w, labels.astype(np.int64), b)]
    got = _loss("none")(*given).numpy()
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_labels_that_are_no_class(dev):
    """NaN, in its row alone; large labels do not wrap."""
    x, w, _, b = _arrays(4, 3, 5)
    labels = np.array([0, 5, -1, 2**32 + 1])
    given = [hx.tensor(t, device=dev) for t in (x, w, labels, b)]
    got = _loss("none")(*given).numpy()
    assert np.isnan(got).tolist() == [False, True, True, True]


def test_only_ignored_rows(dev):
    x, w, labels, b = _arrays(4, 3, 5)
    labels[:] = -100
    given = [hx.tensor(t, device=dev) for t in (x, w, labels, b)]
    assert np.isnan(_loss("mean")(*given).numpy())
    assert _loss("sum")(*given).numpy() == 0
