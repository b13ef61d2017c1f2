"""Attention layers and Transformer models against NumPy and against themselves streamed."""

import helix_core as hx
import numpy as np
import pytest
from helix_core import plugins
from helix_layers import (
    MLP,
    AttentionBlock,
    AttentionMixer,
    CrossAttention,
    LayerError,
    MLPBlock,
    Stack,
    TransformerBlock,
    TransformerConfig,
    TransformerLM,
)

RNG = np.random.default_rng(0)
KINDS = {
    "llama": {"n_kv_heads": 2},
    "gpt2": {
        "positions": "learned",
        "norm": "layer_norm",
        "bias": True,
        "mlp": "gelu_tanh",
    },
    "one key head, alibi": {"positions": "alibi", "n_kv_heads": 1},
    "parallel": {"positions": "sinusoidal", "parallel": True},
    "window": {"window": 6, "qk_norm": True},
    "window of one": {"window": 1, "positions": "none"},
    "alibi in a window": {"window": 40, "positions": "alibi"},
    "part of each head": {"rope_dim": 4, "rope_interleaved": True},
}
EACH = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


def draw(*shape):
    return RNG.normal(size=shape).astype("float32")


def lm(**settings):
    hx.seed(0)
    sizes = {"d_model": 32, "n_layers": 2, "std": 0.3, **settings}
    return TransformerLM(TransformerConfig(**sizes))


def ids(*shape):
    return hx.tensor(RNG.integers(0, 256, shape).astype("int32"))


def weight(layer):
    w = layer.weight.numpy().astype("float64")
    b = 0.0 if layer.bias is None else layer.bias.numpy()
    return w, b


def attention(mixer, x, visible, context=None, far=0.0):
    """The equations of a mixer without rotary positions, in float64."""
    h, g, d = mixer.n_heads, mixer.n_kv_heads, mixer.d_head
    x = x.astype("float64")
    if context is None:
        w, b = weight(mixer.qkv)
        q, k, v = np.split(x @ w.T + b, [h * d, (h + g) * d], -1)
    else:
        w, b = weight(mixer.q_proj)
        q = x @ w.T + b
        w, b = weight(mixer.kv_proj)
        k, v = np.split(context.astype("float64") @ w.T + b, 2, -1)
    q, k, v = (a.reshape(*a.shape[:2], -1, d) for a in (q, k, v))
    k, v = np.repeat(k, h // g, 2), np.repeat(v, h // g, 2)
    z = np.einsum("bihd,bjhd->bhij", q, k) / np.sqrt(d) - far
    z = np.where(visible, z, -np.inf)
    p = np.exp(z - z.max(-1, keepdims=True))
    y = np.einsum("bhij,bjhd->bihd", p / p.sum(-1, keepdims=True), v)
    w, b = weight(mixer.out_proj)
    return y.reshape(*y.shape[:2], -1) @ w.T + b


BACK = np.arange(7)[:, None] - np.arange(7)


@pytest.mark.parametrize(
    ("settings", "visible"),
    [
        ({}, BACK >= 0),
        ({"n_kv_heads": 2, "bias": True, "out_bias": True}, BACK >= 0),
        ({"n_kv_heads": 1, "d_head": 5}, BACK >= 0),
        ({"window": 3}, (BACK >= 0) & (BACK < 3)),
        ({"causal": False}, BACK < 9),
        ({"causal": False, "window": 2}, abs(BACK) < 2),
    ],
)
def test_attention_is_its_equation(settings, visible):
    mixer = AttentionMixer(24, 4, rotary=False, std=0.4, **settings)
    for b in (mixer.qkv.bias, mixer.out_proj.bias):
        if b is not None:
            b.value = hx.tensor(draw(*b.value.shape))
    x = draw(2, 7, 24)
    want = attention(mixer, x, visible)
    np.testing.assert_allclose(mixer(hx.tensor(x)).numpy(), want, atol=2e-5)


def test_alibi_subtracts_distances():
    mixer = AttentionMixer(24, 4, rotary=False, alibi=True, std=0.4)
    x = draw(2, 7, 24)
    slopes = np.array([2.0**-2, 2.0**-4, 2.0**-6, 2.0**-8])
    want = attention(mixer, x, BACK >= 0, far=slopes[:, None, None] * abs(BACK))
    np.testing.assert_allclose(mixer(hx.tensor(x)).numpy(), want, atol=2e-5)


def test_padding_is_not_seen():
    mixer = AttentionMixer(16, 2, causal=False, rotary=False, std=0.4)
    x = draw(2, 7, 16)
    y = mixer(hx.tensor(x), lengths=hx.tensor([7, 3])).numpy()
    want = attention(mixer, x[1:, :3], BACK[:3, :3] < 9)
    np.testing.assert_allclose(y[1:, :3], want, atol=2e-5)


def test_cross_attention_is_its_equation():
    layer = CrossAttention(16, 12, 4, 2, std=0.4)
    x, context = draw(2, 5, 16), draw(2, 7, 12)
    want = attention(layer, x, True, context)
    y = layer(hx.tensor(x), hx.tensor(context)).numpy()
    np.testing.assert_allclose(y, want, atol=2e-5)
    y = layer(hx.tensor(x), hx.tensor(context), hx.tensor([7, 2])).numpy()
    short = attention(layer, x[1:], True, context[1:, :2])
    np.testing.assert_allclose(y[1:], short, atol=2e-5)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    ("activation", "act"),
    [
        ("relu", lambda z: np.maximum(z, 0)),
        ("relu2", lambda z: np.maximum(z, 0) ** 2),
        ("silu", lambda z: z * sigmoid(z)),
        ("swiglu", lambda z: z * sigmoid(z)),
        ("reglu", lambda z: np.maximum(z, 0)),
        ("gelu_tanh", lambda z: z * sigmoid(1.5957691216 * (z + 0.044715 * z**3))),
        ("geglu_tanh", lambda z: z * sigmoid(1.5957691216 * (z + 0.044715 * z**3))),
    ],
)
def test_an_mlp_is_its_equation(activation, act):
    layer = MLP(8, 12, activation, std=0.5)
    x = draw(3, 8)
    (up, b), (down, c) = weight(layer.up), weight(layer.down)
    h = x @ up.T + b
    if layer.gate is None:
        h = act(h)
    else:
        w, a = weight(layer.gate)
        h = h * act(x @ w.T + a)
    np.testing.assert_allclose(layer(hx.tensor(x)).numpy(), h @ down.T + c, atol=1e-5)


