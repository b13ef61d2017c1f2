"""Devices of torch: composites beside torch's autograd, and whole models beside ``cpu``."""

import helix_core as hx
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helix_layers import MambaConfig, MambaLM, TransformerConfig, TransformerLM

DEV = "torch:cpu"
RNG = np.random.default_rng(5)


def draw(*shape):
    return RNG.normal(size=shape).astype(np.float32)


LABELS = RNG.integers(0, 30, size=(40,))
LABELS[::7] = -100
IDS = RNG.integers(0, 11, size=(4, 6))


def scanned(u, dt, A, B, C, D=None, z=None, bias=None, h0=None):
    """Mamba's recurrence, one step at a time."""
    dt = F.softplus(dt if bias is None else dt + bias)
    h = torch.zeros(*u.shape[::2], A.shape[1]) if h0 is None else h0
    ys = []
    for t in range(u.shape[1]):
        drive = (dt[:, t] * u[:, t])[..., None] * B[:, t, None]
        h = torch.exp(dt[:, t, :, None] * -A.exp()) * h + drive
        ys.append((h * C[:, t, None]).sum(-1))
    y = torch.stack(ys, 1)
    y = y if D is None else y + u * D
    y = y if z is None else y * F.silu(z)
    return torch.cat([y.reshape(-1), h.reshape(-1)])


def ours_scanned(u, dt, A, B, C, *rest):
    y, h = hx.selective_scan(u, dt, -hx.exp(A), B, C, *rest, return_state=True)
    return hx.concat([hx.reshape(y, -1), hx.reshape(h, -1)])


def linear_scan(a, b, h0):
    h, out = h0, []
    for t in range(a.shape[1]):
        h = a[:, t] * h + b[:, t]
        out.append(h)
    return torch.stack(out, 1)


def heads(x):
    return x.transpose(1, 2)


def attended(q, k, v):
    times = q.shape[2] // k.shape[2]
    k, v = (x.repeat_interleave(times, 2) for x in (k, v))
    return heads(
        F.scaled_dot_product_attention(heads(q), heads(k), heads(v), is_causal=True)
    )


def turned(x, cos, sin):
    a, b = x.chunk(2, -1)
    c, s = cos[:, None], sin[:, None]
    return torch.cat([a * c - b * s, b * c + a * s], -1)


def cross_entropy(**kw):
    t = torch.tensor(LABELS)
    return lambda x, w, b: F.cross_entropy(x @ w.T + b, t, **kw)


def ours_cross_entropy(**kw):
    return lambda x, w, b: hx.linear_cross_entropy(
        x, w, hx.tensor(LABELS, device=x.device), b, **kw
    )


def batch_norm(x, w, b, r):
    return torch.relu(F.batch_norm(x, None, None, w, b, True, 0.0, 1e-5) + r)


def causal_conv(x, w, b, state):
    full = torch.cat([state, x], 1).transpose(1, 2)
    return F.silu(F.conv1d(full, w[:, None], b, groups=w.shape[0])).transpose(1, 2)


def conv(x, w, b=None, state=None):
    return hx.causal_conv1d(x, w, b, "silu", state)


def long_conv(u, k, d, pre, post):
    v = u * pre
    n = 2 * u.shape[1]
    f = torch.fft.rfft(v, n, 1) * torch.fft.rfft(k, n, 0)
    return (torch.fft.irfft(f, n, 1)[:, : u.shape[1]] + v * d) * post


