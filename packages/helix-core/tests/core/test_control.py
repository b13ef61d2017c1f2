"""scan, while_loop, cond: values, gradients of gradients, captures, errors."""

import helix_core as hx
import numpy as np
import pytest
from gradcheck import check_grads
from helix_core._device import _Lowerings

RNG = np.random.default_rng(0)
XS = RNG.normal(size=(5, 3))
W = RNG.normal(size=(3, 3)) * 0.4
H = RNG.normal(size=(3,))


def rnn(w, h, xs, reverse=False):
    return hx.scan(lambda h, x: (hx.tanh(h @ w + x), h * x), h, xs, reverse=reverse)


def rnn_numpy(w, h, xs, reverse=False):
    ys = np.zeros_like(xs)
    for t in reversed(range(len(xs))) if reverse else range(len(xs)):
        ys[t] = h * xs[t]
        h = np.tanh(h @ w + xs[t])
    return h, ys


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_is_the_loop(reverse):
    h, ys = rnn(*map(hx.tensor, (W, H, XS)), reverse)
    want = rnn_numpy(W, H, XS, reverse)
    np.testing.assert_allclose(np.asarray(h), want[0], rtol=1e-12)
    np.testing.assert_allclose(np.asarray(ys), want[1], rtol=1e-12)


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_gradients_of_gradients(reverse):
    check_grads(lambda w, h, xs: rnn(w, h, xs, reverse), W, H, XS, order=2)


def test_scan_gradient_of_one_input_or_one_output():
    t = [hx.tensor(a) for a in (W, H, XS)]
    check_grads(lambda w: rnn(w, t[1], t[2])[1] ** 2, W, order=2)
    check_grads(lambda h: rnn(t[0], h, t[2])[0] ** 2, H, order=2)
    check_grads(lambda xs: rnn(t[0], t[1], xs)[0] ** 2, XS, order=2)


def test_scan_over_trees_with_integers():
    def body(c, x):
        n, h = c["n"], c["h"]
        return {"n": n + 1, "h": h * x[0] + n.astype("float64")}, (h, n, x[1])

    xs = (hx.tensor(XS[:, 0]), hx.arange(5))
    carry, (hs, ns, js) = hx.scan(body, {"n": 0, "h": hx.tensor(1.0, "float64")}, xs)
    assert carry["n"].item() == 5 and ns.tolist() == [0, 1, 2, 3, 4] == js.tolist()
    h = 1.0
    for t in range(5):
        assert hs[t].item() == pytest.approx(h)
        h = h * XS[t, 0] + t
    f = lambda x, h: hx.scan(body, {"n": 0, "h": h}, (x, hx.arange(5)))[0]["h"]
    check_grads(f, XS[:, 0], np.array(1.0), order=2)


def test_scan_without_xs_or_without_ys():
    c, ys = hx.scan(lambda c, _: (c * 2.0, None), 1.0, length=4)
    assert c.item() == 16.0 and ys is None
    c, ys = hx.scan(lambda c, x: (None, x * 2), None, hx.arange(3))
    assert c is None and ys.tolist() == [0, 2, 4]


@pytest.mark.parametrize("length", [0, 1])
def test_short_scans(length):
    xs = XS[:length]
    ys = rnn(*map(hx.tensor, (W, H, xs)))[1]
    assert ys.shape == (length, 3)
    check_grads(lambda w, h: rnn(w, h, hx.tensor(xs)), W, H)
    g = hx.grad(lambda xs: rnn(hx.tensor(W), hx.tensor(H), xs)[0].sum())(hx.tensor(xs))
    assert g.shape == (length, 3)


def test_scan_captures_parameters():
    p = hx.Parameter(hx.tensor(W))
    loss = hx.scan(
        lambda h, x: (hx.tanh(h @ p + x), None), hx.tensor(H), hx.tensor(XS)
    )[0]
    loss.sum().backward()
    f = lambda w: hx.scan(
        lambda h, x: (hx.tanh(h @ w + x), None), hx.tensor(H), hx.tensor(XS)
    )
    want = hx.grad(lambda w: f(w)[0].sum())(hx.tensor(W))
    np.testing.assert_allclose(np.asarray(p.grad), np.asarray(want), rtol=1e-12)


