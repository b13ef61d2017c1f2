"""Initialisers: torch's bounds, deviations and gains."""

import helix_core as hx
import numpy as np
import pytest
import torch
from helix_core import init

SHAPES = [(40, 30), (40, 30, 3), (16, 8, 3, 5)]
GAINS = ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]


@pytest.mark.parametrize("name", GAINS)
def test_gains(name):
    want = torch.nn.init.calculate_gain(name)
    assert init.gain(name) == pytest.approx(want, rel=1e-12)


def test_the_gain_of_a_slope():
    want = torch.nn.init.calculate_gain("leaky_relu", 0.3)
    assert init.gain("leaky_relu", 0.3) == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_fans(shape):
    want = torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
    assert init.fans(shape) == want


UNIFORM = {
    "xavier_uniform": (init.xavier_uniform, torch.nn.init.xavier_uniform_, {}),
    "kaiming_uniform": (
        init.kaiming_uniform,
        torch.nn.init.kaiming_uniform_,
        {"nonlinearity": "relu"},
    ),
    "linear_default": (
        lambda s, **kw: init.kaiming_uniform(s, 1 / np.sqrt(3), **kw),
        torch.nn.init.kaiming_uniform_,
        {"a": np.sqrt(5)},
    ),
    "xavier_normal": (init.xavier_normal, torch.nn.init.xavier_normal_, {}),
    "kaiming_normal": (
        init.kaiming_normal,
        torch.nn.init.kaiming_normal_,
        {"nonlinearity": "relu"},
    ),
    "truncated_normal": (
        init.truncated_normal,
        torch.nn.init.trunc_normal_,
        {},
    ),
    "orthogonal": (init.orthogonal, torch.nn.init.orthogonal_, {}),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", UNIFORM)
def test_spread(name, shape):
    """Standard deviations agree within sampling error, and largest values nearly."""
    ours, theirs, kw = UNIFORM[name]
    g, torch_g = hx.Generator(1), torch.Generator().manual_seed(1)
    n = 20
    x = np.stack([ours(shape, generator=g).numpy() for _ in range(n)])
    y = np.stack(
        [theirs(torch.empty(shape), generator=torch_g, **kw).numpy() for _ in range(n)]
    )
    assert x.std() == pytest.approx(y.std(), rel=0.03)
    assert abs(x.mean()) < 5 * y.std() / np.sqrt(y.size)
    rel = 0.35 if name in ("xavier_normal", "kaiming_normal", "orthogonal") else 0.01
    assert np.abs(x).max() == pytest.approx(np.abs(y).max(), rel=rel)
