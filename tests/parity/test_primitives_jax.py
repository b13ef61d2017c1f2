"""Every differentiable primitive against JAX: values, and ``check_vjp``."""

from pathlib import Path

import helix_core as hx
import jax
import numpy as np
import pytest
from jax import numpy as jnp
from jax.test_util import check_vjp

RNG = np.random.default_rng(0)
X = RNG.uniform(0.3, 2.0, size=(3, 4)).astype(np.float32)
Y = RNG.uniform(0.3, 2.0, size=(3, 4)).astype(np.float32)
Z = (RNG.normal(size=(3, 4)) + 1j * RNG.normal(size=(3, 4))).astype(np.complex64)

AT = np.array([[2, 0], [1, 3]])


def recurrence(a, b, h, reverse):
    """h_t = a_t h_{t-1} + b_t over axis 1, as JAX's own loop."""
    step = lambda h, ab: (ab[0] * h + ab[1],) * 2
    _, y = jax.lax.scan(step, h, (a.T, b.T), reverse=reverse)
    return y.T


CASES = {
    "add": (hx.add, jnp.add, (X, Y)),
    "sub": (hx.subtract, jnp.subtract, (X, Y[0])),
    "mul": (hx.multiply, jnp.multiply, (X, Y[:, :1])),
    "div": (hx.divide, jnp.divide, (X, Y)),
    "pow": (hx.power, jnp.power, (X, Y)),
    "max": (hx.maximum, jnp.maximum, (X, Y)),
    "min": (hx.minimum, jnp.minimum, (X, Y)),
    "mod": (hx.mod, jnp.mod, (X + 3, Y)),
    "atan2": (hx.atan2, jnp.arctan2, (X, Y)),
    "neg": (hx.negative, jnp.negative, (X,)),
    "abs": (hx.abs, jnp.abs, (X - 1.1,)),
    "exp": (hx.exp, jnp.exp, (X,)),
    "log": (hx.log, jnp.log, (X,)),
    "expm1": (hx.expm1, jnp.expm1, (X,)),
    "log1p": (hx.log1p, jnp.log1p, (X,)),
    "sqrt": (hx.sqrt, jnp.sqrt, (X,)),
    "rsqrt": (hx.rsqrt, jax.lax.rsqrt, (X,)),
    "sin": (hx.sin, jnp.sin, (X,)),
    "cos": (hx.cos, jnp.cos, (X,)),
    "tanh": (hx.tanh, jnp.tanh, (X,)),
    "erf": (hx.erf, jax.scipy.special.erf, (X,)),
    "where": (
        lambda x, y: hx.where(hx.tensor(X > 1), x, y),
        lambda x, y: jnp.where(X > 1, x, y),
        (X, Y),
    ),
    "reduce_sum": (lambda x: hx.sum(x, 1), lambda x: jnp.sum(x, 1), (X,)),
    "reduce_prod": (lambda x: hx.prod(x, 1), lambda x: jnp.prod(x, 1), (X,)),
    "reduce_max": (lambda x: hx.max(x, 0), lambda x: jnp.max(x, 0), (X,)),
    "reduce_min": (lambda x: hx.min(x, 0), lambda x: jnp.min(x, 0), (X,)),
    "logsumexp": (
        lambda x: hx.logsumexp(x, 1),
        lambda x: jax.scipy.special.logsumexp(x, 1),
        (X,),
    ),
    "var": (lambda x: hx.var(x, 1), lambda x: jnp.var(x, 1), (X,)),
    "reshape": (lambda x: hx.reshape(x, 4, 3), lambda x: x.reshape(4, 3), (X,)),
    "permute": (hx.transpose, jnp.transpose, (X,)),
    "broadcast": (
        lambda x: hx.broadcast_to(x, (2, 3, 4)),
        lambda x: jnp.broadcast_to(x, (2, 3, 4)),
        (X,),
    ),
    "pad": (
        lambda x: hx.pad(x, ((1, 2), (0, 3))),
        lambda x: jnp.pad(x, ((1, 2), (0, 3))),
        (X,),
    ),
    "flip": (lambda x: hx.flip(x, 1), lambda x: jnp.flip(x, 1), (X,)),
    "concat": (
        lambda x, y: hx.concat([x, y], 1),
        lambda x, y: jnp.concatenate([x, y], 1),
        (X, Y),
    ),
    "slice": (lambda x: x[1:, ::2], lambda x: x[1:, ::2], (X,)),
    "dot_general": (hx.matmul, jnp.matmul, (X, Y.T.copy())),
    "gather": (
        lambda x: hx.take(x, AT, 1),
        lambda x: jnp.take(x, AT, 1),
        (X,),
    ),
    "scatter": (
        lambda x, u: x.at[:, AT[0]].set(u),
        lambda x, u: x.at[:, AT[0]].set(u),
        (X, Y[:, :2].copy()),
    ),
    "scatter add": (
        lambda x, u: x.at[:, AT].add(u),
        lambda x, u: x.at[:, AT].add(u),
        (X, np.stack([Y[:, :2], Y[:, 2:]], 1)),
    ),
    "sort": (lambda x: hx.sort(x, 1), lambda x: jnp.sort(x, 1), (X,)),
    "cumulative": (
        lambda x: hx.cumsum(x, 1),
        lambda x: jnp.cumsum(x, 1),
        (X,),
    ),
    "cumulative prod": (
        lambda x: hx.cumprod(x, 1),
        lambda x: jnp.cumprod(x, 1),
        (X,),
    ),
    "cumulative max": (
        lambda x: hx.cummax(x, 0),
        lambda x: jax.lax.cummax(x, 0),
        (X,),
    ),
    "cumulative min": (
        lambda x: hx.cummin(x, 0),
        lambda x: jax.lax.cummin(x, 0),
        (X,),
    ),
    "cumulative logsumexp": (
        lambda x: hx.cumlogsumexp(x, 1),
        lambda x: jax.lax.cumlogsumexp(x, 1),
        (X,),
    ),
    "linear_scan": (
        lambda a, b, h: hx.linear_scan(a, b, h, axis=1),
        lambda a, b, h: recurrence(a, b, h, False),
        (X * 0.5, Y, X[:, 0].copy()),
    ),
    "linear_scan back": (
        lambda a, b, h: hx.linear_scan(a, b, h, axis=1, reverse=True),
        lambda a, b, h: recurrence(a, b, h, True),
        (X * 0.5, Y, X[:, 0].copy()),
    ),
    "complex linear_scan": (
        lambda a, b, h: hx.linear_scan(a, b, h, axis=1),
        lambda a, b, h: recurrence(a, b, h, False),
        (Z * 0.5, Z[::-1].copy(), Z[:, 0].copy()),
    ),
    "cast": (
        lambda x: hx.cast(x, "complex128").real * 2.0,
        lambda x: x.astype(jnp.complex64).real * 2.0,
        (X,),
    ),
    "complex mul": (hx.multiply, jnp.multiply, (Z, Z[::-1].copy())),
    "complex div": (hx.divide, jnp.divide, (Z, Z[::-1].copy() + 2)),
    "complex exp": (hx.exp, jnp.exp, (Z,)),
    "complex log": (hx.log, jnp.log, (Z + 3,)),
    "complex sqrt": (hx.sqrt, jnp.sqrt, (Z + 3,)),
    "complex tanh": (hx.tanh, jnp.tanh, (Z * 0.3,)),
    "complex abs": (hx.abs, jnp.abs, (Z,)),
    "real": (hx.real, jnp.real, (Z,)),
    "imag": (hx.imag, jnp.imag, (Z,)),
    "conj": (hx.conj, jnp.conj, (Z,)),
    "complex": (hx.complex_, jax.lax.complex, (X, Y)),
    "complex matmul": (hx.matmul, jnp.matmul, (Z, Z.T.copy())),
    "softmax": (hx.softmax, jax.nn.softmax, (X,)),
    "log_softmax": (hx.log_softmax, jax.nn.log_softmax, (X,)),
}


