"""At least one case for every primitive: what to call, NumPy's answer, example arrays.

``test_primitives.py`` sweeps each case over layouts, dtypes, empty and 0-d arrays,
gradients, tracing and decomposition.
"""

import math
from typing import Any, NamedTuple

import helix_core as hx
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

RNG = np.random.default_rng(7)
A, B = RNG.normal(size=(2, 3, 4))  # no two equal, none near 0 or a half by chance
P = RNG.uniform(0.3, 2.0, size=(3, 4))
Z = A + 1j * B
N = RNG.integers(-40, 40, size=(3, 4))
M = RNG.integers(1, 9, size=(3, 4))
FLAGS = RNG.integers(0, 2, size=(3, 4)).astype(bool)
X3 = RNG.normal(size=(2, 3, 4))


class Case(NamedTuple):
    """``examples``: by category of dtype (float, int, uint, bool, complex), the arrays.

    ``grad``: the order of derivatives to check, over the first of float or complex.
    ``empty``: whether the arrays may be cut to no rows. ``scalar``: also of 0-d arrays.
    """

    prim: str
    label: str
    call: Any
    ref: Any
    examples: dict[str, tuple[Any, ...]]
    grad: int = 2
    empty: bool = True
    scalar: bool = False
    single: bool = False  # 32 and 64 bits only
    loose: float = 1.0  # factor on the tolerance

    def __str__(self):
        return f"{self.prim}-{self.label}" if self.label else self.prim


CASES: list[Case] = []


def bound(prim, **attrs):
    return lambda *ts: hx.bind(hx.PRIMITIVES[prim], *ts, **attrs)


def case(prim, ref, label="", call=None, attrs=None, **kw):
    """``float=(arrays)``, ``int=...`` are examples; the rest are fields of `Case`."""
    kinds = ("float", "int", "uint", "bool", "complex")
    examples = {k: kw.pop(k) for k in kinds if k in kw}
    CASES.append(
        Case(prim, label, call or bound(prim, **(attrs or {})), ref, examples, **kw)
    )


def each(prim, ref, grad=2, **kw):
    """An elementwise primitive."""
    case(prim, ref, grad=grad, scalar=True, **kw)


# ------------------------------------------------------------------------ elementwise
def erf(x):
    return np.vectorize(math.erf, otypes=[np.float64])(x)


each("neg", np.negative, float=(A,), int=(N,), complex=(Z,))
each("abs", np.abs, float=(A,), int=(N,), uint=(M,), complex=(Z,))
each("sign", np.sign, grad=0, float=(A,), int=(N,), complex=(Z,))
each("floor", np.floor, grad=0, float=(3 * A,))
each("ceil", np.ceil, grad=0, float=(3 * A,))
each("round", np.rint, grad=0, float=(3 * A,))
each("exp", np.exp, float=(A,), complex=(Z,))
each("log", np.log, float=(P,), complex=(Z,))
each("expm1", np.expm1, float=(A,), complex=(Z,))
each("log1p", np.log1p, float=(P,), complex=(Z,))
each("sqrt", np.sqrt, float=(P,), complex=(Z,))
each("rsqrt", lambda x: 1 / np.sqrt(x), float=(P,), complex=(Z,))
each("sin", np.sin, float=(A,), complex=(Z,))
each("cos", np.cos, float=(A,), complex=(Z,))
each("tanh", np.tanh, float=(A,), complex=(Z * 0.5,))
each("erf", erf, float=(A,))
each("conj", np.conj, complex=(Z,))
each("real", np.real, complex=(Z,))
each("imag", np.imag, complex=(Z,))

TWO = (FLAGS, FLAGS[::-1])
each("add", np.add, float=(A, B), int=(N, M), uint=(M, M), bool=TWO, complex=(Z, 2 * Z))
each("sub", np.subtract, float=(A, B), int=(N, M), complex=(Z, 2 * Z + 1))
each("mul", np.multiply, float=(A, B), int=(N % 9, M), bool=TWO, complex=(Z, Z + 1))
each("div", np.true_divide, float=(A, P), complex=(Z, Z + 3))
each("floordiv", np.floor_divide, grad=0, float=(9 * A, P), int=(N, M), uint=(M * 5, M))
each("mod", np.mod, float=(9 * A, P), int=(N, M), uint=(M * 5, M), loose=20)
each("pow", np.power, float=(P, A), complex=(Z + 3, Z), int=(N % 3, M % 4), loose=4)
each("max", np.maximum, float=(A, B), int=(N, M), bool=(FLAGS, FLAGS[::-1]))
each("min", np.minimum, float=(A, B), int=(N, M), bool=(FLAGS, FLAGS[::-1]))
each("atan2", np.arctan2, float=(A, B))


