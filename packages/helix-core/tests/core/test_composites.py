"""Composites: values, first and second derivatives of bodies, fwd and bwd rules."""

import helix_core as hx
import numpy as np
import pytest
from gradcheck import check_grads

RNG = np.random.default_rng(0)


def n(*shape):
    return RNG.normal(size=shape)


def test_softmax_is_stable_and_sums_to_one():
    x = np.array([[1000.0, 1000.0, -1000.0], [0.0, np.log(3.0), -np.inf]], np.float32)
    y = hx.softmax(hx.tensor(x)).numpy()
    np.testing.assert_allclose(y, [[0.5, 0.5, 0.0], [0.25, 0.75, 0.0]], rtol=1e-6)
    np.testing.assert_allclose(
        hx.log_softmax(hx.tensor(x)).numpy()[1, :2], np.log([0.25, 0.75]), rtol=1e-6
    )


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("op", [hx.softmax, hx.log_softmax])
def test_softmax_gradients(op, axis):
    check_grads(lambda x: op(x, axis), n(3, 4), order=2)


def test_rms_norm():
    x, w = n(2, 3, 5), n(5)
    want = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * w
    np.testing.assert_allclose(hx.rms_norm(hx.tensor(x), hx.tensor(w)).numpy(), want)
    check_grads(hx.rms_norm, x, w, order=2)


def test_rms_norm_with_residual_returns_the_sum():
    x, w, r = n(2, 5), n(5), n(2, 5)
    y, s = hx.rms_norm(*map(hx.tensor, (x, w)), residual=hx.tensor(r))
    np.testing.assert_allclose(s.numpy(), x + r)
    np.testing.assert_allclose(
        y.numpy(), hx.rms_norm(hx.tensor(x + r), hx.tensor(w)).numpy()
    )

    def both(x, w, r):
        y, s = hx.rms_norm(x, w, residual=r)
        return y * 2.0 + hx.sin(s)

    check_grads(both, x, w, r, order=2)


def test_layer_norm():
    x, w, b = n(2, 3, 5), n(5), n(5)
    d = x - x.mean(-1, keepdims=True)
    want = d / np.sqrt((d**2).mean(-1, keepdims=True) + 1e-5) * w + b
    got = hx.layer_norm(hx.tensor(x), hx.tensor(w), hx.tensor(b))
    np.testing.assert_allclose(got.numpy(), want)
    check_grads(hx.layer_norm, x, w, b, order=2)
    check_grads(hx.layer_norm, x, order=1)


def test_embedding_gathers_rows_and_scatters_gradients():
    ids = np.array([[0, 2], [2, 2]], np.int32)
    w = n(4, 3)
    t = hx.tensor(ids)
    np.testing.assert_allclose(hx.embedding(t, hx.tensor(w)).numpy(), w[ids])
    check_grads(lambda w: hx.embedding(t, w), w, order=2)
    g = hx.grad(lambda w: hx.embedding(t, w).sum())(hx.tensor(w))
    assert g.numpy()[:, 0].tolist() == [1.0, 0.0, 3.0, 0.0]


def test_dropout_scales_and_repeats_its_mask_backward():
    hx.seed(5)
    x = hx.ones((1000,))
    _, pull = hx.vjp(lambda x: hx.dropout(x, 0.25), x)
    y, _ = hx.vjp(lambda x: hx.dropout(x, 0.25), x)
    kept = y.numpy() != 0
    assert 0.7 < kept.mean() < 0.8
    np.testing.assert_allclose(y.numpy()[kept], 4 / 3, rtol=1e-6)
    hx.seed(5)
    y = hx.dropout(x, 0.25)
    np.testing.assert_array_equal(pull(x).numpy(), y.numpy())


def test_dropout_edges():
    x = hx.ones((5,))
    assert hx.dropout(x, 0.5, training=False) is x
    assert hx.dropout(x, 0.0) is x
    assert hx.dropout(x, 1.0).tolist() == [0.0] * 5
    with pytest.raises(hx.HelixError, match=r"p in \[0, 1\]"):
        hx.dropout(x, 1.5)


