"""Every primitive on ``torch:cpu`` beside core's NumPy reference, which defines it."""

import helix_core as hx
import numpy as np
import pytest
from helix_core._dtypes import ALL, as_dtype
from helix_core._primitive import PRIMITIVES, bind

FLOATS = ("float16", "bfloat16", "float32", "float64")
FLOAT8 = ("float8_e4m3fn", "float8_e5m2")
COMPLEX = ("complex64", "complex128")
INTS = tuple(d.name for d in ALL if d.category in ("int", "uint"))
EVERY = tuple(d.name for d in ALL)
# of the largest element
TOLERANCE = {
    "float8_e4m3fn": 0.13,
    "float8_e5m2": 0.26,
    "float16": 2e-3,
    "bfloat16": 1.6e-2,
    "float32": 2e-6,
    "float64": 1e-14,
    "complex64": 4e-6,
    "complex128": 1e-14,
}
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -3.5, np.inf, -np.inf, np.nan)


def draw(dtype, shape=(3, 4), seed=0, low=-4.0, high=4.0):
    rng = np.random.default_rng(seed)
    d = as_dtype(dtype)
    x = rng.uniform(low, high, shape)
    if d.category == "bool":
        return x > 0
    if d.category == "complex":
        x = x + 1j * rng.uniform(low, high, shape)
    if d.category == "uint":
        x = np.abs(x)
    return x.astype(d.dtype)


def run(name, arrays, attrs, device):
    dev = hx.Device(device)
    ts = [hx.tensor(a, device=dev) for a in arrays]
    out = bind(PRIMITIVES[name], *ts, device=dev, **attrs)
    return out if isinstance(out, tuple) else (out,)


def check(name, *arrays, tol=None, **attrs):
    """Shapes, dtypes, values, and the places of NaN."""
    got, want = (run(name, arrays, attrs, d) for d in ("torch:cpu", "numpy"))
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert g.device.backend.aval(g.buffer) == w.aval == g.aval
        equal(g.numpy(), w.numpy(), tol)


def equal(got, want, tol=None):
    assert got.shape == want.shape and got.dtype == want.dtype
    d = as_dtype(want.dtype)
    if not d.inexact:
        np.testing.assert_array_equal(got, want)
        return
    wide = np.complex128 if d.category == "complex" else np.float64
    got, want = got.astype(wide), want.astype(wide)
    finite = np.abs(want[np.isfinite(want)]).max(initial=1.0)
    tol = TOLERANCE[d.name] if tol is None else tol
    np.testing.assert_allclose(got, want, rtol=0, atol=tol * finite, equal_nan=True)


# ----------------------------------------------------------------------- elementwise
BINARY = {
    "add": EVERY,
    "mul": EVERY,
    "sub": (*INTS, *FLOATS, *FLOAT8, *COMPLEX),
    "div": (*FLOATS, *FLOAT8, *COMPLEX),
    "pow": (*INTS, "float16", "float32", "float64"),
    "floordiv": (*INTS, *FLOATS),
    "mod": (*INTS, *FLOATS),
    "max": ("bool", *INTS, *FLOATS, *FLOAT8),
    "min": ("bool", *INTS, *FLOATS, *FLOAT8),
    "atan2": FLOATS,
    "and": ("bool", *INTS),
    "or": ("bool", *INTS),
    "xor": ("bool", *INTS),
    "shl": INTS,
    "shr": INTS,
    "eq": EVERY,
    "lt": ("bool", *INTS, *FLOATS, *FLOAT8),
    "le": ("bool", *INTS, *FLOATS, *FLOAT8),
    "complex": ("float32", "float64"),
}
UNARY = {
    "neg": (*INTS, *FLOATS, *FLOAT8, *COMPLEX),
    "abs": (*INTS, *FLOATS, *FLOAT8, *COMPLEX),
    "sign": (*INTS, *FLOATS, *COMPLEX),
    "floor": (*FLOATS, *FLOAT8),
    "ceil": FLOATS,
    "round": FLOATS,
    **dict.fromkeys("exp log expm1 log1p sqrt rsqrt sin cos tanh".split(), FLOATS),
    **dict.fromkeys(("erf",), FLOATS),
    "not": ("bool", *INTS),
    "real": COMPLEX,
    "imag": COMPLEX,
    "conj": COMPLEX,
}


