"""S4D beside the direct sum and the recurrence, in float64."""

import helix_core as hx
import numpy as np
import pytest
from helix_layers import LayerError, S4Block, S4DKernel, S4DMixer
from helix_layers.s4d import S4DState
from helix_layers.s4d._ops import s4d_kernel, s4d_state

KINDS = ["lin", "inv", "real"]


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def parts(kernel):
    """A, C, dt of a kernel in float64; C with a factor for conjugate pairs."""
    a = -np.exp(kernel.log_A_real.numpy().astype("f8"))
    c = kernel.C.numpy().astype("f8")
    if kernel.A_imag is not None:
        a = a + 1j * kernel.A_imag.numpy().astype("f8")
        c = 2 * (c[..., 0] + 1j * c[..., 1])
    return a, c, np.exp(kernel.log_dt.numpy().astype("f8"))


def filter_of(kernel, length):
    """K_l = Re sum_n C_n (e^(dt A) - 1) / A e^(dt A l), (length, d_model)."""
    a, c, dt = parts(kernel)
    z = a * dt[:, None]
    terms = (c * (np.exp(z) - 1) / a) * np.exp(z * np.arange(length)[:, None, None])
    return terms.sum(-1).real


def states(kernel, u, s=None):
    """The recurrence; outputs without what goes straight through, and all states."""
    a, c, dt = parts(kernel)
    z = a * dt[:, None]
    b = (np.exp(z) - 1) / a
    s = np.zeros((u.shape[0], *z.shape), complex) if s is None else s
    ys, all_states = [], []
    for t in range(u.shape[1]):
        s = np.exp(z) * s + u[:, t, :, None]
        ys.append((c * b * s).sum(-1).real)
        all_states.append(s)
    return np.stack(ys, 1), all_states


@pytest.mark.parametrize("kind", KINDS)
def test_exponents_at_first(kind):
    a, _, dt = parts(S4DKernel(3, 8, kind))
    n = np.arange(4)
    want = {
        "lin": -0.5 + 1j * np.pi * n,
        "inv": -0.5 + 1j * 8 / np.pi * (8 / (2 * n + 1) - 1),
        "real": -(np.arange(8) + 1.0),
    }[kind]
    np.testing.assert_allclose(a, np.tile(want, (3, 1)), rtol=1e-6, atol=1e-6)
    assert (dt >= 1e-3 * (1 - 1e-6)).all() and (dt <= 0.1 * (1 + 1e-6)).all()


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("length", [1, 2, 33, 700])
@pytest.mark.parametrize("kind", KINDS)
def test_the_filter_is_the_sum_of_exponentials(kind, length, device):
    kernel = S4DKernel(5, 16, kind, device=device, generator=hx.Generator(0))
    want = filter_of(kernel, length)
    got = kernel(length).numpy()
    assert got.shape == (length, 5) and got.dtype == np.float32
    assert np.abs(got - want).max() <= 2e-5 * np.abs(want).max()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [1, 37, 300])
def test_a_sequence_equals_the_recurrence(length, kind):
    mixer = S4DMixer(6, 16, kind, generator=hx.Generator(1))
    u = draw(2, length, 6).astype("f4")
    want, all_states = states(mixer.kernel, u)
    want = want + mixer.D.numpy() * u
    y, last = mixer.scan(hx.tensor(u), None, True)
    assert np.abs(y.numpy() - want).max() <= 1e-5 * np.abs(want).max()
    s = all_states[-1]
    assert np.abs(last.real.numpy() - s.real).max() <= 1e-5 * np.abs(s).max()
    assert np.abs(last.imag.numpy() - s.imag).max() <= 1e-5 * np.abs(s).max()


