"""Scalar functions of the generated source, as CUDA device functions.

Plain Python that numba compiles for the GPU and its simulator runs as it is, so nothing
here may raise where the GPU would give NaN or infinity. Reading bits as another type is
the one thing that the two do differently.
"""

from __future__ import annotations

import math
from functools import cache
from types import FunctionType
from typing import Any

import numpy as np

F32, F64 = np.float32, np.float64
I32, I64 = np.int32, np.int64
U16, U32, U64 = np.uint16, np.uint32, np.uint64

bits_to_F32: Any = None  # `functions` gives them
bits_to_U32: Any = None


def exp64(x):
    return F64(math.exp(x)) if x < 709.782712893384 else F64(x * 1e307 * x)


def exp32(x):
    return F32(math.exp(x)) if x < F32(88.75) else F32(x * F32(1e38) * x)


def log64(x):
    if x > 0.0:
        return F64(math.log(x))
    return F64(-math.inf) if x == 0.0 else F64(math.nan)


def log32(x):
    if x > 0.0:
        return F32(math.log(x))
    return F32(-math.inf) if x == 0.0 else F32(math.nan)


def tanh64(x):
    return F64(math.tanh(x))


def tanh32(x):
    return F32(math.tanh(x))


def erf64(x):
    return F64(math.erf(x))


def erf32(x):
    return F32(math.erf(x))


def sqrt64(x):
    return F64(math.sqrt(x)) if x >= 0.0 else F64(math.nan)


def sqrt32(x):
    return F32(math.sqrt(x)) if x >= 0.0 else F32(math.nan)


def sin64(x):
    return F64(math.sin(x)) if x - x == 0.0 else F64(math.nan)


def sin32(x):
    return F32(math.sin(x)) if x - x == 0.0 else F32(math.nan)


def cos64(x):
    return F64(math.cos(x)) if x - x == 0.0 else F64(math.nan)


def cos32(x):
    return F32(math.cos(x)) if x - x == 0.0 else F32(math.nan)


def floor64(x):
    whole = abs(x) < 4503599627370496.0  # from 2^52 on, every number is whole
    return F64(math.copysign(F64(math.floor(x)), x)) if whole else x


def floor32(x):
    whole = abs(x) < F32(8388608.0)
    return F32(math.copysign(F64(math.floor(x)), x)) if whole else x


def round64(x):
    near = F64(abs(x) + 4503599627370496.0) - 4503599627370496.0
    return F64(math.copysign(near, x)) if abs(x) < 4503599627370496.0 else x


def round32(x):
    near = F32(F32(abs(x)) + F32(8388608.0)) - F32(8388608.0)
    return F32(math.copysign(near, x)) if abs(x) < F32(8388608.0) else x


def quotient(x, y):
    q = x // y
    return q + 1 if x - q * y != 0 and (x < 0) != (y < 0) else q


def remainder(x, y):
    q = x // y
    q = q + 1 if x - q * y != 0 and (x < 0) != (y < 0) else q
    return x - q * y


def from_brain(bits):
    return bits_to_F32(U32(U32(bits) << U32(16)))


def to_brain(x):
    """To nearest, ties to even; NaN stays one."""
    b = bits_to_U32(x)
    odd = U32((b >> U32(16)) & U32(1))
    rounded = U32(U32(b + U32(0x7FFF) + odd) >> U32(16))
    return U16(U32((b >> U32(16)) | U32(0x40)) if x != x else rounded)


def from_half(bits):
    h = U32(bits)
    sign, size = U32((h & U32(0x8000)) << U32(16)), U32(h & U32(0x7FFF))
    if size >= U32(0x7C00):  # infinity, NaN
        wide = U32(U32(size << U32(13)) | U32(0x7F800000))
    elif size >= U32(0x0400):
        wide = U32(U32(size << U32(13)) + U32(0x38000000))
    else:
        wide = bits_to_U32(F32(F32(size) * F32(5.9604644775390625e-08)))
    return bits_to_F32(U32(sign | wide))


def to_half(x):
    """To nearest, ties to even."""
    b = bits_to_U32(x)
    sign, size = U32((b >> U32(16)) & U32(0x8000)), U32(b & U32(0x7FFFFFFF))
    if size > U32(0x7F800000):
        half = U32(0x7E00)
    elif size >= U32(0x477FF000):  # rounds to 65536 or more
        half = U32(0x7C00)
    elif size >= U32(0x38800000):
        odd = U32((size >> U32(13)) & U32(1))
        moved = U32(size - U32(0x38000000))
        half = U32(U32(moved + U32(0xFFF) + odd) >> U32(13))
    else:  # adding 2^-1 leaves the subnormal's bits at the end, rounded
        near = F32(bits_to_F32(size) + F32(0.5))
        half = U32(bits_to_U32(near) - U32(0x3F000000))
    return U16(sign | half)


def _simulated() -> dict[str, Any]:
    def reads(target: Any) -> Any:
        return lambda x: x.view(target)

    kinds = {"F32": F32, "F64": F64, "U32": U32, "U64": U64, "I32": I32, "I64": I64}
    return {f"bits_to_{name}": reads(kind) for name, kind in kinds.items()}


def _compiled() -> dict[str, Any]:
    from numba import cuda
    from numba.cuda import libdevice

    def bits_to_F32(x):
        return libdevice.int_as_float(I32(x))

    def bits_to_F64(x):
        return libdevice.longlong_as_double(I64(x))

    def bits_to_U32(x):
        return U32(libdevice.float_as_int(x))

    def bits_to_U64(x):
        return U64(libdevice.double_as_longlong(x))

    def bits_to_I32(x):
        return I32(libdevice.float_as_int(x))

    def bits_to_I64(x):
        return I64(libdevice.double_as_longlong(x))

    made = (
        bits_to_F32,
        bits_to_F64,
        bits_to_U32,
        bits_to_U64,
        bits_to_I32,
        bits_to_I64,
    )
    return {f.__name__: cuda.jit(f, device=True) for f in made}


@cache
def functions(simulated: bool) -> dict[str, Any]:
    """Names of the generated source: number types and device functions."""
    from numba import cuda

    scope: dict[str, Any] = {
        "np": np,
        "math": math,
        "cuda": cuda,
        "BOOL": np.bool_,
        **{f"I{n}": getattr(np, f"int{n}") for n in (8, 16, 32, 64)},
        **{f"U{n}": getattr(np, f"uint{n}") for n in (8, 16, 32, 64)},
        "F32": F32,
        "F64": F64,
        "NAN32": F32("nan"),
        "NAN64": math.nan,
        "INF32": F32("inf"),
        "INF64": math.inf,
    }
    scope |= _simulated() if simulated else _compiled()
    for name, f in globals().items():
        if type(f) is FunctionType and not name.startswith("_") and name != "functions":
            own = FunctionType(f.__code__, scope, name)
            scope[name] = own if simulated else cuda.jit(own, device=True)
    return scope