@pytest.mark.parametrize("name", BINARY)
def test_binary(name):
    for dtype in BINARY[name]:
        x, y = draw(dtype), draw(dtype, (4,), seed=1)
        if name in ("floordiv", "mod") and dtype in FLOATS:
            x, y = x + x.dtype.type(0.125), np.abs(y) + y.dtype.type(0.5)
        if name == "pow" and dtype in FLOATS:
            x = np.abs(x)
        check(name, x, y)


@pytest.mark.parametrize("name", UNARY)
def test_unary(name):
    for dtype in UNARY[name]:
        low = 0.125 if name in ("log", "log1p", "sqrt", "rsqrt") else -4.0
        check(name, draw(dtype, low=low))


@pytest.mark.parametrize("name", [n for n in BINARY if "float32" in BINARY[n]])
def test_binary_at_special_points(name):
    x, y = np.meshgrid(*[np.array(SPECIAL, np.float32)] * 2)
    check(name, x, y)
    if name == "complex":
        return
    got, want = (run(name, (x, y), {}, d)[0].numpy() for d in ("torch:cpu", "numpy"))
    if got.dtype == np.float32 and name not in ("max", "min"):
        known = ~np.isnan(want)
        np.testing.assert_array_equal(np.signbit(got)[known], np.signbit(want)[known])


@pytest.mark.parametrize("name", [n for n in UNARY if "float32" in UNARY[n]])
def test_unary_at_special_points(name):
    check(name, np.array([*SPECIAL, 88.0, -104.0, 3e38], np.float32))


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "sin", "cos", "tanh", "pow"])
def test_complex_functions(name):
    for dtype in COMPLEX:
        x = draw(dtype, low=-2, high=2)
        check(name, x, *([draw(dtype, seed=3, low=-1, high=1)] * (name == "pow")))


@pytest.mark.parametrize("dtype", INTS)
def test_integers_at_the_edges(dtype):
    info = np.iinfo(dtype)
    edge = np.array([info.min, info.max, 0, 1, 7], dtype)
    y = np.array([0, 1, 2, 3, info.max], dtype)
    if info.min < 0:
        edge = np.append(edge, np.array([-1, -7, -8], dtype))
        y = np.append(y, np.array([-1, -2, -3], dtype))
    x, y = np.meshgrid(edge, y)
    lowest_by_one = (
        (x == info.min) & (info.min < 0) & (np.int64(y.view(f"i{y.itemsize}")) == -1)
    )
    for name in ("floordiv", "mod"):
        check(name, x[~lowest_by_one], y[~lowest_by_one])
    for name in ("pow", "add", "mul"):
        check(name, x, y)
    counts = np.array([0, 1, info.bits - 1, info.bits, 100], dtype)
    if info.min < 0:
        counts = np.append(counts, np.array([-1, info.min], dtype))
    for name in ("shl", "shr"):
        check(name, *np.meshgrid(edge, counts))


def test_where():
    for dtype in EVERY:
        check("where", draw("bool", (3, 1)), draw(dtype), draw(dtype, (), seed=2))


@pytest.mark.parametrize("dtype", EVERY)
def test_cast_and_bitcast(dtype):
    """To every dtype, as one program."""
    d = as_dtype(dtype)
    x = np.abs(draw(dtype)) if d.category not in ("bool", "complex") else draw(dtype)
    only = ("complex", "bool") if d.category == "complex" else ()
    targets = [t for t in ALL if not only or t.category in only]
    same = [
        t for t in ALL if t.itemsize == d.itemsize and "bool" not in (dtype, t.name)
    ]

    def all_of(t):
        casts = [bind(PRIMITIVES["cast"], t, dtype=to) for to in targets]
        return (*casts, *[bind(PRIMITIVES["bitcast"], t, dtype=to) for to in same])

    got = hx.compile(all_of)(hx.tensor(x, device="torch:cpu"))
    for g, w in zip(got, all_of(hx.tensor(x, device="numpy")), strict=True):
        equal(g.numpy(), w.numpy())


