"""Operators that work element by element."""

import math

import helix_core as hx


def _alpha(fn):
    return lambda x, y, alpha=1: fn(x, y if alpha == 1 else y * alpha)


def _div(x, y, rounding_mode=None):
    if rounding_mode == "floor":
        return hx.floor_divide(x, y)
    return hx.trunc(x / y) if rounding_mode == "trunc" else x / y


def _clamp(x, min=None, max=None):
    return hx.clip(x, min, max)


def _fmod(x, y):
    return x - hx.trunc(x / y) * y


def _round(x, decimals=0):
    if not decimals:
        return hx.round(x)
    scale = 10.0 ** abs(decimals)
    return hx.round(x * scale) / scale if decimals > 0 else hx.round(x / scale) * scale


def _nan_to_num(x, nan=0.0, posinf=None, neginf=None):
    info = 3.4028234663852886e38
    high = info if posinf is None else posinf
    low = -info if neginf is None else neginf
    x = hx.where(hx.isnan(x), nan, x)
    x = hx.where(hx.isinf(x) & (x > 0), high, x)
    return hx.where(hx.isinf(x) & (x < 0), low, x)


def _addcmul(x, a, b, value=1):
    return x + value * a * b


def _addcdiv(x, a, b, value=1):
    return x + value * (a / b)


def _lerp(x, y, weight):
    return x + weight * (y - x)


def _xlogy(x, y):
    return hx.where(
        hx.isnan(y),
        math.nan,
        hx.where(x == 0, 0.0, x * hx.log(hx.where(x == 0, 1.0, y))),
    )


def _logit(x, eps=None):
    x = x if eps is None else hx.clip(x, eps, 1 - eps)
    return hx.log(x / (1 - x))


MAP = {
    "abs": hx.abs,
    "neg": hx.negative,
    "positive": lambda x: x,
    "sign": hx.sign,
    "sgn": hx.sign,
    "floor": hx.floor,
    "ceil": hx.ceil,
    "trunc": hx.trunc,
    "round": _round,
    "round/decimals_0": _round,
    "round/decimals_3": _round,
    "round/decimals_neg_3": _round,
    "frac": lambda x: x - hx.trunc(x),
    "exp": hx.exp,
    "expm1": hx.expm1,
    "log": hx.log,
    "log1p": hx.log1p,
    "sqrt": hx.sqrt,
    "rsqrt": hx.rsqrt,
    "square": hx.square,
    "reciprocal": hx.reciprocal,
    "sin": hx.sin,
    "cos": hx.cos,
    "tanh": hx.tanh,
    "sigmoid": hx.sigmoid,
    "erf": hx.erf,
    "deg2rad": lambda x: x * (math.pi / 180),
    "rad2deg": lambda x: x * (180 / math.pi),
    "add": _alpha(hx.add),
    "sub": _alpha(hx.subtract),
    "rsub": lambda x, y, alpha=1: y - x * alpha,
    "mul": hx.multiply,
    "div/no_rounding_mode": _div,
    "div/trunc_rounding": _div,
    "div/floor_rounding": _div,
    "true_divide": hx.divide,
    "floor_divide": hx.floor_divide,
    "remainder": hx.mod,
    "fmod": _fmod,
    "pow": hx.power,
    "float_power": lambda x, y: hx.power(
        hx.cast(x, hx.float64),
        hx.cast(y, hx.float64) if isinstance(y, hx.Tensor) else y,
    ),
    "atan2": hx.atan2,
    "maximum": hx.maximum,
    "minimum": hx.minimum,
    "max/binary": hx.maximum,
    "min/binary": hx.minimum,
    "clamp": _clamp,
    "clamp_min": lambda x, y: hx.clip(x, y, None),
    "clamp_max": lambda x, y: hx.clip(x, None, y),
    "logaddexp": hx.logaddexp,
    "addcmul": _addcmul,
    "addcdiv": _addcdiv,
    "lerp": _lerp,
    "xlogy": _xlogy,
    "logit": _logit,
    "nan_to_num": _nan_to_num,
    "where": lambda x, condition, y: hx.where(condition, x, y),
    "masked_fill": lambda x, mask, value: hx.where(mask, value, x),
    "eq": hx.equal,
    "ne": hx.not_equal,
    "lt": hx.less,
    "le": hx.less_equal,
    "gt": hx.greater,
    "ge": hx.greater_equal,
    "isnan": hx.isnan,
    "isinf": hx.isinf,
    "isfinite": hx.isfinite,
    "logical_and": hx.logical_and,
    "logical_or": hx.logical_or,
    "logical_xor": hx.logical_xor,
    "logical_not": hx.logical_not,
    "__radd__": lambda x, y: y + x,
    "__rmul__": lambda x, y: y * x,
    "__rsub__": lambda x, y: y - x,
    "__rdiv__": lambda x, y: y / x,
    "__rpow__": lambda x, y: y**x,
    "__rmod__": lambda x, y: y % x,
    "real": hx.real,
    "complex": hx.complex_,
    "clone": lambda x, memory_format=None: hx.add(x, 0),
    "float": lambda x, **kw: hx.cast(x, hx.float32),
    "double": lambda x, **kw: hx.cast(x, hx.float64),
    "int": lambda x, **kw: hx.cast(x, hx.int32),
    "long": lambda x, **kw: hx.cast(x, hx.int64),
    "bool": lambda x, **kw: hx.cast(x, hx.bool_),
}
