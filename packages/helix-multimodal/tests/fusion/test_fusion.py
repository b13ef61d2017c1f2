"""What holds for every fusion: any order, any subset, any padding."""

import helix_core as hx
import numpy as np
import pytest
from helix_multimodal.fusion import (
    MODES,
    BottleneckFusion,
    CrossFusion,
    Fusion,
    LateFusion,
    LowRankFusion,
    Part,
)

SIZES = {"text": 6, "image": 4, "audio": 3}


def make(mode, **settings):
    generator = hx.Generator(0)
    small = {"n_latents": 5} if mode == "resampler" else {}
    return MODES[mode](SIZES, 8, generator=generator, **small, **settings).eval()


def parts(batch=2, seed=0):
    rng = np.random.default_rng(seed)
    draw = lambda n, d: hx.tensor(rng.standard_normal((batch, n, d)).astype("float32"))
    return [Part(name, draw(3 + i, d)) for i, (name, d) in enumerate(SIZES.items())]


def near(a, b, tol=1e-6):
    np.testing.assert_allclose(a.numpy(), b.numpy(), atol=tol)


@pytest.mark.parametrize("mode", MODES)
def test_the_order_of_parts_does_not_matter(mode):
    fusion, given = make(mode), parts()
    a, b = fusion(given), fusion(given[::-1])
    near(a.pooled, b.pooled)
    near(a.tokens, b.tokens)


@pytest.mark.parametrize("mode", MODES)
def test_padding_does_not_matter(mode):
    fusion, given = make(mode), parts()
    padded = []
    for p in given:
        rubbish = hx.full((2, 2, p.tokens.shape[2]), 1e3)
        mask = np.ones((2, p.tokens.shape[1] + 2), bool)
        mask[:, -2:] = False
        tokens = hx.concat([p.tokens, rubbish], 1)
        padded.append(Part(p.modality, tokens, hx.tensor(mask)))
    near(fusion(given).pooled, fusion(padded).pooled)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("absent", [["text"], ["image", "audio"]])
def test_a_modality_missing_from_the_list_is_one_masked_out(mode, absent):
    fusion, given = make(mode), parts()
    masked = [
        Part(p.modality, p.tokens, hx.zeros(p.tokens.shape[:2], dtype="bool"))
        if p.modality in absent
        else p
        for p in given
    ]
    left = [p for p in given if p.modality not in absent]
    near(fusion(left).pooled, fusion(masked).pooled)


@pytest.mark.parametrize("mode", MODES)
def test_a_row_does_not_depend_on_what_others_lack(mode):
    fusion, given = make(mode), parts()
    mask = np.ones(given[0].tokens.shape[:2], bool)
    mask[1] = False
    mixed = fusion([Part("text", given[0].tokens, hx.tensor(mask)), *given[1:]]).pooled
    near(mixed[0], fusion(given).pooled[0])
    near(mixed[1], fusion(given[1:]).pooled[1])


@pytest.mark.parametrize("mode", MODES)
def test_gradients_reach_every_parameter_and_input(mode):
    fusion = make(mode).train()
    given = parts()

    def loss(xs):
        named = [(p.modality, x) for p, x in zip(given, xs, strict=True)]
        return hx.sum(fusion(named).pooled ** 2)

    grads = hx.grad(loss)([p.tokens for p in given])
    assert all(g.numpy().any() for g in grads)
    loss([p.tokens for p in given]).backward()
    silent = [
        n
        for n, p in fusion.named_parameters()
        if p.grad is None or not p.grad.numpy().any()
    ]
    assert silent == []


@pytest.mark.parametrize("mode", MODES)
def test_a_saved_fusion_is_the_same_fusion(mode):
    one, two = (
        make(mode),
        MODES[mode](
            SIZES, 8, **({"n_latents": 5} if mode == "resampler" else {})
        ).eval(),
    )
    two.load_state_dict(one.state_dict())
    near(one(parts()).pooled, two(parts()).pooled, 0)


