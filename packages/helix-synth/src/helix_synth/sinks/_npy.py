"""The .npy format of one array, without its file."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np


@lru_cache(1024)
def _header(dtype: str, shape: tuple[int, ...]) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        out, {"descr": dtype, "fortran_order": False, "shape": shape}
    )
    return out.getvalue()


def parts(array: np.ndarray) -> tuple[bytes, memoryview | bytes]:
    """Header and data of an array."""
    array = np.ascontiguousarray(array)
    header = _header(array.dtype.str, array.shape)
    return header, array.data.cast("B") if array.size else b""


def load(data: bytes) -> np.ndarray:
    """The array of .npy bytes; never a pickle."""
    array: np.ndarray = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    return array
