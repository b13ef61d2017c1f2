"""Activations over big arrays, forward and backward, in one pass with our own exp.

NumPy's ufuncs serve small arrays and plain arithmetic; a formula of several steps over
a large array is limited by memory unless it runs as one loop, which these kernels are.
float32 uses polynomials that LLVM turns into vector code, float64 the C library.

The float32 helpers (`exp32`, `log32`, `tanh32`, `erf32`) are within 2 ulp, pass NaN on,
and hold for infinities; `exp32` gives 0 below 1.8e-38. Coefficients: a Remez fit of the
relative error, done for this file.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from helix_hal.cpu import pool
from helix_hal.cpu.jit import Jitted, device_function, intrinsic, kernel
from helix_hal.cpu.launch import launch

__all__ = ["OPS", "erf32", "exp32", "log32", "tanh32", "unary_backward"]
__all__ += ["unary_forward"]

Array = NDArray[Any]
F32 = np.float32
_BLOCK = 1 << 14
# Only fused multiply-adds: the roundings below must stay where they are written.
_EXACT = {"contract"}

_LOG2E = F32(1.4426950408889634)
_LN2_HIGH = F32(0.693359375)  # nine bits: its product with an exponent is exact
_LN2_LOW = F32(-2.12194440e-4)
_ROUND = F32(12582912.0)  # 1.5 * 2^23: adding it leaves the nearest integer
_ROUND_BITS = np.int32(0x4B400000)
_TINY = F32(-87.3)
_HUGE = F32(89.0)
_ONE = F32(1.0)
_TWO = F32(2.0)
_HALF = F32(0.5)

_E0, _E1, _E2, _E3, _E4 = (
    F32(2 * c)
    for c in (
        0.4999999343212929,
        0.1666652039904253,
        0.041668390783547914,
        0.008368745108942591,
        0.0013814540176801306,
    )
)
_L0, _L1, _L2, _L3, _L4, _L5, _L6, _L7, _L8 = (
    F32(c)
    for c in (
        0.3333331260429507,
        -0.25000009598317474,
        0.20002118642565148,
        -0.166679959048727,
        0.1421955273248537,
        -0.12405588241635569,
        0.11888158846950966,
        -0.11675654570782283,
        0.06746651523364135,
    )
)
_T0, _T1, _T2, _T3, _T4 = (
    F32(c)
    for c in (
        -0.33333278058508015,
        0.1333133100104443,
        -0.05373000708025007,
        0.020606176494407824,
        -0.0056669769766190215,
    )
)
_R0, _R1, _R2, _R3, _R4, _R5 = (
    F32(c)
    for c in (
        0.12837914769093367,
        -0.3761248109984211,
        0.11281682539032996,
        -0.02676171980336618,
        0.004985940512724569,
        -0.0005953741297442253,
    )
)
_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7 = (
    F32(c)
    for c in (
        0.00017587347081678018,
        -1.1295208177914555,
        -0.633334664855793,
        -0.10829393284677244,
        0.02512861516242374,
        -0.004174639233965354,
        0.00043521805965798387,
        -2.1161830966410217e-05,
    )
)


@intrinsic
def _as_float(typingctx, bits):
    from llvmlite import ir
    from numba import types

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), codegen


@intrinsic
def _as_int(typingctx, value):
    from llvmlite import ir
    from numba import types

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(32))

    return types.int32(types.float32), codegen


@device_function(fastmath=_EXACT)
def exp32(x):
    """e^x for float32."""
    x = _TINY if x < _TINY else x  # written so that NaN stays
    x = _HUGE if x > _HUGE else x
    shifted = x * _LOG2E + _ROUND
    n = shifted - _ROUND
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    p = _E0 + r * (_E1 + r * (_E2 + r * (_E3 + r * _E4)))
    p = _TWO + r * (_TWO + r * p)  # 2 e^r, so that 2^(n-1) never overflows
    return p * _as_float((_as_int(shifted) - _ROUND_BITS + np.int32(126)) << 23)


@device_function(fastmath=_EXACT)
def log32(x):
    """ln(x) for positive, finite, normal float32."""
    bits = _as_int(x)
    exponent = (bits - np.int32(0x3F3504F3)) >> 23  # x = m 2^e, m in [0.707, 1.414)
    n = F32(exponent)
    f = _as_float(bits - (exponent << 23)) - _ONE
    s = f * f
    p = _L5 + f * (_L6 + f * (_L7 + f * _L8))
    p = _L0 + f * (_L1 + f * (_L2 + f * (_L3 + f * (_L4 + f * p))))
    return n * _LN2_HIGH + (f + (n * _LN2_LOW + (f * s * p - _HALF * s)))


@device_function(fastmath=_EXACT)
def tanh32(x):
    """tanh(x) for float32."""
    a = abs(x)
    s = x * x
    small = x + x * s * (_T0 + s * (_T1 + s * (_T2 + s * (_T3 + s * _T4))))
    large = _ONE - _TWO / (exp32(a + a) + _ONE)
    large = -large if x < F32(0) else large
    small = small if a > F32(1e-4) else x  # keeps the sign of zero
    return large if a > F32(0.625) else small


@device_function(fastmath=_EXACT)
def erf32(x):
    """The error function for float32."""
    a = abs(x)
    s = x * x
    p = _R0 + s * (_R1 + s * (_R2 + s * (_R3 + s * (_R4 + s * _R5))))
    small = x + x * p
    t = F32(4.0) if a > F32(4.0) else a
    q = _C4 + t * (_C5 + t * (_C6 + t * _C7))
    q = _C0 + t * (_C1 + t * (_C2 + t * (_C3 + t * q)))
    large = _ONE - exp32(q)
    large = -large if x < F32(0) else large
    return large if a > F32(0.925) else small


@device_function(fastmath=_EXACT)
def _softplus32(x):
    z = exp32(-abs(x))
    u = _ONE + z
    tail = log32(u) + (z - (u - _ONE)) / u
    return (x if x > F32(0) else F32(0)) + tail  # z carries NaN


@device_function
def _softplus64(x):
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@device_function
def exp64(x):
    return math.exp(x)


@device_function
def _tanh64(x):
    return math.tanh(x)


@device_function
def _erf64(x):
    return math.erf(x)


def _formulas(
    real: type, exp: Jitted, tanh: Jitted, erf: Jitted, softplus: Jitted
) -> dict[str, tuple[Jitted, Jitted]]:
    """Each activation and its derivative, both as functions of the input."""
    one, two, half = real(1.0), real(2.0), real(0.5)
    cube, line = real(0.044715), real(math.sqrt(2.0 / math.pi))
    root_half, density = real(math.sqrt(0.5)), real(1.0 / math.sqrt(2.0 * math.pi))
    slope = real(3.0 * 0.044715)
    function = device_function(fastmath=_EXACT)

    @function
    def sigmoid(x):
        return one / (one + exp(-x))

    @function
    def d_sigmoid(x):
        y = sigmoid(x)
        return y * (one - y)

    @function
    def d_tanh(x):
        y = tanh(x)
        return one - y * y

    @function
    def d_erf(x):
        return two * root_half * two * density * exp(-x * x)

    @function
    def silu(x):
        return x * sigmoid(x)

    @function
    def d_silu(x):
        y = sigmoid(x)
        return y * (one + x * (one - y))

    @function
    def gelu(x):
        return half * x * (one + erf(x * root_half))

    @function
    def d_gelu(x):
        below = half * (one + erf(x * root_half))
        return below + x * density * exp(-half * x * x)

    @function
    def gelu_tanh(x):
        return half * x * (one + tanh(line * (x + cube * x * x * x)))

    @function
    def d_gelu_tanh(x):
        t = tanh(line * (x + cube * x * x * x))
        inner = line * (one + slope * x * x)
        return half * (one + t) + half * x * (one - t * t) * inner

    return {
        "exp": (exp, exp),
        "sigmoid": (sigmoid, d_sigmoid),
        "tanh": (tanh, d_tanh),
        "erf": (erf, d_erf),
        "softplus": (softplus, sigmoid),
        "silu": (silu, d_silu),
        "gelu": (gelu, d_gelu),
        "gelu_tanh": (gelu_tanh, d_gelu_tanh),
    }


def _map(function: Jitted) -> Jitted:
    @kernel(fastmath=_EXACT)
    def forward(lo, hi, x, y):
        xs = x[lo * _BLOCK : hi * _BLOCK]
        ys = y[lo * _BLOCK : hi * _BLOCK]
        for i in range(xs.size):
            ys[i] = function(xs[i])

    return forward


def _map_gradient(derivative: Jitted) -> Jitted:
    @kernel(fastmath=_EXACT)
    def backward(lo, hi, x, dy, dx):
        xs = x[lo * _BLOCK : hi * _BLOCK]
        gs = dy[lo * _BLOCK : hi * _BLOCK]
        out = dx[lo * _BLOCK : hi * _BLOCK]
        for i in range(xs.size):
            out[i] = gs[i] * derivative(xs[i])

    return backward


def _kernels(
    formulas: dict[str, tuple[Jitted, Jitted]],
) -> dict[str, tuple[Jitted, Jitted]]:
    return {k: (_map(f), _map_gradient(df)) for k, (f, df) in formulas.items()}


_TABLE: dict[np.dtype[Any], dict[str, tuple[Jitted, Jitted]]] = {
    np.dtype(np.float32): _kernels(_formulas(F32, exp32, tanh32, erf32, _softplus32)),
    np.dtype(np.float64): _kernels(
        _formulas(np.float64, exp64, _tanh64, _erf64, _softplus64)
    ),
}
OPS: tuple[str, ...] = tuple(_TABLE[np.dtype(np.float32)])


def unary_forward(op: str, x: Array) -> Array:
    """Apply an activation to every element.

    Parameters
    ----------
    op : str
        One of `OPS`: exp, sigmoid, tanh, erf, softplus, silu, gelu (exact, by erf) or
        gelu_tanh.
    x : ndarray of any shape, float32 or float64, C-contiguous

    Returns
    -------
    ndarray of the shape and dtype of `x`
    """
    y = pool.empty(x.shape, x.dtype)
    run = _TABLE[x.dtype][op][0]
    launch(run, -(-x.size // _BLOCK), x.reshape(-1), y.reshape(-1))
    return y


def unary_backward(op: str, x: Array, dy: Array) -> Array:
    """``dy * f'(x)``, with f' computed again from the input.

    Parameters
    ----------
    op : str
        One of `OPS`.
    x, dy : ndarray of one shape and dtype, C-contiguous

    Returns
    -------
    ndarray of the shape and dtype of `x`
    """
    dx = pool.empty(x.shape, x.dtype)
    run = _TABLE[x.dtype][op][1]
    flat = (x.reshape(-1), dy.reshape(-1), dx.reshape(-1))
    launch(run, -(-x.size // _BLOCK), *flat)
    return dx
