"""The selective scan beside its recurrence in float64, and its gradients beside
differences of that recurrence."""

import gc
import tracemalloc

import numpy as np
import pytest
from helix_hal.cpu import pool, threads
from helix_hal.cpu.kernels.selective_scan import (
    CHUNK,
    selective_scan_backward,
    selective_scan_forward,
)

F32 = np.float32
OPTIONAL = ("D", "z", "dt_bias", "h0")


def recurrence(
    u, dt, A, B, C, D=None, z=None, dt_bias=None, h0=None, *, soft, states=False
):
    """Every step as Mamba's paper writes it, in float64."""
    f64 = [
        None if a is None else np.asarray(a, np.float64) for a in (D, z, dt_bias, h0)
    ]
    u, dt, A, B, C = (np.asarray(a, np.float64) for a in (u, dt, A, B, C))
    D, z, dt_bias, h0 = f64
    b, length, d = u.shape
    h = np.zeros((b, d, A.shape[1])) if h0 is None else h0
    dt = dt if dt_bias is None else dt + dt_bias
    dt = np.logaddexp(dt, 0) if soft else dt
    y, every = np.empty_like(u), [h]
    for t in range(length):
        step = dt[:, t, :, None]
        h = np.exp(step * A) * h + step * u[:, t, :, None] * B[:, t, None, :]
        every.append(h)
        y[:, t] = (h * C[:, t, None, :]).sum(-1)
    if D is not None:
        y = y + D * u
    if z is not None:
        y = y * z / (1 + np.exp(-z))
    return (y, h, every) if states else (y, h)


def draw(b, length, d, n, *optional, seed=0):
    rng = np.random.default_rng(seed)
    x = {
        "u": rng.standard_normal((b, length, d)),
        "dt": rng.uniform(-5, 1, (b, length, d)),
        "A": -rng.uniform(0.3, n + 1.0, (d, n)),
        "B": rng.standard_normal((b, length, n)),
        "C": rng.standard_normal((b, length, n)),
        "D": rng.standard_normal(d),
        "z": rng.standard_normal((b, length, d)),
        "dt_bias": rng.uniform(-1, 1, d),
        "h0": rng.standard_normal((b, d, n)),
    }
    drop = set(OPTIONAL) - set(optional)
    return {k: v.astype(F32) for k, v in x.items() if k not in drop}


def close(got, want, tolerance=2e-5):
    want = np.asarray(want)
    assert got.shape == want.shape and got.dtype == F32
    scale = np.abs(want).max(initial=0.0)
    assert np.abs(got - want).max(initial=0.0) <= tolerance * max(scale, 1e-30)


SIZES = [
    *[(1, length, 16, 16) for length in (1, 31, 32, 33, 64, 65, 129, 1000)],
    *[(2, 70, d, 16) for d in (1, 15, 17, 40, 64)],
    *[(1, 70, 20, n) for n in (1, 2, 3, 8, 12, 64)],
    *[(b, 40, 16 * 9, 4) for b in (2, 3)],
]


def _id(size):
    return "b{}-t{}-d{}-n{}".format(*size)


@pytest.mark.parametrize("size", SIZES, ids=_id)
def test_forward_is_the_recurrence(size):
    x = draw(*size, *OPTIONAL)
    y, last, ends = selective_scan_forward(**x, soft=True)
    want, h, states = recurrence(**x, soft=True, states=True)
    close(y, want)
    close(last, h)
    kept = np.stack(states[:-1][::CHUNK], 1).swapaxes(2, 3)  # (b, chunks, n, d)
    close(ends, kept)


def test_no_steps_leave_the_state_as_it_is():
    x = draw(2, 0, 20, 5, *OPTIONAL)
    y, last, ends = selective_scan_forward(**x, soft=True)
    assert y.shape == (2, 0, 20)
    np.testing.assert_array_equal(last, x["h0"])
    dlast = np.ones_like(x["h0"])
    h0 = x.pop("h0")
    g = selective_scan_backward(**x, ends=ends, dy=y, dlast=dlast, soft=True)
    np.testing.assert_array_equal(g["h0"], dlast)
    assert all(not g[k].any() for k in ("A", "D", "dt_bias")) and h0.any()


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("present", range(16))
def test_every_optional_input_on_and_off(present, soft):
    names = [k for i, k in enumerate(OPTIONAL) if present >> i & 1]
    x = draw(2, 37, 20, 4, *names)
    if not soft:
        x["dt"], x["dt_bias"] = np.exp(x["dt"]), np.abs(x.get("dt_bias", 0))
        x = {k: v for k, v in x.items() if k in names or k not in OPTIONAL}
    check_gradients(x, soft)
    y, last, _ = selective_scan_forward(**x, soft=soft)
    want, h = recurrence(**x, soft=soft)
    close(y, want)
    close(last, h)


