"""Cross-entropy fused with its classifier, beside float64 NumPy."""

import numpy as np
import pytest
import scipy.special
from helix_hal.cpu import pool, threads
from helix_hal.cpu.kernels import linear_cross_entropy as lce

IGNORE = -100


def _oracle(x, w, labels, bias=None, smoothing=0.0, reduction="mean"):
    """Loss and gradients written from the definition, all logits at once."""
    x, w = x.astype(np.float64), w.astype(np.float64)
    logits = x @ w.T + (0 if bias is None else bias.astype(np.float64))
    classes = w.shape[0]
    kept = labels != IGNORE
    target = np.full(logits.shape, smoothing / classes)
    target[np.arange(len(x)), np.where(kept, labels, 0)] += 1 - smoothing
    loss = -(target * scipy.special.log_softmax(logits, axis=-1)).sum(-1) * kept
    scale = 1 / kept.sum() if reduction == "mean" else 1.0
    grad = (scipy.special.softmax(logits, axis=-1) - target) * kept[:, None] * scale
    value = loss if reduction == "none" else loss.sum() * scale
    return value, grad @ w, grad.T @ x, grad.sum(0), grad


def _draw(rows=37, d=12, classes=50, dtype=np.float64):
    rng = np.random.default_rng(rows)
    x = rng.standard_normal((rows, d)).astype(dtype)
    w = rng.standard_normal((classes, d)).astype(dtype)
    bias = rng.standard_normal(classes).astype(dtype)
    labels = rng.integers(0, classes, rows)
    labels[::5] = IGNORE
    return x, w, labels, bias


def _close(got, expected, tol):
    assert np.abs(got - expected).max() <= tol * np.abs(expected).max()


@pytest.fixture(params=[None, 1], ids=["one chunk", "many chunks"])
def chunks(request, monkeypatch):
    if request.param:
        monkeypatch.setattr(lce, "_CHUNK_BYTES", 0)
        monkeypatch.setattr(lce, "_MIN_ROWS", 10)
        monkeypatch.setattr(
            lce, "_tile", lambda w: pool.empty((16, w.shape[1]), w.dtype)
        )


@pytest.mark.parametrize("dtype,tol", [(np.float32, 3e-6), (np.float64, 1e-12)])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("with_bias", [False, True])
def test_loss_and_gradients(chunks, dtype, tol, reduction, smoothing, with_bias):
    x, w, labels, bias = _draw(dtype=dtype)
    bias = bias if with_bias else None
    got = lce.linear_cross_entropy(
        *(x, w, labels, bias), label_smoothing=smoothing, reduction=reduction
    )
    loss, dx, dw, db, _ = _oracle(x, w, labels, bias, smoothing, reduction)
    assert got.loss.shape == () and got.loss.dtype == dtype
    assert got.loss == pytest.approx(loss, rel=tol)
    _close(got.dx, dx, tol)
    _close(got.dw, dw, tol)
    if with_bias:
        _close(got.dbias, db, tol)
    else:
        assert got.dbias is None


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("dtype,tol", [(np.float32, 3e-6), (np.float64, 1e-12)])
def test_losses_of_rows_and_the_backward_pass_that_computes_the_logits_again(
    chunks, dtype, tol, smoothing
):
    x, w, labels, bias = _draw(dtype=dtype)
    got = lce.linear_cross_entropy(
        *(x, w, labels, bias),
        reduction="none",
        label_smoothing=smoothing,
        want_grads=False,
    )
    loss, *_, grad = _oracle(x, w, labels, bias, smoothing, "none")
    np.testing.assert_allclose(got.loss, loss, rtol=tol, atol=tol)
    assert got.dx is None and got.dw is None
    dloss = np.linspace(-1, 1, len(x)).astype(dtype)
    dx, dw, db = lce.linear_cross_entropy_backward(
        *(x, w, labels, got.lse, dloss, bias), label_smoothing=smoothing
    )
    grad = grad * dloss[:, None]
    _close(dx, grad @ w, tol)
    _close(dw, grad.T @ x, tol)
    _close(db, grad.sum(0), tol)


def test_ignored_rows_get_no_gradient():
    x, w, labels, _ = _draw()
    got = lce.linear_cross_entropy(x, w, labels)
    assert not got.dx[::5].any() and got.dx[1].any()


def test_a_mean_over_ignored_rows_only_is_nan_as_in_torch():
    x, w, labels, _ = _draw()
    labels[:] = IGNORE
    assert np.isnan(lce.linear_cross_entropy(x, w, labels).loss)


@pytest.mark.parametrize("label", [50, -1])
def test_a_label_out_of_range_is_nan_and_reads_nothing(label):
    x, w, labels, _ = _draw(classes=50)
    labels[3] = label
    got = lce.linear_cross_entropy(x, w, labels, reduction="none")
    assert np.isnan(got.loss[3]) and np.isfinite(np.delete(got.loss, 3)).all()


def test_nan_in_a_row_makes_its_loss_nan():
    x, w, labels, _ = _draw()
    x[2, 1] = np.nan
    loss = lce.linear_cross_entropy(x, w, labels, reduction="none").loss
    assert np.isnan(loss).tolist() == [i == 2 for i in range(len(x))]


def test_large_logits_do_not_overflow():
    logits = np.array([[1000.0, 0.0], [0.0, -1000.0]], np.float32)
    eye = np.eye(2, dtype=np.float32)
    got = lce.linear_cross_entropy(logits, eye, np.array([0, 1]), reduction="none")
    assert got.loss.tolist() == [0.0, 1000.0]


def test_no_rows():
    x, w = np.empty((0, 4), np.float32), np.ones((5, 4), np.float32)
    labels = np.empty(0, np.int64)
    got = lce.linear_cross_entropy(x, w, labels, reduction="sum")
    assert got.loss == 0 and got.dx.shape == (0, 4) and not got.dw.any()


def test_chunks_are_even_and_bounded():
    assert lce._chunk_rows(2048, 50_280, 4) * 50_280 * 4 <= 48 << 20
    assert lce._chunk_rows(100, 256, 4) == 100
    assert lce._chunk_rows(1025, 256, 4) == 513
    assert lce._chunk_rows(1000, 10_000_000, 4) <= 64


def test_int32_labels():
    x, w, labels, _ = _draw()
    a = lce.linear_cross_entropy(x, w, labels).loss
    assert lce.linear_cross_entropy(x, w, labels.astype(np.int32)).loss == a


def test_the_thread_count_of_our_kernels_changes_no_bit(monkeypatch):
    x, w, labels, _ = _draw(rows=200, classes=300, dtype=np.float32)
    weight = np.linspace(-1, 1, 200, dtype=np.float32)
    results = set()
    for n in (1, 2, 3, 7):
        monkeypatch.setattr(threads, "_num_threads", n)
        got = lce.linear_cross_entropy(x, w, labels)
        rows = lce.linear_cross_entropy(x, w, labels, reduction="none")
        grads = lce.linear_cross_entropy_backward(x, w, labels, rows.lse, weight)
        parts = (got.loss, got.dx, got.dw, rows.loss, *grads[:2])
        results.add(b"".join(a.tobytes() for a in parts))
    assert len(results) == 1