def test_a_traced_step_trains_parameters_that_a_scan_uses():
    p = hx.Parameter(hx.tensor(W))

    def step(xs):
        h = hx.scan(lambda h, x: (hx.tanh(h @ p + x), None), hx.tensor(H), xs)[0]
        h.sum().backward()
        p.value = p.value - 0.1 * p.grad
        p.grad = None

    xs, w = hx.tensor(XS), hx.tensor(W)
    traced = hx.trace(step)
    for _ in range(2):
        traced(xs)
        w = w - 0.1 * hx.grad(lambda w: rnn(w, hx.tensor(H), xs)[0].sum())(w)
    np.testing.assert_allclose(p.value.numpy(), np.asarray(w), rtol=1e-12)


def test_scan_of_a_fourier_transform_has_a_gradient():
    """A gradient rule that makes a constant: it becomes an operand of the loop."""
    f = lambda xs: hx.scan(
        lambda c, x: (c + hx.abs(hx.fft.rfft(x)), None), hx.zeros((2,), "float64"), xs
    )[0]
    check_grads(f, XS, order=2)


def test_nested_scans():
    def outer(c, row):
        c, _ = hx.scan(lambda c, x: (c * x + hx.sin(c), None), c, row)
        return c, c

    check_grads(lambda c, xs: hx.scan(outer, c, xs)[1], np.array(0.5), XS[:3], order=2)


def test_scan_in_a_trace_and_in_a_checkpoint():
    t = [hx.tensor(a) for a in (W, H, XS)]
    step = hx.trace(lambda w, h, xs: hx.grad(lambda w: rnn(w, h, xs)[0].sum())(w))
    want = hx.grad(lambda w: rnn(w, *t[1:])[0].sum())(t[0])
    np.testing.assert_allclose(np.asarray(step(*t)), np.asarray(want), rtol=1e-12)
    np.testing.assert_allclose(np.asarray(step(*t)), np.asarray(want), rtol=1e-12)
    block = hx.checkpoint(lambda w: rnn(w, *t[1:])[0])
    got = hx.grad(lambda w: block(w).sum())(t[0])
    np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=1e-12)


def test_sixteen_bit_weights_sum_their_gradient_in_float32():
    f = lambda w: hx.scan(
        lambda c, x: (c + (w * x).astype("float32"), None),
        0.0,
        hx.ones((600,), "bfloat16"),
    )[0]
    g = hx.grad(f)(hx.tensor(1.0, "bfloat16"))
    assert g.dtype is hx.bfloat16 and g.item() == 600.0


@pytest.fixture
def without_loops():
    """A device whose backend has no control flow of its own."""
    from helix_core.reference.backend import NumpyBackend

    backend = NumpyBackend()
    backend.lowerings = {
        k: v
        for k, v in backend.lowerings.items()
        if k not in ("scan", "while_loop", "cond", "barrier")
    }
    dev = hx.Device("bare:0")
    dev._backend, dev._kernels = backend, {}
    dev.table = _Lowerings(dev)
    return dev


def test_loops_run_on_a_backend_without_them(without_loops):
    with hx.device(without_loops):
        t = [hx.tensor(a) for a in (W, H, XS)]
        assert t[0].device is without_loops
        for reverse in (False, True):
            h, ys = rnn(*t, reverse)
            want = rnn_numpy(W, H, XS, reverse)
            np.testing.assert_allclose(np.asarray(h), want[0], rtol=1e-12)
            np.testing.assert_allclose(np.asarray(ys), want[1], rtol=1e-12)
        check_grads(rnn, W, H, XS)
        assert (
            hx.while_loop(lambda n: n < 9, lambda n: n * 2, hx.tensor(1)).item() == 16
        )
        x = hx.tensor(3.0)
        assert hx.cond(x > 2, lambda x: x + 1.0, lambda x: x, x).item() == 4.0
        assert rnn(t[0], t[1], t[2][:0])[1].shape == (0, 3)