def gradients(x, dy, dlast, soft):
    h0 = x.get("h0")
    rest = {k: x.get(k) for k in ("D", "z", "dt_bias")}
    main = {k: x[k] for k in ("u", "dt", "A", "B", "C")}
    ends = selective_scan_forward(**main, **rest, h0=h0, soft=soft)[2]
    return selective_scan_backward(
        **main, **rest, ends=ends, dy=dy, dlast=dlast, soft=soft
    )


def check_gradients(x, soft, tolerance=2e-5):
    """Along random directions the loss changes as the gradients say."""
    b, length, d = x["u"].shape
    rng = np.random.default_rng(7)
    dy = rng.standard_normal((b, length, d)).astype(F32)
    dlast = rng.standard_normal((b, d, x["A"].shape[1])).astype(F32)
    grads = gradients(x, dy, dlast, soft)

    def loss(inputs):
        y, h = recurrence(**inputs, soft=soft)
        return (y * dy).sum() + (h * dlast).sum()

    step = 1e-5
    for name, value in x.items():
        assert grads[name].shape == value.shape and grads[name].dtype == F32
        for _ in range(2):
            way = rng.standard_normal(value.shape)
            above = loss({**x, name: value.astype(np.float64) + step * way})
            below = loss({**x, name: value.astype(np.float64) - step * way})
            got = (grads[name] * way).sum(dtype=np.float64)
            scale = np.sqrt((grads[name].astype(np.float64) ** 2).sum()) or 1.0
            assert abs(got - (above - below) / (2 * step)) <= tolerance * scale, name


@pytest.mark.parametrize("size", SIZES, ids=_id)
def test_gradients_are_the_differences_of_the_loss(size):
    check_gradients(draw(*size, *OPTIONAL), True, tolerance=1e-4)


def test_gradients_of_one_output_alone():
    x = draw(1, 70, 16, 4, "h0")
    rng = np.random.default_rng(3)
    dy = rng.standard_normal(x["u"].shape).astype(F32)
    dlast = rng.standard_normal(x["h0"].shape).astype(F32)
    zero_y, zero_h = np.zeros_like(dy), np.zeros_like(dlast)
    both = gradients(x, dy, dlast, True)
    of_y, of_h = gradients(x, dy, zero_h, True), gradients(x, zero_y, dlast, True)
    without = gradients(x, dy, None, True)
    for name in ("u", "dt", "A", "B", "C", "h0"):
        np.testing.assert_array_equal(of_y[name], without[name])
        close(of_y[name] + of_h[name], both[name], 1e-5)


def test_pieces_with_passed_states_give_the_gradients_of_the_whole():
    x = draw(2, 150, 24, 8, *OPTIONAL)
    rng = np.random.default_rng(5)
    dy = rng.standard_normal(x["u"].shape).astype(F32)
    dlast = rng.standard_normal(x["h0"].shape).astype(F32)
    whole = gradients(x, dy, dlast, True)
    cut = 77  # not at a chunk's end
    timed = ("u", "dt", "B", "C", "z")
    first = {k: v[:, :cut] if k in timed else v for k, v in x.items()}
    second = {k: v[:, cut:] if k in timed else v for k, v in x.items()}
    second["h0"] = selective_scan_forward(**first, soft=True)[1]
    g2 = gradients(second, dy[:, cut:], dlast, True)
    g1 = gradients(first, dy[:, :cut], g2["h0"], True)
    for name in x:
        if name in timed:
            joined = np.concatenate([g1[name], g2[name]], 1)
        else:
            joined = g1[name] if name == "h0" else g1[name] + g2[name]
        close(joined, whole[name])


@pytest.mark.parametrize(
    "value,soft",
    [
        *[(v, True) for v in (-100.0, -20.0, 20.0, 90.0, 1e4)],
        *[(v, False) for v in (0.0, 1e-8, 50.0, -0.01)],
    ],
)
def test_extreme_step_sizes(value, soft):
    x = draw(1, 40, 16, 4, "D", "h0")
    x["dt"] = np.full_like(x["dt"], value)
    y, last, _ = selective_scan_forward(**x, soft=soft)
    want, h = recurrence(**x, soft=soft)
    close(y, want)
    close(last, h)
    grads = gradients(x, np.ones_like(y), np.ones_like(last), soft)
    assert all(np.isfinite(g).all() for g in grads.values())


def test_a_step_of_size_zero_keeps_the_state_exactly():
    x = draw(1, 100, 20, 8, "h0")
    x["dt"][:] = 0
    _, last, _ = selective_scan_forward(**x, soft=False)
    np.testing.assert_array_equal(last, x["h0"])