# -------------------------------------------------------------- movement and creation
@pytest.mark.parametrize("dtype", EVERY)
def test_movement(dtype):
    x = draw(dtype)
    zero = draw(dtype, (), seed=5)
    check("reshape", x, shape=(2, 6))
    check("permute", x, axes=(1, 0))
    check("broadcast", x, shape=(2, 3, 4))
    check("pad", x, zero, pads=((1, 0, 2), (-1, 2, 0)))
    check("pad", x, zero, pads=((-2, -1, 0), (0, -3, 1)))
    check("slice", x, start=(0, 1), stop=(3, 4), step=(2, 2))
    check("slice", x, start=(2, 1), stop=(1, 4), step=(1, 1))
    check("flip", x, axes=(0, 1))
    check("concat", x, x[:, :2], axis=1)
    check("full", shape=(2, 3), value=1, dtype=as_dtype(dtype))
    check("full", shape=(300, 300), value=3, dtype=as_dtype(dtype))
    if dtype != "bool":
        check("iota", n=7, dtype=as_dtype(dtype))


def test_large_iota():
    for dtype in ("int32", "float32", "uint64", "complex64"):
        check("iota", n=70_000, dtype=as_dtype(dtype))


# ------------------------------------------------------------------------- reductions
@pytest.mark.parametrize("dtype", EVERY)
def test_reductions(dtype):
    x = draw(dtype, (3, 4, 5))
    ordered = as_dtype(dtype).category != "complex"
    for axes in ((), (0,), (0, 2), (0, 1, 2)):
        if dtype != "bool":
            check("reduce_sum", x, axes=axes)
            check("reduce_prod", x if dtype in INTS else x / x.dtype.type(4), axes=axes)
        if ordered:
            check("reduce_max", x, axes=axes)
            check("reduce_min", x, axes=axes)
    if ordered:
        check("argmax", np.tile(x, (1, 2, 1)), axis=1)
        check("argmin", np.tile(x, (1, 2, 1)), axis=2)
    if dtype != "bool":
        check("reduce_sum", x[:, :0], axes=(1,))
        check("reduce_prod", x[:, :0], axes=(1,))


@pytest.mark.parametrize("name", ["argmax", "argmin", "reduce_max", "reduce_min"])
def test_nan_wins(name):
    x = np.array([[1, np.nan, 3, np.nan], [np.inf, 1, -np.inf, 0]], np.float32)
    check(name, x, **({"axis": 1} if "arg" in name else {"axes": (1,)}))


def test_long_sums():
    x = np.random.default_rng(0).uniform(0, 1, 1 << 20).astype(np.float32)
    check("reduce_sum", x, axes=(0,), tol=1e-5)
    check("reduce_sum", np.ones(1 << 13, np.float16), axes=(0,))
    (sums,) = run(
        "cumulative", (x,), {"kind": "sum", "axis": 0, "reverse": False}, "torch:cpu"
    )
    exact = np.cumsum(x, dtype=np.float64)
    assert np.abs(sums.numpy() - exact).max() < 1e-6 * exact[-1]


@pytest.mark.parametrize("kind", ["sum", "prod", "max", "min", "logsumexp"])
@pytest.mark.parametrize("reverse", [False, True])
def test_cumulative(kind, reverse):
    dtypes = {"logsumexp": FLOATS, "max": ("bool", *INTS, *FLOATS)}.get(
        kind, (*INTS, *FLOATS)
    )
    for dtype in dtypes:
        x = draw(dtype, (3, 7), low=-2, high=2)
        check("cumulative", x, kind=kind, axis=1, reverse=reverse)
    x = np.array([[-np.inf, -np.inf, 1, np.nan, 2]], np.float32)
    check("cumulative", x, kind=kind, axis=1, reverse=reverse)
    check("cumulative", x[:, :0], kind=kind, axis=1, reverse=reverse)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("n", [0, 1, 5, 50])