@EACH
def test_chunks_and_steps_are_the_whole_pass(kind):
    model, x = lm(**kind), ids(2, 150)
    with hx.no_grad():
        want = model(x).numpy()
        last, state = model.prefill(x[:, :7])
        np.testing.assert_allclose(last.numpy(), want[:, 6], atol=1e-4)
        last, state = model.prefill(x[:, 7:19], state)
        np.testing.assert_allclose(last.numpy(), want[:, 18], atol=1e-4)
        for t in range(19, 120):
            last, state = model.step(x[:, t], state)
            np.testing.assert_allclose(last.numpy(), want[:, t], atol=1e-4)
        last, _ = model.prefill(x[:, 120:], state)
        np.testing.assert_allclose(last.numpy(), want[:, -1], atol=1e-4)


def test_steps_from_nothing_are_the_whole_pass_and_states_stay_as_they_were():
    model, x = lm(), ids(1, 4)
    want = model(x).numpy()
    states = [model.initial_state(1)]
    for t in range(4):
        last, state = model.step(x[:, t], states[-1])
        states.append(state)
        np.testing.assert_allclose(last.numpy(), want[:, t], atol=1e-4)
    again, _ = model.step(x[:, 2], states[2])
    np.testing.assert_allclose(again.numpy(), want[:, 2], atol=1e-4)


@EACH
def test_gradients_through_steps_are_those_of_the_whole_pass(kind):
    model, x, by = lm(**kind), ids(2, 5), draw(2, 5, 256)
    hx.sum(model(x) * hx.tensor(by)).backward()
    want = [p.grad.numpy() for p in model.parameters()]
    for p in model.parameters():
        p.grad = None
    total, state = 0.0, model.initial_state(2)
    for t in range(5):
        logits, state = model.step(x[:, t], state)
        total = total + hx.sum(logits * hx.tensor(by[:, t]))
    total.backward()
    for p, g in zip(model.parameters(), want, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), g, atol=1e-4 * np.abs(g).max())


def test_a_step_copies_few_keys_and_a_window_bounds_the_state():
    block = AttentionBlock(16, n_heads=2)
    state, copied = block.initial_state(1), 0
    for _ in range(400):
        _, state = block.step(hx.ones((1, 16)), state)
        copied += state.recent_keys.shape[1] or state.keys.shape[1]
    assert state.keys.shape[1] + state.recent_keys.shape[1] == 400
    assert copied < 400 * 30  # copying all would be 400 * 200
    block = AttentionBlock(16, n_heads=2, window=50)
    state = block.initial_state(1)
    for _ in range(300):
        _, state = block.step(hx.ones((1, 16)), state)
        assert state.keys.shape[1] + state.recent_keys.shape[1] <= 50
    assert state.position.item() == 300


@EACH
def test_every_parameter_learns(kind):
    model, x = lm(**kind), ids(2, 9)
    model.loss(x[:, :-1], x[:, 1:]).backward()
    for name, p in model.named_parameters():
        assert p.grad is not None, name
        # in a window of one place softmax is 1, and queries and keys do not matter
        if "qkv" not in name and np.prod(p.value.shape) > 1:
            assert np.abs(p.grad.numpy()).max() > 0, name