def _conv_reference(x, w, b, state):
    k = w.shape[1]
    full = np.concatenate([state, x], 1)
    y = sum(full[:, j : j + x.shape[1]] * w[:, j] for j in range(k)) + b
    return y / (1 + np.exp(-y)), full[:, -(k - 1) :]


def test_causal_conv1d():
    x, w, b, s = n(2, 6, 3), n(3, 4), n(3), n(2, 3, 3)
    y, last = hx.causal_conv1d(
        *map(hx.tensor, (x, w, b)),
        activation="silu",
        state=hx.tensor(s),
        return_state=True,
    )
    want, want_last = _conv_reference(x, w, b, s)
    np.testing.assert_allclose(y.numpy(), want)
    np.testing.assert_allclose(last.numpy(), want_last)

    def f(x, w, b, s):
        y, last = hx.causal_conv1d(
            x, w, b, activation="silu", state=s, return_state=True
        )
        return hx.concat([y, last * 2.0], 1)

    check_grads(f, x, w, b, s, order=2)
    check_grads(hx.causal_conv1d, x, w, order=1)


def test_causal_conv1d_in_two_pieces_equals_one():
    x, w = hx.tensor(n(1, 7, 2)), hx.tensor(n(2, 3))
    a, s = hx.causal_conv1d(x[:, :2], w, return_state=True)
    b = hx.causal_conv1d(x[:, 2:], w, state=s)
    whole = hx.causal_conv1d(x, w)
    np.testing.assert_allclose(hx.concat([a, b], 1).numpy(), whole.numpy())


def _scan_inputs(t=5, b=2, d=3, m=4):
    return dict(
        u=n(b, t, d),
        dt=n(b, t, d),
        A=-np.exp(n(d, m) * 0.3),
        B=n(b, t, m),
        C=n(b, t, m),
        D=n(d),
        z=n(b, t, d),
        dt_bias=n(d),
        h0=n(b, d, m),
    )


def _scan_reference(u, dt, A, B, C, D, z, dt_bias, h0):
    """The recurrence as the paper writes it."""
    dt = np.log1p(np.exp(dt + dt_bias))
    h, ys = h0, []
    for t in range(u.shape[1]):
        h = np.exp(dt[:, t, :, None] * A) * h
        h = h + (dt[:, t] * u[:, t])[..., None] * B[:, t, None, :]
        ys.append((h * C[:, t, None, :]).sum(-1) + D * u[:, t])
    y = np.stack(ys, 1)
    return y * z / (1 + np.exp(-z)), h


def test_selective_scan_is_the_recurrence():
    x = _scan_inputs()
    y, h = hx.selective_scan(
        **{k: hx.tensor(v) for k, v in x.items()}, return_state=True
    )
    want, want_h = _scan_reference(**x)
    np.testing.assert_allclose(y.numpy(), want, rtol=1e-10)
    np.testing.assert_allclose(h.numpy(), want_h, rtol=1e-10)


def test_selective_scan_gradients_reach_every_input_and_both_outputs():
    x = _scan_inputs(t=3, b=1, d=2, m=2)

    def f(*args):
        y, h = hx.selective_scan(*args, return_state=True)
        return hx.concat([hx.reshape(y, -1), hx.reshape(h, -1)])

    check_grads(f, *x.values(), order=1)
    check_grads(lambda *a: hx.selective_scan(*a), *list(x.values())[:5], order=1)


def test_selective_scan_in_two_pieces_equals_one():
    x = {k: hx.tensor(v) for k, v in _scan_inputs(t=70).items()}
    y, h = hx.selective_scan(**x, return_state=True)
    cut = lambda a, b: {
        k: v[:, a:b] if v.ndim == 3 and k != "h0" else v for k, v in x.items()
    }
    first, mid = hx.selective_scan(**cut(0, 33), return_state=True)
    second, last = hx.selective_scan(**{**cut(33, 70), "h0": mid}, return_state=True)
    np.testing.assert_allclose(hx.concat([first, second], 1).numpy(), y.numpy())
    np.testing.assert_allclose(last.numpy(), h.numpy())


