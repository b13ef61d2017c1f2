"""Every composite with a kernel: the cpu device beside the reference device."""

import importlib
import warnings

import helix_core as hx
import numpy as np
import pytest
from helix_core import _kernels
from helix_hal.cpu import threads
from helix_hal.cpu.specs import SPECS

TOLERANCE = {"float32": 3e-5, "float64": 1e-11}
LABELS = np.array([3, 0, 30, 7, -100, 1, 2, 3, 4, 5, 6], np.int32)
IDS = np.array([[0, 5, 5], [39, 7, 0]], np.int32)


def scan(u, dt, A, B, C, D, z, dt_bias, h0):
    y, last = hx.selective_scan(u, dt, -hx.exp(A), B, C, D, z, dt_bias, h0, True, True)
    return hx.concat([hx.reshape(y, -1), hx.reshape(last, -1)])


def conv(x, w, b, state):
    y, last = hx.causal_conv1d(x, w, b, "silu", state, True)
    return hx.concat([y, last], 1)


def attend(q, k, v, bias):
    return hx.attention(q, k, v, causal=True, window=50, bias=bias)


def summed(op):
    def both(x, *rest):
        *weights, residual = rest
        y, total = op(x, *weights, residual=residual)
        return hx.concat([y, total])

    return both


def channels(x, w, b, residual):
    y, mean, var = hx.batch_norm(x, w, b, activation="relu", residual=residual)
    return hx.concat([hx.reshape(y, -1), mean, var])


def affine(x, mean, var, residual):
    return hx.batch_norm_inference(x, mean, var * var + 1.0, residual=residual)


def rows(reduction):
    return lambda x, w, b: hx.linear_cross_entropy(
        x, w, hx.tensor(LABELS, device=x.device), b, -100, 0.1, reduction
    )


def dropped(x):
    return hx.dropout(x, 0.3, generator=hx.Generator(7))


# name of the composite: function, shapes of its inputs
CASES = {
    "selective_scan": (
        scan,
        [
            *[(2, 70, 20), (2, 70, 20), (20, 4), (2, 70, 4), (2, 70, 4)],  # u dt A B C
            *[(20,), (2, 70, 20), (20,), (2, 20, 4)],  # D z dt_bias h0
        ],
    ),
    "attention": (attend, [(2, 70, 4, 8), (2, 90, 2, 8), (2, 90, 2, 6), (4, 1, 90)]),
    "rotary": (hx.rotary, [(2, 9, 3, 8), (9, 3), (9, 3)]),
    "batch_norm": (channels, [(3, 37, 6, 5), (37,), (37,), (3, 37, 6, 5)]),
    "channel_affine": (affine, [(3, 37, 6, 5), (37,), (37,), (3, 37, 6, 5)]),
    "group_norm": (
        lambda x, w, b: hx.group_norm(x, 4, w, b),
        [(3, 36, 6, 5), (36,), (36,)],
    ),
    "max_pool": (lambda x: hx.max_pool2d(x, 3, 2, 1), [(3, 20, 9, 8)]),
    "avg_pool": (
        lambda x: hx.avg_pool2d(x, 3, 2, 1, True, False),
        [(3, 20, 9, 8)],
    ),
    "long_conv": (
        lambda u, k, d, pre, post: hx.long_conv(u, k, d, pre=pre, post=post),
        [(2, 70, 20), (70, 20), (20,), (2, 70, 20), (2, 70, 20)],
    ),
    "causal_conv1d": (conv, [(2, 70, 20), (20, 4), (20,), (2, 3, 20)]),
    "rms_norm": (hx.rms_norm, [(3, 5, 40), (40,)]),
    "rms_norm_add": (summed(hx.rms_norm), [(9, 40), (40,), (9, 40)]),
    "layer_norm": (hx.layer_norm, [(3, 5, 40), (40,), (40,)]),
    "layer_norm_add": (summed(hx.layer_norm), [(9, 40), (40,), (40,), (9, 40)]),
    "softmax": (hx.softmax, [(3, 5, 40)]),
    "log_softmax": (lambda x: hx.log_softmax(x, 0), [(40, 9)]),
    "linear": (hx.linear, [(5, 14, 60), (81, 60), (81,)]),
    "linear_act": (
        lambda x, w, b, r: hx.linear(x, w, b, activation="gelu", residual=r),
        [(5, 14, 60), (81, 60), (81,), (5, 14, 81)],
    ),
    "linear_cross_entropy": (rows("mean"), [(11, 8), (31, 8), (31,)]),
    "linear_cross_entropy_rows": (rows("none"), [(11, 8), (31, 8), (31,)]),
    "embedding": (
        lambda w: hx.embedding(hx.tensor(IDS, device=w.device), w),
        [(40, 6)],
    ),
    "dropout": (dropped, [(50, 90)]),
    "sigmoid": (hx.sigmoid, [(70, 70)]),
    "silu": (hx.silu, [(70, 70)]),
    "softplus": (hx.softplus, [(70, 70)]),
    "gelu": (hx.gelu, [(70, 70)]),
    "gelu_tanh": (lambda x: hx.gelu(x, "tanh"), [(70, 70)]),
}
ONLY_FLOAT32 = {"attention", "selective_scan", "causal_conv1d", "long_conv"}
# declared by helix_layers
LAYERS_OWN = ("attention_step", "mamba_lm_step", "lstm", "gru", "s4d_", "hyena")


