"""New tensors. Default dtypes: float32, int32 (int64 where a value needs it), complex64."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _arrange, _create, _shape
from .. import _dtypes as dt
from .._cell import Cell
from .._device import Device
from .._dlpack import from_dlpack as from_dlpack
from .._dtypes import DType
from .._ops import cast
from .._tensor import Tensor
from ._check import copied, fits_int32, tensor_of


def asarray(
    obj: Any,
    /,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
    copy: bool | None = None,
) -> Tensor:
    """A tensor from a scalar, nested sequences, a buffer or another library's array.

    Parameters
    ----------
    obj : Tensor, scalar, nested sequence, buffer, NumPy array, or DLPack producer
        Python numbers take the default dtypes; arrays and buffers keep theirs.
    copy : bool, optional
        True: always; False: never, raise instead; None: a Tensor is itself, what is not
        one of ours is copied.

    Raises
    ------
    ValueError
        If ``copy=False`` and a copy must be made.
    """
    if isinstance(obj, (Tensor, Cell)):
        x = tensor_of("asarray", obj)
        y = x if device is None else _shape.copy_to(x, device)
        y = y if dtype is None else cast(y, dtype)
        if copy is False and y is not x:
            raise ValueError(
                "[asarray] expected the same dtype and device for copy=False"
            )
        return copied(y) if copy and y is x else y
    if copy is False:
        y = _shared(obj, device)
        if dtype is not None and y.dtype is not dt.as_dtype(dtype):
            raise ValueError(
                f"[asarray] expected {y.dtype} for copy=False; got {dtype}"
            )
        return y
    if not isinstance(obj, (np.ndarray, np.generic)) and hasattr(obj, "__dlpack__"):
        y = from_dlpack(obj, device=device, copy=True)
        return y if dtype is None else cast(y, dtype)
    return _create.tensor(_buffer(obj), dtype, device)


def _buffer(obj: Any) -> Any:
    """What offers the buffer protocol, as an array that keeps its dtype."""
    if isinstance(obj, (list, tuple, int, float, complex, np.ndarray, np.generic)):
        return obj
    try:
        return np.asarray(memoryview(obj))
    except TypeError:
        return obj


def _shared(obj: Any, device: Any) -> Tensor:
    array = _buffer(obj)
    if not hasattr(array, "__dlpack__") or isinstance(array, np.generic):
        raise ValueError(
            f"[asarray] expected an array or a buffer for copy=False; got "
            f"{type(obj).__name__}"
        )
    try:
        return from_dlpack(array, device=device, copy=False)
    except BufferError as e:
        raise ValueError(
            f"[asarray] expected memory to share for copy=False; {e}"
        ) from e


def arange(
    start: float,
    /,
    stop: float | None = None,
    step: float = 1,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
) -> Tensor:
    """start, start + step, ... below stop."""
    ends = (start, 0 if stop is None else stop, step)
    if (
        dtype is None
        and all(isinstance(v, int) for v in ends)
        and not fits_int32(*ends)
    ):
        dtype = dt.int64
    return _create.arange(start, stop, step, dtype, device)


def linspace(
    start: complex,
    stop: complex,
    /,
    num: int,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
    endpoint: bool = True,
) -> Tensor:
    """``num`` evenly spaced values from start to stop."""
    if num < 0:
        raise ValueError(f"[linspace] expected num >= 0; got {num}")
    values = np.linspace(start, stop, num, endpoint=endpoint)
    if dtype is None:
        dtype = dt.complex64 if values.dtype.kind == "c" else dt.float32
    return _create.tensor(values, dtype, device)


def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: DType | None = None,
    device: Device | None = None,
) -> Tensor:
    """Ones on the k-th diagonal, zeros elsewhere."""
    d = dt.as_dtype(dtype or dt.float32)
    return _create.tensor(np.eye(n_rows, n_cols, k, dtype=d.dtype), device=device)


def _default(value: Any, dtype: DType | None) -> DType | None:
    """int64 for a Python int that int32 cannot hold."""
    if dtype is None and type(value) is int and not fits_int32(value):
        return dt.int64
    return dtype


def full(
    shape: int | tuple[int, ...],
    fill_value: complex,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
) -> Tensor:
    """One value repeated; its default dtype unless another is given."""
    return _create.full(shape, fill_value, _default(fill_value, dtype), device)


def zeros(
    shape: int | tuple[int, ...],
    *,
    dtype: DType | None = None,
    device: Device | None = None,
) -> Tensor:
    """Zeros."""
    return _create.full(shape, 0, dtype or dt.float32, device)


def ones(
    shape: int | tuple[int, ...],
    *,
    dtype: DType | None = None,
    device: Device | None = None,
) -> Tensor:
    """Ones."""
    return _create.full(shape, 1, dtype or dt.float32, device)


def empty(
    shape: int | tuple[int, ...],
    *,
    dtype: DType | None = None,
    device: Device | None = None,
) -> Tensor:
    """Zeros: an immutable tensor without values would be of no use."""
    return zeros(shape, dtype=dtype, device=device)


def full_like(
    x: Tensor,
    /,
    fill_value: complex,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
) -> Tensor:
    """One value in the shape, dtype and device of x."""
    x = tensor_of("full_like", x)
    return _create.full(x.shape, fill_value, dtype or x.dtype, device or x.device)


def zeros_like(
    x: Tensor, /, *, dtype: DType | None = None, device: Device | None = None
) -> Tensor:
    """Zeros in the shape, dtype and device of x."""
    return full_like(x, 0, dtype=dtype, device=device)


def ones_like(
    x: Tensor, /, *, dtype: DType | None = None, device: Device | None = None
) -> Tensor:
    """Ones in the shape, dtype and device of x."""
    return full_like(x, 1, dtype=dtype, device=device)


def empty_like(
    x: Tensor, /, *, dtype: DType | None = None, device: Device | None = None
) -> Tensor:
    """Zeros in the shape, dtype and device of x."""
    return full_like(x, 0, dtype=dtype, device=device)


def meshgrid(*arrays: Tensor, indexing: str = "xy") -> list[Tensor]:
    """Coordinate tensors from coordinate vectors; see ``hx.meshgrid``."""
    return _arrange.meshgrid(
        *[tensor_of("meshgrid", x) for x in arrays], indexing=indexing
    )


def tril(x: Tensor, /, *, k: int = 0) -> Tensor:
    """Zeros above the k-th diagonal of the last two axes."""
    return _shape.tril(tensor_of("tril", x), k)


def triu(x: Tensor, /, *, k: int = 0) -> Tensor:
    """Zeros below the k-th diagonal of the last two axes."""
    return _shape.triu(tensor_of("triu", x), k)
