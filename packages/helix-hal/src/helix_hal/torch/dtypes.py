"""Our dtypes as torch's, and arrays of the host as tensors that share their memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from helix_core._dtypes import ALL, DType

TORCH: dict[DType, torch.dtype] = {d: getattr(torch, d.name) for d in ALL}
OURS: dict[torch.dtype, DType] = {t: d for d, t in TORCH.items()}

FLOAT8 = (torch.float8_e4m3fn, torch.float8_e5m2)
SMALL = (torch.float16, torch.bfloat16)
UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)
INTEGERS = tuple(t for d, t in TORCH.items() if d.category in ("int", "uint", "bool"))

# integers of the same width, for what only moves bits or wraps
_SAME_WIDTH: dict[torch.dtype, torch.dtype] = {
    torch.uint16: torch.int16,
    torch.uint32: torch.int32,
    torch.uint64: torch.int64,
    torch.float8_e4m3fn: torch.uint8,
    torch.float8_e5m2: torch.uint8,
}
_ON_HOST = {torch.bfloat16: torch.int16, **dict.fromkeys(FLOAT8, torch.uint8)}


def raw(x: torch.Tensor) -> torch.Tensor:
    """The same memory in a dtype whose ops torch has."""
    to = _SAME_WIDTH.get(x.dtype)
    return x if to is None else x.view(to)


def tensor_of(array: np.ndarray, dtype: DType) -> torch.Tensor:
    """A tensor in the memory of an array, where torch can use it; else of a copy."""
    if not array.flags.writeable or any(s < 0 for s in array.strides):
        array = np.array(array, order="C")
    to = TORCH[dtype]
    if to not in _ON_HOST:
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        return torch.from_numpy(array)
    # ml_dtypes: its bits
    return torch.from_numpy(array.view(f"i{dtype.itemsize}")).view(to)


def array_of(x: torch.Tensor) -> np.ndarray:
    """The values of a tensor of the host, in the same memory."""
    if x.dtype not in _ON_HOST:
        array: np.ndarray = x.numpy()
        return array
    dtype: Any = OURS[x.dtype].dtype
    bits: np.ndarray = x.view(_ON_HOST[x.dtype]).numpy()
    return bits.view(dtype)
