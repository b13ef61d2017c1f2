"""Losses: what their equations say, and what they refuse."""

import helix_core as hx
import numpy as np
import pytest
from helix_core import losses

X = hx.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]])


def test_mse_is_the_mean_square():
    assert losses.mse(hx.tensor([1.0, 3.0]), hx.tensor([0.0, 1.0])).item() == 2.5


def test_cross_entropy_of_uniform_logits_is_log_classes():
    y = losses.cross_entropy(hx.zeros((2, 8)), hx.tensor([3, 5]))
    assert y.item() == pytest.approx(np.log(8))


def test_cross_entropy_accepts_any_integer_target():
    want = losses.cross_entropy(X, hx.tensor([0, 2])).item()
    for dtype in ("int8", "uint8", "int16", "uint32", "int64", "uint64"):
        t = hx.tensor([0, 2]).astype(dtype)
        assert losses.cross_entropy(X, t).item() == want


@pytest.mark.parametrize("target", [3, -1, 100])
def test_a_target_that_is_no_class_is_named(target):
    with pytest.raises(hx.HelixError, match=rf"in \[0, 3\).*got {target}"):
        losses.cross_entropy(X, hx.tensor([0, target]))


def test_inside_a_trace_a_target_that_is_no_class_gives_nan():
    f = hx.trace(losses.cross_entropy)
    assert np.isnan(f(X, hx.tensor([0, 3])).item())
    want = losses.cross_entropy(X, hx.tensor([0, -100])).item()
    assert f(X, hx.tensor([0, -100])).item() == want


def test_integers_are_computed_as_float32():
    y = losses.mse(hx.tensor([1, 4]), hx.tensor([0, 0]))
    assert y.dtype == "float32" and y.item() == 8.5


BAD = {
    "shapes differ": (lambda: losses.mse(X, X[0]), r"\[mse\] expected .* one shape"),
    "reduction": (lambda: losses.l1(X, X, "avg"), r"\[l1\] expected reduction"),
    "delta": (lambda: losses.huber(X, X, 0.0), r"\[huber\] expected delta > 0"),
    "beta": (lambda: losses.smooth_l1(X, X, -1.0), r"\[smooth_l1\] expected beta"),
    "integer logits": (
        lambda: losses.cross_entropy(hx.tensor([[1, 2]]), hx.tensor([0])),
        r"\[cross_entropy\] expected float logits",
    ),
    "no classes": (
        lambda: losses.cross_entropy(hx.tensor(1.0), hx.tensor(0)),
        r"\[cross_entropy\] expected logits with a class axis",
    ),
    "target shape": (
        lambda: losses.cross_entropy(X, hx.tensor([0, 1, 2])),
        r"\[cross_entropy\] expected target \(2,\); got \(3,\)",
    ),
    "bool target": (
        lambda: losses.cross_entropy(X, hx.tensor([True, False])),
        r"\[cross_entropy\] expected integer targets",
    ),
    "probability shape": (
        lambda: losses.cross_entropy(X, hx.ones((2, 4))),
        r"\[cross_entropy\] expected probabilities shaped",
    ),
    "weight shape": (
        lambda: losses.cross_entropy(X, hx.tensor([0, 1]), weight=hx.ones((2,))),
        r"\[cross_entropy\] expected weight \(3,\)",
    ),
    "smoothing": (
        lambda: losses.cross_entropy(X, hx.tensor([0, 1]), label_smoothing=1.5),
        r"\[cross_entropy\] expected label_smoothing",
    ),
    "logits for bce": (
        lambda: losses.bce(X, X),
        r"\[bce\] expected probabilities .* Hint: bce_with_logits",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_errors_name_the_argument(case):
    call, message = BAD[case]
    with pytest.raises(hx.HelixError, match=message):
        call()
