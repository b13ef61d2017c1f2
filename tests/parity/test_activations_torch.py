"""Activations and their slopes against torch's."""

import helix_core as hx
import numpy as np
import pytest
import torch
import torch.nn.functional as F

CASES = {
    "relu": (hx.relu, F.relu),
    "relu6": (hx.relu6, F.relu6),
    "leaky_relu": (hx.leaky_relu, F.leaky_relu),
    "leaky_relu_0.2": (
        lambda x: hx.leaky_relu(x, 0.2),
        lambda x: F.leaky_relu(x, 0.2),
    ),
    "elu": (hx.elu, F.elu),
    "elu_0.5": (lambda x: hx.elu(x, 0.5), lambda x: F.elu(x, 0.5)),
    "selu": (hx.selu, F.selu),
    "silu": (hx.silu, F.silu),
    "gelu": (hx.gelu, F.gelu),
    "gelu_tanh": (
        lambda x: hx.gelu(x, "tanh"),
        lambda x: F.gelu(x, approximate="tanh"),
    ),
    "mish": (hx.mish, F.mish),
    "softplus": (hx.softplus, F.softplus),
    "softplus_2_5": (
        lambda x: hx.softplus(x, 2.0, 5.0),
        lambda x: F.softplus(x, 2.0, 5.0),
    ),
    "sigmoid": (hx.sigmoid, torch.sigmoid),
    "log_sigmoid": (hx.log_sigmoid, F.logsigmoid),
    "tanh": (hx.tanh, torch.tanh),
    "hard_tanh": (hx.hard_tanh, F.hardtanh),
    "hard_sigmoid": (hx.hard_sigmoid, F.hardsigmoid),
    "hard_swish": (hx.hard_swish, F.hardswish),
    "glu": (hx.glu, F.glu),
    "glu_0": (lambda x: hx.glu(x, 0), lambda x: F.glu(x, 0)),
}
TOLERANCE = {np.float32: 3e-6, np.float64: 1e-8}  # softplus: torch stops at 20
DEVICES = ["numpy", "cpu"]


def _both(name, x):
    """Values and gradients: ours, then torch's."""
    ours, theirs = CASES[name]
    weight = np.cos(np.arange(theirs(torch.tensor(x)).numel()))
    p, q = hx.Parameter(hx.tensor(x)), torch.tensor(x, requires_grad=True)
    y, z = ours(p), theirs(q)
    w = weight.reshape(y.shape).astype(x.dtype)
    y.backward(hx.tensor(w))
    z.backward(torch.tensor(w))
    return (y.numpy(), p.grad.numpy()), (z.detach().numpy(), q.grad.numpy())


def _draw(dtype, shape=(64, 96)):
    return (np.random.default_rng(0).normal(size=shape) * 4).astype(dtype)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name, dtype, device):
    """6144 elements: the CPU backend's kernels run, where it has some."""
    with hx.device(device):
        ours, theirs = _both(name, _draw(dtype))
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_large_inputs(name, dtype, device):
    """Finite in, finite out, value and slope; both kernels and small inputs."""
    edge = [-1e4, -1e3, -100, -89, -88, -50, -20, 20, 50, 88, 89, 100, 1e3, 1e4]
    for repeat in (1, 512):
        x = np.array(edge * repeat, dtype)
        x = np.tile(x, (2, 1)) if name == "glu_0" else x
        with hx.device(device):
            ours, theirs = _both(name, x)
        for a, b in zip(ours, theirs, strict=True):
            assert np.isfinite(a).all()
            np.testing.assert_allclose(a, b, rtol=TOLERANCE[dtype], atol=1e-8)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", [n for n in CASES if "glu" not in n])
def test_infinities_and_nan(name, dtype, device):
    """torch's own in float64: its vectorised float32 gelu(inf) is NaN."""
    ours, theirs = CASES[name]
    for repeat in (1, 2048):
        x = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0] * repeat)
        y = ours(hx.tensor(x.astype(dtype), device=device)).numpy()
        z = theirs(torch.tensor(x)).numpy()
        np.testing.assert_array_equal(np.isnan(y), np.isnan(z))
        np.testing.assert_allclose(y, z, rtol=TOLERANCE[dtype])


KINKS = {
    "relu": [0.0],
    "relu6": [0.0, 6.0],
    "leaky_relu": [0.0],
    "elu": [0.0],
    "selu": [0.0],
    "hard_tanh": [-1.0, 1.0],
    "hard_sigmoid": [-3.0, 3.0],
    "hard_swish": [-3.0, 3.0],
    "softplus": [20.0],
}


@pytest.mark.parametrize("name", KINKS)
def test_slopes_at_kinks(name):
    (_, ours), (_, theirs) = _both(name, np.array(KINKS[name], np.float64))
    np.testing.assert_allclose(ours, theirs, rtol=1e-8)


@pytest.mark.parametrize("name", ["silu", "gelu", "mish", "log_sigmoid", "selu"])
def test_second_derivatives(name):
    ours, theirs = CASES[name]
    x = _draw(np.float64, (7,))
    got = hx.grad(lambda t: hx.square(hx.grad(lambda u: ours(u).sum())(t)).sum())
    q = torch.tensor(x, requires_grad=True)
    (g,) = torch.autograd.grad(theirs(q).sum(), q, create_graph=True)
    (want,) = torch.autograd.grad((g * g).sum(), q)
    np.testing.assert_allclose(got(hx.tensor(x)).numpy(), want.numpy(), atol=1e-8)
