"""Range kernels: plain Python functions that numba compiles at their first call.

A *kernel* is ``k(lo, hi, *args)``: it does the blocks ``lo <= i < hi`` of a bigger
job, holds no Python object and releases the GIL, so that `helix_hal.cpu.launch`
can run several ranges at once. Importing a module of kernels imports no numba; the
first call does, and reads the compiled code from the disk cache where it can.

Example
-------
>>> from helix_hal.cpu.jit import device_function, kernel
>>> @device_function
... def twice(x):
...     return x + x
>>> @kernel
... def double(lo, hi, x, y):
...     for i in range(lo, hi):
...         y[i] = twice(x[i])
"""

from __future__ import annotations

import builtins
import hashlib
import threading
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType
from typing import Any, overload

__all__ = ["Intrinsic", "Jitted", "device_function", "intrinsic", "kernel"]

Function = Callable[..., Any]

_build_lock = threading.RLock()
_OPEN_MODULES = ("numpy", "math", "cmath", "numba")


class Jitted:
    """A Python function that becomes a numba dispatcher when it is first needed.

    Parameters
    ----------
    py_func : function
        Its globals and closure may hold numbers, tuples, small arrays, types, other
        `Jitted` and `Intrinsic` objects, and the modules numpy and math.
    options : dict
        Passed to ``numba.njit``.
    cached : bool
        Whether compiled code goes to the disk cache; helpers are cached as part of
        the kernels that use them.
    """

    def __init__(
        self, py_func: Function, options: dict[str, Any], cached: bool
    ) -> None:
        assert isinstance(py_func, FunctionType)
        self.py_func = py_func
        self.options = options
        self.cached = cached
        self.__name__ = py_func.__name__
        self.__qualname__ = py_func.__qualname__
        self.__module__ = py_func.__module__
        self.__doc__ = py_func.__doc__
        self._dispatcher: Any = None
        self._fingerprint: str | None = None

    def __repr__(self) -> str:
        return f"<kernel {self.__module__}.{self.__qualname__}>"

    def __call__(self, *args: Any) -> Any:
        return (self._dispatcher or self.dispatcher)(*args)

    @property
    def dispatcher(self) -> Any:
        """The numba dispatcher, built on first access."""
        if self._dispatcher is None:
            with _build_lock:
                if self._dispatcher is None:
                    self._dispatcher = self._build()
        return self._dispatcher

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the bytecode, options and every constant and helper it uses."""
        if self._fingerprint is None:
            digest = hashlib.sha256(repr(sorted(self.options.items())).encode())
            _hash_function(digest.update, self.py_func)
            self._fingerprint = digest.hexdigest()
        return self._fingerprint

    def assembly(self, *args: Any) -> str:
        """The machine code for arguments like `args`, compiled afresh."""
        import numba

        dispatcher = numba.njit(**self.options)(_lowered(self.py_func))
        signature = tuple(numba.typeof(arg) for arg in args)
        dispatcher.compile(signature)
        return str(dispatcher.inspect_asm(signature))

    def _build(self) -> Any:
        import numba

        dispatcher = numba.njit(**self.options)(_lowered(self.py_func))
        if self.cached:
            from helix_hal.cpu.cache import attach

            attach(dispatcher, self)
        return dispatcher


class Intrinsic:
    """A ``numba.extending.intrinsic`` whose definition waits until it is needed."""

    def __init__(self, py_func: Function) -> None:
        assert isinstance(py_func, FunctionType)
        self.py_func = py_func
        self.__name__ = py_func.__name__
        self.__doc__ = py_func.__doc__
        self._dispatcher: Any = None

    def __call__(self, *args: Any) -> Any:
        raise TypeError(f"[{self.__name__}] expected a call from inside a kernel")

    @property
    def dispatcher(self) -> Any:
        """The numba intrinsic, built on first access."""
        if self._dispatcher is None:
            with _build_lock:
                if self._dispatcher is None:
                    from numba.extending import intrinsic as numba_intrinsic

                    self._dispatcher = numba_intrinsic(self.py_func)
        return self._dispatcher


@overload
def kernel(py_func: Function, /) -> Jitted: ...
@overload
def kernel(**options: Any) -> Callable[[Function], Jitted]: ...
def kernel(
    py_func: Function | None = None, /, **options: Any
) -> Jitted | Callable[[Function], Jitted]:
    """Make ``k(lo, hi, *args)`` a lazily compiled range kernel.

    Parameters
    ----------
    **options
        Extra options of ``numba.njit``, such as ``fastmath={"contract", "nsz"}``.
        ``nogil`` and ``error_model="numpy"`` are set.

    Returns
    -------
    Jitted
        Callable as ``k(lo, hi, *args)`` and by `helix_hal.cpu.launch.launch`.
    """
    options = {"nogil": True, "error_model": "numpy", **_plain(options)}

    def decorate(function: Function) -> Jitted:
        return Jitted(function, options, cached=True)

    return decorate if py_func is None else decorate(py_func)


@overload
def device_function(py_func: Function, /) -> Jitted: ...
@overload
def device_function(**options: Any) -> Callable[[Function], Jitted]: ...
def device_function(
    py_func: Function | None = None, /, **options: Any
) -> Jitted | Callable[[Function], Jitted]:
    """Make a helper that LLVM always inlines into the kernels that call it.

    Parameters
    ----------
    **options
        Extra options of ``numba.njit``. ``forceinline`` and
        ``error_model="numpy"`` are set.
    """
    options = {"forceinline": True, "error_model": "numpy", **_plain(options)}

    def decorate(function: Function) -> Jitted:
        return Jitted(function, options, cached=False)

    return decorate if py_func is None else decorate(py_func)


def intrinsic(py_func: Function) -> Intrinsic:
    """Make ``f(typingctx, *argument_types)`` a lazily defined numba intrinsic.

    The body imports what it needs of numba and llvmlite itself and returns
    ``(signature, codegen)`` as ``numba.extending.intrinsic`` asks.
    """
    return Intrinsic(py_func)


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    """Sort flag sets into tuples' order so that equal options hash equally."""
    flags = options.get("fastmath")
    if isinstance(flags, (set, frozenset, list, tuple)):
        return {**options, "fastmath": _Flags(sorted(flags))}
    return options


