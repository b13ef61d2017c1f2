"""Every primitive against NumPy: layouts, dtypes, empty, 0-d, gradients, graphs."""

import re
from pathlib import Path

import helix_core as hx
import ml_dtypes
import numpy as np
import pytest
from gradcheck import check_grads
from minimal import MINIMAL, NO_DECOMPOSITION
from primitive_cases import CASES

# linear algebra, on the host, has its own folder of tests
COUNTED = {n: p for n, p in hx.PRIMITIVES.items() if p.category != "HOST"}
# no array in, or random: shown elsewhere
ELSEWHERE = {
    "random_bits": ("test_random.py", "test_blocks_are_random123s"),
}
NO_GRADIENT = {
    "while_loop": "its number of steps is not known: the gradient raises",
}
DTYPES = {
    "float": ("float16", "bfloat16", "float32", "float64"),
    "int": ("int8", "int16", "int32", "int64"),
    "uint": ("uint8", "uint16", "uint32", "uint64"),
    "complex": ("complex64", "complex128"),
    "bool": ("bool",),
}
RTOL = {
    "float16": 2e-3,
    "bfloat16": 2e-2,
    "float32": 1e-6,
    "complex64": 2e-6,
    "float64": 1e-14,
    "complex128": 1e-14,
}


def dtypes(case, kind):
    return [d for d in DTYPES[kind] if not case.single or d[-2:] in ("32", "64", "28")]


SWEEP = [
    pytest.param(c, k, d, id=f"{c}-{d}")
    for c in CASES
    for k in c.examples
    for d in dtypes(c, k)
]
ALL = [pytest.param(c, id=str(c)) for c in CASES]


def arrays(case, kind, dtype):
    dtype = hx.as_dtype(dtype).dtype
    return [np.asarray(a).astype(dtype) for a in case.examples[kind]]


def answer(case, xs):
    """NumPy's result; of bfloat16 that of the same numbers in float32."""
    wide = [x.astype(np.float32) if x.dtype == ml_dtypes.bfloat16 else x for x in xs]
    with np.errstate(all="ignore"):
        return np.asarray(case.ref(*wide))


def check(case, got, xs, rtol=None):
    want = answer(case, xs)
    assert got.shape == want.shape
    assert got.buffer.dtype == got.aval.dtype.dtype, "the buffer and its aval differ"
    assert isinstance(got.buffer, np.ndarray)
    have = np.asarray(got)
    if have.dtype.kind in "biu":
        np.testing.assert_array_equal(have, want.astype(have.dtype))
        return
    if rtol is None:
        rtol = max(RTOL.get(x.dtype.name, 0.0) for x in xs) or 1e-6
    wide = np.complex128 if have.dtype.kind == "c" else np.float64
    scale = float(np.max(np.abs(want), initial=0.0)) if want.size else 0.0
    np.testing.assert_allclose(
        have.astype(wide),
        want.astype(wide),
        rtol=rtol * case.loose,
        atol=rtol * case.loose * scale,
    )


def test_every_primitive_has_a_case():
    tested = {c.prim for c in CASES} | set(ELSEWHERE)
    assert set(COUNTED) - tested == set() == tested - set(COUNTED)
    here = Path(__file__).parent
    for prim, (file, test) in ELSEWHERE.items():
        assert re.search(rf"def {test}", (here / file).read_text("utf-8")), prim


def test_every_differentiable_primitive_has_its_second_derivative_checked():
    deep = {c.prim for c in CASES if c.grad >= 2} | set(NO_GRADIENT)
    assert {n for n, p in COUNTED.items() if p.vjp is not None} == deep


@pytest.mark.parametrize("case", ALL)
def test_the_case_binds_its_primitive(case):
    kind = next(iter(case.examples))
    xs = [hx.tensor(x) for x in arrays(case, kind, DTYPES[kind][-1])]
    graph = hx.trace(lambda *ts: case.call(*ts)).graph(*xs)
    names = [e.op.name for e in graph.equations]
    assert case.prim in names or case.prim == "identity"