def from_parts(a, b):
    return np.stack([a, b], -1).view(np.result_type(a, np.complex64))[..., 0]


each("complex", from_parts, float=(A, B), single=True)

BITS = {"int": (N, M), "uint": (M * 5, M), "bool": (FLAGS, FLAGS[::-1])}
each("not", np.invert, grad=0, int=(N,), uint=(M,), bool=(FLAGS,))
each("and", np.bitwise_and, grad=0, **BITS)
each("or", np.bitwise_or, grad=0, **BITS)
each("xor", np.bitwise_xor, grad=0, **BITS)
each("shl", np.left_shift, grad=0, int=(N % 9, M % 4), uint=(M, M % 4))
each("shr", np.right_shift, grad=0, int=(N, M % 7), uint=(M * 5, M % 4))

SAME = np.where(FLAGS, A, B)
ORDER = {"float": (A, SAME), "int": (N, M), "uint": (M, M[::-1]), "bool": BITS["bool"]}
each("eq", np.equal, grad=0, complex=(Z, np.where(FLAGS, Z, 1)), **ORDER)
each("lt", np.less, grad=0, **ORDER)
each("le", np.less_equal, grad=0, **ORDER)
case(
    "where",
    lambda x, y: np.where(FLAGS[: len(x)], x, y),
    call=lambda x, y: hx.where(hx.tensor(FLAGS[: len(x)]), x, y),
    float=(A, B),
    int=(N, M),
    complex=(Z, Z + 1),
)
case(
    "cast",
    lambda x: x.astype(np.complex64 if x.dtype.kind == "c" else np.float32),
    call=lambda x: hx.cast(
        x, "complex64" if x.dtype.category == "complex" else "float32"
    ),
    float=(A,),
    int=(N,),
    bool=(FLAGS,),
    complex=(Z,),
    grad=0,  # float32 is too coarse for differences: see the next
)
case(
    "cast",
    lambda x: x.astype(np.complex128),
    label="to complex",
    call=lambda x: hx.cast(x, "complex128"),
    float=(A,),
)
case(
    "bitcast",
    lambda x: x.view(f"u{x.dtype.itemsize}"),
    call=lambda x: hx.bitcast(x, f"uint{8 * x.dtype.itemsize}"),
    float=(A,),
    int=(N,),
    grad=0,
    single=True,
)

# -------------------------------------------------------------------------- reductions
NUMBERS = {"float": (X3,), "int": (RNG.integers(-3, 3, (2, 3, 4)),)}
for axes in ((), (1,), (0, 2), (0, 1, 2)):
    at = {"label": str(axes), "attrs": {"axes": axes}}
    case(
        "reduce_sum",
        lambda x, a=axes: x.sum(a, dtype=x.dtype),
        complex=(X3 + 1j,),
        **NUMBERS,
        **at,
        loose=20,
    )
    case(
        "reduce_prod",
        lambda x, a=axes: x.prod(a, dtype=x.dtype),
        complex=(X3 + 1j,),
        **NUMBERS,
        **at,
        loose=20,
    )
    case("reduce_max", lambda x, a=axes: x.max(a), **NUMBERS, **at, empty=0 not in axes)
    case("reduce_min", lambda x, a=axes: x.min(a), **NUMBERS, **at, empty=0 not in axes)
for axis in (0, 1, 2):
    at = {"label": str(axis), "attrs": {"axis": axis}, "grad": 0, "empty": axis != 0}
    case("argmax", lambda x, a=axis: np.argmax(x, a), **NUMBERS, **at)
    case("argmin", lambda x, a=axis: np.argmin(x, a), **NUMBERS, **at)