def test_gradients_are_finite_differences():
    hx.seed(0)
    heads = {"n_heads": 2, "n_kv_heads": 1, "std": 0.5}
    block = TransformerBlock(
        8, attention=heads, mlp={"std": 0.5}, device="numpy", dtype=hx.float64
    )
    x, by = RNG.normal(size=(2, 5, 8)), RNG.normal(size=(2, 5, 8))

    def loss(x):
        y = block(hx.tensor(x, device="numpy"))
        return hx.sum(y * hx.tensor(by, device="numpy"))

    loss(x).backward()
    for p in block.parameters():
        at, was = (0,) * p.value.ndim, p.value
        there = was.numpy()[at].item()
        p.value = was.at[at].set(there + 1e-6)
        up = loss(x).item()
        p.value = was.at[at].set(there - 1e-6)
        down = loss(x).item()
        p.value = was
        np.testing.assert_allclose(
            p.grad.numpy()[at], (up - down) / 2e-6, rtol=1e-5, atol=1e-7
        )


def test_weights_are_drawn_as_gpt2s():
    hx.seed(0)
    model = TransformerLM(TransformerConfig(d_model=128, n_layers=8, bias=True))
    block = model.layers[0]
    for layer, std in [
        (block.attention.mixer.qkv, 0.02),
        (block.attention.mixer.out_proj, 0.02 / 4),
        (block.mlp.mixer.gate, 0.02),
        (block.mlp.mixer.up, 0.02),
        (block.mlp.mixer.down, 0.02 / 4),
        (model.embedding, 0.02),
    ]:
        assert np.std(layer.weight.numpy()) == pytest.approx(std, rel=0.05)
        if layer is not model.embedding:
            assert not np.any(layer.bias.numpy())


def test_dropout_acts_in_training_alone():
    model, x = lm(dropout=0.5), ids(2, 6)
    a, b = model(x).numpy(), model(x).numpy()
    assert np.abs(a - b).max() > 1e-3
    model.eval()
    np.testing.assert_array_equal(model(x).numpy(), model(x).numpy())
    with hx.no_grad():
        last, _ = model.prefill(x)
    np.testing.assert_allclose(last.numpy(), model(x).numpy()[:, -1], atol=1e-5)


@EACH
def test_length_0_and_1(kind):
    model = lm(**kind)
    assert model(ids(2, 0)).shape == (2, 0, 256)
    assert model(ids(0, 5)).shape == (0, 5, 256)
    x = ids(2, 1)
    last, _ = model.step(x[:, 0], model.initial_state(2))
    np.testing.assert_allclose(last.numpy(), model(x).numpy()[:, 0], atol=1e-5)
    with pytest.raises(LayerError, match="at least one id"):
        model.prefill(ids(2, 0))


def test_a_chunk_of_nothing_changes_no_state():
    mixer, x = AttentionMixer(16, 2), hx.tensor(draw(1, 5, 16))
    _, state = mixer(x, return_state=True)
    y, after = mixer(x[:, :0], state, True)
    assert y.shape == (1, 0, 16)
    np.testing.assert_array_equal(after.keys.numpy(), state.keys.numpy())
    assert after.position.item() == 5


def other_state(**settings):
    return lm(**settings).prefill(ids(1, 3))[1]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: AttentionMixer(30, 4), "n_heads to divide d_model=30"),
        (lambda: AttentionMixer(32, 4, 3), "n_kv_heads to divide n_heads=4"),
        (lambda: AttentionMixer(32, 0), "n_heads to be an int >= 1"),
        (lambda: AttentionMixer(32, 4, window=0), "window to be an int >= 1"),
        (lambda: AttentionMixer(20, 4), "even number of features"),
        (lambda: AttentionMixer(0), "d_model"),
        (lambda: CrossAttention(16, 0), "d_context"),
        (lambda: MLP(8, activation="selu"), "activation of gelu"),
        (lambda: MLP(8, 0), "d_ff"),
        (lambda: MLP(8)(hx.ones((2, 7))), "8"),
        (lambda: AttentionBlock(16, norm="batch"), "rms_norm, layer_norm"),
        (lambda: AttentionMixer(16)(hx.ones((2, 16))), "time, 16"),
        (lambda: CrossAttention(16, 8)(hx.ones((1, 2, 16)), hx.ones((1, 2, 9))), "8"),
        (lambda: lm(positions="relative"), "positions of rotary"),
        (lambda: lm(rope_dim=9), "even number"),
        (lambda: lm(rope_dim=10), "at most d_head=8"),
        (lambda: lm(n_layers=0), "n_layers"),
        (lambda: lm().step(ids(1), other_state(n_layers=1)), "another model"),
        (lambda: lm().step(ids(1), other_state(n_kv_heads=2)), "another model"),
        (lambda: lm().step(ids(1), other_state(d_head=16)), "another model"),
        (lambda: lm().step(ids(2), other_state()), "batch 2"),
        (lambda: lm().prefill(ids(2, 3), other_state()), "batch 2"),
        (lambda: lm().step(ids(1), ((), ())), "KVState"),
        (lambda: lm(positions="learned").step(ids(1), ((), ())), "belongs to another"),
        (
            lambda: AttentionMixer(16).step(
                hx.ones((1, 5, 16)), AttentionMixer(16).initial_state(1)
            ),
            "batch, 16",
        ),
        (lambda: AttentionMixer(16, causal=False).initial_state(1), "causal=False"),
        (
            lambda: AttentionMixer(16, causal=False)(hx.ones((1, 2, 16)), None, True),
            "causal=False",
        ),
        (
            lambda: AttentionMixer(16)(hx.ones((1, 2, 16)), None, True, hx.tensor([1])),
            "lengths",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, match):
    with pytest.raises(hx.HelixError, match=match):
        make()


