"""Making tensors: from data, from constants, from ranges."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _dtypes as dt
from . import _ops as ops
from ._aval import Aval
from ._cell import Cell
from ._device import Device, default_device
from ._dtypes import as_dtype
from ._errors import DTypeError, ShapeError
from ._primitive import bind
from ._primitives.create import full_p, iota_p
from ._state import STATE
from ._tensor import Tensor


def _device(device: Any) -> Any:
    if type(device) is Device:
        return device
    if device is None:
        s = STATE.get()
        return s.trace.device if s.trace is not None else default_device()
    return Device(device)


def _shape(shape: Any) -> tuple[int, ...]:
    if isinstance(shape, (int, np.integer)):
        return (int(shape),)
    try:
        out = tuple([int(n) for n in shape])
    except TypeError:
        raise ShapeError(
            f"[create] expected a size or a tuple of sizes; got {shape!r}"
        ) from None
    if any(n < 0 for n in out):
        raise ShapeError(f"[create] expected sizes >= 0; got shape={out}")
    return out


def tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor that holds a copy of the data.

    Parameters
    ----------
    data : array_like, scalar, Tensor or Cell
        Python floats become float32 and ints int32 (int64 where one does not fit);
        NumPy arrays keep their dtype. Nested lists may hold tensors.
    dtype, device : optional
        A Tensor is cast and moved; others are created so.

    Raises
    ------
    DTypeError
        For strings, objects and ragged lists.
    """
    if isinstance(data, Cell):
        data = data.value
    if isinstance(data, Tensor):
        out = data if device is None else ops.copy_to(data, device)
        return out if dtype is None else ops.cast(out, dtype)
    if isinstance(data, (list, tuple)) and _holds_tensors(data):
        return ops.stack([tensor(d, dtype, device) for d in data])
    want = None if dtype is None else as_dtype(dtype)
    array = _to_array(data, want)
    dev = _device(device)
    return Tensor(
        dev.backend.from_host(array, dev), Aval(array.shape, as_dtype(array.dtype)), dev
    )


def _holds_tensors(data: Any) -> bool:
    return any(
        isinstance(d, (Tensor, Cell))
        or (isinstance(d, (list, tuple)) and _holds_tensors(d))
        for d in data
    )


def _to_array(data: Any, want: Any) -> np.ndarray:
    """A fresh host array of a dtype of ours."""
    known = isinstance(data, (np.ndarray, np.generic)) or hasattr(data, "__array__")
    try:
        array = np.array(data, copy=True)
    except (ValueError, TypeError, OverflowError) as e:
        raise DTypeError(
            f"[tensor] expected numbers in a regular nesting; got {type(data).__name__}"
            f" ({e})"
        ) from None
    if array.dtype.kind not in "biufcV" or array.dtype.names:
        hint = "; the list may be ragged" if array.dtype.kind == "O" else ""
        raise DTypeError(
            f"[tensor] expected numbers; got dtype {array.dtype} from "
            f"{type(data).__name__}{hint}"
        )
    if want is not None:
        return array.astype(want.dtype, copy=False)
    if not known:
        if array.dtype.kind == "f":
            return array.astype(np.float32)
        if array.dtype.kind == "c":
            return array.astype(np.complex64)
        if array.dtype.kind in "iu":
            info = np.iinfo(np.int32)
            small = not array.size or (
                array.min() >= info.min and array.max() <= info.max
            )
            return array.astype(np.int32) if small else array
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("="))
    as_dtype(array.dtype)
    return array