WINDOW = {"window": (1, 2, 3), "strides": (1, 1, 1), "dilation": (1, 1, 1)}
for kind in ("sum", "max", "min"):
    case(
        "reduce_window",
        lambda x, k=kind: getattr(np, k)(
            sliding_window_view(x, (1, 2, 3)), (3, 4, 5)
        ).astype(x.dtype),
        kind,
        attrs={"kind": kind, "padding": ((0, 0),) * 3, **WINDOW},
        empty=False,
        **NUMBERS,
    )

# ------------------------------------------------------------------------------- scans
RUNNING = {
    "sum": lambda x, a: np.cumsum(x, a, dtype=x.dtype),
    "prod": lambda x, a: np.cumprod(x, a, dtype=x.dtype),
    "max": np.maximum.accumulate,
    "min": np.minimum.accumulate,
    "logsumexp": np.logaddexp.accumulate,
}
for kind, f in RUNNING.items():
    for reverse in (False, True):
        turn = (lambda x: np.flip(x, 1)) if reverse else (lambda x: x)
        case(
            "cumulative",
            lambda x, f=f, turn=turn: turn(f(turn(x), 1)),
            f"{kind} {'back' if reverse else ''}",
            attrs={"kind": kind, "axis": 1, "reverse": reverse},
            loose=20,
            **({"float": (X3,)} if kind == "logsumexp" else NUMBERS),
        )


def recurrence(a, b, h):
    out = np.empty_like(b)
    for t in range(b.shape[1]):
        h = out[:, t] = a[:, t] * h + b[:, t]
    return out


DECAY = RNG.uniform(0.2, 0.9, size=(2, 3, 4))
case(
    "linear_scan",
    recurrence,
    attrs={"axis": 1, "reverse": False},
    float=(DECAY, X3, X3[:, 0]),
    complex=(DECAY * (1 + 0.2j), X3 + 0.5j, X3[:, 0] + 1j),
    loose=20,
)

# ---------------------------------------------------------------------------- products
case(
    "dot_general",
    lambda a, b: np.einsum("bij,bkj->bik", a, b),
    attrs={"dims": (((2,), (2,)), ((0,), (0,)))},
    float=(X3, RNG.normal(size=(2, 5, 4))),
    int=(NUMBERS["int"][0], NUMBERS["int"][0]),
    complex=(X3 + 1j, X3 - 1j),
    loose=20,
)
case(
    "conv",
    lambda x, w: np.einsum("bctk,ock->bot", sliding_window_view(x, 3, 2), w),
    attrs={
        "strides": (1,),
        "padding": ((0, 0),),
        "lhs_dilation": (1,),
        "rhs_dilation": (1,),
    },
    float=(RNG.normal(size=(2, 3, 6)), RNG.normal(size=(4, 3, 3))),
    empty=False,
    loose=20,
)

# ---------------------------------------------------------------------------- indexing
PLACES = np.array([[2, 0], [1, 1]], np.int32)
case(
    "gather",
    lambda x: np.take(x, PLACES, 1),
    call=lambda x: bound("gather", axis=1)(x, hx.tensor(PLACES)),
    bool=(X3 > 0,),
    complex=(X3 + 1j,),
    **NUMBERS,
)
WRITE = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def scattered(x, u, mode):
    out = x.copy()
    for k, row in enumerate(
        np.moveaxis(u, (1, 2), (0, 1)).reshape(4, *u[:, 0, 0].shape)
    ):
        i = PLACES.reshape(-1)[k]
        out[:, i] = row if mode == "set" else WRITE[mode](out[:, i], row)
    return out


for mode in ("set", *WRITE):
    case(
        "scatter",
        lambda x, u, m=mode: scattered(x, u, m),
        mode,
        call=lambda x, u, m=mode: bound("scatter", axis=1, mode=m)(
            x, hx.tensor(PLACES), u
        ),
        float=(X3, RNG.normal(size=(2, 2, 2, 4))),
        int=(NUMBERS["int"][0], RNG.integers(-3, 3, (2, 2, 2, 4))),
        loose=20,
    )
case(
    "sort",
    lambda x: np.sort(x, 1),
    call=lambda x: bound("sort", axis=1, num_keys=1, descending=False, stable=True)(x)[
        0
    ],
    uint=(M[None],),
    bool=(X3 > 0,),
    **NUMBERS,
)