@pytest.mark.parametrize("kind", KINDS)
def test_two_pieces_and_steps_equal_one_sequence(kind):
    mixer = S4DMixer(6, 8, kind, generator=hx.Generator(2))
    x = hx.tensor(draw(2, 21, 6).astype("f4"))
    whole, last = mixer(x, return_state=True)
    a, state = mixer(x[:, :13], return_state=True)
    b, end = mixer(x[:, 13:], state, True)
    got = hx.concat([a, b], 1).numpy()
    np.testing.assert_allclose(got, whole.numpy(), rtol=1e-4, atol=2e-6)
    state = mixer.initial_state(2)
    for t in range(21):
        y, state = mixer.step(x[:, t], state)
        want = whole.numpy()[:, t]
        np.testing.assert_allclose(y.numpy(), want, rtol=1e-4, atol=2e-6)
    for one, two, three in zip(last, end, state, strict=True):
        np.testing.assert_allclose(one.numpy(), two.numpy(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(one.numpy(), three.numpy(), rtol=1e-4, atol=1e-5)


def differences(fn, arrays, seed=3, eps=1e-6):
    """Gradients along a random direction, and the same by central differences."""
    with hx.device("numpy"):
        tensors = [hx.tensor(a) for a in arrays]
        y, pull = hx.vjp(fn, *tensors)
        ys = y if isinstance(y, tuple) else (y,)
        cts = [draw(*t.shape, seed=seed + i) for i, t in enumerate(ys)]
        given = tuple([hx.tensor(c) for c in cts])
        grads = pull(given if isinstance(y, tuple) else given[0])
        step = [draw(*a.shape, seed=seed + 10 + i) for i, a in enumerate(arrays)]

        def at(s):
            out = fn(*[hx.tensor(a + s * d) for a, d in zip(arrays, step, strict=True)])
            out = out if isinstance(out, tuple) else (out,)
            return sum((t.numpy() * c).sum() for t, c in zip(out, cts, strict=True))

        want = (at(eps) - at(-eps)) / (2 * eps)
        got = sum((g.numpy() * d).sum() for g, d in zip(grads, step, strict=True))
    return got, want


def test_gradients_of_the_sums():
    a_re, a_im = -np.abs(draw(3, 4, seed=1)) * 0.1, draw(3, 4, seed=2)
    c = draw(3, 4, seed=3), draw(3, 4, seed=4)
    got, want = differences(lambda *xs: s4d_kernel(*xs, length=9), [a_re, a_im, *c])
    np.testing.assert_allclose(got, want, rtol=1e-6)
    got, want = differences(s4d_state, [draw(2, 7, 3), a_re, a_im])
    np.testing.assert_allclose(got, want, rtol=1e-6)


@pytest.mark.parametrize("length", [1, 40, 300])
def test_both_devices_have_the_same_gradients(length):
    """The cpu device's kernels beside the bodies in float64."""
    arrays = [-np.abs(draw(20, 6, seed=1)) * 0.1, draw(20, 6, seed=2)]
    arrays += [draw(20, 6, seed=3), draw(20, 6, seed=4), draw(2, length, 20, seed=5)]

    def run(device, dtype):
        def fn(a_re, a_im, c_re, c_im, u):
            k = s4d_kernel(a_re, a_im, c_re, c_im, length=length)
            return (k, *s4d_state(u, a_re, a_im))

        xs = [hx.tensor(a, dtype, device) for a in arrays]
        ys, pull = hx.vjp(fn, *xs)
        cts = [hx.tensor(draw(*y.shape, seed=9), dtype, device) for y in ys]
        return [np.asarray(t) for t in (*ys, *pull(tuple(cts)), *fn(*xs))]

    arrays = [a.astype("f4").astype("f8") for a in arrays]
    for got, want in zip(run("cpu", "float32"), run("numpy", "float64"), strict=True):
        assert got.shape == want.shape and got.dtype == np.float32
        assert np.abs(got - want).max() <= 2e-5 * np.abs(want).max()


def test_states_have_gradients():
    mixer = S4DMixer(3, 4, dtype="float64", device="numpy", generator=hx.Generator(0))

    def fn(x, real, imag):
        y, last = mixer.scan(x, S4DState(real, imag), True)
        return y, last.real, last.imag

    got, want = differences(fn, [draw(2, 6, 3), draw(2, 3, 2), draw(2, 3, 2, seed=7)])
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_every_parameter_gets_a_gradient_and_state_matrices_no_decay():
    block = S4Block(8, 8, generator=hx.Generator(0))
    hx.mean(hx.square(block(hx.tensor(draw(2, 9, 8).astype("f4"))))).backward()
    names = dict(block.named_parameters())
    for name, p in names.items():
        assert p.grad is not None and np.abs(p.grad.numpy()).max() > 0, name
    assert {n for n in names if not names[n].decay} >= {
        "mixer.kernel.log_dt",
        "mixer.kernel.log_A_real",
        "mixer.kernel.A_imag",
        "mixer.D",
    }
    assert names["mixer.kernel.C"].decay


def test_no_output_depends_on_a_later_input():
    block = S4Block(4, 8, generator=hx.Generator(0))
    x = hx.tensor(draw(1, 12, 4).astype("f4"))
    _, pull = hx.vjp(block, x)
    for t in (0, 5, 11):
        ct = np.zeros((1, 12, 4), "f4")
        ct[0, t] = 1
        g = pull(hx.tensor(ct))
        g = np.asarray(g[0] if isinstance(g, tuple) else g)
        assert np.abs(g[0, : t + 1]).max() > 1e-3
        assert np.abs(g[0, t + 1 :]).max(initial=0) <= 1e-6


def test_nothing_in_nothing_out():
    mixer = S4DMixer(4, 8)
    y, state = mixer(hx.zeros((2, 0, 4)), return_state=True)
    assert y.shape == (2, 0, 4) and not state.real.numpy().any()
    before = S4DState(state.real + 1.0, state.imag)
    assert mixer(hx.zeros((2, 0, 4)), before, True)[1] is before
    assert mixer(hx.zeros((0, 3, 4))).shape == (0, 3, 4)


def test_dropout_only_in_training():
    mixer = S4DMixer(8, 8, dropout=0.5, generator=hx.Generator(0))
    x = hx.tensor(draw(1, 6, 8).astype("f4"))
    assert np.abs(mixer(x).numpy() - mixer(x).numpy()).max() > 0
    mixer.eval()
    np.testing.assert_array_equal(mixer(x).numpy(), mixer(x).numpy())


def test_bad_settings_and_input():
    with pytest.raises(LayerError, match="kind of lin, inv, real; got 'legs'"):
        S4DKernel(4, 8, "legs")
    with pytest.raises(LayerError, match=r"an even d_state.*got 7"):
        S4DKernel(4, 7)
    with pytest.raises(LayerError, match="0 < dt_min <= dt_max"):
        S4DKernel(4, 8, dt_min=0.1, dt_max=0.01)
    with pytest.raises(LayerError, match="dropout in"):
        S4DMixer(4, 8, dropout=1.5)
    mixer = S4DMixer(4, 8)
    with pytest.raises(hx.ShapeError, match=r"expected x \(batch, time, 4\)"):
        mixer(hx.zeros((2, 3, 5)))
    with pytest.raises(LayerError, match="belongs to another model or batch"):
        mixer(hx.zeros((2, 3, 4)), S4DMixer(4, 16).initial_state(2))
    with pytest.raises(LayerError, match="belongs to another model or batch"):
        mixer.step(hx.zeros((3, 4)), mixer.initial_state(2))
