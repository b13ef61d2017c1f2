"""The fused linear layer beside NumPy and scipy in float64."""

import helix_core as hx
import ml_dtypes
import numpy as np
import pytest
from helix_hal.cpu import blas, linear_specs, threads
from helix_hal.cpu.kernels.gemm_epilogue import ACTIVATIONS
from helix_hal.cpu.kernels.linear import linear_backward, linear_forward
from scipy.special import erf, expit

if not blas._wide_units():
    pytest.skip("these tiles are for processors with AVX-512", allow_module_level=True)

COMPUTE = ["float32"]
if blas.compiles_for("avx512bf16"):
    COMPUTE.append("bfloat16")

LINE = np.sqrt(2 / np.pi)
FUNCTIONS = {
    "none": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "gelu": lambda z: z * 0.5 * (1 + erf(z / np.sqrt(2))),
    "gelu_tanh": lambda z: 0.5 * z * (1 + np.tanh(LINE * (z + 0.044715 * z**3))),
    "silu": lambda z: z * expit(z),
    "sigmoid": expit,
    "tanh": np.tanh,
}
SHAPES = [(1, 1, 1), (37, 45, 50), (100, 64, 96), (12, 513, 33), (3, 5, 200)]


def draw(m, k, n):
    rng = np.random.default_rng(m + k + n)
    shapes = (m, k), (n, k), (n,), (m, n), (m, n)
    x, w, b, r, dy = (rng.standard_normal(s).astype("f4") for s in shapes)
    return x, w * np.float32(3 / k**0.5), b, r, dy


def operand(a, compute):
    return a.astype(ml_dtypes.bfloat16 if compute == "bfloat16" else "f4").astype("f8")


def slope(name, z):
    step = 1e-6
    return (FUNCTIONS[name](z + step) - FUNCTIONS[name](z - step)) / (2 * step)


def close(got, want, tolerance):
    assert got.dtype == np.float32 and got.shape == want.shape
    assert np.abs(got - want).max() <= tolerance * max(1.0, np.abs(want).max())


def test_every_activation_is_tested():
    assert tuple(FUNCTIONS) == ACTIVATIONS


@pytest.mark.parametrize("compute", COMPUTE)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("residual", [False, True])
def test_forward_and_backward(compute, activation, shape, bias, residual):
    x, w, b, r, dy = draw(*shape)
    b, r = b if bias else None, r if residual else None
    z = operand(x, compute) @ operand(w, compute).T + (b if bias else 0)
    want = FUNCTIONS[activation](z) + (r if residual else 0)
    kw = {"activation": activation, "compute": compute}
    y, kept = linear_forward(x, w, b, r, **kw, keep=True)
    close(y, want, 3e-6)
    np.testing.assert_array_equal(linear_forward(x, w, b, r, **kw)[0], y)
    kept = None if activation == "none" else kept
    dx, dw, db = linear_backward(x, w, dy, kept, bias=bias, **kw)
    dz = dy * slope(activation, z)
    tolerance = 1e-2 if compute == "bfloat16" else 1e-5
    close(dx, dz @ w.astype("f8"), tolerance)
    close(dw, dz.T @ x.astype("f8"), tolerance)
    if bias:
        close(db, dz.sum(0), 1e-5)  # a sum, not a product: float32 in both
    else:
        assert db is None


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_of_every_size_of_number(activation):
    """Their error beside float64; at infinity and NaN what the limit says."""
    z = np.linspace(-20, 20, 64 * 1024, dtype="f4")
    z = np.concatenate([z, z * np.float32(1e-3), z * np.float32(1e4)])
    one = np.ones((1, 1), "f4")
    y, kept = linear_forward(z[:, None], one, activation=activation, keep=True)
    np.testing.assert_allclose(
        y[:, 0], FUNCTIONS[activation](z.astype("f8")), rtol=2e-6, atol=1e-7
    )
    if activation != "none":
        dy = np.ones_like(y)
        dx, _, _ = linear_backward(z[:, None], one, dy, kept, activation=activation)
        near = np.abs(z) > 1e-5 if activation == "relu" else np.abs(z) < 1e30
        want = slope(activation, z.astype("f8"))
        np.testing.assert_allclose(dx[near, 0], want[near], rtol=1e-5, atol=1e-6)
    ends = np.array([-np.inf, np.inf, np.nan], "f4")
    y, _ = linear_forward(ends[:, None], one, activation=activation)
    low = {"none": -np.inf, "tanh": -1.0}.get(activation, 0.0)
    high = {"sigmoid": 1.0, "tanh": 1.0}.get(activation, np.inf)
    np.testing.assert_allclose(y[:, 0], [low, high, np.nan], atol=1e-7)