def test_linear_scan(n, reverse):
    for dtype in ("float16", "float32", "float64", "complex64"):
        a = draw(dtype, (2, n, 3), low=-0.7, high=0.7)
        b, h = draw(dtype, (2, n, 3), 1), draw(dtype, (2, 3), 2)
        check("linear_scan", a, b, h, axis=1, reverse=reverse)


# ------------------------------------------------------------------ products, windows
@pytest.mark.parametrize("dtype", (*INTS, *FLOATS, *FLOAT8, *COMPLEX))
def test_dot_general(dtype):
    a, b = draw(dtype, (2, 3, 4, 5)), draw(dtype, (5, 2, 6, 4), seed=1)
    check("dot_general", a, b, dims=(((3, 2), (0, 3)), ((0,), (1,))))
    check("dot_general", a[:, :, :0], b[..., :0], dims=(((2,), (3,)), ((0,), (1,))))


def test_products_of_bfloat16():
    a, b = draw("float32", (40, 300)), draw("float32", (300, 20), seed=1)
    check("dot_general", a, b, dims=(((1,), (0,)), ((), ())), compute="bfloat16")
    exact = np.float64(a) @ np.float64(b)
    got = run("dot_general", (a, b), {"dims": (((1,), (0,)), ((), ()))}, "torch:cpu")
    assert np.abs(got[0].numpy() - exact).max() < 1e-5 * np.abs(exact).max()


CONV = {
    "plain": {},
    "strides": {"strides": (2, 3), "padding": ((1, 2), (0, 1))},
    "negative padding": {"padding": ((-1, 2), (1, -2))},
    "dilated": {"lhs_dilation": (2, 1), "rhs_dilation": (1, 2)},
    "feature groups": {"feature_groups": 2},
    "batch groups": {"batch_groups": 2},
    "no room for the kernel": {"padding": ((0, -5), (0, 0))},
    "bfloat16": {"compute": "bfloat16"},
}