def test_positions_beyond_the_last_learned_are_refused():
    model = lm(positions="learned", max_positions=6)
    with pytest.raises(LayerError, match="max_positions=6; got position 6"):
        model(ids(1, 7))
    _, state = model.prefill(ids(1, 6))
    with pytest.raises(LayerError, match="max_positions=6; got position 6"):
        model.step(ids(1), state)


def test_attention_and_mlp_stand_in_stacks():
    hx.seed(0)
    stack = Stack(
        "(attention mlp)*2 transformer mamba",
        d_model=16,
        settings={"attention": {"n_heads": 2}, "mlp": {"activation": "swiglu"}},
    )
    assert isinstance(stack.layers[1], MLPBlock)
    x = hx.tensor(draw(2, 6, 16))
    want = stack(x).numpy()
    _, state = stack(x[:, :4], return_state=True)
    for t in (4, 5):
        y, state = stack.step(x[:, t], state)
        np.testing.assert_allclose(y.numpy(), want[:, t], atol=1e-4)


def test_its_configuration_survives_json():
    scaling = {"rope_type": "linear", "factor": 2.0}
    config = TransformerConfig(n_kv_heads=2, rope_scaling=scaling)
    assert TransformerConfig.from_dict(config.to_dict()) == config
    built = plugins.load("models", "transformer_lm")({"d_model": 16, "n_heads": 2})
    assert built.config.n_heads == 2
    with pytest.raises(LayerError, match="heads"):
        TransformerConfig.from_dict({"heads": 2})


def test_generation_of_the_same_seed_is_the_same():
    model = lm()
    a = model.generate(b"ab", 40, seed=3)
    assert a == model.generate(b"ab", 40, seed=3) != model.generate(b"ab", 40, seed=4)


def test_a_traced_model_is_the_model():
    model, x = lm(n_kv_heads=2), ids(2, 9)
    want = model(x).numpy()
    fast = hx.compile(lambda t: model(t))
    for _ in range(2):
        np.testing.assert_allclose(fast(x).numpy(), want, atol=1e-5)


def test_a_model_that_transformers_has_not_is_not_saved(tmp_path):
    with pytest.raises(hx.HelixError, match="positions='alibi'"):
        lm(positions="alibi").save_transformers(tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("heads", [2, 4])
def test_the_shapes_of_a_step_are_those_of_its_body(heads):
    from helix_layers.transformer._ops import attention_step

    q = hx.Aval((3, 1, 4, 8), hx.float32)
    k, v = hx.Aval((3, 7, heads, 8), q.dtype), hx.Aval((3, 7, heads, 6), q.dtype)
    avals = (q, k, v, hx.Aval((3, 2, heads, 8), q.dtype))
    avals += (hx.Aval((3, 2, heads, 6), q.dtype),)
    attrs = {"compute": "float32"}
    graph = attention_step.body(avals, attrs, hx.Device("numpy")).graph
    want = tuple(graph.avals[i] for i in graph.outputs)
    assert attention_step.infer(avals, attrs) == (want, False)


def test_cross_attention_sees_what_its_mask_says():
    layer = CrossAttention(8, 6, n_heads=2)
    x, context = hx.random_normal((2, 3, 8)), hx.random_normal((2, 4, 6))
    mask = hx.tensor([[True, False, True, False], [False] * 4])
    got = layer(x, context, mask=mask).numpy()
    want = layer(x[:1], hx.concat([context[:1, 0:1], context[:1, 2:3]], 1)).numpy()
    np.testing.assert_allclose(got[:1], want, atol=1e-6)
    assert not got[1].any()
    with pytest.raises(
        hx.ShapeError, match=r"\[CrossAttention\] expected mask \(2, 4\)"
    ):
        layer(x, context, mask=mask[:, :3])