S, D = (2, 70, 12), (2, 70, 4)
CASES = {
    "selective scan": (
        ours_scanned,
        scanned,
        (draw(*S), draw(*S), draw(12, 4), draw(*D), draw(*D)),
    ),
    "selective scan, all": (
        ours_scanned,
        scanned,
        (
            *(draw(*S), draw(*S), draw(12, 4), draw(*D), draw(*D), draw(12)),
            *(draw(*S), draw(12), draw(2, 12, 4)),
        ),
    ),
    "linear scan": (
        lambda a, b, h: hx.linear_scan(hx.tanh(a), b, h, axis=1),
        lambda a, b, h: linear_scan(torch.tanh(a), b, h),
        (draw(3, 150, 5), draw(3, 150, 5), draw(3, 5)),
    ),
    "attention": (
        lambda q, k, v: hx.attention(q, k, v, causal=True),
        attended,
        (draw(2, 40, 4, 8), draw(2, 40, 2, 8), draw(2, 40, 2, 8)),
    ),
    "rotary": (hx.rotary, turned, (draw(2, 7, 3, 8), draw(7, 4), draw(7, 4))),
    "cross-entropy": (
        ours_cross_entropy(),
        cross_entropy(),
        (draw(40, 8), draw(30, 8), draw(30)),
    ),
    "cross-entropy, smooth": (
        ours_cross_entropy(label_smoothing=0.2, reduction="sum"),
        cross_entropy(label_smoothing=0.2, reduction="sum"),
        (draw(40, 8), draw(30, 8), draw(30)),
    ),
    "embedding": (
        lambda w: hx.embedding(hx.tensor(IDS, device=w.device), w),
        lambda w: F.embedding(torch.tensor(IDS), w),
        (draw(11, 5),),
    ),
    "rms norm": (
        hx.rms_norm,
        lambda x, w: F.rms_norm(x, w.shape, w, 1e-5),
        (draw(2, 30, 48), draw(48)),
    ),
    "layer norm": (
        hx.layer_norm,
        lambda x, w, b: F.layer_norm(x, w.shape, w, b, 1e-5),
        (draw(2, 30, 48), draw(48), draw(48)),
    ),
    "group norm": (
        lambda x, w, b: hx.group_norm(x, 3, w, b),
        lambda x, w, b: F.group_norm(x, 3, w, b),
        (draw(2, 6, 5, 4), draw(6), draw(6)),
    ),
    "batch norm": (
        lambda *xs: hx.batch_norm(*xs[:3], activation="relu", residual=xs[3])[0],
        batch_norm,
        (draw(4, 3, 5, 6), draw(3), draw(3), draw(4, 3, 5, 6)),
    ),
    "linear": (
        lambda x, w, b, r: hx.linear(x, w, b, activation="gelu_tanh", residual=r),
        lambda x, w, b, r: F.gelu(F.linear(x, w, b), approximate="tanh") + r,
        (draw(2, 5, 8), draw(6, 8), draw(6), draw(2, 5, 6)),
    ),
    "linear relu": (
        lambda x, w, b: hx.linear(x, w, b, activation="relu"),
        lambda x, w, b: F.relu(F.linear(x, w, b)),
        (draw(9, 8), draw(6, 8), draw(6)),
    ),
    "causal conv": (
        conv,
        causal_conv,
        (draw(2, 9, 5), draw(5, 4), draw(5), draw(2, 3, 5)),
    ),
    "causal conv, short": (
        conv,
        causal_conv,
        (draw(2, 2, 5), draw(5, 4), draw(5), draw(2, 3, 5)),
    ),
    "long conv": (
        lambda u, k, d, a, b: hx.long_conv(u, k, d, pre=a, post=b),
        long_conv,
        (draw(2, 13, 3), draw(9, 3), draw(3), draw(2, 13, 3), draw(2, 13, 3)),
    ),
    "conv, strided": (
        lambda x, w: hx.conv2d(x, w, stride=(2, 3), padding=(1, 2), groups=2),
        lambda x, w: F.conv2d(x, w, stride=(2, 3), padding=(1, 2), groups=2),
        (draw(2, 4, 9, 11), draw(6, 2, 3, 2)),
    ),
    "conv, dilated": (
        lambda x, w: hx.conv2d(x, w, padding=2, dilation=2),
        lambda x, w: F.conv2d(x, w, padding=2, dilation=2),
        (draw(2, 3, 8, 9), draw(4, 3, 3, 3)),
    ),
    "max pool": (
        lambda x: hx.max_pool2d(x, 3, 2, 1),
        lambda x: F.max_pool2d(x, 3, 2, 1),
        (draw(2, 3, 9, 8),),
    ),
    "avg pool": (
        lambda x: hx.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        (draw(2, 3, 9, 8),),
    ),
    "avg pool 1d": (
        lambda x: hx.avg_pool1d(x, 3, 2, 1),
        lambda x: F.avg_pool1d(x, 3, 2, 1),
        (draw(2, 3, 9),),
    ),
    **{
        name: (getattr(hx, name), fn, (draw(40, 3) * 6,))
        for name, fn in {
            "silu": F.silu,
            "gelu": F.gelu,
            "sigmoid": torch.sigmoid,
            "softplus": F.softplus,
            "relu": torch.relu,
        }.items()
    },
}


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name, compiled):
    fn, oracle, arrays = CASES[name]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    y = oracle(*theirs)
    ct = draw(*y.shape)
    y.backward(torch.tensor(ct))
    with hx.device(DEV):
        xs, dy = [hx.tensor(a) for a in arrays], hx.tensor(ct)

        def both(dy, *xs):
            out, pull = hx.vjp(fn, *xs)
            grads = pull(dy)
            return out, *(grads if len(xs) > 1 else (grads,))

        got = (hx.compile(both) if compiled else both)(dy, *xs)
    want = [y, *[t.grad for t in theirs]]
    for g, w in zip(got, want, strict=True):
        w = w.detach().numpy()
        assert g.device.name == DEV and g.shape == w.shape
        scale = max(1.0, np.abs(w).max())
        np.testing.assert_allclose(g.numpy(), w, rtol=0, atol=3e-5 * scale)


