"""Optimizer updates beside their published equations in float64 NumPy."""

import numpy as np
import pytest
from helix_hal.cpu import threads
from helix_hal.cpu.kernels import adam as opt

SHAPES = [(3, 5), (1,), (20_000,), (0, 4), (), (130, 70)]
STEPS = 5


def _draw(dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.standard_normal(s), dtype) for s in SHAPES]


def _zeros(dtype=np.float64):
    return [np.zeros(s, dtype) for s in SHAPES]


def _close(got, expected, tol):
    for a, b in zip(got, expected, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=tol, atol=tol)


def _adam(p, g, m, v, step, lr, betas, eps, decay, decoupled):
    """Algorithms 1 and 2 of Loshchilov and Hutter, 2017."""
    if decoupled:
        p = p - lr * decay * p
    else:
        g = g + decay * p
    m = betas[0] * m + (1 - betas[0]) * g
    v = betas[1] * v + (1 - betas[1]) * g**2
    m_hat, v_hat = m / (1 - betas[0] ** step), v / (1 - betas[1] ** step)
    return p - lr * m_hat / (np.sqrt(v_hat) + eps), m, v


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("dtype,tol", [(np.float32, 2e-6), (np.float64, 1e-12)])
def test_adam(dtype, tol, decoupled, inplace):
    options = {"betas": (0.8, 0.95), "eps": 1e-6, "decoupled": decoupled}
    p, m, v = _draw(dtype), _zeros(dtype), _zeros(dtype)
    expected = [(a.astype(np.float64), 0.0 * a, 0.0 * a) for a in p]
    for step in range(1, STEPS + 1):
        g = _draw(dtype, seed=step)
        p, m, v = opt.adam(
            *(p, g, m, v), lr=0.01, step=step, weight_decay=0.1, inplace=inplace,
            **options,
        )  # fmt: skip
        expected = [
            _adam(*(e[0], a.astype(np.float64), e[1], e[2], step, 0.01), decay=0.1,
                  **options)
            for e, a in zip(expected, g, strict=True)
        ]  # fmt: skip
    for k, got in enumerate((p, m, v)):
        _close(got, [e[k] for e in expected], tol)