def test_selective_scan_names_the_wrong_argument():
    x = {k: hx.tensor(v) for k, v in _scan_inputs().items()}
    with pytest.raises(hx.ShapeError, match=r"expected B of shape \(2, 5, 4\)"):
        hx.selective_scan(**{**x, "B": x["C"][:, :2]})


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("bias", [False, True])
def test_linear_cross_entropy(reduction, bias):
    x, w, b = n(5, 3), n(7, 3), n(7)
    labels = np.array([0, 6, -100, 3, 3], np.int64)
    z = x @ w.T + (b if bias else 0)
    logp = z - np.log(np.exp(z).sum(1, keepdims=True))
    keep = labels >= 0
    each = np.where(keep, -logp[np.arange(5), np.where(keep, labels, 0)], 0)
    want = {"mean": each.sum() / 4, "sum": each.sum(), "none": each}[reduction]

    def f(x, w, *b):
        return hx.linear_cross_entropy(x, w, hx.tensor(labels), *b, reduction=reduction)

    args = (x, w, b) if bias else (x, w)
    np.testing.assert_allclose(f(*map(hx.tensor, args)).numpy(), want)
    check_grads(f, *args, order=2)


def test_linear_cross_entropy_with_smoothing_has_the_smoothed_gradient():
    x, w = n(4, 3), n(6, 3)
    labels = hx.tensor(np.array([0, 1, 2, 5]))
    check_grads(
        lambda x, w: hx.linear_cross_entropy(x, w, labels, label_smoothing=0.2), x, w
    )


def test_kernels_are_chosen_by_priority_and_support(device):
    calls, name = [], f"doubly on {device}"

    def kernel(dev, x, **attrs):
        calls.append(x.shape)
        return np.tanh(x)

    def picky(dev, x, **attrs):
        return True if x.dtype is hx.float32 else "float32 only"

    op = hx.Composite(name, lambda x: x * 2.0)
    spec = hx.contracts.KernelSpec(name, device.kind, kernel, supports=picky)
    hx.register_kernel(spec)
    x = hx.tensor([0.5])
    assert hx.which(name, device, x).kernel is spec
    assert op(x).item() == np.tanh(np.float32(0.5)) and calls == [(1,)]
    wide = hx.tensor(np.array([0.5]))
    choice = hx.which(name, device, wide)
    assert choice.kernel == "default" and choice.why == "float32 only"
    with pytest.warns(UserWarning, match="refused float64.*float32 only"):
        assert op(wide).item() == 1.0


def test_residuals_of_a_kernel_reach_its_backward():
    op = hx.Composite(
        "sq",
        lambda x: x * x,
        fwd=lambda x: (x * x, x * 2.0),
        bwd=lambda inputs, outputs, residuals, cts: (residuals[0] * cts[0],),
        reads_outputs=False,
    )
    check_grads(op, n(3), order=2)
    p = hx.Parameter(hx.tensor([3.0]))
    f = hx.trace(lambda: op(p).sum().backward())
    f()
    assert p.grad.tolist() == [6.0]


def test_shapes_come_from_the_rule_where_there_is_one_and_no_body_is_kept():
    def ends(x):
        return x[0], x[-1]

    twice = hx.Composite(
        "test_inferred", ends, infer=lambda a: (hx.Aval(a.shape[1:], a.dtype),) * 2
    )
    assert twice.infer((hx.Aval((5, 2), hx.float32),), {})[0][0].shape == (2,)
    assert not twice._bodies
    first, last = hx.trace(twice)(hx.tensor([[1.0], [2.0]]))
    assert (first.tolist(), last.tolist()) == ([1.0], [2.0])