# -------------------------------------------------------------------------------- fft
SINGLE = {"single": True, "loose": 40}
for kind, f in {"fft": np.fft.fft, "ifft": np.fft.ifft}.items():
    case(
        "fft",
        lambda x, f=f: f(x, axis=2),
        kind,
        attrs={"kind": kind, "axes": (2,), "sizes": (4,)},
        complex=(X3 + 1j * X3[::-1],),
        **SINGLE,
    )
case(
    "fft",
    lambda x: np.fft.rfftn(x, axes=(1, 2)),
    "rfft",
    attrs={"kind": "rfft", "axes": (1, 2), "sizes": (3, 4)},
    float=(X3,),
    **SINGLE,
)
case(
    "fft",
    lambda x: np.fft.irfft(x, 6, axis=2),
    "irfft",
    attrs={"kind": "irfft", "axes": (2,), "sizes": (6,)},
    complex=(X3 + 1j * X3[::-1],),
    **SINGLE,
)

# ---------------------------------------------------------------------------- movement
ANY = {**NUMBERS, "bool": (X3 > 0,), "complex": (X3 + 1j,)}
case(
    "reshape",
    lambda x: x.reshape(-1, 2, 6)[:2],
    call=lambda x: bound("reshape", shape=(len(x), 2, 6))(x),
    **ANY,
)
case("permute", lambda x: x.transpose(1, 2, 0), attrs={"axes": (1, 2, 0)}, **ANY)
case(
    "broadcast",
    lambda x: np.broadcast_to(x, (5, *x.shape)),
    call=lambda x: bound("broadcast", shape=(5, *x.shape))(x),
    **ANY,
)
case(
    "pad",
    lambda x, v: np.pad(x[:, :, 1:], ((0, 0), (2, 1), (0, 3)), constant_values=v),
    attrs={"pads": ((0, 0, 0), (2, 1, 0), (-1, 3, 0))},
    float=(X3, np.float64(2.5)),
    int=(NUMBERS["int"][0], np.int64(2)),
)
case(
    "slice",
    lambda x: x[:, 1:3, ::2],
    call=lambda x: bound("slice", start=(0, 1, 0), stop=(len(x), 3, 4), step=(1, 1, 2))(
        x
    ),
    **ANY,
)
case("flip", lambda x: np.flip(x, (0, 2)), attrs={"axes": (0, 2)}, **ANY)
case(
    "concat",
    lambda x, y: np.concatenate([x, y], 1),
    attrs={"axis": 1},
    float=(X3, X3[:, :2]),
    int=(NUMBERS["int"][0],) * 2,
)
case("stop_gradient", lambda x: x, grad=0, **ANY)
case("identity", lambda x: x, **ANY)
case(
    "copy_to",
    lambda x: x,
    call=lambda x: bound("copy_to", target=x.device)(x),
    **ANY,
)

# -------------------------------------------------------------- creation, random, control
case(
    "full",
    lambda x: np.full(x.shape, 3, x.dtype),
    call=lambda x: bound("full", shape=x.shape, value=3, dtype=x.dtype)(),
    grad=0,
    **NUMBERS,
)
case(
    "iota",
    lambda x: np.arange(len(x)).astype(x.dtype),
    call=lambda x: bound("iota", n=len(x), dtype=x.dtype)(),
    grad=0,
    int=(N[:, 0],),
)


def running(c, xs):
    out = []
    for x in xs:
        c = np.sin(c) + x * c
        out.append(c * x)
    return np.stack(out)


case(
    "scan",
    running,
    call=lambda c, xs: hx.scan(
        lambda c, x: (hx.sin(c) + x * c, (hx.sin(c) + x * c) * x), c, xs
    )[1],
    float=(A, X3[:, :, :1].reshape(2, 3, 1)),
    empty=False,
    loose=20,
)
case(
    "cond",
    lambda x, y: np.exp(x) * y,
    call=lambda x, y: hx.cond(
        hx.tensor(True), lambda x, y: hx.exp(x) * y, lambda x, y: x + y, x, y
    ),
    float=(A, B),
)
case(
    "while_loop",
    lambda x: 8 * x,
    call=lambda x: hx.while_loop(
        lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * 2), (hx.tensor(0), x)
    )[1],
    grad=0,
    float=(A,),
    int=(N,),
)
case("barrier", lambda x: x, call=lambda x: bound("barrier")(x)[0], **ANY)