def test_a_decay_that_underflows_forgets_everything():
    x = draw(1, 3, 16, 2, "h0")
    x["A"][:] = -1e30
    x["dt"][:] = 1
    x["h0"][:] = 3e38
    _, last, _ = selective_scan_forward(**x, soft=False)
    close(last, x["u"][:, -1, :, None] * x["B"][:, -1, None, :])


def test_a_decay_that_overflows_is_infinite():
    x = draw(1, 2, 16, 2, "h0")
    x["A"][:] = 100.0
    x["dt"][:] = 1
    _, last, _ = selective_scan_forward(**x, soft=False)
    assert np.isinf(last).all()


@pytest.mark.parametrize("name", ["u", "dt", "z"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_stays_in_its_channel_and_in_the_future(name, bad):
    x = draw(2, 90, 35, 4, "z")
    x[name][1, 50, 20] = bad
    y, last, _ = selective_scan_forward(**x, soft=True)
    with np.errstate(all="ignore"):
        want, h = recurrence(**x, soft=True)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(want))
    np.testing.assert_array_equal(np.isnan(last), np.isnan(h))
    assert np.isfinite(y[0]).all() and np.isfinite(y[1, :50]).all()
    assert np.isfinite(np.delete(y[1], 20, 1)).all()


def test_nan_of_the_cotangent_reaches_the_past_of_its_channel():
    x = draw(1, 90, 35, 4)
    dy = np.ones_like(x["u"])
    dy[0, 50, 20] = np.nan
    grads = gradients(x, dy, None, True)
    nan = np.isnan(grads["u"][0])
    assert nan[:51, 20].all() and nan.sum() == 51
    assert np.isnan(grads["A"][20]).all() and np.isnan(grads["A"]).sum() == 4
    assert np.isnan(grads["B"][0, :51]).all() and np.isfinite(grads["B"][0, 51:]).all()


def test_strided_inputs_are_read_as_they_look():
    x = draw(2, 66, 32, 8, *OPTIONAL)
    rng = np.random.default_rng(2)
    dy = rng.standard_normal(x["u"].shape).astype(F32)
    dlast = rng.standard_normal(x["h0"].shape).astype(F32)

    def strided(a):
        wide = np.full((*a.shape[:-1], 2 * a.shape[-1] + 1), np.nan, F32)
        wide[..., ::2][..., : a.shape[-1]] = a
        return np.asfortranarray(wide)[..., ::2][..., : a.shape[-1]]

    other = {k: strided(v) for k, v in x.items()}
    assert not any(v.flags.c_contiguous for v in other.values())
    for a, b in zip(
        selective_scan_forward(**x, soft=True),
        selective_scan_forward(**other, soft=True),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
    plain = gradients(x, dy, dlast, True)
    seen = gradients(other, strided(dy), strided(dlast), True)
    for name in x:
        np.testing.assert_array_equal(plain[name], seen[name])


def test_inputs_are_not_written():
    x = draw(1, 40, 16, 8, *OPTIONAL)
    before = {k: v.copy() for k, v in x.items()}
    for v in x.values():
        v.flags.writeable = False
    gradients(x, x["u"], x["h0"], True)
    for k, v in x.items():
        np.testing.assert_array_equal(v, before[k])


@pytest.mark.parametrize("size", [(1, 200, 400, 16), (3, 65, 48, 2)], ids=_id)
def test_the_thread_count_changes_no_bit(size, monkeypatch):
    x = draw(*size, *OPTIONAL)
    rng = np.random.default_rng(2)
    dy = rng.standard_normal(x["u"].shape).astype(F32)
    dlast = rng.standard_normal(x["h0"].shape).astype(F32)
    results = []
    for n in (1, 2, 3, 7):
        monkeypatch.setattr(threads, "_num_threads", n)
        out = selective_scan_forward(**x, soft=True)
        grads = gradients(x, dy, dlast, True)
        parts = (*out, *(grads[k] for k in x))
        results.append(b"".join(a.tobytes() for a in parts))
    assert len(set(results)) == 1


def _peak(run):
    """Bytes that a call allocates at most, the reuse of earlier blocks left out."""
    pool.trim()
    gc.collect()
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    pool.trim()
    return peak


def test_memory_grows_with_time_and_channels_but_not_with_their_states(monkeypatch):
    monkeypatch.setattr(threads, "_num_threads", 1)
    b, length, d, n = 1, 4096, 128, 16
    x = draw(b, length, d, n)
    dy = np.ones_like(x["u"])
    activation = dy.nbytes  # (batch, time, channel); every state would be n of them
    gradients(x, dy, None, True)  # compiled before it is measured
    peak = _peak(lambda: gradients(x, dy, None, True))
    assert peak <= 5 * activation