# compared with JAX, and by check_vjp where it is differentiable, in another file
ELSEWHERE = {
    "conv": "test_conv_jax.py",
    "reduce_window": "test_conv_jax.py",
    "fft": "test_fft_jax.py",
    "scan": "test_control_jax.py",
    "cond": "test_control_jax.py",
}
# nothing that JAX could compare: they pass values and cotangents on
PASS_ON = {"identity", "barrier", "copy_to", "while_loop"}


def test_every_differentiable_primitive_is_compared():
    seen = set(ELSEWHERE) | PASS_ON
    for ours, _, args in CASES.values():
        graph = hx.trace(lambda *a, f=ours: f(*a)).graph(*map(hx.tensor, args))
        seen |= {e.op.name for e in graph.equations}
    # linear algebra: test_linalg_torch.py, which compares with JAX too
    found = {n: p for n, p in hx.PRIMITIVES.items() if p.category != "HOST"}
    assert {n for n, p in found.items() if p.vjp is not None} <= seen
    for file in set(ELSEWHERE.values()):
        assert "check_vjp(" in (Path(__file__).parent / file).read_text("utf-8")


@pytest.mark.parametrize("name", CASES)
def test_values_equal_jax(name):
    ours, theirs, args = CASES[name]
    got = ours(*map(hx.tensor, args)).numpy()
    want = np.asarray(theirs(*map(jnp.asarray, args)))
    assert got.shape == want.shape
    assert got.dtype == want.dtype or name == "cast"
    np.testing.assert_allclose(got, want, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_vjp_equals_jax(name):
    """With a random cotangent: JAX's convention, complex values included."""
    ours, theirs, args = CASES[name]
    want_y, want_pull = jax.vjp(theirs, *map(jnp.asarray, args))
    ct = RNG.normal(size=want_y.shape)
    if np.iscomplexobj(want_y):
        ct = ct + 1j * RNG.normal(size=want_y.shape)
    ct = ct.astype(want_y.dtype)
    _, pull = hx.vjp(ours, *map(hx.tensor, args))
    got = pull(hx.tensor(ct, "float64" if name == "cast" else None))
    got = got if isinstance(got, tuple) else (got,)
    for g, w in zip(got, want_pull(jnp.asarray(ct)), strict=True):
        w = np.asarray(w)
        assert g.numpy().dtype == w.dtype
        np.testing.assert_allclose(g.numpy(), w, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_check_vjp(name):
    """JAX's own checker, in float64; a complex number is its two parts."""
    ours, _, args = CASES[name]
    parts, forms = [], []
    for a in args:
        parts += [a.real, a.imag] if np.iscomplexobj(a) else [a]
        forms.append(np.iscomplexobj(a))
    wide = tuple([p.astype(np.float64) for p in parts])

    def real(*xs):
        it = iter(xs)
        ts = [hx.complex_(next(it), next(it)) if c else next(it) for c in forms]
        y = ours(*ts)
        return hx.stack([y.real, y.imag]) if y.dtype.category == "complex" else y

    def f(*xs):
        return real(*[hx.tensor(np.asarray(x)) for x in xs]).numpy()

    def f_vjp(*xs):
        y, pull = hx.vjp(real, *[hx.tensor(np.asarray(x)) for x in xs])

        def back(ct):
            g = pull(hx.tensor(np.asarray(ct)))
            return tuple(t.numpy() for t in (g if isinstance(g, tuple) else (g,)))

        return y.numpy(), back

    with jax.enable_x64(True):
        check_vjp(f, f_vjp, wide, eps=1e-5, rtol=1e-4, atol=1e-5)


def test_promotion_is_jaxs_lattice():
    names = (
        "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32 "
        "float64 complex64 complex128"
    ).split()
    with jax.enable_x64(True):
        for a in names:
            for b in names:
                ours = (hx.ones((1,), a) + hx.ones((1,), b)).dtype.name
                want = str(jnp.promote_types(a, b))
                # our default float is float32, JAX's with 64 bits on is float64
                if want == "float64" and "float64" not in (a, b):
                    want = "float32"
                assert ours == want == hx.result_type(a, b).name, (a, b)


SCALARS = (1, 0, -0.0, 1.5, True, 2j)
WEAK_OPS = {
    "+": lambda x, s, np: x + s,
    "*": lambda x, s, np: x * s,
    "-": lambda x, s, np: s - x,
    "/": lambda x, s, np: x / s if s else x / 2,
    "where": lambda x, s, np: np.where(x == x, x, s),
}


@pytest.mark.parametrize("op", WEAK_OPS)
@pytest.mark.parametrize("scalar", SCALARS, ids=repr)
def test_python_numbers_are_as_weak_as_jaxs(op, scalar):
    """The dtype, eager and traced, is that of the buffer, and JAX's."""
    f = WEAK_OPS[op]
    for name in "bool int8 int32 int64 uint8 float16 bfloat16 float32 float64".split():
        if name == "bool" and op == "-" and type(scalar) is bool:
            continue  # an error in NumPy and here
        x = hx.ones((3,), name)
        eager = f(x, scalar, hx)
        traced = hx.trace(lambda x: f(x, scalar, hx))(x)
        with jax.enable_x64(True):
            like = jax.ShapeDtypeStruct((3,), name)
            want = jax.eval_shape(lambda x: f(x, scalar, jnp), like).dtype.name
        if name not in ("float64",):  # our default float is float32
            want = {"float64": "float32", "complex128": "complex64"}.get(want, want)
        if want == "int64" and name != "int64":
            want = "int32"
        names = {eager.dtype.name, traced.dtype.name}
        assert names == {want} == {eager.buffer.dtype.name}, (name, op, scalar)
        assert traced.buffer.dtype == eager.buffer.dtype


def test_weak_results_stay_weak_as_in_jax():
    c, h = np.array([True, False]), np.ones(2, np.float16)
    ours = lambda c, h: hx.where(c, 1.0, 0.0) * h
    want = (jnp.where(c, 1.0, 0.0) * jnp.asarray(h)).dtype
    t = [hx.tensor(c), hx.tensor(h)]
    assert ours(*t).dtype == hx.trace(ours)(*t).dtype == str(want)
