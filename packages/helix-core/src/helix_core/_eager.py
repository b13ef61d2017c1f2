"""How an elementwise op runs at once: operands, promotion, and one closure per primitive.

A closure does all that a call needs (levels, devices, memoised avals, the tape), so that
an eager op costs about a microsecond over the NumPy call that it makes.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import _dtypes as dt
from ._aval import Aval
from ._cell import Cell, Parameter
from ._create import as_tensor
from ._dtypes import DType, as_dtype, promote
from ._errors import DTypeError, HelixError
from ._fallback import elsewhere
from ._primitive import bind, check_concrete, mixed_devices, no_room
from ._primitives.create import full_p
from ._primitives.elementwise import cast_p
from ._state import STATE
from ._tape import NO_ATTRS, Node
from ._tensor import Tensor

_SCALARS = (bool, int, float, complex)
_CONSTANTS: dict[Any, Tensor] = {}


def constant(value: Any, dtype: DType, device: Any) -> Tensor:
    """A cached 0-d weak tensor for a Python scalar; a literal of the trace in one."""
    trace = STATE.get().trace
    # -0.0 equals 0.0 as a key; other equal numbers give equal constants of this dtype
    key = (value if value else str(value), dtype, device)
    table = _CONSTANTS if trace is None else trace.literals
    hit = table.get(key)
    if hit is None:
        check_scalar(value, dtype)
        hit = bind(full_p, device=device, shape=(), value=value, dtype=dtype, weak=True)
        if len(table) > 10_000:
            table.clear()
        if value == value:  # NaN is no key
            table[key] = hit
    return hit


def check_scalar(value: Any, dtype: DType) -> None:
    """A Python int must fit the integer dtype that it meets."""
    if type(value) is int and dtype.category in ("int", "uint"):
        info = np.iinfo(dtype.dtype)
        if not info.min <= value <= info.max:
            raise DTypeError(
                f"[promote] expected an integer that fits {dtype}; got {value}. "
                "Hint: x.astype('int64'), or hx.tensor(value)"
            )


def operand(x: Any) -> Any:
    """A Tensor or a Python scalar from anything that may stand in an expression."""
    kind = type(x)
    if kind is Parameter:
        return x.value
    if kind is Tensor or kind in _SCALARS:
        return x
    if isinstance(x, Cell):
        value = x.value
        if value is None:
            raise TypeError(f"[operand] expected a value; the cell {x.name!r} is empty")
        return value
    if isinstance(x, Tensor):
        return x
    return as_tensor(x)


def cast(x: Any, dtype: Any) -> Tensor:
    """The same values in another dtype; the tensor itself where it has that dtype."""
    dtype = as_dtype(dtype)
    x = as_tensor(operand(x))
    if x.aval.dtype is dtype and not x.aval.weak:
        return x
    return bind(cast_p, x, dtype=dtype)


def lift(*xs: Any, device: Any = None, inexact: bool = False) -> list[Tensor]:
    """Promote operands to tensors of one dtype; scalars take that dtype and stay weak.

    With ``inexact`` integers become float32.
    """
    xs = tuple([operand(x) for x in xs])
    dev = device
    known = []
    for x in xs:
        if type(x) is Tensor:
            dev = dev or x.device
            known.append((x.aval.dtype, x.aval.weak))
        else:
            known.append((as_dtype(type(x)), type(x) is not bool))
    first = known[0][0]
    same = builtins.all(k[0] is first for k in known)
    dtype = first if same else promote(*known)[0]
    if inexact:
        dtype = dt.to_inexact(dtype)
    dev = dev or STATE.get().device or _default()
    return [
        (x if x.aval.dtype is dtype else cast(x, dtype))
        if type(x) is Tensor
        else constant(x, dtype, dev)
        for x in xs
    ]


def _default() -> Any:
    from ._device import default_device

    return default_device()


class Binary(NamedTuple):
    """The faces of a binary primitive."""

    direct: Callable[[Tensor, Tensor], Tensor]  # of tensors of one dtype
    op: Callable[[Any, Any], Tensor]  # of anything: promotes
    flipped: Callable[[Any, Any], Tensor]  # op(y, x)


def binary(prim: Any, inexact: bool = False) -> Binary:
    """``inexact``: integers are computed as float32."""
    memo: dict[Any, tuple[Aval, ...]] = {}
    name, get, known = prim.name, STATE.get, _CONSTANTS.get
    # whether x, y and the result stay alive, where x, y or both have a gradient
    keep_x, keep_y, keep_xy = (
        (*prim.saves(w, 1)[0], *prim.saves(w, 1)[1]) if prim.vjp else None
        for w in ((True, False), (False, True), (True, True))
    )

    def direct(x: Tensor, y: Tensor) -> Tensor:
        s = get()
        dev = x.device
        if s.trace is not None:
            return s.trace.record(prim, (x, y), NO_ATTRS, False)
        if dev is not y.device:
            mixed_devices(name, (x, y))
        key = (x.aval, y.aval)
        avals = memo.get(key)
        if avals is None:
            if len(memo) > 20_000:
                memo.clear()
            avals = memo[key] = prim.infer(*key)
        try:
            out = dev.table[name](dev, x.buffer, y.buffer)
        except HelixError as e:
            out = elsewhere(e, prim, dev, (x.buffer, y.buffer), {}, avals)
        except MemoryError as e:
            raise no_room(name, avals, dev) from e
        except Exception:
            check_concrete(name, (x, y))
            raise
        nx, ny = x.node, y.node
        if nx is None and ny is None:
            return Tensor(out, avals[0], dev)
        mx = 0 if nx is None else nx.mask & s.active
        my = 0 if ny is None else ny.mask & s.active
        keep = (keep_xy if my else keep_x) if mx else keep_y if my else None
        if keep is None:
            return Tensor(out, avals[0], dev)
        kx, ky, ko = keep
        if not kx:
            x = Tensor(None, x.aval, dev, nx, x.index)
        if not ky:
            y = Tensor(None, y.aval, dev, ny, y.index)
        outs = (out,) if ko else None
        node = Node(prim, (x, y), NO_ATTRS, avals, mx | my, outs, dev)
        return Tensor(out, avals[0], dev, node)

    def op(x: Any, y: Any) -> Tensor:
        if type(x) is not Tensor:
            x = x._value if type(x) is Parameter and get().trace is None else operand(x)
        kind = type(y)
        if kind is not Tensor:
            if kind is Parameter and get().trace is None:
                y = y._value
            elif (kind is float or kind is int) and type(x) is Tensor:
                y = beside(x, y)
            else:
                y = operand(y)
        if type(x) is Tensor and type(y) is Tensor:
            dtype = x.aval.dtype
            if dtype is y.aval.dtype and (dtype.inexact or not inexact):
                return direct(x, y)
        return direct(*lift(x, y, inexact=inexact))

    def flipped(y: Any, x: Any) -> Tensor:
        kind = type(x)
        if kind is float or kind is int:
            if type(y) is Parameter:
                y = y.value
            if type(y) is Tensor and (y.aval.dtype.inexact or not inexact):
                x = beside(y, x)
                if type(x) is Tensor:
                    return direct(x, y)
        return op(x, y)

    def beside(x: Tensor, value: Any) -> Any:
        """The constant for a Python number, where it takes the dtype of x."""
        dtype = x.aval.dtype
        if dtype.inexact or (type(value) is int and dtype is not dt.bool_):
            if value and get().trace is None:
                hit = known((value, dtype, x.device))
                if hit is not None:
                    return hit
            return constant(value, dtype, x.device)
        return value

    op.__name__ = op.__qualname__ = name
    return Binary(direct, op, flipped)


def unary(prim: Any, inexact: bool = False) -> Callable[..., Any]:
    """User level; ``inexact``: integers are computed as float32."""
    memo: dict[Any, tuple[Aval, ...]] = {}
    name, get, differentiable = prim.name, STATE.get, prim.vjp is not None
    (keep_in,), (keep_out,) = prim.saves((True,), 1)

    def op(x: Any) -> Tensor:
        if type(x) is not Tensor:
            x = as_tensor(operand(x))
        s = get()
        avals = memo.get(x.aval)
        if avals is None:
            if inexact and not x.aval.dtype.inexact:
                return op(cast(x, dt.float32))
            if len(memo) > 20_000:
                memo.clear()
            avals = memo[x.aval] = prim.infer(x.aval)
        if s.trace is not None:
            return s.trace.record(prim, (x,), NO_ATTRS, False)
        dev, nx = x.device, x.node
        try:
            out = dev.table[name](dev, x.buffer)
        except HelixError as e:
            out = elsewhere(e, prim, dev, (x.buffer,), {}, avals)
        except MemoryError as e:
            raise no_room(name, avals, dev) from e
        except Exception:
            check_concrete(name, (x,))
            raise
        mask = 0 if nx is None else nx.mask & s.active
        if not mask or not differentiable:
            return Tensor(out, avals[0], dev)
        if not keep_in:
            x = Tensor(None, x.aval, dev, nx, x.index)
        outs = (out,) if keep_out else None
        node = Node(prim, (x,), NO_ATTRS, avals, mask, outs, dev)
        return Tensor(out, avals[0], dev, node)

    op.__name__ = op.__qualname__ = name
    return op
