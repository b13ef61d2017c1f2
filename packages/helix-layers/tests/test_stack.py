import helix_core as hx
import numpy as np
import pytest
from helix_core import plugins
from helix_core.contracts import LayerSpec
from helix_layers import Block, LayerError, Linear, Stack, StackConfig, StackLM
from helix_layers._pattern import parse


class Doubling(hx.Module):
    """A mixer without a state, as a stranger might write it."""

    def __init__(self, d_model: int, factor: float = 2.0) -> None:
        self.d_model, self.factor = d_model, factor

    def forward(self, x):
        return x * self.factor


@pytest.fixture
def doubling():
    spec = LayerSpec(name="doubling", factory=f"{__name__}:Doubling")
    plugins.register(spec, "layers")
    yield "doubling"
    plugins.reset()


@pytest.mark.parametrize(
    ("pattern", "want"),
    [
        ("a", "a"),
        ("a*3 b a*2", "a a a b a a"),
        (" (a b)*2  c ", "a b a b c"),
        ("(a (b*2 c)*2)*2", "a b b c b b c a b b c b b c"),
        ("a * 2", "a a"),
        ("my-own.layer*1", "my-own.layer"),
    ],
)
def test_a_pattern_stands_for_names(pattern, want):
    assert parse(pattern) == want.split()


@pytest.mark.parametrize(
    "pattern",
    "| |*3|a*0|a**2|a*2*2|(a|a)|()|(*2)|a*-1|3 a|a*999999999|(a*4000)*4000|a, b|"
    "a*4000 b*4000".split("|"),
)
def test_an_unreadable_pattern_is_an_error_that_shows_it(pattern):
    with pytest.raises(LayerError, match=r"\[Stack\] expected"):
        parse(pattern)


def test_a_stack_is_its_layers_one_after_the_other():
    stack = Stack("mamba*2", d_model=8, settings={"mamba": {"d_state": 4}})
    x = hx.tensor(np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32"))
    want = stack.layers[1](stack.layers[0](x))
    np.testing.assert_allclose(stack(x).numpy(), want.numpy(), atol=1e-6)
    assert stack.layers[0].mixer.d_state == 4


def test_chunks_and_steps_go_on_where_the_last_one_ended():
    stack = Stack("mamba*2", d_model=8)
    x = hx.tensor(np.random.default_rng(1).normal(size=(2, 6, 8)).astype("float32"))
    want = stack(x).numpy()
    y, state = stack(x[:, :4], return_state=True)
    last = [y.numpy()]
    for t in (4, 5):
        y, state = stack.step(x[:, t], state)
        last.append(y.numpy()[:, None])
    np.testing.assert_allclose(np.concatenate(last, 1), want, atol=1e-5)


def test_any_registered_layer_becomes_the_mixer_of_a_block(doubling):
    stack = Stack("doubling", d_model=4, settings={doubling: {"factor": 3.0}})
    assert isinstance(stack.layers[0], Block)
    x = hx.tensor([[[1.0, -1.0, 1.0, -1.0]]])  # its root mean square is 1
    np.testing.assert_allclose(stack(x).numpy(), 4 * x.numpy(), rtol=1e-4)
    y, state = stack.step(x[:, 0], stack.initial_state(1))
    np.testing.assert_allclose(y.numpy(), 4 * x.numpy()[:, 0], rtol=1e-4)
    assert state == ((),)


def test_the_projections_out_of_deep_stacks_start_smaller():
    hx.seed(0)
    one = Stack("mamba", d_model=64)
    four = Stack("mamba*4", d_model=64)
    ratio = np.std(one.layers[0].mixer.out_proj.weight.numpy()) / np.std(
        four.layers[0].mixer.out_proj.weight.numpy()
    )
    assert ratio == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: Stack("mambo", 8), plugins.PluginUnavailable, "mambo"),
        (lambda: Stack("linear", 8), LayerError, r"linear\(d_model"),
        (lambda: Stack("mamba", 0), LayerError, "d_model"),
        (lambda: Stack("mamba", 8, {"attention": {}}), LayerError, "attention"),
        (lambda: Stack("mamba", 8, {"mamba": {"size": 1}}), LayerError, "size"),
        (lambda: Stack("mamba", 8)(hx.ones((2, 8))), hx.ShapeError, "time, 8"),
        (
            lambda: Stack("mamba*2", 8).step(hx.ones((1, 8)), ((),)),
            LayerError,
            "another model",
        ),
        (
            lambda: Stack("mamba*2", 8)(hx.ones((1, 2, 8)), ((),)),
            LayerError,
            "another model",
        ),
    ],
)
def test_what_cannot_be_stacked_is_refused(make, error, match):
    with pytest.raises(error, match=match):
        make()


def test_a_stack_is_a_language_model_with_one_line_of_configuration():
    hx.seed(0)
    config = StackConfig(d_model=16, pattern="mamba*2", tie_embeddings=False)
    model = StackLM(config)
    ids = np.random.default_rng(0).integers(0, 256, (2, 6)).astype("int32")
    logits = model(hx.tensor(ids)).numpy()
    assert logits.shape == (2, 6, 256)
    last, state = model.prefill(hx.tensor(ids[:, :4]))
    np.testing.assert_allclose(last.numpy(), logits[:, 3], atol=1e-5)
    for t in (4, 5):
        last, state = model.step(hx.tensor(ids[:, t]), state)
        np.testing.assert_allclose(last.numpy(), logits[:, t], atol=1e-5)
    assert len(model.generate(b"ab", 3, seed=0)) == 3
    loss = model.loss(hx.tensor(ids[:, :-1]), hx.tensor(ids[:, 1:]))
    loss.backward()
    assert all(p.grad is not None for p in model.parameters())


def test_its_configuration_survives_json():
    config = StackConfig(settings={"mamba": {"d_state": 8}})
    assert StackConfig.from_dict(config.to_dict()) == config
    built = plugins.load("models", "stack_lm")({"pattern": "mamba", "d_model": 8})
    assert built.config.pattern == "mamba"
    with pytest.raises(LayerError, match="patern"):
        StackConfig.from_dict({"patern": "mamba"})


def test_a_linear_layer_as_a_mixer_has_no_state():
    block = Block(hx.Module(), Linear(4, 4))
    assert not block.stateful and block.initial_state(1) == ()
