"""The elementwise functions, and the dtypes that the standard has for each."""

from standard_oracle import (
    ALL,
    BOOL,
    COMPLEX,
    FLOAT,
    INTEGER,
    NUMERIC,
    REAL,
    REAL_FLOAT,
)

BITS = (*BOOL, *INTEGER)
UNARY = {
    **dict.fromkeys(("abs", "negative", "positive", "sign", "square"), NUMERIC),
    **dict.fromkeys(("conj", "real"), NUMERIC),
    "imag": COMPLEX,
    **dict.fromkeys(("isfinite", "isinf", "isnan"), NUMERIC),
    **dict.fromkeys("acos acosh asin asinh atan atanh".split(), FLOAT),
    **dict.fromkeys("cos cosh exp expm1 log log10 log1p log2".split(), FLOAT),
    **dict.fromkeys("reciprocal sin sinh sqrt tan tanh".split(), FLOAT),
    **dict.fromkeys(("ceil", "floor", "trunc"), REAL),
    "round": NUMERIC,
    "signbit": REAL_FLOAT,
    "bitwise_invert": BITS,
    "logical_not": BOOL,
}
BINARY = {
    **dict.fromkeys(("add", "multiply", "subtract", "pow"), NUMERIC),
    **dict.fromkeys("atan2 copysign hypot logaddexp nextafter".split(), REAL_FLOAT),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), BITS),
    **dict.fromkeys(("bitwise_left_shift", "bitwise_right_shift"), INTEGER),
    "divide": FLOAT,
    **dict.fromkeys(("equal", "not_equal"), ALL),
    **dict.fromkeys(("floor_divide", "remainder", "maximum", "minimum"), REAL),
    **dict.fromkeys("greater greater_equal less less_equal".split(), REAL),
    **dict.fromkeys(("logical_and", "logical_or", "logical_xor"), BOOL),
}
# the operator of each function, as methods of the array object
OPERATORS = {
    "add": "__add__",
    "subtract": "__sub__",
    "multiply": "__mul__",
    "divide": "__truediv__",
    "floor_divide": "__floordiv__",
    "remainder": "__mod__",
    "pow": "__pow__",
    "bitwise_and": "__and__",
    "bitwise_or": "__or__",
    "bitwise_xor": "__xor__",
    "bitwise_left_shift": "__lshift__",
    "bitwise_right_shift": "__rshift__",
    "equal": "__eq__",
    "not_equal": "__ne__",
    "less": "__lt__",
    "less_equal": "__le__",
    "greater": "__gt__",
    "greater_equal": "__ge__",
    "abs": "__abs__",
    "negative": "__neg__",
    "positive": "__pos__",
    "bitwise_invert": "__invert__",
}