def test_while_loop():
    def collatz(s):
        n, steps = s
        return hx.where(n % 2 == 0, n // 2, 3 * n + 1), steps + 1

    n, steps = hx.while_loop(lambda s: s[0] > 1, collatz, (27, 0))
    assert n.item() == 1 and steps.item() == 111


def test_while_loop_uses_what_surrounds_it():
    top, by = hx.tensor(100), hx.tensor(3)
    f = lambda x: hx.while_loop(lambda n: n < top, lambda n: n * by, x)
    assert f(hx.tensor(1)).item() == 243
    assert hx.trace(f)(hx.tensor(5)).item() == 135


def test_while_loop_refuses_gradients():
    f = lambda x: hx.while_loop(lambda x: x < 10.0, lambda x: x * x, x)
    with pytest.raises(hx.GradError, match="forward only"):
        hx.grad(f)(hx.tensor(2.0))
    assert hx.grad(lambda x: x * f(x.detach()))(hx.tensor(2.0)).item() == 16.0


@pytest.mark.parametrize("value", [2.0, -2.0])
def test_cond_values_and_gradients(value):
    a, b = hx.tensor(3.0, "float64"), hx.tensor(5.0, "float64")

    def f(x, y):
        return hx.cond(
            x > 0.0,
            lambda x, y: (x * y * a, hx.sin(x)),
            lambda x, y: (x * b, y * y * x),
            x,
            y,
        )

    x, y = np.array(value), np.array(0.5)
    want = (x * y * 3, np.sin(x)) if value > 0 else (x * 5, y * y * x)
    got = f(hx.tensor(x), hx.tensor(y))
    np.testing.assert_allclose([t.item() for t in got], want, rtol=1e-12)
    check_grads(f, x, y, order=2)
    traced = hx.trace(f)(hx.tensor(x), hx.tensor(y))
    assert [t.item() for t in traced] == [t.item() for t in got]


def test_cond_decides_at_run_time():
    f = hx.trace(lambda x: hx.cond(x.sum() > 0, lambda: x * 2, lambda: -x))
    assert f(hx.tensor([1.0, 2.0])).tolist() == [2.0, 4.0]
    assert f(hx.tensor([1.0, -2.0])).tolist() == [-1.0, 2.0]


def test_cond_runs_one_branch():
    x = hx.tensor(1)
    with pytest.raises(hx.TraceError):  # a branch may not ask for values
        hx.cond(True, lambda x: x * x.item(), lambda x: x, x)
    assert hx.cond(False, lambda: x, lambda: x + 1).item() == 2


def test_cond_gradient_through_parameters_of_both_branches():
    p, q = hx.Parameter(hx.tensor(2.0)), hx.Parameter(hx.tensor(3.0))
    hx.cond(hx.tensor(True), lambda: p * p, lambda: q * q).backward()
    assert p.grad.item() == 4.0 and q.grad.item() == 0.0


def test_barrier_passes_values_and_gradients():
    a, b = hx.barrier(hx.tensor(1.0), hx.tensor([2]))
    assert a.item() == 1.0 and b.tolist() == [2]
    check_grads(lambda x, y: hx.barrier(x * y, x), H, H, order=2)


def test_reading_the_random_state_is_fine_and_writing_a_cell_is_not():
    cell = hx.Parameter(2.0, "scale")

    def writes(c, x):
        cell.value = c
        return c, x

    c, _ = hx.scan(lambda c, x: (c * cell.value, None), 1.0, length=3)
    assert c.item() == 8.0
    with pytest.raises(hx.TraceError, match="write to scale"):
        hx.scan(writes, 1.0, length=3)
    with pytest.raises(hx.TraceError, match="write to random_state"):
        hx.scan(lambda c, _: (c + hx.random_uniform(()), None), 0.0, length=3)
    assert cell.value.item() == 2.0


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda x: hx.scan(lambda c, x: (c, x), 0.0), hx.ShapeError, "or length="),
        (
            lambda x: hx.scan(lambda c, x: (c, None), 0.0, (x, x[:2])),
            hx.ShapeError,
            "xs of one length",
        ),
        (
            lambda x: hx.scan(lambda c, x: (c, None), 0.0, hx.tensor(1.0)),
            hx.ShapeError,
            "a first axis to loop over",
        ),
        (
            lambda x: hx.scan(lambda c, x: (c + x.astype("float64"), None), 0.0, x),
            hx.ShapeError,
            r"a body that returns the carry float32\[\]; got float64\[\]",
        ),
        (
            lambda x: hx.scan(lambda c, x: ((c, c), None), 0.0, x),
            hx.ShapeError,
            r"carries of one structure; got \* and \(\*, \*\)",
        ),
        (lambda x: hx.scan(lambda c, x: c, 0.0, x), TypeError, r"returns \(carry, y\)"),
        (
            lambda x: hx.while_loop(lambda s: s, lambda s: s, x),
            hx.ShapeError,
            "a condition of one element",
        ),
        (
            lambda x: hx.while_loop(lambda s: s[0] > 0, lambda s: s[:2], x),
            hx.ShapeError,
            "a body that returns the state",
        ),
        (
            lambda x: hx.cond(True, lambda x: x, lambda x: x[0], x),
            hx.ShapeError,
            "branches that return the same",
        ),
        (
            lambda x: hx.cond(True, lambda x: x, lambda x: (x,), x),
            hx.ShapeError,
            "branches of one structure",
        ),
    ],
)
def test_wrong_bodies(call, error, words):
    with pytest.raises(error, match=words):
        call(hx.tensor([1.0, 2.0, 3.0]))