def test_a_gated_fusion_begins_as_each_modality_alone():
    fusion, given = make("cross", gated=True), parts()
    together = fusion(given)
    at = 0
    for p in sorted(given, key=lambda p: p.modality):
        alone = fusion([p]).tokens
        near(together.tokens[:, at : at + alone.shape[1]], alone)
        at += alone.shape[1]


def test_a_bottleneck_computes_no_score_between_modalities(monkeypatch):
    fusion = BottleneckFusion({"a": 2, "b": 2}, 8, n_shared=3)
    seen, real = [], hx.attention

    def attention(q, k, v, **rest):
        seen.append((q.shape[1], k.shape[1]))
        return real(q, k, v, **rest)

    monkeypatch.setattr(hx, "attention", attention)
    fusion([("a", hx.ones((1, 64, 2))), ("b", hx.ones((1, 32, 2)))])
    assert set(seen) == {(64, 64), (32, 32), (67, 67), (35, 35)}


def test_low_rank_is_its_equation():
    fusion = LowRankFusion({"a": 3, "b": 2}, 4, rank=3)
    rng = np.random.default_rng(0)
    xs = {
        n: rng.standard_normal((2, 5, d)).astype("float32")
        for n, d in (("a", 3), ("b", 2))
    }
    got = fusion([(n, hx.tensor(x)) for n, x in xs.items()]).pooled.numpy()
    product = 1.0
    for i, (n, x) in enumerate(xs.items()):
        layer = fusion.inputs[n]
        h = (x @ layer.weight.numpy().T + layer.bias.numpy()).mean(1)
        h = h + fusion.kinds.numpy()[i]
        one = np.concatenate([np.ones((2, 1)), h], 1)
        product = product * np.einsum("bi,rio->bro", one, fusion.factors[n].numpy())
    want = np.einsum("bro,r->bo", product, fusion.weights.numpy()) + fusion.bias.numpy()
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_late_fusion_is_additive():
    fusion = LateFusion({"a": 3, "b": 3}, 8, d_out=2).eval()
    rng = np.random.default_rng(0)
    a, b, c, d = (
        hx.tensor(rng.standard_normal((1, 1, 3)).astype("float32")) for _ in "abcd"
    )
    out = lambda x, y: fusion([("a", x), ("b", y)]).pooled
    near(out(a, b) + out(c, d), out(a, d) + out(c, b), 1e-5)


def test_modality_dropout_drops_in_training_only_and_never_all():
    fusion = LateFusion({"a": 2, "b": 2}, 4, modality_dropout=0.9)
    hx.seed(0)
    x = hx.ones((400, 1, 2))
    mask = fusion.train()([("a", x), ("b", x)]).mask.numpy()
    assert mask.any(1).all()
    # kept with 0.1 each; a sample that would lose both (0.81) keeps both
    both = mask.all(1).mean()
    assert abs(both - (0.81 + 0.01)) < 0.06
    assert fusion.eval()([("a", x), ("b", x)]).mask.numpy().all()


@pytest.mark.parametrize(
    "given, said",
    [
        ([], "at least one part"),
        ([("video", hx.ones((1, 2, 3)))], "got 'video'"),
        ([("text", hx.ones((1, 2, 6)))] * 2, "at most once"),
        ([("text", hx.ones((1, 2, 5)))], r"length, 6\) of 'text'; got \(1, 2, 5\)"),
        (
            [("text", hx.ones((1, 2, 6))), ("audio", hx.ones((2, 2, 3)))],
            r"\(1, length, 3\)",
        ),
        ([("text", hx.ones((1, 2, 6)), hx.ones((1, 2)))], "expected a mask bool"),
    ],
)
def test_bad_parts(given, said):
    with pytest.raises(hx.HelixError, match=said):
        make("early")(given)


@pytest.mark.parametrize("settings", [{}, {"a": 0}, {"a": 1.5}])
def test_bad_modalities(settings):
    with pytest.raises(hx.HelixError, match="number of features"):
        CrossFusion(settings, 8)


def test_the_base_has_no_fusion():
    with pytest.raises(NotImplementedError):
        Fusion({"a": 1}, 4)([("a", hx.ones((1, 1, 1)))])
