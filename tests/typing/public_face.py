"""What a type checker knows about a user's code: `nox -s types` checks this file."""

from collections.abc import Iterator
from typing import assert_type

import helix_core as hx
import helix_layers as layers
import numpy as np

x = hx.tensor([[1.0, 2.0]])
assert_type(x, hx.Tensor)
assert_type(x + 1, hx.Tensor)
assert_type(2.0 * x @ x.T, hx.Tensor)
assert_type(x > 1.0, hx.Tensor)
assert_type(x[0, ::2], hx.Tensor)
assert_type(x.at[0, 1].set(3.0), hx.Tensor)
assert_type(x.reshape(2).sum(), hx.Tensor)
assert_type(x.shape, tuple[int, ...])
assert_type(x.dtype, hx.DType)
assert_type(x.device, hx.Device)
assert_type(x.numpy(), np.ndarray)
assert_type(iter(x), Iterator[hx.Tensor])
assert_type(len(x), int)
assert_type(float(x.sum()), float)
assert_type(hx.Tensor.zeros((2, 3), hx.Device.cpu()), hx.Tensor)
assert_type(hx.softmax(x), hx.Tensor)
assert_type(hx.losses.mse(x, x), hx.Tensor)

p = hx.Parameter(x, "p")
assert_type(p.value, hx.Tensor)
assert_type(p * x, hx.Tensor)
assert_type(p.grad, hx.Tensor | None)

linear = layers.Linear(2, 3)
assert_type(linear.weight, hx.Parameter)
for parameter in linear.parameters():
    assert_type(parameter, hx.Parameter)
