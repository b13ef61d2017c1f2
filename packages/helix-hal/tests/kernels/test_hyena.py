"""The fused Hyena operator beside its definition, and beside finite differences."""

import numpy as np
from helix_hal.cpu import threads
from helix_hal.cpu.kernels import hyena
from helix_hal.cpu.kernels.hyena import hyena_backward, hyena_forward

F32, SHIFT = np.float32, 0.05


def draw(t=21, d=48, width=5):
    rng = np.random.default_rng(0)
    shapes = [(2, t, d), (3, d, d), (3, d), (3, d, 3), (3, d), (t, width)]
    shapes += [(1, d, width), (1, d), (1, d), (d, d), (d,)]
    a = [rng.standard_normal(s) for s in shapes]
    a[1], a[9] = a[1] / 7, a[9] / 7
    a.append(np.arange(t)[:, None] / t)
    return [x.astype(F32) for x in a], rng.standard_normal((2, t, d)).astype(F32)


def definition(x, w, b, cw, cb, h, fw, win, skip, ow, ob, times):
    parts = []
    for i in range(3):
        u = np.pad(x @ w[i].T + b[i], ((0, 0), (2, 0), (0, 0)))
        t = x.shape[1]
        parts.append(cb[i] + sum(cw[i, :, j] * u[:, j : j + t] for j in range(3)))
    k = (h @ fw[0].T) * (np.exp(-times * np.abs(win[0])) + SHIFT)
    x0, x1, v = parts
    v = v * x1
    y = skip[0] * v
    for t in range(v.shape[1]):
        for s in range(t + 1):
            y[:, t] += k[s] * v[:, t - s]
    return (y * x0) @ ow.T + ob


def test_values_and_gradients(monkeypatch):
    a, ct = draw()
    wide = [x.astype(np.float64) for x in a]
    want = definition(*wide)
    rng = np.random.default_rng(1)
    for size, rows in ((1, 4), (1 << 22, 2048)):
        monkeypatch.setattr(hyena, "_BYTES", size)
        monkeypatch.setattr(hyena, "_ROWS", rows)
        y = hyena_forward(*a, shift=SHIFT, compute="float32")
        assert np.abs(y - want).max() <= 3e-6 * np.abs(want).max()
        given = (*a[:10], a[11], ct)
        grads = hyena_backward(*given, shift=SHIFT, compute="float32")
        for i, g in enumerate(grads):
            step = np.zeros_like(wide[i])
            step[...] = rng.standard_normal(step.shape)
            ends = []
            for s in (1e-6, -1e-6):
                moved = list(wide)
                moved[i] = wide[i] + s * step
                ends.append((definition(*moved) * ct).sum())
            slope = (ends[0] - ends[1]) / 2e-6
            assert g.shape == a[i].shape
            scale = np.sqrt((g.astype(np.float64) ** 2).sum())
            assert abs((g * step).sum() - slope) <= 3e-5 * max(scale, abs(slope)), i


def test_the_number_of_threads_changes_no_bit():
    a, ct = draw(300, 64)
    before, results = threads.get_num_threads(), set()
    try:
        for count in (1, 2, 3, 7):
            threads.set_num_threads(count)
            out = [hyena_forward(*a, shift=SHIFT, compute="float32")]
            given = (*a[:10], a[11], ct)
            out += hyena_backward(*given, shift=SHIFT, compute="float32")
            results.add(b"".join(x.tobytes() for x in out))
    finally:
        threads.set_num_threads(before)
    assert len(results) == 1