# ------------------------------------------------------------------------------ optimizers
OPTIMIZERS = {
    "AdamW": ({"weight_decay": 0.1}, {"weight_decay": 0.1}),
    "Adam": ({"weight_decay": 0.1}, {"weight_decay": 0.1}),
    "SGD": (
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    ),
    "RMSprop": (
        {"momentum": 0.5, "centered": True},
        {"momentum": 0.5, "centered": True},
    ),
}


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name, compiled):
    mine, theirs = OPTIMIZERS[name]
    start, grads = [draw(4, 3), draw(5)], [[draw(4, 3), draw(5)] for _ in range(4)]
    ps = [torch.tensor(a, requires_grad=True) for a in start]
    opt = getattr(torch.optim, name)(ps, lr=0.05, **theirs)
    own = [hx.Parameter(hx.tensor(a, device=DEV)) for a in start]
    ours = getattr(hx.optim, name)(own, lr=0.05, **mine)

    def step(turned, h):  # the first gradient lies turned in memory
        loss = hx.sum(own[0].T * turned) + hx.sum(own[1] * h)
        loss.backward()
        ours.step()

    run = hx.compile(step) if compiled else step
    for g in grads:
        for p, a in zip(ps, g, strict=True):
            p.grad = torch.tensor(a)
        opt.step()
        with hx.device(DEV):
            run(hx.tensor(np.ascontiguousarray(g[0].T)), hx.tensor(g[1]))
    for p, q in zip(own, ps, strict=True):
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=2e-5, atol=2e-6)


def test_gradients_are_clipped_as_torch_does():
    start = [draw(4, 3), draw(5)]
    ps = [torch.zeros(a.shape, requires_grad=True) for a in start]
    own = [hx.Parameter(hx.zeros(a.shape, device=DEV)) for a in start]
    for p, q, a in zip(ps, own, start, strict=True):
        p.grad, q.grad = torch.tensor(a), hx.tensor(a, device=DEV)
    norm = torch.nn.utils.clip_grad_norm_(ps, 0.7)
    got = hx.optim.clip_grad_norm(own, 0.7)
    assert got.item() == pytest.approx(norm.item(), rel=1e-6)
    for p, q in zip(ps, own, strict=True):
        np.testing.assert_allclose(q.grad.numpy(), p.grad.numpy(), rtol=1e-6)


# ---------------------------------------------------------------------------- whole models
def losses(make, device):
    hx.seed(0)
    with hx.device("cpu"):
        weights = make().state_dict()
    with hx.device(device):
        model = make()
        model.load_state_dict({k: np.array(v) for k, v in weights.items()})
        opt = hx.optim.AdamW(model, lr=3e-3)

        @hx.compile
        def step(x, y):
            loss = model.loss(x, y)
            loss.backward()
            hx.optim.clip_grad_norm(model.parameters(), 1.0)
            opt.step()
            return loss

        text = np.random.default_rng(1).integers(0, 50, (2, 41)).astype(np.int32)
        x, y = hx.tensor(text[:, :-1].copy()), hx.tensor(text[:, 1:].copy())
        return [step(x, y).item() for _ in range(20)]


MODELS = {
    "transformer": lambda: TransformerLM(
        TransformerConfig(vocab_size=50, d_model=32, n_layers=2, n_heads=2)
    ),
    "mamba": lambda: MambaLM(
        MambaConfig(vocab_size=50, d_model=16, n_layers=2, d_state=4)
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_twenty_steps_as_on_the_cpu(name):
    got, want = (losses(MODELS[name], d) for d in (DEV, "cpu"))
    assert got[-1] < got[0]
    np.testing.assert_allclose(got, want, rtol=1e-3)
