"""Every differentiable primitive against JAX: values, and ``check_vjp``."""

import helix_core as hx
import numpy as np
import pytest

jax = pytest.importorskip("jax")
from jax import numpy as jnp  # noqa: E402
from jax.test_util import check_vjp  # noqa: E402

RNG = np.random.default_rng(0)
X = RNG.uniform(0.3, 2.0, size=(3, 4)).astype(np.float32)
Y = RNG.uniform(0.3, 2.0, size=(3, 4)).astype(np.float32)
Z = (RNG.normal(size=(3, 4)) + 1j * RNG.normal(size=(3, 4))).astype(np.complex64)

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
    "matmul": (hx.matmul, jnp.matmul, (X, Y.T.copy())),
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


def arrays(out):
    return np.asarray(out)


@pytest.mark.parametrize("name", CASES)
def test_values_equal_jax(name):
    ours, theirs, args = CASES[name]
    got = ours(*map(hx.tensor, args)).numpy()
    want = np.asarray(theirs(*args))
    assert got.dtype == want.dtype and got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_vjp_equals_jax(name):
    """With a random cotangent: JAX's convention, complex values included."""
    ours, theirs, args = CASES[name]
    want_y, want_pull = jax.vjp(theirs, *args)
    ct = RNG.normal(size=want_y.shape)
    if np.iscomplexobj(want_y):
        ct = ct + 1j * RNG.normal(size=want_y.shape)
    ct = ct.astype(want_y.dtype)
    _, pull = hx.vjp(ours, *map(hx.tensor, args))
    got = pull(hx.tensor(ct))
    got = got if isinstance(got, tuple) else (got,)
    for g, w in zip(got, want_pull(jnp.asarray(ct)), strict=True):
        w = np.asarray(w)
        assert g.numpy().dtype == w.dtype
        np.testing.assert_allclose(g.numpy(), w, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "name", [n for n in CASES if not any(map(np.iscomplexobj, CASES[n][2]))]
)
def test_check_vjp(name):
    ours, _, args = CASES[name]
    if name == "complex":
        pytest.skip("check_vjp takes real outputs here; test_vjp_equals_jax covers it")
    wide = [a.astype(np.float64) for a in args]

    def f(*xs):
        return ours(*[hx.tensor(np.asarray(x)) for x in xs]).numpy()

    def f_vjp(*xs):
        y, pull = hx.vjp(ours, *[hx.tensor(np.asarray(x)) for x in xs])

        def back(ct):
            g = pull(hx.tensor(np.asarray(ct)))
            return tuple(t.numpy() for t in (g if isinstance(g, tuple) else (g,)))

        return y.numpy(), back

    with jax.enable_x64(True):
        check_vjp(f, f_vjp, tuple(wide), eps=1e-5, rtol=1e-4, atol=1e-5)


def test_promotion_is_jaxs_lattice():
    names = (
        "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32 "
        "float64 complex64 complex128"
    ).split()
    with jax.enable_x64(True):
        for a in names:
            for b in names:
                ours = (
                    (hx.ones((1,), a) + hx.ones((1,), b)).dtype.name
                    if (a != "bool" or b != "bool")
                    else "bool"
                )
                want = str(jnp.promote_types(a, b))
                # our default float is float32, JAX's with 64 bits on is float64
                if want == "float64" and "float64" not in (a, b):
                    want = "float32"
                assert ours == want, (a, b)
            for scalar in (1, 1.5, 1j):
                if a == "bool" and scalar == 1:
                    continue
                got = (hx.ones((1,), a) + scalar).dtype.name
                want = str((jnp.ones(1, a) + scalar).dtype)
                defaults = {"float64": "float32", "complex128": "complex64"}
                if want in defaults and a not in ("float64", "complex128"):
                    want = defaults[want]
                assert got == want, (a, scalar)
