"""The short convolution and its gradients against torch's grouped conv1d in float64."""

import helix_core as hx
import numpy as np
import pytest
import torch
import torch.nn.functional as F


@pytest.mark.parametrize("device", ["cpu", "numpy"])
@pytest.mark.parametrize("silu", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("state", [False, True])
@pytest.mark.parametrize("size", [(2, 130, 33, 4), (1, 2, 16, 4), (1, 65, 48, 3)])
def test_values_and_gradients(size, state, bias, silu, device):
    b, t, d, k = size
    rng = np.random.default_rng(0)
    x = {
        "x": rng.standard_normal((b, t, d)),
        "weight": rng.standard_normal((d, k)),
        "bias": rng.standard_normal(d),
        "state": rng.standard_normal((b, k - 1, d)),
    }
    drop = ({"bias"} if not bias else set()) | ({"state"} if not state else set())
    x = {name: v.astype("f4") for name, v in x.items() if name not in drop}
    dy = rng.standard_normal((b, t, d)).astype("f4")

    xs = {
        n: torch.tensor(v, dtype=torch.float64, requires_grad=True)
        for n, v in x.items()
    }
    before = xs.get("state", torch.zeros(b, k - 1, d, dtype=torch.float64))
    full = torch.cat([before, xs["x"]], 1).transpose(1, 2)
    want = F.conv1d(full, xs["weight"][:, None], xs.get("bias"), groups=d)
    want = (F.silu(want) if silu else want).transpose(1, 2)
    want.backward(torch.tensor(dy, dtype=torch.float64))

    def ours(*args):
        named = dict(zip(x, args, strict=True))
        return hx.causal_conv1d(**named, activation="silu" if silu else None)

    y, pull = hx.vjp(ours, *[hx.tensor(v, device=device) for v in x.values()])
    grads = pull(hx.tensor(dy, device=device))
    pairs = [(y, want), *zip(grads, [v.grad for v in xs.values()], strict=True)]
    for mine, theirs in pairs:
        reference = theirs.detach().numpy()
        error = np.abs(np.asarray(mine) - reference).max()
        assert error <= 3e-6 * np.abs(reference).max()
