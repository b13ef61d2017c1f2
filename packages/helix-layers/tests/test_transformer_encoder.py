import helix_core as hx
import numpy as np
import pytest
from helix_core import plugins
from helix_layers import Encoder, EncoderConfig, LayerError, PostNormBlock

SIZES = {
    "vocab_size": 40,
    "d_model": 16,
    "n_layers": 2,
    "n_heads": 2,
    "d_ff": 24,
    "max_positions": 12,
    "std": 0.4,
}
IDS = np.array([[3, 9, 27, 4], [5, 6, 0, 0], [7, 0, 0, 0]], "int32")
LENGTHS = hx.tensor([4, 2, 1])


@pytest.fixture
def model():
    hx.seed(0)
    return Encoder(EncoderConfig(**SIZES)).eval()


def test_a_post_norm_block_normalises_the_sum():
    class Norm(hx.Module):
        def forward(self, x, residual):
            return (x + residual) * 10.0, x + residual

    class Triple(hx.Module):
        def forward(self, x, by):
            return x * by

    block = PostNormBlock(Norm(), Triple())
    assert block(hx.ones((1, 1, 2)), by=3.0).tolist() == [[[40.0, 40.0]]]


def test_padding_leaves_no_trace(model):
    h = model(hx.tensor(IDS), LENGTHS).numpy()
    other = IDS.copy()
    other[1, 2:], other[2, 1:] = 11, 12
    again = model(hx.tensor(other), LENGTHS).numpy()
    for i, n in enumerate((4, 2, 1)):
        np.testing.assert_array_equal(h[i, :n], again[i, :n])
        alone = model(hx.tensor(IDS[i : i + 1, :n])).numpy()
        np.testing.assert_allclose(h[i, :n], alone[0], atol=1e-5)


@pytest.mark.parametrize(
    ("pooling", "pool"),
    [
        ("mean", lambda h: h.mean(0)),
        ("max", lambda h: h.max(0)),
        ("cls", lambda h: h[0]),
    ],
)
def test_sentences_are_pooled_features(model, pooling, pool):
    h = model(hx.tensor(IDS), LENGTHS).numpy()
    want = np.stack([pool(h[i, :n]) for i, n in enumerate((4, 2, 1))])
    raw = model.sentences(hx.tensor(IDS), LENGTHS, pooling=pooling, normalise=False)
    np.testing.assert_allclose(raw.numpy(), want, atol=1e-6)
    unit = model.sentences(hx.tensor(IDS), LENGTHS, pooling=pooling).numpy()
    np.testing.assert_allclose(
        unit, want / np.linalg.norm(want, axis=1, keepdims=True), atol=1e-6
    )
    whole = model.sentences(hx.tensor(IDS[:1]), pooling=pooling, normalise=False)
    np.testing.assert_allclose(whole.numpy(), want[:1], atol=1e-5)


def test_types_are_added(model):
    ids = hx.tensor(IDS)
    zero = model(ids, types=hx.zeros((3, 4), dtype=hx.int32)).numpy()
    np.testing.assert_array_equal(model(ids).numpy(), zero)
    one = model(ids, types=hx.ones((3, 4), dtype=hx.int32)).numpy()
    assert np.abs(one - zero).max() > 0.01


def test_nothing_and_one_place(model):
    none = hx.zeros((2, 0), dtype=hx.int32)
    assert model(none).shape == (2, 0, 16)
    assert not np.any(model.sentences(none).numpy())
    empty = model.sentences(hx.tensor(IDS), hx.tensor([4, 0, 1]))
    assert not np.any(empty.numpy()[1])
    hx.sum(empty).backward()
    for p in model.parameters():
        assert p.grad is None or np.isfinite(p.grad.numpy()).all()
    one = model(hx.tensor(IDS[:, :1]))
    assert one.shape == (3, 1, 16)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda m: m(hx.tensor(IDS[0])), "batch, time"),
        (lambda m: m(hx.ones((1, 2))), "integer ids"),
        (
            lambda m: m(hx.tensor(IDS), types=hx.tensor(IDS[:, :2])),
            "types of the shape",
        ),
        (lambda m: m(hx.zeros((1, 13), dtype=hx.int32)), "max_positions=12"),
        (lambda m: m(hx.tensor(IDS), lengths=hx.tensor([1])), "lengths"),
        (lambda m: m.sentences(hx.tensor(IDS), pooling="sum"), "mean, cls, max"),
        (
            lambda m: m.sentences(hx.zeros((2, 0), dtype=hx.int32), pooling="cls"),
            "at least one place",
        ),
        (lambda m: m.pooled(hx.zeros((2, 0, 16))), "at least one place"),
        (lambda m: Encoder(EncoderConfig(**{**SIZES, "n_heads": 3})), "divide"),
        (
            lambda m: Encoder(EncoderConfig(**SIZES, pooler=False)).pooled(
                hx.zeros((2, 1, 16))
            ),
            "pooler=False",
        ),
    ],
)
def test_what_does_not_fit_is_refused(model, call, match):
    with pytest.raises(hx.HelixError, match=match):
        call(model)


def test_it_is_built_by_name():
    assert plugins.load("models", "encoder")(SIZES).config.d_ff == 24
    with pytest.raises(LayerError, match="heads"):
        EncoderConfig.from_dict({"heads": 2})