class _Flags(set[str]):
    """A set of fast-math flags whose repr does not depend on string hashing."""

    def __repr__(self) -> str:
        return repr(sorted(self))


def _names(code: CodeType) -> Iterator[str]:
    """Global and attribute names of a code object and the ones nested in it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _uses(function: FunctionType) -> dict[str, Any]:
    """What the globals and the closure of `function` bring in, by name, sorted."""
    scope = function.__globals__
    used = {name: scope[name] for name in _names(function.__code__) if name in scope}
    for name, cell in zip(
        function.__code__.co_freevars, function.__closure__ or (), strict=True
    ):
        used[name] = cell.cell_contents
    return dict(sorted(used.items()))


def _lowered(function: FunctionType) -> FunctionType:
    """A copy of `function` in which our lazy objects are numba's own."""

    def lower(value: Any) -> Any:
        return value.dispatcher if isinstance(value, (Jitted, Intrinsic)) else value

    names = set(_names(function.__code__))
    scope = {k: lower(v) for k, v in function.__globals__.items() if k in names}
    scope["__builtins__"] = builtins
    scope["__name__"] = function.__module__
    cells = tuple(CellType(lower(c.cell_contents)) for c in function.__closure__ or ())
    copy = FunctionType(
        function.__code__, scope, function.__name__, function.__defaults__, cells
    )
    copy.__qualname__ = function.__qualname__
    copy.__module__ = function.__module__
    copy.__doc__ = function.__doc__
    return copy


def _hash_function(
    update: Callable[[bytes], None],
    function: FunctionType,
    seen: frozenset[CodeType] = frozenset(),
) -> None:
    code = function.__code__
    if code in seen:
        return
    seen = seen | {code}
    update(_code_bytes(code))
    update(repr(function.__defaults__).encode())
    for name, value in _uses(function).items():
        update(f"\0{name}=".encode())
        _hash_value(update, value, f"{function.__qualname__}: {name}", seen)


def _code_bytes(code: CodeType) -> bytes:
    """Bytecode and constants without file names or line numbers."""
    parts = [code.co_code]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            parts.append(_code_bytes(constant))
        elif isinstance(constant, frozenset):
            parts.append(repr(sorted(constant, key=repr)).encode())
        else:
            parts.append(repr(constant).encode())
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    parts.append(repr(names).encode())
    parts.append(repr((code.co_argcount, code.co_flags)).encode())
    return b"\0".join(parts)


def _hash_value(
    update: Callable[[bytes], None], value: Any, where: str, seen: frozenset[CodeType]
) -> None:
    if isinstance(value, Jitted):
        update(repr(sorted(value.options.items())).encode())
        _hash_function(update, value.py_func, seen)
    elif isinstance(value, Intrinsic):
        _hash_function(update, value.py_func, seen)
    elif isinstance(value, FunctionType):
        _hash_function(update, value, seen)
    elif isinstance(getattr(value, "__wrapped__", None), FunctionType):
        _hash_function(update, value.__wrapped__, seen)  # functools.cache
    elif isinstance(value, (bool, int, float, complex, str, bytes, type(None))):
        update(repr(value).encode())
    elif isinstance(value, tuple):
        update(b"(%d" % len(value))
        for item in value:
            _hash_value(update, item, where, seen)
    elif isinstance(value, (type, BuiltinFunctionType)):
        update(f"{value.__module__}.{value.__qualname__}".encode())
    elif isinstance(value, ModuleType) and value.__name__.startswith(_OPEN_MODULES):
        update(value.__name__.encode())
    elif type(value).__module__ == "numpy" and hasattr(value, "dtype"):
        update(f"{value.dtype!r}{value.shape}".encode() + value.tobytes())
    elif type(value).__module__ == "numpy":
        update(repr(value).encode())  # ufuncs and dtypes
    else:
        raise TypeError(
            f"[kernel] expected numbers, tuples, arrays, types, numpy, math or other "
            f"kernels as globals; got {where}={type(value).__name__}. "
            f"Hint: import helpers by name, not through their module."
        )