def run(name, device, dtype):
    """The value and every gradient, as arrays."""
    fn, shapes = CASES[name]
    rng = np.random.default_rng(0)
    xs = [
        hx.tensor(rng.standard_normal(s).astype(dtype), device=device) for s in shapes
    ]
    y, pull = hx.vjp(fn, *xs)
    ct = rng.standard_normal(y.shape).astype(dtype)
    grads = pull(hx.tensor(ct, device=device))
    plain = fn(*xs)  # without gradients another kernel serves
    grads = grads if isinstance(grads, tuple) else (grads,)
    return [np.asarray(t) for t in (y, plain, *grads)]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:.*a kernel for 'cpu' exists but refused")
def test_values_and_gradients_equal_the_reference(name, dtype):
    for got, want in zip(
        run(name, "cpu", dtype), run(name, "numpy", dtype), strict=True
    ):
        assert got.dtype == want.dtype == dtype and got.shape == want.shape
        assert np.abs(got - want).max() <= TOLERANCE[dtype] * np.abs(want).max()


@pytest.mark.parametrize("name", CASES)
def test_the_number_of_threads_changes_no_bit(name):
    before, results = threads.get_num_threads(), set()
    try:
        for n in (1, 2, 3, 7):
            threads.set_num_threads(n)
            arrays = run(name, "cpu", "float32")
            results.add(b"".join(a.tobytes() for a in arrays))
    finally:
        threads.set_num_threads(before)
    assert len(results) == 1


@pytest.fixture
def fresh(monkeypatch):
    """No choice was made yet, and no warning given."""
    device = hx.Device("cpu")
    monkeypatch.setattr(_kernels, "_WARNED", set())
    monkeypatch.setattr(device, "choices", {})
    return device


@pytest.mark.parametrize("name", CASES)
def test_which_says_that_the_kernels_run(name, fresh):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(name, "cpu", "float32")
    chosen = {key[0]: choice for key, choice in fresh.choices.items()}
    for op in (name, f"{name}.fwd", f"{name}.bwd"):
        assert chosen[op].kernel != "default", chosen[op]
    key = next(k for k in fresh.choices if k[0] == name)
    avals = [k for k in key[1]]
    said = hx.which(name, "cpu", *avals, **dict(key[2:]))
    assert said.kernel is chosen[name].kernel
    assert "kernel of 'cpu'" in said.why


@pytest.mark.parametrize("name", sorted(ONLY_FLOAT32))
def test_a_refusal_is_said_once_with_its_reason(name, fresh):
    with pytest.warns(UserWarning) as caught:
        run(name, "cpu", "float64")
        run(name, "cpu", "float64")
    said = [str(w.message) for w in caught]
    assert len(said) == 3  # the op, its .fwd and its .bwd
    for op in (name, f"{name}.fwd", f"{name}.bwd"):
        (message,) = [m for m in said if m.startswith(f"[{op}] ")]
        assert "refused" in message and "expected float32; got float64" in message


def test_which_gives_the_reason_of_a_refusal():
    x = hx.zeros((2, 8, 4), dtype="float64", device="cpu")
    w = hx.zeros((4, 4), dtype="float64", device="cpu")
    attrs = {"bias": False, "state": False, "silu": True}
    choice = hx.which("causal_conv1d", "cpu", x, w, **attrs)
    assert choice.kernel == "default"
    assert choice.why == "expected float32; got float64"
    x, w = (hx.zeros(s, device="cpu") for s in ((2, 8, 4), (4, 17)))
    assert (
        "at most 16 taps; got 17" in hx.which("causal_conv1d", "cpu", x, w, **attrs).why
    )
    half = hx.zeros((2, 8), dtype="float16", device="cpu")
    assert "got float16" in hx.which("softmax", "cpu", half).why


def test_small_and_empty_operands_take_the_default_body_without_a_warning(fresh):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hx.silu(hx.ones((3,), device="cpu"))
        hx.softmax(hx.zeros((0, 4), device="cpu"))
        hx.rms_norm(hx.zeros((0, 4), device="cpu"), hx.ones((4,), device="cpu"))
    assert {c.kernel for c in fresh.choices.values()} == {"default"}


def test_every_kernel_belongs_to_an_op_that_exists():
    from helix_core._composite import COMPOSITES

    ours = {spec.op for spec in SPECS}
    for package in ("helix_layers",):
        try:
            importlib.import_module(package)
        except ImportError:
            ours = {op for op in ours if not op.startswith(LAYERS_OWN)}
    known = set(COMPOSITES)
    bases = {
        op.removesuffix(".inplace").removesuffix(".fwd").removesuffix(".bwd")
        for op in ours
    }
    assert bases <= known, bases - known


def test_strided_tensors_reach_kernels_as_they_look():
    rng = np.random.default_rng(0)
    x = hx.tensor(rng.standard_normal((40, 9)).astype("f4"), device="cpu")
    w = hx.ones((40,), device="cpu")
    y = hx.rms_norm(hx.swapaxes(x, 0, 1), w)
    z = hx.rms_norm(hx.tensor(np.ascontiguousarray(x.numpy().T), device="cpu"), w)
    np.testing.assert_array_equal(y.numpy(), z.numpy())
