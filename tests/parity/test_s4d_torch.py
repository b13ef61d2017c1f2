"""S4D beside torch: the paper's minimal formulation through torch.fft, in float64."""

import helix_core as hx
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helix_layers import S4DMixer


def minimal(p, u):
    """gelu(K * u + D u), projection, GLU; K_l = 2 Re sum C (e^z - 1) / A e^(z l)."""
    length = u.shape[1]
    dt = p["kernel.log_dt"].exp()
    a, c = -p["kernel.log_A_real"].exp(), p["kernel.C"]
    if "kernel.A_imag" in p:
        a = a + 1j * p["kernel.A_imag"]
        c = 2 * torch.view_as_complex(c)
    z = a * dt[:, None]
    c = c * (torch.exp(z) - 1) / a
    k = (c[None] * torch.exp(z * torch.arange(length)[:, None, None])).sum(-1).real
    n = 2 * length
    y = torch.fft.irfft(torch.fft.rfft(u, n, 1) * torch.fft.rfft(k, n, 0), n, 1)
    y = F.gelu(y[:, :length] + u * p["D"])
    return F.glu(F.linear(y, p["out_proj.weight"], p["out_proj.bias"]), -1)


@pytest.mark.parametrize("device", ["cpu", "numpy"])
@pytest.mark.parametrize("length", [1, 63, 400])
@pytest.mark.parametrize("kind", ["lin", "inv", "real"])
def test_values_and_all_gradients(kind, length, device):
    mixer = S4DMixer(20, 16, kind, device=device, generator=hx.Generator(0))
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal((2, length, 20)).astype("f4") for _ in range(2))
    p = {
        name: torch.tensor(q.numpy(), dtype=torch.float64, requires_grad=True)
        for name, q in mixer.named_parameters()
    }
    u = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    want = minimal(p, u)
    want.backward(torch.tensor(dy, dtype=torch.float64))

    y, pull = hx.vjp(mixer, hx.tensor(x, device=device))
    dx = pull(hx.tensor(dy, device=device))
    dx = dx[0] if isinstance(dx, tuple) else dx
    hx.sum(mixer(hx.tensor(x, device=device)) * hx.tensor(dy, device=device)).backward()
    pairs = [(y, want.detach()), (dx, u.grad)]
    pairs += [(q.grad, p[name].grad) for name, q in mixer.named_parameters()]
    for mine, theirs in pairs:
        theirs = theirs.numpy()
        assert mine.shape == theirs.shape
        error = np.abs(np.asarray(mine) - theirs).max()
        assert error <= 3e-5 * np.abs(theirs).max()
