"""Contrastive losses and CTC, by their definitions written out in NumPy."""

import itertools

import helix_core as hx
import numpy as np
import pytest
from helix_core import losses


def rows(n, d=5, seed=0):
    x = np.random.default_rng(seed).standard_normal((n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def log_softmax(x):
    x = x - x.max(1, keepdims=True)
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def info_nce(a, b, scale):
    z = scale * a @ b.T
    return -(np.diag(log_softmax(z)) + np.diag(log_softmax(z.T))).mean() / 2


def siglip(a, b, scale, bias):
    sign = 2 * np.eye(len(a)) - 1
    return np.log1p(np.exp(-sign * (scale * a @ b.T + bias))).sum() / len(a)


def slope(f, x, eps=1e-6):
    out = np.zeros_like(x)
    for i in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[i] += eps
        down[i] -= eps
        out[i] = (f(up) - f(down)) / (2 * eps)
    return out


@pytest.mark.parametrize("n", [1, 2, 9])
def test_info_nce_is_two_cross_entropies(n):
    a, b = rows(n), rows(n, seed=1)
    got = losses.info_nce(hx.tensor(a), hx.tensor(b), 7.0)
    assert abs(got.item() - info_nce(a, b, 7.0)) < 1e-12
    grad = hx.grad(lambda x: losses.info_nce(x, hx.tensor(b), 7.0))(hx.tensor(a))
    want = slope(lambda x: info_nce(x, b, 7.0), a)
    np.testing.assert_allclose(grad.numpy(), want, atol=1e-7)


def test_info_nce_gives_its_scale_a_gradient():
    a, b = rows(4), rows(4, seed=1)
    f = lambda s: losses.info_nce(hx.tensor(a), hx.tensor(b), s)
    got = hx.grad(f)(hx.tensor(3.0, dtype="float64")).item()
    eps = 1e-5
    want = (info_nce(a, b, 3 + eps) - info_nce(a, b, 3 - eps)) / (2 * eps)
    assert abs(got - want) < 1e-8


@pytest.mark.parametrize("chunk", [1, 3, 9, 100])
def test_siglip_is_the_same_in_any_chunks(chunk):
    a, b = rows(9), rows(9, seed=1)
    args = (hx.tensor(b), hx.tensor(10.0, dtype="float64"), -2.0)
    f = lambda x: losses.siglip(x, *args, chunk=chunk)
    assert abs(f(hx.tensor(a)).item() - siglip(a, b, 10.0, -2.0)) < 1e-12
    got = hx.grad(f)(hx.tensor(a)).numpy()
    want = slope(lambda x: siglip(x, b, 10.0, -2.0), a)
    np.testing.assert_allclose(got, want, atol=1e-7)


@pytest.mark.parametrize("loss", [losses.info_nce, losses.siglip])
@pytest.mark.parametrize("shapes", [((2, 3), (3, 3)), ((0, 3), (0, 3)), ((2,), (2,))])
def test_pairs_have_one_shape(loss, shapes):
    with pytest.raises(hx.ShapeError, match=r"expected two batches of embeddings"):
        loss(*(hx.zeros(s) for s in shapes))


@pytest.mark.parametrize("chunk", [0, -1, 2.0, True])
def test_siglip_takes_chunks_of_rows(chunk):
    with pytest.raises(hx.HelixError, match=r"\[siglip\] expected chunk"):
        losses.siglip(hx.eye(2), hx.eye(2), chunk=chunk)


def collapse(path, blank):
    return tuple(k for k, _ in itertools.groupby(path) if k != blank)


def ctc(lp, labels, blank=0):
    """Sum over every path of frames that collapses to the labels."""
    time, classes = lp.shape
    paths = itertools.product(range(classes), repeat=time)
    fits = [p for p in paths if collapse(p, blank) == tuple(labels)]
    total = sum(np.exp(sum(lp[t, c] for t, c in enumerate(p))) for p in fits)
    with np.errstate(divide="ignore"):
        return -np.log(total)


CASES = [
    (1, [], 0),
    (1, [1], 0),
    (4, [1, 2], 0),
    (5, [1, 1], 0),
    (6, [2, 1, 2], 0),
    (7, [0, 0, 1], 3),
    (8, [3, 1, 3, 2], 0),
    (2, [1, 1], 0),  # needs three frames
    (3, [1, 2, 3, 1], 0),
]


@pytest.mark.parametrize("time, labels, blank", CASES)
def test_ctc_sums_over_all_paths(time, labels, blank):
    z = np.random.default_rng(time).standard_normal((time, 4))
    lp = log_softmax(z)
    got = losses.ctc(
        hx.tensor(lp[:, None]),
        hx.tensor(np.array([labels], dtype="int64").reshape(1, -1)),
        hx.tensor([time]),
        hx.tensor([len(labels)]),
        blank=blank,
        reduction="none",
    )
    want = ctc(lp, labels, blank)
    np.testing.assert_allclose(got.item(), want, rtol=1e-10)


def batch():
    rng = np.random.default_rng(3)
    lp = log_softmax(rng.standard_normal((18, 4))).reshape(6, 3, 4)
    labels = np.array([[1, 2, 2], [3, 1, 0], [1, 0, 0]])
    return lp, labels, np.array([6, 4, 5]), np.array([3, 2, 1])


def test_ctc_takes_rows_of_their_own_lengths():
    lp, labels, frames, counts = batch()
    each = [ctc(lp[: frames[i], i], labels[i, : counts[i]]) for i in range(len(labels))]
    args = [hx.tensor(x) for x in batch()]
    none = losses.ctc(*args, reduction="none").numpy()
    np.testing.assert_allclose(none, each, rtol=1e-10)
    mean = losses.ctc(*args).item()
    assert abs(mean - np.mean(np.array(each) / counts)) < 1e-10
    assert abs(losses.ctc(*args, reduction="sum").item() - sum(each)) < 1e-9


def test_ctc_gradient_and_what_is_behind_the_lengths():
    lp, labels, frames, counts = batch()
    rest = [hx.tensor(x) for x in (labels, frames, counts)]
    got = hx.grad(lambda x: losses.ctc(x, *rest, reduction="sum"))(hx.tensor(lp))

    def total(x):
        return sum(
            ctc(x[: frames[i], i], labels[i, : counts[i]]) for i in range(len(labels))
        )

    np.testing.assert_allclose(got.numpy(), slope(total, lp), atol=1e-7)
    assert not got.numpy()[4:, 1].any()


def test_ctc_without_a_path():
    lp = hx.tensor(log_softmax(np.zeros((2, 3)))[:, None])
    args = (lp, hx.tensor([[1, 1]]), hx.tensor([2]), hx.tensor([2]))
    assert losses.ctc(*args).item() == np.inf
    assert losses.ctc(*args, zero_infinity=True).item() == 0.0
    for zero in (False, True):
        grad = hx.grad(lambda x, z=zero: losses.ctc(x, *args[1:], zero_infinity=z))(lp)
        assert not grad.numpy().any()


def test_ctc_of_no_frames():
    lp = hx.tensor(log_softmax(np.zeros((2, 3)))[:, None])
    none = hx.tensor([0])
    assert losses.ctc(lp, hx.tensor([[1]]), none, none).item() == 0.0
    assert losses.ctc(lp, hx.tensor([[1]]), none, hx.tensor([1])).item() == np.inf


@pytest.mark.parametrize(
    "change, said",
    [
        ({"log_probs": hx.zeros((2, 3))}, r"log_probs \(time, batch, class\)"),
        ({"targets": hx.zeros((1, 1))}, "targets of integers"),
        ({"targets": hx.tensor([1])}, r"targets \(1, label\)"),
        ({"input_lengths": hx.tensor([1, 2])}, r"input_lengths \(1,\)"),
        ({"blank": 3}, r"blank in \[0, 3\)"),
        ({"reduction": "max"}, "'mean', 'sum' or 'none'"),
    ],
)
def test_ctc_says_what_is_wrong(change, said):
    good = {
        "log_probs": hx.zeros((2, 1, 3)),
        "targets": hx.tensor([[1]]),
        "input_lengths": hx.tensor([2]),
        "target_lengths": hx.tensor([1]),
    }
    with pytest.raises(hx.HelixError, match=said):
        losses.ctc(**{**good, **change})
