"""The selective scan's outputs and every gradient against torch's autograd in float64."""

import helix_core as hx
import numpy as np
import pytest
import torch
import torch.nn.functional as F

OPTIONAL = ("D", "z", "dt_bias", "h0")


def scan(u, dt, A, B, C, D=None, z=None, dt_bias=None, h0=None, softplus=True):
    """The loop of transformers' slow path."""
    dt = dt if dt_bias is None else dt + dt_bias
    dt = F.softplus(dt) if softplus else dt
    h = torch.zeros(u.shape[0], *A.shape, dtype=u.dtype) if h0 is None else h0
    ys = []
    for t in range(u.shape[1]):
        step = dt[:, t, :, None]
        h = torch.exp(step * A) * h + step * B[:, t, None, :] * u[:, t, :, None]
        ys.append((h * C[:, t, None, :]).sum(-1))
    y = torch.stack(ys, 1)
    y = y if D is None else y + D * u
    return (y if z is None else y * F.silu(z)), h


def draw(b, t, d, n):
    rng = np.random.default_rng(b * t + d)
    return {
        "u": rng.standard_normal((b, t, d)),
        "dt": rng.uniform(-5, 1, (b, t, d)),
        "A": -np.arange(1.0, n + 1) * rng.uniform(0.5, 1.5, (d, 1)),
        "B": rng.standard_normal((b, t, n)),
        "C": rng.standard_normal((b, t, n)),
        "D": rng.standard_normal(d),
        "z": rng.standard_normal((b, t, d)),
        "dt_bias": rng.uniform(-1, 1, d),
        "h0": rng.standard_normal((b, d, n)),
    }


@pytest.mark.parametrize(
    "device,dtype,tolerance",
    [("cpu", "float32", 2e-5), ("numpy", "float32", 2e-5), ("numpy", "float64", 1e-11)],
)
@pytest.mark.parametrize("size", [(1, 1, 16, 16), (2, 130, 24, 16), (1, 65, 33, 5)])
@pytest.mark.parametrize("left_out", [(), ("D",), ("z",), ("dt_bias", "h0"), OPTIONAL])
def test_values_and_gradients(size, left_out, device, dtype, tolerance):
    x = {k: v.astype(dtype) for k, v in draw(*size).items() if k not in left_out}
    b, t, d, n = size
    rng = np.random.default_rng(1)
    dy = rng.standard_normal((b, t, d)).astype(dtype)
    dh = rng.standard_normal((b, d, n)).astype(dtype)

    xs = {
        k: torch.tensor(v, dtype=torch.float64, requires_grad=True)
        for k, v in x.items()
    }
    want = scan(**xs)
    torch.autograd.backward(
        want, [torch.tensor(g, dtype=torch.float64) for g in (dy, dh)]
    )

    def ours(*args):
        return hx.selective_scan(**dict(zip(x, args, strict=True)), return_state=True)

    tensors = [hx.tensor(v, device=device) for v in x.values()]
    got, pull = hx.vjp(ours, *tensors)
    grads = pull((hx.tensor(dy, device=device), hx.tensor(dh, device=device)))
    pairs = {"y": (got[0], want[0]), "h": (got[1], want[1])}
    pairs |= {k: (g, v.grad) for (k, v), g in zip(xs.items(), grads, strict=True)}
    for name, (mine, theirs) in pairs.items():
        reference = theirs.detach().numpy()
        assert mine.dtype.name == dtype
        error = np.abs(np.asarray(mine) - reference).max()
        assert error <= tolerance * np.abs(reference).max(), name


def test_step_sizes_that_are_not_softplus():
    x = draw(2, 40, 20, 4)
    x["dt"] = np.exp(x["dt"])
    x["dt_bias"] = np.abs(x["dt_bias"])
    want, h = scan(**{k: torch.tensor(v) for k, v in x.items()}, softplus=False)
    tensors = {k: hx.tensor(v.astype("f4"), device="cpu") for k, v in x.items()}
    y, last = hx.selective_scan(**tensors, softplus=False, return_state=True)
    np.testing.assert_allclose(np.asarray(y), want, rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(np.asarray(last), h, rtol=2e-4, atol=2e-5)
