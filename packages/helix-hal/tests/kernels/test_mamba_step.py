"""The fused step against its equations in float64."""

import numpy as np
import pytest
from helix_hal.cpu import threads
from helix_hal.cpu.kernels.mamba_step import mamba_lm_step

RNG = np.random.default_rng(0)


def draw(*shape):
    return RNG.normal(scale=0.3, size=shape).astype(np.float32)


def make(layers, batch, dm, d, n, r, k, vocab, tied=True, bias=False, conv_bias=True):
    attrs = {"n_layers": layers, "tied": tied, "bias": bias, "conv_bias": conv_bias}
    flat = [draw(vocab, dm), 1 + draw(dm)] + ([] if tied else [draw(vocab, dm)])
    for _ in range(layers):
        flat += [1 + draw(dm), draw(2 * d, dm)] + ([draw(2 * d)] if bias else [])
        flat += [draw(d, k)] + ([draw(d)] if conv_bias else [])
        flat += [draw(r + 2 * n, d), draw(d, r), draw(d), draw(d, n), draw(d)]
        flat += [draw(dm, d)] + ([draw(dm)] if bias else [])
    conv, ssm = draw(layers, batch, k - 1, d), draw(layers, batch, n, d)
    ids = RNG.integers(0, vocab, batch).astype(np.int32)
    return ids, conv, ssm, flat, attrs


def reference(ids, conv, ssm, flat, eps, n_layers, tied, bias, conv_bias):
    it = iter([w.astype(np.float64) for w in flat])

    def norm(x, w):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * w

    def silu(x):
        return x / (1 + np.exp(-x))

    table, last = next(it), next(it)
    head = table if tied else next(it)
    x, convs, ssms = table[ids], [], []
    for i in range(n_layers):
        h = norm(x, next(it)) @ next(it).T + (next(it) if bias else 0)
        taps = next(it)
        d = len(taps)
        window = np.concatenate([conv[i], h[:, None, :d]], 1)
        u = silu((window * taps.T).sum(1) + (next(it) if conv_bias else 0))
        x_w, dt_w, dt_b, a_log, skip, out_w = (next(it) for _ in range(6))
        r, n = dt_w.shape[1], a_log.shape[1]
        mix = u @ x_w.T
        dt = np.log1p(np.exp(mix[:, :r] @ dt_w.T + dt_b))
        s = np.exp(dt[:, None] * -np.exp(a_log.T)) * ssm[i]
        s = s + (dt * u)[:, None] * mix[:, r : r + n, None]
        y = ((s * mix[:, r + n :, None]).sum(1) + u * skip) * silu(h[:, d:])
        x = x + y @ out_w.T + (next(it) if bias else 0)
        convs.append(window[:, 1:])
        ssms.append(s)
    return norm(x, last) @ head.T, np.stack(convs), np.stack(ssms)


@pytest.mark.parametrize(
    "sizes, options",
    [
        ((2, 1, 32, 64, 16, 2, 4, 256), {}),
        ((1, 3, 20, 41, 5, 3, 3, 61), {"tied": False, "bias": True}),
        ((3, 2, 7, 16, 1, 1, 2, 17), {"conv_bias": False}),
        ((1, 1, 16, 32, 8, 5, 1, 16), {"bias": True}),
    ],
)
def test_every_output(sizes, options):
    ids, conv, ssm, flat, attrs = make(*sizes, **options)
    got = mamba_lm_step(ids, conv, ssm, *flat, eps=1e-3, **attrs)
    want = reference(ids, conv, ssm, flat, 1e-3, **attrs)
    for g, w in zip(got, want, strict=True):
        assert g.shape == w.shape and g.dtype == np.float32
        assert np.abs(g - w).max(initial=0.0) <= 1e-5 * max(
            1.0, np.abs(w).max(initial=0.0)
        )


def test_a_changed_weight_is_seen_and_an_id_outside_clamps():
    ids, conv, ssm, flat, attrs = make(1, 1, 16, 32, 4, 2, 4, 9)
    before = mamba_lm_step(ids, conv, ssm, *flat, eps=1e-5, **attrs)[0]
    flat[3] = flat[3] * np.float32(2)
    after = mamba_lm_step(ids, conv, ssm, *flat, eps=1e-5, **attrs)[0]
    want = reference(ids, conv, ssm, flat, 1e-5, **attrs)[0]
    assert np.abs(before - after).max() > 1e-3
    assert np.abs(after - want).max() < 1e-5 * np.abs(want).max()
    high, top = np.array([99], np.int32), np.array([8], np.int32)
    a, b = (
        mamba_lm_step(i, conv, ssm, *flat, eps=1e-5, **attrs)[0] for i in (high, top)
    )
    assert a.tobytes() == b.tobytes()


def test_the_same_bits_for_any_number_of_threads():
    ids, conv, ssm, flat, attrs = make(2, 5, 16, 32, 4, 2, 4, 9)
    seen = set()
    old = threads.get_num_threads()
    try:
        for count in (1, 2, 3):
            threads.set_num_threads(count)
            out = mamba_lm_step(ids, conv, ssm, *flat, eps=1e-5, **attrs)
            seen.add(b"".join(a.tobytes() for a in out))
    finally:
        threads.set_num_threads(old)
    assert len(seen) == 1
