"""Linear layers and mixed precision beside torch: values and every gradient."""

import contextlib

import helix_core as hx
import numpy as np
import pytest
import torch

F = torch.nn.functional
ACTIVATIONS = {
    None: lambda z: z,
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": lambda z: F.gelu(z, approximate="tanh"),
    "silu": F.silu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}
DEVICES = ["numpy", "cpu"]


def draw(*shapes):
    rng = np.random.default_rng(sum(map(sum, shapes)))
    return [rng.standard_normal(s).astype("f4") for s in shapes]


def close(got, want, tolerance):
    want = want.detach().float().numpy()
    assert got.shape == want.shape
    assert np.abs(np.asarray(got) - want).max() <= tolerance * np.abs(want).max()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("residual", [False, True])
def test_linear(device, activation, bias, residual):
    arrays = draw((3, 50, 70), (130, 70), (130,), (3, 50, 130), (3, 50, 130))
    arrays[1] *= np.float32(70**-0.5)
    *given, ct = arrays
    use = [True, True, bias, residual]
    theirs = [torch.tensor(a, requires_grad=True) for a in given]
    b, r = (t if u else None for t, u in zip(theirs[2:], use[2:], strict=True))
    want = ACTIVATIONS[activation](F.linear(*theirs[:2], b))
    want = want if r is None else want + r
    want.backward(torch.from_numpy(ct))

    def fn(x, w, *rest):
        rest = iter(rest)
        b = next(rest) if bias else None
        r = next(rest) if residual else None
        return hx.linear(x, w, b, activation=activation, residual=r)

    ours = [hx.tensor(a, device=device) for a, u in zip(given, use, strict=True) if u]
    y, pull = hx.vjp(fn, *ours)
    close(y, want, 1e-5)
    grads = pull(hx.tensor(ct, device=device))
    kept = [t for t, u in zip(theirs, use, strict=True) if u]
    for g, t in zip(grads, kept, strict=True):
        close(g, t.grad, 1e-5)


@pytest.mark.parametrize("device", DEVICES)
def test_a_product_of_rounded_operands(device):
    """Rounded by torch, multiplied by torch in float64."""
    x, y = draw((70, 90), (90, 130))
    with hx.precision("bfloat16"):
        got = hx.tensor(x, device=device) @ hx.tensor(y, device=device)
    a, b = (torch.from_numpy(v).bfloat16().double() for v in (x, y))
    close(got, a @ b, 1e-6)


@pytest.mark.parametrize("device", DEVICES)
def test_tensors_of_bfloat16(device):
    x, y = draw((70, 90), (90, 130))
    a, b = (hx.tensor(v, device=device).astype("bfloat16") for v in (x, y))
    got = np.asarray(a @ b).astype(np.float32)
    close(got, torch.from_numpy(x).bfloat16() @ torch.from_numpy(y).bfloat16(), 2**-8)


@pytest.mark.parametrize("device", DEVICES)
def test_a_network_beside_autocast(device):
    """The loss and gradients of both are as far from float32 as bfloat16 makes them.

    torch rounds more: what its products return, and so activations, are bfloat16.
    """
    x, w1, b1, w2, labels = draw((96, 64), (256, 64), (256,), (10, 256), (96,))
    w1, w2 = w1 * np.float32(0.125), w2 * np.float32(0.0625)
    ids = (np.abs(labels) * 4).astype(np.int64) % 10

    def theirs(cast):
        ps = [torch.tensor(p, requires_grad=True) for p in (w1, b1, w2)]
        with (
            torch.autocast("cpu", torch.bfloat16) if cast else contextlib.nullcontext()
        ):
            h = F.gelu(F.linear(torch.from_numpy(x), *ps[:2]))
            loss = F.cross_entropy(F.linear(h, ps[2]).float(), torch.from_numpy(ids))
        loss.backward()
        return [loss, *(p.grad for p in ps)]

    ps = [hx.Parameter(hx.tensor(p, device=device)) for p in (w1, b1, w2)]
    with hx.precision("bfloat16"):
        h = hx.linear(hx.tensor(x, device=device), ps[0], ps[1], activation="gelu")
        loss = hx.linear_cross_entropy(h, ps[2], hx.tensor(ids, device=device))
    loss.backward()
    full, mixed = theirs(False), theirs(True)
    for got, f, m in zip([loss, *(p.grad for p in ps)], full, mixed, strict=True):
        f, m = f.detach().numpy(), m.detach().float().numpy()
        scale = np.abs(f).max()
        ours, torchs = np.abs(np.asarray(got) - f).max(), np.abs(m - f).max()
        assert 0 < ours / scale < 0.02
        assert ours < 2 * torchs + 1e-3 * scale
