"""Training in bfloat16: what is rounded, and that it learns the same."""

import helix_core as hx
import ml_dtypes
import numpy as np
import pytest
from hammer_kit import make_trainer, regression
from helix_hammer import Batches, Trainer


class Affine(hx.Module):
    """y = x w."""

    def __init__(self):
        self.w = hx.Parameter(hx.tensor([[1.001], [2.003]]))

    def loss(self, x, y):
        return hx.sum((x @ self.w - y) * 1.0)


def rounded(a):
    return np.asarray(a, ml_dtypes.bfloat16).astype(np.float64)


def one_step(precision):
    x, y = np.array([[1.003, -3.007]], "f4"), np.zeros((1, 1), "f4")
    model = Affine()
    opt = hx.optim.SGD(model.parameters(), lr=1.0)
    t = Trainer(*(model, opt, [(x, y)]), steps=1, precision=precision, progress=False)
    before = np.asarray(model.w)
    loss = t.step()["loss"]
    return x, before, loss, np.asarray(model.w)


def test_products_are_rounded_and_the_weights_are_not():
    x, before, loss, after = one_step("bf16")
    assert loss == pytest.approx((rounded(x) @ rounded(before)).item(), rel=1e-6)
    assert after.dtype == np.float32
    # the gradient is x, rounded; the weight that it is taken from is the full one
    np.testing.assert_allclose(after, before - rounded(x).T, rtol=1e-6)
    x, before, loss, after = one_step("fp32")
    assert loss == pytest.approx((x.astype("f8") @ before).item(), rel=1e-6)
    np.testing.assert_allclose(after, before - x.T, rtol=1e-6)


def test_evaluations_are_float32():
    t = make_trainer(steps=1, precision="bf16")
    full = make_trainer(steps=1)
    assert t.run_evaluation() == full.run_evaluation()


def test_paired_runs_learn_the_same():
    """The same seeds, batches and steps: the last losses differ by less than 2 %."""
    ratios = []
    for seed in range(3):
        ends = []
        for precision in ("fp32", "bf16"):
            data = Batches(*regression(), batch=8, seed=seed)
            t = make_trainer(steps=60, lr=0.05, data=data, precision=precision)
            first = t.run_evaluation()["val_loss"]
            ends.append(t.fit()["val_loss"])
            assert ends[-1] < 0.5 * first
        assert ends[0] != ends[1]  # it does compute something else
        ratios.append(ends[1] / ends[0])
    assert abs(np.mean(ratios) - 1) < 0.02


def test_accumulated_batches_are_rounded_too():
    x = np.array([[1.003, -3.007]], "f4")
    data = [(x, np.zeros((1, 1), "f4"))] * 2
    model = Affine()
    opt = hx.optim.SGD(model.parameters(), lr=1.0)
    t = Trainer(
        *(model, opt, data), steps=1, accumulate=2, precision="bf16", progress=False
    )
    before = np.asarray(model.w)
    assert t.step()["loss"] == pytest.approx(
        (rounded(x) @ rounded(before)).item(), rel=1e-6
    )


def test_an_unknown_precision_is_an_error():
    with pytest.raises(hx.HelixError, match="precision 'fp32' or 'bf16'; got 'fp16'"):
        make_trainer(precision="fp16")
