"""DLPack: tensors and the arrays of other libraries in one memory.

NumPy writes and reads the capsules, so memory is freed by whoever made it, when its last
user is gone. What NumPy has no DLPack type for (bfloat16, float8) travels as unsigned
integers of that width, and the type code in the capsule is changed on the way.

Layout of the structs: dlpack.h 1.0 (https://dmlc.github.io/dlpack/latest/c_api.html).
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from . import _dtypes as dt
from ._aval import Aval
from ._device import Device, default_device
from ._errors import DeviceError, DTypeError
from ._tensor import Tensor

CPU = (1, 0)  # kDLCPU
_NUMPY_VERSIONED = np.lib.NumpyVersion(np.__version__) >= "2.1.0"
_UINT = 1
_CODES = {dt.bfloat16: 4, dt.float8_e4m3fn: 10, dt.float8_e5m2: 12}
_BY_CODE = {(code, 8 * d.itemsize): d for d, code in _CODES.items()}


class _DLDevice(ctypes.Structure):
    _fields_ = [("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32)]


class _DLDataType(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
    ]


class _DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device", _DLDevice),
        ("ndim", ctypes.c_int32),
        ("dtype", _DLDataType),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("byte_offset", ctypes.c_uint64),
    ]


class _Versioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager_ctx", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("dl_tensor", _DLTensor),
    ]


def _type_of(capsule: Any) -> _DLDataType:
    """The data type inside a capsule that nobody has consumed yet."""
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    name = api.PyCapsule_GetName(capsule)
    if name not in (b"dltensor", b"dltensor_versioned"):
        raise BufferError(f"[from_dlpack] expected an unused capsule; got {name!r}")
    address = api.PyCapsule_GetPointer(capsule, name)
    if name == b"dltensor_versioned":
        return _Versioned.from_address(address).dl_tensor.dtype
    return _DLTensor.from_address(address).dtype


# ------------------------------------------------------------------------------ export
def export(
    array: np.ndarray,
    max_version: tuple[int, int] | None,
    dl_device: Any,
    copy: bool | None,
) -> Any:
    """A capsule of a host array, which it keeps alive.

    A consumer of DLPack 1.0 shares the memory and is told not to write. An older one
    cannot be told, and gets a copy.
    """
    if dl_device is not None and tuple(map(int, dl_device)) != CPU:
        raise BufferError(
            f"[dlpack] expected dl_device (1, 0), the host; got {tuple(dl_device)}. "
            "Hint: let the consumer copy it there"
        )
    dtype = dt.as_dtype(array.dtype)
    code = _CODES.get(dtype)
    array = array.view(f"u{dtype.itemsize}") if code is not None else array.view()
    array.flags.writeable = False
    versioned = _NUMPY_VERSIONED and max_version is not None and max_version[0] >= 1
    if copy is False and not versioned:
        raise BufferError(
            "[dlpack] expected a consumer of DLPack 1.0 for read-only memory; got "
            f"max_version={max_version}. Hint: allow a copy"
        )
    if versioned:
        capsule = array.__dlpack__(max_version=max_version, copy=True if copy else None)
    else:
        capsule = np.array(array).__dlpack__()
    if code is not None:
        _type_of(capsule).code = code
    return capsule


# ------------------------------------------------------------------------------ import
class _Source:
    """A producer of one capsule, as `numpy.from_dlpack` wants it."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **kw: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return CPU


class _Memory:
    """Memory of somebody else, who is kept alive; kernels want arrays marked writable.

    Nothing writes to it: only memory that an array of ours owns is ever reused.
    """

    def __init__(self, owner: np.ndarray) -> None:
        self.owner = owner
        spec = dict(owner.__array_interface__)
        spec["data"] = (spec["data"][0], False)
        self.__array_interface__ = spec


def _capsule(x: Any, copy: bool | None) -> Any:
    """A capsule in host memory; producers older than DLPack 1.0 know no options."""
    options: dict[str, Any] = {"max_version": (1, 0)}
    if x.__dlpack_device__()[0] != CPU[0]:
        options["dl_device"] = CPU
    if copy is not None:
        options["copy"] = copy
    try:
        return x.__dlpack__(**options)
    except TypeError:
        if "dl_device" in options:
            raise
        return x.__dlpack__()


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor in the memory of another library's array.

    Parameters
    ----------
    x : object with ``__dlpack__`` and ``__dlpack_device__``
        In host memory, or able to give a copy there.
    device : Device or str, optional
        The default device if it is one of the host's, else ``"cpu"``.
    copy : bool, optional
        True: always; False: never, raise instead; None: only where it must be.

    Returns
    -------
    Tensor
        While the memory is shared, what its owner writes shows in the tensor.

    Raises
    ------
    BufferError
        If ``copy=False`` and the memory cannot be shared.
    DTypeError
        For data types that this library does not have.

    Examples
    --------
    >>> import numpy as np
    >>> from_dlpack(np.arange(3.0)).tolist()
    [0.0, 1.0, 2.0]
    """
    if not hasattr(x, "__dlpack__") or not hasattr(x, "__dlpack_device__"):
        raise TypeError(
            f"[from_dlpack] expected an object with __dlpack__; got {type(x).__name__}"
        )
    target = _target(device)
    if isinstance(x, Tensor) and x.device is target and not copy:
        return x
    on_host = target.kind in ("cpu", "numpy")
    if copy is False and not on_host:
        raise BufferError(
            f"[from_dlpack] expected a device of the host for copy=False; got {target}"
        )
    array = _host_array(x, copy)
    if copy or not on_host:
        array = array.copy()
    elif array.size:
        plain = array.view(f"u{array.itemsize}") if dt.foreign(array.dtype) else array
        array = np.asarray(_Memory(plain)).view(array.dtype)
    buffer = target.backend.from_host(array, target)
    return Tensor(buffer, Aval(array.shape, dt.as_dtype(array.dtype)), target)


def _target(device: Any) -> Device:
    if device is not None:
        return Device(device)
    here = default_device()
    return here if here.kind in ("cpu", "numpy") else Device("cpu")


def _host_array(x: Any, copy: bool | None) -> np.ndarray:
    capsule = _capsule(x, copy)
    kind = _type_of(capsule)
    ours = _BY_CODE.get((kind.code, kind.bits)) if kind.lanes == 1 else None
    if ours is not None:
        kind.code = _UINT
    try:
        array = np.from_dlpack(_Source(capsule))
    except RuntimeError as e:
        raise DTypeError(
            f"[from_dlpack] expected a data type of this library; got code {kind.code} "
            f"with {kind.bits} bits of DLPack ({e})"
        ) from None
    return array if ours is None else array.view(ours.dtype)


def device_of(device: Device) -> tuple[int, int]:
    """The DLPack device of a device of ours: tensors leave through host memory."""
    if device.kind not in ("cpu", "numpy"):
        raise DeviceError(
            f"[dlpack] expected a tensor in host memory; got {device.name!r}. "
            "Hint: x.to('cpu')"
        )
    return CPU