@pytest.mark.parametrize("case, kind, dtype", SWEEP)
def test_values(case, kind, dtype):
    xs = arrays(case, kind, dtype)
    check(case, case.call(*map(hx.tensor, xs)), xs)


def spread(x):
    """The array as a tensor over every second element of a larger buffer."""
    wide = np.zeros([2 * n for n in x.shape], x.dtype)
    wide[tuple([slice(None, None, 2)] * x.ndim)] = x
    return hx.tensor(wide)[tuple([slice(None, None, 2)] * x.ndim)]


LAYOUTS = {
    "transposed": lambda x: hx.tensor(np.ascontiguousarray(x.T)).T,
    "strided": spread,
    "reversed": lambda x: hx.flip(hx.tensor(np.ascontiguousarray(np.flip(x)))),
    "repeated": lambda x: hx.broadcast_to(hx.tensor(x[:1]), x.shape) if x.ndim else x,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", ALL)
def test_layouts(case, layout):
    for kind in case.examples:
        xs = arrays(case, kind, DTYPES[kind][-1])
        if layout == "repeated":
            if case.prim in ("sort", "argmax", "argmin") or len(xs[0]) == 1:
                continue
            xs = [np.broadcast_to(x[:1], x.shape) if x.ndim else x for x in xs]
        ts = [LAYOUTS[layout](x) if x.ndim else hx.tensor(x) for x in xs]
        check(case, case.call(*ts), [x.copy() for x in xs])


@pytest.mark.parametrize("case", [p for p in ALL if p.values[0].empty])
def test_empty(case):
    for kind in case.examples:
        xs = [x[:0] if x.ndim else x for x in arrays(case, kind, DTYPES[kind][-1])]
        check(case, case.call(*map(hx.tensor, xs)), xs)


@pytest.mark.parametrize("case", [p for p in ALL if p.values[0].scalar])
def test_zero_dimensions(case):
    for kind in case.examples:
        for dtype in dtypes(case, kind):
            xs = [np.asarray(x[0, 1]) for x in arrays(case, kind, dtype)]
            check(case, case.call(*map(hx.tensor, xs)), xs)


SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -2.0, 1e-30, 3e38]


@pytest.mark.parametrize("case", [p for p in ALL if "float" in p.values[0].examples])
def test_nan_and_infinity_are_numpys(case):
    rng = np.random.default_rng(1)
    for dtype in ("float32", "float64"):
        xs = [
            rng.choice(np.array(SPECIAL, dtype), a.shape)
            for a in arrays(case, "float", dtype)
        ]
        got = np.asarray(case.call(*map(hx.tensor, xs)))
        want = answer(case, xs).astype(got.dtype)
        np.testing.assert_allclose(got, want, rtol=3e-6)


@pytest.mark.parametrize("case", [p for p in ALL if p.values[0].grad])
def test_gradients(case):
    for kind in {"float", "complex"} & set(case.examples):
        xs = arrays(case, kind, DTYPES[kind][-1])
        check_grads(case.call, *xs, order=case.grad, rtol=3e-6, atol=1e-6)


@pytest.mark.parametrize("case", ALL)
def test_a_graph_replays_to_the_same_bits(case):
    for kind in case.examples:
        ts = list(map(hx.tensor, arrays(case, kind, DTYPES[kind][-1])))
        eager, traced = case.call(*ts), hx.trace(lambda *a: case.call(*a))(*ts)
        assert traced.aval is eager.aval
        np.testing.assert_array_equal(np.asarray(traced), np.asarray(eager))


OPTIONAL = [
    p
    for p in ALL
    if not hx.PRIMITIVES[p.values[0].prim].required
    and p.values[0].prim not in NO_DECOMPOSITION
]


@pytest.mark.parametrize("case", OPTIONAL)
def test_decompositions_agree_with_numpy(case):
    """On a backend that has the required primitives alone."""
    with hx.device(MINIMAL()):
        for kind in case.examples:
            dtype = {"float": "float32", "complex": "complex64", "int": "int32"}
            xs = arrays(case, kind, dtype.get(kind, DTYPES[kind][0]))
            check(case, case.call(*map(hx.tensor, xs)), xs, rtol=4e-6)