@pytest.mark.parametrize("compute", COMPUTE)
def test_transposed_and_strided_operands(compute):
    x, w, b, *_ = draw(40, 30, 70)
    wide = np.zeros((40, 60), "f4")
    wide[:, ::2] = x
    want = linear_forward(x, w, b, activation="silu", compute=compute)[0]
    for other in (np.asfortranarray(x), wide[:, ::2]):
        for weight in (np.asfortranarray(w), w):
            got = linear_forward(other, weight, b, activation="silu", compute=compute)
            close(got[0], want.astype("f8"), 1e-6)


@pytest.mark.parametrize("compute", COMPUTE)
def test_the_thread_count_changes_no_bit(compute, monkeypatch):
    x, w, b, r, dy = draw(300, 200, 170)
    results = set()
    for count in (1, 2, 3, 7):
        monkeypatch.setattr(threads, "_num_threads", count)
        kw = {"activation": "gelu", "compute": compute}
        y, kept = linear_forward(x, w, b, r, **kw, keep=True)
        grads = linear_backward(x, w, dy, kept, bias=True, **kw)
        results.add(b"".join(a.tobytes() for a in (y, *grads)))
    assert len(results) == 1


def test_which_says_what_serves():
    x, w, b = hx.ones((64, 96)), hx.ones((80, 96)), hx.ones((80,))
    flags = {"bias": True, "residual": False}
    for compute in COMPUTE:
        for op in ("linear", "linear.fwd"):
            choice = hx.which(op, "cpu", x, w, b, **flags, compute=compute)
            assert choice.kernel != "default"
    small = hx.which("linear", "cpu", x[:2], w, b, **flags, compute="float32")
    assert small.kernel == "default" and "better choice" in small.why


def test_without_the_instructions_the_parts_serve(monkeypatch):
    monkeypatch.setattr(linear_specs, "tiles", lambda compute: "BLAS")
    x, w, b = hx.ones((64, 96)), hx.ones((80, 96)), hx.ones((80,))
    flags = {"bias": True, "residual": False, "compute": "bfloat16"}
    assert hx.which("linear", "cpu", x, w, b, **flags).kernel == "default"


@pytest.mark.parametrize("compute", COMPUTE)
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_the_logits_of_linear_cross_entropy_are_rounded_too(compute, reduction):
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(s).astype("f4") for s in ((90, 70), (130, 70)))
    labels = rng.integers(0, 130, 90)
    ps = [hx.Parameter(hx.tensor(a, device="cpu")) for a in (x, w)]
    with hx.precision(compute):
        loss = hx.linear_cross_entropy(
            *ps, hx.tensor(labels, device="cpu"), reduction=reduction
        )
    z = operand(x, compute) @ operand(w, compute).T
    z -= z.max(1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(1, keepdims=True))
    want = -logp[np.arange(90), labels]
    close(np.asarray(loss), want.mean() if reduction == "mean" else want, 3e-6)
    loss.sum().backward()
    dz = (np.exp(logp) - np.eye(130)[labels]).astype("f4")
    dz = operand(dz / np.float32(90) if reduction == "mean" else dz, compute)
    tolerance = 2e-3 if compute == "bfloat16" else 1e-5  # of where dz is rounded
    close(np.asarray(ps[0].grad), dz @ operand(w, compute), tolerance)
    close(np.asarray(ps[1].grad), dz.T @ operand(x, compute), tolerance)
