"""Methods and operators of Tensor and Parameter: one table, attached to both classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import _contract, _create, _ops, _reduce, _shape, _tape
from ._cell import Cell, Parameter
from ._dtypes import ALL, DType, foreign
from ._errors import DTypeError, ShapeError, TraceError
from ._indexing import At, getitem
from ._tensor import Tensor

_DTYPE_NAMES = {d.name for d in ALL}


def _value(x: Any) -> Tensor:
    return x if type(x) is Tensor else x.value


def _host(x: Any) -> np.ndarray:
    """The values on the host: may share memory with the tensor, so never handed out."""
    t = _value(x)
    if t.buffer is None:
        raise TraceError(
            f"[value] expected a tensor with values; a traced tensor {t.aval} has none. "
            "Hint: hx.where instead of `if`, or compute this outside the traced function"
        )
    return t.device.backend.to_host(t.buffer)


def _numpy(x: Any) -> np.ndarray:
    """The values as a read-only NumPy array; no copy where the device allows."""
    a: Any = _host(x)
    if foreign(a.dtype):  # memoryview does not know bfloat16
        v = np.asarray(memoryview(a.view(f"u{a.itemsize}")).toreadonly())
        return v.view(a.dtype)
    if not a.flags.c_contiguous and not a.flags.f_contiguous:
        a = np.ascontiguousarray(a)
    return np.asarray(memoryview(a).toreadonly())


def _array(x: Any, dtype: Any = None, copy: Any = None) -> np.ndarray:
    a = _numpy(x)
    if copy:
        return np.array(a, dtype=dtype)
    return a if dtype is None else a.astype(dtype, copy=False)


def _item(x: Any) -> Any:
    a = _host(x)
    if a.size != 1:
        raise ShapeError(f"[item] expected one element; got {_value(x).aval!r}")
    return float(a.reshape(()).astype(np.float32)) if foreign(a.dtype) else a.item()


def _bool(x: Any) -> bool:
    t = _value(x)
    if t.aval.size != 1:
        raise ShapeError(
            f"[bool] expected one element; got {t.aval!r}. Hint: x.any() or x.all()"
        )
    return bool(_host(t).item())


def _index(x: Any) -> int:
    t = _value(x)
    if t.aval.dtype.category not in ("int", "uint"):
        raise DTypeError(f"[index] expected an integer tensor; got {t.aval!r}")
    return int(_item(t))


def _len(x: Any) -> int:
    t = _value(x)
    if not t.aval.shape:
        raise TypeError("[len] expected at least one axis; got a 0-d tensor")
    return t.aval.shape[0]


def _iter(x: Any) -> Iterator[Tensor]:
    n = _len(x)  # bounded: never the endless protocol of __getitem__
    return iter([getitem(x, i) for i in range(n)])


def _repr(x: Any) -> str:
    t = _value(x)
    if t.buffer is None:
        return f"Tensor(traced, {t.aval})"
    with np.printoptions(threshold=60, edgeitems=3, precision=4, suppress=False):
        a = _host(t)
        body = np.array2string(
            a.astype(np.float32) if foreign(a.dtype) else a,
            separator=", ",
            prefix="Tensor(",
        )
    where = "" if t.device.name == "cpu" else f", device={t.device.name!r}"
    return f"Tensor({body}, dtype={t.aval.dtype.name}{where})"


def _tolist(x: Any) -> Any:
    a = _host(x)
    return (a.astype(np.float32) if foreign(a.dtype) else a).tolist()


def _to(x: Any, target: Any) -> Tensor:
    """Move to a device, or cast to a dtype: an object or its name."""
    if isinstance(target, DType) or target in _DTYPE_NAMES:
        return _ops.cast(x, target)
    return _shape.copy_to(x, target)


def _astype(x: Any, dtype: Any) -> Tensor:
    """Cast; the tensor itself where it has that dtype already."""
    return _ops.cast(x, dtype)


def _backward(x: Any, grad: Any = None, retain: bool = False) -> None:
    """See ``hx.backward``."""
    _tape.backward(_value(x), grad, retain)


def _namespace(x: Any, /, *, api_version: str | None = None) -> Any:
    """``helix_core.array_api``, for the asked version of the standard."""
    from . import array_api

    if api_version not in (None, *array_api.SUPPORTED_VERSIONS):
        raise ValueError(
            f"[array_namespace] expected api_version of "
            f"{', '.join(array_api.SUPPORTED_VERSIONS)}; got {api_version!r}"
        )
    return array_api


def _dlpack(
    x: Any,
    /,
    *,
    stream: Any = None,
    max_version: tuple[int, int] | None = None,
    dl_device: Any = None,
    copy: bool | None = None,
) -> Any:
    """A DLPack capsule of the values; see ``hx.from_dlpack``."""
    from . import _dlpack as dlpack

    dlpack.device_of(x.device)
    if stream is not None:
        raise BufferError(f"[dlpack] expected stream=None on the host; got {stream!r}")
    return dlpack.export(_host(x), max_version, dl_device, copy)


def _dlpack_device(x: Any, /) -> tuple[int, int]:
    from . import _dlpack as dlpack

    return dlpack.device_of(x.device)


def _to_device(x: Any, device: Any, /, *, stream: Any = None) -> Tensor:
    """The tensor on another device; itself where it is there already."""
    if stream is not None:
        raise ValueError(f"[to_device] expected stream=None; got {stream!r}")
    return _shape.copy_to(x, device)


def _setitem(x: Any, key: Any, value: Any, /) -> None:
    raise TypeError(
        f"[setitem] expected a new tensor instead of a write; {_value(x).aval!r} is "
        "immutable. Hint: x = x.at[key].set(value)"
    )


def _rpow(x: Any, y: Any) -> Tensor:
    return _ops.power(y, x)


def _rmatmul(x: Any, y: Any) -> Tensor:
    return _contract.matmul(y, x)


PROPERTIES: dict[str, Callable[[Any], Any]] = {
    "shape": lambda x: x.aval.shape,
    "dtype": lambda x: x.aval.dtype,
    "ndim": lambda x: len(x.aval.shape),
    "size": lambda x: x.aval.size,
    "nbytes": lambda x: x.aval.nbytes,
    "T": _shape.transpose,
    "mT": lambda x: _shape.swapaxes(x, -1, -2),
    "real": _ops.real,
    "imag": _ops.imag,
    "at": lambda x: At(_value(x)),
    "requires_grad": lambda x: _value(x).node is not None and bool(_value(x).node.mask),
}
METHODS: dict[str, Callable[..., Any]] = {
    "__add__": _ops.add,
    "__radd__": _ops.radd,
    "__sub__": _ops.subtract,
    "__rsub__": _ops.rsubtract,
    "__mul__": _ops.mul,
    "__rmul__": _ops.rmul,
    "__truediv__": _ops.divide,
    "__rtruediv__": _ops.rdivide,
    "__floordiv__": _ops.floor_divide,
    "__rfloordiv__": _ops.rfloor_divide,
    "__mod__": _ops.mod,
    "__rmod__": _ops.rmod,
    "__pow__": _ops.power,
    "__rpow__": _rpow,
    "__matmul__": _contract.matmul,
    "__rmatmul__": _rmatmul,
    "__neg__": _ops.neg_p,
    "__pos__": lambda x: _value(x),
    "__abs__": _ops.abs,
    "__invert__": _ops.bitwise_not,
    "__and__": _ops.bitwise_and,
    "__rand__": _ops.rbitwise_and,
    "__or__": _ops.bitwise_or,
    "__ror__": _ops.rbitwise_or,
    "__xor__": _ops.bitwise_xor,
    "__rxor__": _ops.rbitwise_xor,
    "__lshift__": _ops.left_shift,
    "__rlshift__": _ops.rleft_shift,
    "__rshift__": _ops.right_shift,
    "__rrshift__": _ops.rright_shift,
    "__eq__": _ops.eq,
    "__ne__": _ops.ne,
    "__lt__": _ops.lt,
    "__le__": _ops.le,
    "__gt__": _ops.gt,
    "__ge__": _ops.ge,
    "__getitem__": getitem,
    "__setitem__": _setitem,
    "__len__": _len,
    "__iter__": _iter,
    "__bool__": _bool,
    "__float__": lambda x: float(_item(x)),
    "__int__": lambda x: int(_item(x)),
    "__complex__": lambda x: complex(_item(x)),
    "__index__": _index,
    "__array__": _array,
    "__array_namespace__": _namespace,
    "__dlpack__": _dlpack,
    "__dlpack_device__": _dlpack_device,
    "numpy": _numpy,
    "item": _item,
    "tolist": _tolist,
    "to": _to,
    "to_device": _to_device,
    "astype": _astype,
    "backward": _backward,
    "detach": _shape.detach,
    "reshape": _shape.reshape,
    "flatten": lambda x: _shape.reshape(x, -1 if x.size else 0),
    "transpose": _shape.transpose,
    "permute": lambda x, *axes: _shape.transpose(x, *axes),
    "swapaxes": _shape.swapaxes,
    "squeeze": _shape.squeeze,
    "broadcast_to": _shape.broadcast_to,
    "split": _shape.split,
    "sum": _reduce.sum,
    "prod": _reduce.prod,
    "mean": _reduce.mean,
    "var": _reduce.var,
    "std": _reduce.std,
    "max": _reduce.max,
    "min": _reduce.min,
    "any": _reduce.any,
    "all": _reduce.all,
    "argmax": _reduce.argmax,
    "argmin": _reduce.argmin,
    "cumsum": _reduce.cumsum,
    "cumprod": _reduce.cumprod,
    "exp": _ops.exp,
    "log": _ops.log,
    "sqrt": _ops.sqrt,
    "abs": _ops.abs,
    "tanh": _ops.tanh,
    "conj": _ops.conj,
    "clip": _ops.clip,
    "round": _ops.round,
}


def _constructors() -> dict[str, Callable[..., Any]]:
    from . import _random

    return {
        "zeros": _create.zeros,
        "ones": _create.ones,
        "full": _create.full,
        "arange": _create.arange,
        "eye": _create.eye,
        "random_uniform": _random.random_uniform,
        "random_normal": _random.random_normal,
    }


def attach() -> None:
    """Fill the two classes; called once, when the package is imported."""
    for cls in (Tensor, Parameter):
        for name, fn in METHODS.items():
            setattr(cls, name, fn)
        for name, get in PROPERTIES.items():
            setattr(cls, name, property(get))
    for name, fn in _constructors().items():
        setattr(Tensor, name, staticmethod(fn))
    Tensor.__repr__ = _repr  # type: ignore[method-assign]
    for cls in (Tensor, Parameter):  # identity hash beside elementwise ==
        cls.__hash__ = object.__hash__  # type: ignore[method-assign]
    assert issubclass(Parameter, Cell)