@pytest.mark.parametrize("case", CONV)
def test_conv(case):
    attrs = {
        "strides": (1, 1),
        "padding": ((1, 1), (1, 1)),
        "lhs_dilation": (1, 1),
        "rhs_dilation": (1, 1),
        **CONV[case],
    }
    for dtype in ("float32", "float16", "float64", "int32", "complex64"):
        x = draw(dtype, (4, 4, 7, 8))
        w = draw(dtype, (6, 4 // attrs.get("feature_groups", 1), 3, 2), seed=1)
        check("conv", x, w, **attrs)


@pytest.mark.parametrize("n", [0, 1, 3])
def test_conv_of_any_rank(n):
    x, w = draw("float32", (2, 3, *(6,) * n)), draw("float32", (4, 3, *(2,) * n), 1)
    one, none = (1,) * n, ((0, 0),) * n
    check(
        "conv",
        x,
        w,
        strides=one,
        padding=none,
        lhs_dilation=one,
        rhs_dilation=one,
    )


@pytest.mark.parametrize("kind", ["sum", "max", "min"])
def test_reduce_window(kind):
    at = {"window": (1, 3), "strides": (2, 1), "padding": ((0, 1), (2, -1))}
    for dtype in (*FLOATS, *INTS):
        check("reduce_window", draw(dtype), kind=kind, dilation=(1, 2), **at)
    x = np.array([[1, np.nan, -np.inf, 2, 3]], np.float32)
    check("reduce_window", x, kind=kind, dilation=(1, 1), **at)
    check("reduce_window", x[:, :0], kind=kind, dilation=(1, 1), **at)
    at["window"] = (9, 9)  # nothing fits
    check("reduce_window", x, kind=kind, dilation=(1, 1), **at)


# --------------------------------------------------------------------- index and sort
@pytest.mark.parametrize("dtype", EVERY)
def test_gather_and_scatter(dtype):
    x = draw(dtype, (3, 5, 2))
    idx = np.array([[4, 0, -1], [9, 0, 4]], np.int32)
    u = draw(dtype, (3, 2, 3, 2), seed=1)
    check("gather", x, idx, axis=1)
    check("scatter", x, idx, u, axis=1, mode="set")
    if dtype != "bool":
        check("scatter", x, idx.astype(np.int64), u, axis=1, mode="add")
        check("scatter", x, idx, u, axis=1, mode="mul")
    if as_dtype(dtype).category != "complex":
        check("scatter", x, idx, u, axis=1, mode="max")
        check("scatter", x, idx, u, axis=1, mode="min")


def test_the_last_of_repeated_writes_wins():
    idx = np.random.default_rng(0).integers(0, 50, 5000).astype(np.int32)
    u = np.arange(5000, dtype=np.float32)
    check("scatter", np.zeros(50, np.float32), idx, u, axis=0, mode="set")


def test_index_of_nothing():
    x, none = draw("float32", (0, 3)), np.zeros((0,), np.int32)
    check("gather", x, none, axis=0)
    check("scatter", x, none, x, axis=0, mode="set")
    check(
        "scatter", x, np.zeros(2, np.int32), draw("float32", (2, 3)), axis=0, mode="add"
    )


@pytest.mark.parametrize("descending", [False, True])
def test_sort(descending):
    at = {"axis": 1, "descending": descending, "stable": True}
    place = np.tile(np.arange(12, dtype=np.int32), (3, 1))
    for dtype in ("bool", *INTS, *FLOATS, *FLOAT8):
        key = np.tile(draw(dtype), (1, 3))
        check("sort", key, num_keys=1, **at)
        check("sort", key, place, draw("complex64", (3, 12)), num_keys=1, **at)
        check("sort", key, draw("int8", (3, 12)), place, num_keys=2, **at)
    x = np.array([[2, np.nan, -np.inf, 0.0, -0.0, np.inf, np.nan, 1]], np.float32)
    check("sort", x, place[:1, :8], num_keys=1, **at)


# --------------------------------------------------------------- transforms and random
@pytest.mark.parametrize("kind", ["fft", "ifft", "rfft", "irfft"])
def test_fft(kind):
    for real, cplx, tol in (
        ("float32", "complex64", 1e-6),
        ("float64", "complex128", 1e-14),
    ):
        x = draw(real if kind == "rfft" else cplx, (6, 3, 5, 4))
        sizes = (6, 3, 5, 4)
        for axes in ((1,), (3, 0), (0, 1, 2, 3)):
            n = [sizes[a] for a in axes]
            n[-1] = 2 * n[-1] - 2 if kind == "irfft" else n[-1]
            check("fft", x, kind=kind, axes=axes, sizes=tuple(n), tol=tol)
        n = 2 * 4 - 2 if kind == "irfft" else 4
        check("fft", x[:0], kind=kind, axes=(3,), sizes=(n,))


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (17, 5)])
def test_random_bits(bits, shape):
    key = np.array([1, 0xFFFFFFFF, 0x12345678, 9], np.uint32)
    check("random_bits", key, shape=shape, bits=bits)


def test_known_answer_of_philox():
    """Random123's kat_vectors, philox4x32 10 rounds, counter and key zero."""
    got = run(
        "random_bits",
        (np.zeros(4, np.uint32),),
        {"shape": (4,), "bits": 32},
        "torch:cpu",
    )
    want = [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert got[0].tolist() == want


def test_nothing_is_left_out():
    from helix_hal.torch.lowerings import LOWERINGS

    own = {n for n, p in PRIMITIVES.items() if p.category != "HOST"}
    assert own <= {*LOWERINGS}
