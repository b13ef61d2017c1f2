"""``hx.linear`` against NumPy and the difference quotient."""

import math

import helix_core as hx
import numpy as np
import pytest
from gradcheck import check_grads

R = np.random.default_rng(0)
X, W, B = (R.standard_normal(s) for s in ((2, 3, 5), (4, 5), (4,)))
RES = R.standard_normal((2, 3, 4))
ERF = np.vectorize(math.erf)
ACT = {
    None: lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "gelu": lambda z: z * 0.5 * (1 + ERF(z / math.sqrt(2))),
    "gelu_tanh": lambda z: (
        0.5 * z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))
    ),
    "silu": lambda z: z / (1 + np.exp(-z)),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
}


def same(got, want):
    np.testing.assert_allclose(np.asarray(got), want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("activation", ACT)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("residual", [False, True])
def test_values_and_gradients(activation, bias, residual):
    def fn(x, w, *rest):
        b, r = rest[0] if bias else None, rest[-1] if residual else None
        return hx.linear(x, w, b, activation=activation, residual=r)

    args = [X, W, *([B] if bias else []), *([RES] if residual else [])]
    z = X @ W.T + (B if bias else 0)
    want = ACT[activation](z) + (RES if residual else 0)
    same(fn(*map(hx.tensor, args)), want)
    check_grads(fn, *args, order=2)


def test_what_the_backward_pass_keeps():
    """Nothing without an activation; the result itself where it gives the slope."""
    w = hx.Parameter(hx.tensor(W))
    kept = {}
    for activation in ACT:
        y = hx.linear(hx.tensor(X), w, hx.tensor(B), activation=activation)
        kept[activation] = len([b for b in y.node.outs[1:] if b is not None])
        same_buffer = kept[activation] and y.node.outs[1] is y.node.outs[0]
        assert bool(same_buffer) == (activation in ("relu", "sigmoid", "tanh"))
    assert kept == {a: int(a is not None) for a in ACT}


@pytest.mark.parametrize("lead", [(), (0,), (1,), (2, 0, 3)])
def test_any_leading_axes(lead):
    x = R.standard_normal((*lead, 5))
    y = hx.linear(hx.tensor(x), hx.tensor(W), hx.tensor(B), activation="silu")
    same(y, ACT["silu"](x @ W.T + B))
    check_grads(lambda x, w, b: hx.linear(x, w, b, activation="silu"), *(x, W, B))


def test_no_inputs_and_no_outputs():
    b = hx.tensor(B)
    same(hx.linear(hx.ones((2, 0)), hx.ones((4, 0)), b), np.tile(B, (2, 1)))
    assert hx.linear(hx.ones((2, 5)), hx.ones((0, 5)), hx.ones((0,))).shape == (2, 0)


def test_integers_become_float32():
    y = hx.linear(hx.tensor([[1, 2]]), hx.tensor([[3, 4]]), activation="gelu")
    assert y.dtype is hx.float32 and y.shape == (1, 1)


@pytest.mark.parametrize(
    ("args", "kw", "message"),
    [
        (
            (X, W.T),
            {},
            r"expected x \(..., in\) and weight \(out, in\); got x.shape=\(2",
        ),
        ((X, W[0]), {}, r"weight.shape=\(5,\)"),
        ((X[0, 0, 0], W), {}, r"x.shape=\(\)"),
        ((X, W, B[:3]), {}, r"expected a bias of shape \(4,\); got \(3,\)"),
        ((X, W), {"residual": RES[0]}, r"expected a residual of shape \(2, 3, 4\)"),
        ((X, W), {"activation": "swish"}, r"expected an activation of .*'swish'"),
    ],
)
def test_errors_name_what_does_not_fit(args, kw, message):
    args = [hx.tensor(a) for a in args]
    kw = {k: hx.tensor(v) if k == "residual" else v for k, v in kw.items()}
    with pytest.raises(hx.HelixError, match=r"\[linear\].*" + message):
        hx.linear(*args, **kw)
