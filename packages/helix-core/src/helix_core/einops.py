"""einops on our tensors: importing this module is all that it takes.

After ``import helix_core.einops`` every function of einops knows `Tensor`, with gradients
and inside traces; the functions are here too. Needs einops:
``pip install 'helix-core[einops]'``.

Examples
--------
>>> import helix_core as hx
>>> from helix_core.einops import rearrange
>>> rearrange(hx.ones((2, 6, 4)), "b (h w) c -> b c h w", h=2).shape
(2, 4, 2, 3)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from einops import einsum as einsum
from einops import pack as pack
from einops import rearrange as rearrange
from einops import reduce as reduce
from einops import repeat as repeat
from einops import unpack as unpack
from einops._backends import AbstractBackend

import helix_core as hx


class HelixBackend(AbstractBackend):  # type: ignore[misc,unused-ignore]
    """How einops works on a `Tensor`; it finds this class by itself."""

    framework_name = "helix_core"

    def is_appropriate_type(self, tensor: Any) -> bool:
        return isinstance(tensor, hx.Tensor | hx.Cell)

    def from_numpy(self, x: Any) -> hx.Tensor:
        return hx.tensor(x)

    def to_numpy(self, x: Any) -> np.ndarray:
        return np.asarray(x)

    def arange(self, start: int, stop: int) -> hx.Tensor:
        return hx.arange(start, stop)

    def reshape(self, x: Any, shape: Sequence[int]) -> hx.Tensor:
        return hx.reshape(x, tuple(shape))

    def transpose(self, x: Any, axes: Sequence[int]) -> hx.Tensor:
        return hx.permute_dims(x, tuple(axes))

    def reduce(self, x: Any, operation: str, axes: Sequence[int]) -> hx.Tensor:
        out: hx.Tensor = getattr(hx, operation)(x, axis=tuple(axes))
        return out

    def stack_on_zeroth_dimension(self, tensors: list[Any]) -> hx.Tensor:
        return hx.stack(tensors)

    def add_axis(self, x: Any, new_position: int) -> hx.Tensor:
        return hx.expand_dims(x, new_position)

    def tile(self, x: Any, repeats: Sequence[int]) -> hx.Tensor:
        return hx.tile(x, tuple(repeats))

    def concat(self, tensors: Sequence[Any], axis: int) -> hx.Tensor:
        return hx.concat(tensors, axis)

    def is_float_type(self, x: Any) -> bool:
        return bool(x.dtype.inexact)

    def einsum(self, pattern: str, *x: Any) -> hx.Tensor:
        return hx.einsum(pattern, *x)