def test_out_of_place_leaves_its_inputs_alone():
    p, g, m, v = _draw(), _draw(seed=1), _zeros(), _zeros()
    before = [a.copy() for a in p]
    opt.adam(p, g, m, v, lr=0.1, step=1)
    for a, b in zip(p, before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not any(a.any() for a in (*m, *v))


def test_in_place_returns_the_same_arrays():
    p, g, m, v = _draw(), _draw(seed=1), _zeros(), _zeros()
    new = opt.adam(p, g, m, v, lr=0.1, step=1, inplace=True)
    assert all(a is b for a, b in zip(new[0], p, strict=True))


def test_in_place_and_out_of_place_agree_to_the_bit():
    p, g, m, v = (_draw(np.float32, seed=i) for i in range(4))
    v = [np.asarray(a * a) for a in v]
    new = opt.adam(p, g, m, v, lr=0.1, step=3)
    old = opt.adam(p, g, m, v, lr=0.1, step=3, inplace=True)
    for a, b in zip(new, old, strict=True):
        assert all((x == y).all() for x, y in zip(a, b, strict=True))


def test_rate_and_decay_by_parameter():
    p, g = [np.ones(4), np.ones(4)], [np.ones(4), np.ones(4)]
    new, _ = opt.sgd(p, g, lr=[0.5, 0.25], weight_decay=[0.0, 2.0])
    assert new[0].tolist() == [0.5] * 4
    assert new[1].tolist() == [0.25] * 4


def test_the_step_may_differ_by_parameter():
    p, g = [np.zeros(3), np.zeros(3)], [np.ones(3), np.ones(3)]
    m, v = [np.full(3, 0.5), np.full(3, 0.5)], [np.full(3, 0.2), np.full(3, 0.2)]
    new = opt.adam(p, g, m, v, lr=0.1, step=np.array([1, 7]))
    for k, step in enumerate((1, 7)):
        one = opt.adam(p[:1], g[:1], m[:1], v[:1], lr=0.1, step=step)
        assert [a[k].tolist() for a in new] == [a[0].tolist() for a in one]
    assert new[0][0][0] != new[0][1][0]


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("dampening", [0.0, 0.3])
def test_sgd_with_momentum(nesterov, dampening, inplace):
    p, u = _draw(), _zeros()
    q, w = [a.copy() for a in p], _zeros()
    for step in range(STEPS):
        g = _draw(seed=step + 1)
        p, u = opt.sgd(
            *(p, g, u), lr=0.1, momentum=0.9, dampening=dampening, nesterov=nesterov,
            step=step + 1, weight_decay=0.01, inplace=inplace,
        )  # fmt: skip
        for k, a in enumerate(g):
            d = a + 0.01 * q[k]
            w[k] = d if step == 0 else 0.9 * w[k] + (1 - dampening) * d
            q[k] = q[k] - 0.1 * (d + 0.9 * w[k] if nesterov else w[k])
    _close(p, q, 1e-12)
    _close(u, w, 1e-12)


@pytest.mark.parametrize("inplace", [False, True])
def test_plain_sgd(inplace):
    p, g = _draw(), _draw(seed=1)
    expected = [a - 0.1 * (b + 0.5 * a) for a, b in zip(p, g, strict=True)]
    new, velocities = opt.sgd(p, g, lr=0.1, weight_decay=0.5, inplace=inplace)
    assert velocities is None
    _close(new, expected, 1e-14)


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rmsprop(momentum, centered, inplace):
    p, v, u, m = _draw(), _zeros(), _zeros(), _zeros()
    q, w, s, r = [a.copy() for a in p], _zeros(), _zeros(), _zeros()
    for step in range(STEPS):
        g = _draw(seed=step + 1)
        p, v, *rest = opt.rmsprop(
            *(p, g, v), u if momentum else None, m if centered else None,
            lr=0.01, alpha=0.9, momentum=momentum, weight_decay=0.1, inplace=inplace,
        )  # fmt: skip
        u = rest.pop(0) if momentum else u
        m = rest.pop(0) if centered else m
        for k, a in enumerate(g):
            d = a + 0.1 * q[k]
            w[k] = 0.9 * w[k] + 0.1 * d**2
            r[k] = 0.9 * r[k] + 0.1 * d if centered else r[k]
            s[k] = momentum * s[k] + d / (np.sqrt(w[k] - r[k] ** 2) + 1e-8)
            q[k] = q[k] - 0.01 * s[k]
    _close(p, q, 1e-8 if centered else 1e-11)  # w - r^2 is a small difference at first
    _close(v, w, 1e-12)
    _close(m, r, 1e-12)


def test_read_only_gradients_are_read():
    p, g = [np.ones(3)], [np.ones(3)]
    g[0].flags.writeable = False
    assert opt.sgd(p, g, lr=1.0)[0][0].tolist() == [0.0] * 3


def test_nan_stays_where_it_is():
    p, m, v = [np.ones(9)], [np.zeros(9)], [np.zeros(9)]
    g = [np.ones(9)]
    g[0][4] = np.nan
    new = opt.adam(p, g, m, v, lr=0.1, step=1)
    for (a,) in new:
        assert np.isnan(a).tolist() == [i == 4 for i in range(9)]


def test_no_parameters():
    assert opt.adam([], [], [], [], lr=0.1, step=1) == ([], [], [])


def test_the_thread_count_changes_no_bit(monkeypatch):
    results = []
    for n in (1, 2, 5):
        monkeypatch.setattr(threads, "_num_threads", n)
        p, g, m, v = (_draw(np.float32, seed=i) for i in range(4))
        v = [np.asarray(a * a) for a in v]
        new = opt.adam(p, g, m, v, lr=0.1, step=3, decoupled=True, weight_decay=0.1)
        results.append(b"".join(a.tobytes() for part in new for a in part))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("run", ["adam", "sgd", "rmsprop"])
def test_inner_loops_are_vectorised(run):
    """One instruction divides, or multiplies, 4 numbers or more."""
    kernels = {
        "adam": [*opt._ADAM.values()],
        "sgd": [*opt._SGD.values()],
        "rmsprop": [*opt._RMSPROP.values()],
    }[run]
    index, table = np.zeros(4, np.int64), np.zeros((9, 4), np.int64)
    each, scalars = np.zeros((3, 4)), np.zeros(8, np.float32)
    packed = "mulps" if run == "sgd" else "divps"
    for k in kernels:
        text = k.assembly(
            *(0, 1, index, index, index, table, np.empty(0, np.float32), each, scalars)
        )
        assert packed in text or "fmul.4s" in text or "fdiv.4s" in text
