"""Loop programs on the CPU: rendered to Python, compiled by numba, run by `launch`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from helix_core.loop import SCALAR_OPS, LoopProgram

from helix_hal.cpu.jit import Intrinsic, Jitted, device_function, intrinsic
from helix_hal.cpu.kernels.elementwise import erf32, exp32, log32, tanh32
from helix_hal.cpu.launch import launch
from helix_hal.loop.device import Features
from helix_hal.loop.legal import legal
from helix_hal.loop.numba_source import CpuRenderer

_TILE = 1 << 13  # steps of points that are one piece of work
_NUMBERS = ("bool", "int32", "int64", "uint32", "uint64", "float32", "float64", "index")
_SMALL = ("int8", "int16", "uint8", "uint16", "float16", "bfloat16")
FEATURES = Features(
    dtypes=frozenset(_NUMBERS + _SMALL) - {"index"},
    arithmetic=frozenset(_NUMBERS),
    scalar_ops=frozenset(SCALAR_OPS),
    atomic_add=frozenset(),
)


@device_function
def log_32(x):
    if x > 0.0:
        return log32(x) if x < np.float32(np.inf) else x
    return np.float32(-np.inf) if x == 0.0 else np.float32(np.nan)


@device_function
def exp64(x):
    return math.exp(x)


@device_function
def log64(x):
    return np.log(x)


@device_function
def tanh64(x):
    return math.tanh(x)


@device_function
def erf64(x):
    return math.erf(x)


@device_function
def quotient(x, y):
    q = x // y
    return q + 1 if x - q * y != 0 and (x < 0) != (y < 0) else q


@device_function
def remainder(x, y):
    return x - quotient(x, y) * y


def _reinterpreted(name: str) -> Intrinsic:
    """An intrinsic that reads bits as another type of the same size."""

    def cast(typingctx, value):
        from numba import types

        kinds: dict[str, Any] = {
            "F32": types.float32,
            "F64": types.float64,
            "U32": types.uint32,
            "U64": types.uint64,
            "I32": types.int32,
            "I64": types.int64,
        }
        target = kinds[name]

        def codegen(context, builder, signature, args):
            return builder.bitcast(args[0], context.get_value_type(target))

        return target(value), codegen

    return intrinsic(cast)


@intrinsic
def from_half(typingctx, bits):
    from llvmlite import ir
    from numba import types

    def codegen(context, builder, signature, args):
        half = builder.bitcast(args[0], ir.HalfType())
        return builder.fpext(half, ir.FloatType())

    return types.float32(types.uint16), codegen


@intrinsic
def to_half(typingctx, value):
    from llvmlite import ir
    from numba import types

    def codegen(context, builder, signature, args):
        half = builder.fptrunc(args[0], ir.HalfType())
        return builder.bitcast(half, ir.IntType(16))

    return types.uint16(types.float32), codegen


bits_to_F32 = _reinterpreted("F32")
bits_to_F64 = _reinterpreted("F64")
bits_to_U32 = _reinterpreted("U32")
bits_to_U64 = _reinterpreted("U64")
bits_to_I32 = _reinterpreted("I32")
bits_to_I64 = _reinterpreted("I64")


@device_function
def from_brain(bits):
    return bits_to_F32(np.uint32(np.uint32(bits) << np.uint32(16)))


@device_function
def to_brain(x):
    """To nearest, ties to even; NaN stays one."""
    b = bits_to_U32(x)
    odd = np.uint32((b >> np.uint32(16)) & np.uint32(1))
    rounded = np.uint32(np.uint32(b + np.uint32(0x7FFF) + odd) >> np.uint32(16))
    quiet = np.uint32((b >> np.uint32(16)) | np.uint32(0x40))
    return np.uint16(quiet if x != x else rounded)


SCOPE: dict[str, Any] = {
    "np": np,
    "BOOL": np.bool_,
    **{f"I{n}": getattr(np, f"int{n}") for n in (8, 16, 32, 64)},
    **{f"U{n}": getattr(np, f"uint{n}") for n in (8, 16, 32, 64)},
    "F32": np.float32,
    "F64": np.float64,
    "NAN32": np.float32("nan"),
    "NAN64": float("nan"),
    "INF32": np.float32("inf"),
    "INF64": float("inf"),
    **{
        f"{name}{bits}": f
        for bits in (32, 64)
        for name, f in (
            ("floor", np.floor),
            ("round", np.rint),
            ("sqrt", np.sqrt),
            ("sin", np.sin),
            ("cos", np.cos),
        )
    },
    "exp32": exp32,
    "log32": log_32,
    "tanh32": tanh32,
    "erf32": erf32,
    **{f.__name__: f for f in (exp64, log64, tanh64, erf64, quotient, remainder)},
    **{f.__name__: f for f in (from_half, to_half, from_brain, to_brain)},
    "bits_to_F32": bits_to_F32,
    "bits_to_F64": bits_to_F64,
    "bits_to_U32": bits_to_U32,
    "bits_to_U64": bits_to_U64,
    "bits_to_I32": bits_to_I32,
    "bits_to_I64": bits_to_I64,
}


@lru_cache(maxsize=4096)
def compiled(program: LoopProgram) -> Jitted:
    """The kernel of a program, for any sizes."""
    source = CpuRenderer(legal(program, FEATURES)).source()
    scope = dict(SCOPE, __name__=__name__)
    exec(compile(source, f"<{program.name}>", "exec"), scope)
    options = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
    from helix_hal.cpu.jit import kernel

    return kernel(**options)(scope[program.name])


def run(
    program: LoopProgram,
    memories: Sequence[np.ndarray],
    sizes: Sequence[int],
    offsets: Sequence[int] = (),
) -> None:
    """Run a program on every core.

    Parameters
    ----------
    memories : sequence of ndarray
        Flat and contiguous, of the arguments' dtypes; 16-bit floats as they are, or as
        their bits in uint16.
    sizes : sequence of int
    offsets : sequence of int, optional
        In elements; default 0.
    """
    flat = [
        m.view(np.uint16) if m.dtype.itemsize == 2 and m.dtype.kind not in "iu" else m
        for m in memories
    ]
    given = dict(zip(program.sizes, sizes, strict=True))
    steps = max(given[program.serial], 1) if program.serial is not None else 1
    *rows, last = [given[g] for g in program.grid]
    chunk = max(1, min(last, _TILE // steps))
    tiles = prod(rows) * -(-last // chunk)
    offs = offsets or (0,) * len(flat)
    grain = max(1, _TILE // (2 * chunk * steps))
    launch(compiled(program), tiles, chunk, *flat, *offs, *sizes, grain=grain)
