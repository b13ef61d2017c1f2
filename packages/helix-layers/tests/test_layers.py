import helix_core as hx
import numpy as np
import pytest
from helix_layers import Dropout, Embedding, LayerError, LayerNorm, Linear, RMSNorm

RNG = np.random.default_rng(0)


def test_linear_multiplies_by_the_transposed_weight_and_adds_the_bias():
    layer = Linear(3, 2)
    x = RNG.normal(size=(4, 5, 3)).astype(np.float32)
    want = x @ layer.weight.numpy().T + layer.bias.numpy()
    np.testing.assert_allclose(layer(hx.tensor(x)).numpy(), want, rtol=1e-5, atol=1e-6)


def test_linear_gradients():
    layer = Linear(3, 2)
    x = hx.Parameter(hx.tensor(RNG.normal(size=(4, 3)).astype(np.float32)))
    ct = RNG.normal(size=(4, 2)).astype(np.float32)
    (layer(x) * hx.tensor(ct)).sum().backward()
    np.testing.assert_allclose(layer.weight.grad.numpy(), ct.T @ x.numpy(), rtol=1e-5)
    np.testing.assert_allclose(layer.bias.grad.numpy(), ct.sum(0), rtol=1e-5)
    np.testing.assert_allclose(x.grad.numpy(), ct @ layer.weight.numpy(), rtol=1e-5)


def test_linear_starts_within_its_bound_and_without_decay_of_the_bias():
    layer = Linear(16, 64)
    assert np.abs(layer.weight.numpy()).max() <= 0.25
    assert np.abs(layer.weight.numpy()).max() > 0.24
    assert layer.weight.decay and not layer.bias.decay
    assert Linear(16, 64, bias=False).bias is None


def test_the_same_generator_gives_the_same_weights():
    a, b = (Linear(4, 4, generator=hx.Generator(3)) for _ in range(2))
    c = Linear(4, 4, generator=hx.Generator(4))
    assert a.weight.numpy().tolist() == b.weight.numpy().tolist()
    assert a.weight.numpy().tolist() != c.weight.numpy().tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layers_take_a_dtype(dtype):
    for layer in (
        Linear(4, 4, dtype=dtype),
        Embedding(4, 4, dtype=dtype),
        RMSNorm(4, dtype=dtype),
        LayerNorm(4, dtype=dtype),
    ):
        assert {p.aval.dtype.name for p in layer.parameters()} == {dtype}


def test_embedding_looks_rows_up_and_adds_their_gradients():
    layer = Embedding(5, 3)
    ids = np.array([[1, 1], [4, 0]], np.int32)
    out = layer(hx.tensor(ids))
    assert out.numpy().tolist() == layer.weight.numpy()[ids].tolist()
    out.sum().backward()
    want = np.zeros((5, 3))
    np.add.at(want, ids.ravel(), 1.0)
    assert layer.weight.grad.numpy().tolist() == want.tolist()


def test_rms_norm():
    layer = RMSNorm(8, eps=1e-3)
    x = RNG.normal(size=(3, 8)).astype(np.float32)
    want = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(layer(hx.tensor(x)).numpy(), want, rtol=1e-5)
    r = RNG.normal(size=(3, 8)).astype(np.float32)
    normed, total = layer(hx.tensor(x), hx.tensor(r))
    s = x + r
    np.testing.assert_allclose(total.numpy(), s, rtol=1e-6)
    want = s / np.sqrt((s**2).mean(-1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(normed.numpy(), want, rtol=1e-5)


def test_layer_norm():
    layer = LayerNorm(8)
    x = RNG.normal(size=(3, 8)).astype(np.float32)
    want = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(layer(hx.tensor(x)).numpy(), want, rtol=1e-4, atol=1e-6)
    assert LayerNorm(8, bias=False).bias is None
    r = RNG.normal(size=(3, 8)).astype(np.float32)
    normed, total = layer(hx.tensor(x), hx.tensor(r))
    np.testing.assert_allclose(total.numpy(), x + r, rtol=1e-6)
    want = layer(hx.tensor(x + r)).numpy()
    np.testing.assert_allclose(normed.numpy(), want, rtol=1e-4, atol=1e-6)


def test_dropout_only_in_training():
    layer = Dropout(0.25, generator=hx.Generator(0))
    x = hx.ones((4000,))
    y = layer(x).numpy()
    assert set(np.unique(y).tolist()) == {0.0, np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.03
    assert layer.eval()(x).numpy().tolist() == x.numpy().tolist()


@pytest.mark.parametrize(
    "make, word",
    [
        (lambda: Linear(0, 3), "in_features"),
        (lambda: Linear(3, 2.5), "out_features"),
        (lambda: Embedding(3, -1), "d_model"),
        (lambda: RMSNorm(True), "d_model"),
        (lambda: Dropout(1.5), "p in"),
    ],
)
def test_bad_settings_name_the_setting(make, word):
    with pytest.raises(LayerError, match=word):
        make()


@pytest.mark.parametrize("layer", [Linear(4, 2), RMSNorm(4), LayerNorm(4)])
def test_a_wrong_last_axis_names_both_shapes(layer):
    with pytest.raises(hx.ShapeError, match=r"\(\.\.\., 4\).*\(2, 3\)"):
        layer(hx.ones((2, 3)))