def as_tensor(x: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """The tensor itself if it is one already, else `tensor`."""
    if type(x) is Tensor and dtype is None and device is None:
        return x
    return tensor(x, dtype, device)


def full(shape: Any, value: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor of one repeated value; the dtype is the value's unless given."""
    shape = _shape(shape)
    if isinstance(value, (Tensor, Cell, np.ndarray)):
        return ops.broadcast_to(tensor(value, dtype, device), shape)
    if isinstance(value, np.generic):
        dtype = dtype or value.dtype
        value = value.item()
    dtype = as_dtype(type(value) if dtype is None else dtype)
    ops.check_scalar(value, dtype)
    return _fill(shape, value, dtype, _device(device))


def _fill(shape: tuple[int, ...], value: Any, dtype: Any, dev: Any) -> Tensor:
    out: Tensor = bind(full_p, device=dev, shape=shape, value=value, dtype=dtype)
    return ops.copy_to(out, dev) if out.device is not dev else out


def zeros(shape: Any, dtype: Any = dt.float32, device: Any = None) -> Tensor:
    """Zeros; float32 unless told otherwise.

    The second argument may be the device: ``zeros((2, 3), hx.Device.cpu())``.
    """
    dtype, device = _swap(dtype, device)
    return full(shape, 0, dtype, device)


def ones(shape: Any, dtype: Any = dt.float32, device: Any = None) -> Tensor:
    """Ones; float32 unless told otherwise."""
    dtype, device = _swap(dtype, device)
    return full(shape, 1, dtype, device)


def _swap(dtype: Any, device: Any) -> tuple[Any, Any]:
    if isinstance(dtype, Device):
        return dt.float32 if device is None else device, dtype
    return (dt.float32 if dtype is None else dtype), device


def full_like(x: Any, value: Any, dtype: Any = None) -> Tensor:
    """One value in the shape, dtype and device of ``x``."""
    aval = x.aval
    return full(aval.shape, value, dtype or aval.dtype, x.device)


def zeros_like(x: Any, dtype: Any = None) -> Tensor:
    """Zeros in the shape, dtype and device of ``x``."""
    dtype = x.aval.dtype if dtype is None else as_dtype(dtype)
    return _fill(x.aval.shape, 0, dtype, x.device)


def ones_like(x: Any, dtype: Any = None) -> Tensor:
    """Ones in the shape, dtype and device of ``x``."""
    dtype = x.aval.dtype if dtype is None else as_dtype(dtype)
    return _fill(x.aval.shape, 1, dtype, x.device)


def arange(
    start: Any,
    stop: Any = None,
    step: Any = 1,
    dtype: Any = None,
    device: Any = None,
) -> Tensor:
    """start, start + step, ... below stop; int32, or float32 where an end is a float."""
    if stop is None:
        start, stop = 0, start
    for name, v in (("start", start), ("stop", stop), ("step", step)):
        if not isinstance(v, (int, float, np.integer, np.floating)):
            raise DTypeError(f"[arange] expected a number for {name}; got {v!r}")
    if step == 0:
        raise ShapeError("[arange] expected step != 0; got 0")
    whole = all(isinstance(v, (int, np.integer)) for v in (start, stop, step))
    if dtype is None:
        dtype = dt.int32 if whole else dt.float32
    dtype = as_dtype(dtype)
    dev = _device(device)
    if whole:
        n = len(range(int(start), int(stop), int(step)))
    else:
        n = max(0, int(np.ceil((stop - start) / step)))
    if not whole or dtype.category not in ("int", "uint"):
        values = (start + np.arange(n, dtype=np.float64) * step).astype(dtype.dtype)
        return tensor(values, device=dev)
    out = bind(iota_p, device=dev, n=n, dtype=dtype)
    out = ops.copy_to(out, dev) if out.device is not dev else out
    if step != 1:
        out = ops.mul(out, ops.cast(tensor(int(step), device=dev), dtype))
    if start:
        out = ops.add(out, ops.cast(tensor(int(start), device=dev), dtype))
    return out


def linspace(
    start: float, stop: float, num: int, dtype: Any = None, device: Any = None
) -> Tensor:
    """``num`` evenly spaced values from start to stop, both included."""
    if num < 0:
        raise ShapeError(f"[linspace] expected num >= 0; got {num}")
    values = np.linspace(start, stop, num)
    return tensor(values.astype(as_dtype(dtype or dt.float32).dtype), device=device)


def eye(n: int, m: int | None = None, dtype: Any = None, device: Any = None) -> Tensor:
    """Ones on the main diagonal, (n, m); square where m is not given."""
    values = np.eye(n, m, dtype=as_dtype(dtype or dt.float32).dtype)
    return tensor(values, device=device)
