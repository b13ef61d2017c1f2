"""LSTM and GRU: what they compute, what they remember, what they refuse."""

import helix_core as hx
import numpy as np
import pytest
from helix_core import plugins
from helix_layers import (
    GRU,
    LSTM,
    GRUBlock,
    GRUCell,
    GRUMixer,
    GRUState,
    LayerError,
    LSTMBlock,
    LSTMCell,
    LSTMMixer,
    LSTMState,
    Stack,
)

LAYERS = {"lstm": LSTM, "gru": GRU}
MIXERS = {"lstm": LSTMMixer, "gru": GRUMixer}
F32 = np.float32


@pytest.fixture(params=LAYERS)
def kind(request):
    return request.param


def draw(*shape, seed=0):
    return hx.tensor(np.random.default_rng(seed).standard_normal(shape).astype(F32))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def same(got, want, tolerance=2e-6):
    np.testing.assert_allclose(np.asarray(got), np.asarray(want), 0, tolerance)


def zeroed(layer, **values):
    """A layer whose weights are zero but for these."""
    for name, p in layer.named_parameters():
        p.value = hx.full_like(p.value, values.get(name, 0.0))
    return layer


# ------------------------------------------------------------------------- equations
def test_an_lstm_of_one_unit_by_hand():
    layer = zeroed(LSTM(1, 1), weight_ih_l0=0.5, weight_hh_l0=-1.0, bias_hh_l0=0.25)
    y, state = layer(hx.tensor([[[2.0], [-1.0]]]))
    h = c = 0.0
    for t, x in enumerate((2.0, -1.0)):
        a = 0.5 * x - h + 0.25
        c = sigmoid(a) * c + sigmoid(a) * np.tanh(a)
        h = sigmoid(a) * np.tanh(c)
        same(y[0, t, 0], h)
    same(state.h[0, 0, 0], h)
    same(state.c[0, 0, 0], c)


def test_the_reset_gate_of_a_gru_multiplies_the_bias_of_h_too():
    layer = zeroed(GRU(1, 1), weight_ih_l0=0.5, weight_hh_l0=-1.0, bias_hh_l0=0.25)
    y, state = layer(hx.tensor([[[2.0], [-1.0]]]))
    h = 0.0
    for t, x in enumerate((2.0, -1.0)):
        gate = sigmoid(0.5 * x - h + 0.25)
        n = np.tanh(0.5 * x + gate * (-h + 0.25))
        h = (1 - gate) * n + gate * h
        same(y[0, t, 0], h)
    same(state.h[0, 0, 0], h)


# ------------------------------------------------------------------- states and steps
@pytest.mark.parametrize("cut", [0, 1, 4, 7])
def test_a_sequence_in_two_parts_gives_the_whole(kind, cut):
    layer, x = LAYERS[kind](5, 6, num_layers=2), draw(3, 7, 5)
    y, state = layer(x)
    first, middle = layer(x[:, :cut])
    second, last = layer(x[:, cut:], middle)
    same(hx.concat([first, second], 1), y)
    for a, b in zip(last, state, strict=True):
        same(a, b)


def test_steps_give_the_whole(kind):
    layer, x = LAYERS[kind](5, 6, num_layers=2), draw(3, 7, 5)
    want, last = layer(x)
    state = layer.initial_state(3)
    for t in range(7):
        y, state = layer.step(x[:, t], state)
        same(y, want[:, t])
    for a, b in zip(state, last, strict=True):
        same(a, b)


def test_a_cell_is_one_step():
    x = draw(3, 5)
    for layer, cell in ((LSTM(5, 6), LSTMCell(5, 6)), (GRU(5, 6), GRUCell(5, 6))):
        cell.load_state_dict(
            {n.removesuffix("_l0"): p.value for n, p in layer.named_parameters()}
        )
        _, want = layer(x[:, None])
        for a, b in zip(cell(x), want, strict=True):
            same(a, b[0])


def test_each_sequence_stops_at_its_length(kind):
    layer, x = LAYERS[kind](5, 6, num_layers=2, bidirectional=True), draw(4, 7, 5)
    lengths = [3, 7, 1, 5]
    y, state = layer(x, lengths=lengths)
    for i, n in enumerate(lengths):
        alone, last = layer(x[i : i + 1, :n])
        same(y[i : i + 1, :n], alone)
        assert not y[i, n:].numpy().any()
        for a, b in zip(state, last, strict=True):
            same(a[:, i : i + 1], b)


def test_a_sequence_of_no_steps_keeps_its_state(kind):
    layer, x = LAYERS[kind](5, 6), draw(2, 3, 5)
    start = [draw(1, 2, 6, seed=i) for i in range(len(layer.state_type._fields))]
    y, state = layer(x, start, [0, 3])
    assert not y[0].numpy().any()
    for a, b in zip(state, start, strict=True):
        assert a[:, 0].tolist() == b[:, 0].tolist()


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("shape", [(0, 4, 5), (2, 0, 5), (0, 0, 5), (1, 1, 5)])
@pytest.mark.parametrize("both", [False, True])
def test_empty_batches_and_sequences(kind, shape, device, both):
    layer = LAYERS[kind](5, 6, bidirectional=both, device=device)
    x = hx.Parameter(hx.zeros(shape, device=device))
    y, state = layer(x.value)
    assert y.shape == (*shape[:2], 12 if both else 6)
    assert state.h.shape == (2 if both else 1, shape[0], 6)
    (y.sum() + state.h.sum()).backward()
    assert x.grad.shape == shape
    for p in layer.parameters():
        assert p.grad.shape == p.shape
        if 0 in shape:
            assert not p.grad.numpy().any()


def test_dropout_is_between_layers_and_in_training_only(kind):
    settings = {"num_layers": 2, "dropout": 0.5}
    layer = LAYERS[kind](5, 32, **settings, generator=hx.Generator(0))
    x = draw(3, 7, 5)
    quiet = layer.eval()(x)[0]
    layer.train()
    loud, again = layer(x)[0], layer(x)[0]
    assert loud.tolist() != again.tolist() != quiet.tolist()
    single = LAYERS[kind](5, 32, dropout=0.5)
    assert single(x)[0].tolist() == single(x)[0].tolist()


# -------------------------------------------------------------------------- precision
def test_bfloat16_is_used_by_the_gradient_outside_the_with_too(kind):
    layer, x = LAYERS[kind](32, 32), draw(4, 6, 32)

    def grads(inside):
        layer_grads = {}
        with hx.precision("bfloat16" if inside else "float32"):
            loss = (layer(x)[0] ** 2).sum()
        loss.backward()
        for n, p in layer.named_parameters():
            layer_grads[n], p.grad = p.grad.numpy(), None
        return layer_grads

    exact, rounded = grads(False), grads(True)
    for name, want in exact.items():
        error = np.abs(rounded[name] - want).max() / np.abs(want).max()
        assert 1e-5 < error < 3e-2, name


@pytest.mark.parametrize("compute", ["float32", "bfloat16"])
def test_both_devices_agree(kind, compute):
    here = LAYERS[kind](7, 9, num_layers=2, bidirectional=True, device="cpu")
    there = LAYERS[kind](7, 9, num_layers=2, bidirectional=True, device="numpy")
    there.load_state_dict(here.state_dict())
    x, out = draw(5, 6, 7), []
    for layer, device in ((here, "cpu"), (there, "numpy")):
        with hx.precision(compute):
            y, _ = layer(x.to(device), lengths=[6, 2, 1, 4, 3])
        (y**2).sum().backward()
        grads = [p.grad.numpy() for p in layer.parameters()]
        out.append([y.numpy(), *grads])
    tolerance = 3e-5 if compute == "float32" else 5e-3
    for a, b in zip(*out, strict=True):
        assert np.abs(a - b).max() <= tolerance * np.abs(b).max()


def test_it_compiles(kind):
    layer, x = LAYERS[kind](5, 6, bidirectional=True), draw(3, 7, 5)
    want = layer(x, lengths=[7, 2, 4])[0]
    got = hx.compile(lambda x, n: layer(x, lengths=n)[0])(x, hx.tensor([7, 2, 4]))
    same(got, want)


# ------------------------------------------------------------------------ construction
def test_weights_have_torchs_names_and_bounds(kind):
    gates = {"lstm": 4, "gru": 3}[kind]
    layer = LAYERS[kind](5, 16, num_layers=2, bidirectional=True)
    shapes = {n: p.shape for n, p in layer.named_parameters()}
    assert shapes["weight_ih_l0"] == shapes["weight_ih_l0_reverse"] == (gates * 16, 5)
    assert shapes["weight_ih_l1"] == (gates * 16, 32)
    assert shapes["weight_hh_l1_reverse"] == (gates * 16, 16)
    assert shapes["bias_ih_l1"] == shapes["bias_hh_l0"] == (gates * 16,)
    assert len(shapes) == 16
    for name, p in layer.named_parameters():
        assert 0.2 < np.abs(p.numpy()).max() <= 0.25
        assert p.decay == name.startswith("weight")
    assert len(list(LAYERS[kind](5, 6, bias=False).parameters())) == 2


def test_the_same_generator_gives_the_same_weights(kind):
    a, b = (LAYERS[kind](3, 4, generator=hx.Generator(3)) for _ in range(2))
    assert a.weight_hh_l0.numpy().tolist() == b.weight_hh_l0.numpy().tolist()


def test_torchs_weights_come_back(kind):
    layer = LAYERS[kind](5, 6, num_layers=2, bidirectional=True, bias=False)
    again = LAYERS[kind].from_torch(layer.to_torch())
    assert (again.num_layers, again.bidirectional, again.bias) == (2, True, False)
    x = draw(2, 3, 5)
    assert again(x)[0].tolist() == layer(x)[0].tolist()


def test_every_weight_that_does_not_fit_is_named(kind):
    arrays = LAYERS[kind](5, 6, num_layers=2).to_torch()
    del arrays["weight_hh_l1"], arrays["bias_ih_l0"]
    arrays["weight_hr_l1"] = np.zeros((3, 6), F32)
    arrays["bias_hh_l0"] = np.zeros(5, F32)
    with pytest.raises(hx.StateDictError) as e:
        LAYERS[kind].from_torch(arrays)
    for name in ("weight_hh_l1", "bias_ih_l0", "weight_hr_l1", "bias_hh_l0"):
        assert name in str(e.value)
    arrays = GRU(5, 6).to_torch() | {"weight_hr_l0": np.zeros((3, 6), F32)}
    with pytest.raises(hx.StateDictError, match="unexpected: weight_hr_l0"):
        GRU.from_torch(arrays)
    with pytest.raises(hx.StateDictError, match=r"weight_ih_l0 and weight_hh_l0"):
        LAYERS[kind].from_torch({"weight": np.zeros(5, F32)})


# ---------------------------------------------------------------------------- mixers
def test_a_mixer_steps_as_it_reads(kind):
    mixer, x = MIXERS[kind](8, d_hidden=12, n_layers=2), draw(3, 5, 8)
    want, last = mixer(x, None, True)
    assert want.shape == (3, 5, 8) and mixer(x).tolist() == want.tolist()
    state = mixer.initial_state(3)
    for t in range(5):
        y, state = mixer.step(x[:, t], state)
        same(y, want[:, t])
    same(state.h, last.h)


def test_blocks_are_layers_of_the_registry(kind):
    cls = {"lstm": LSTMBlock, "gru": GRUBlock}[kind]
    assert plugins.load("layers", kind) is cls
    stack = Stack(f"{kind} mamba {kind}", 8)
    x = draw(2, 5, 8)
    want = stack(x)
    state, ys = stack.initial_state(2), []
    for t in range(5):
        y, state = stack.step(x[:, t], state)
        ys.append(y)
    same(hx.stack(ys, 1), want, 1e-5)


# --------------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([3, 8], r"lengths in \[0, 7\].*got 8 of sequence 1"),
        ([-1, 2], r"lengths in \[0, 7\].*got -1 of sequence 0"),
        ([3], r"lengths \(2,\) of integers"),
        ([[3, 3]], r"lengths \(2,\) of integers"),
        ([3.0, 2.0], r"lengths \(2,\) of integers"),
    ],
)
def test_lengths_that_do_not_fit(kind, lengths, message):
    with pytest.raises((LayerError, hx.ShapeError), match=message):
        LAYERS[kind](5, 6)(draw(2, 7, 5), lengths=lengths)


def test_states_of_other_layers(kind):
    layer, x = LAYERS[kind](5, 6, num_layers=2), draw(3, 7, 5)
    parts = len(layer.state_type._fields)
    for shape in ((1, 3, 6), (2, 4, 6), (2, 3, 5), (3, 6)):
        with pytest.raises(hx.ShapeError, match=r"state\.h of shape \(2, 3, 6\)"):
            layer(x, [hx.zeros(shape)] * parts)
        with pytest.raises(hx.ShapeError, match=r"state\.h of shape \(2, 3, 6\)"):
            layer.step(x[:, 0], [hx.zeros(shape)] * parts)
    zero = hx.zeros((2, 3, 6))
    other = GRUState(zero) if kind == "lstm" else LSTMState(zero, zero)
    with pytest.raises(LayerError, match="belongs to another layer"):
        layer(x, other)


def test_inputs_that_do_not_fit(kind):
    layer = LAYERS[kind](5, 6)
    with pytest.raises(hx.ShapeError, match=r"x \(batch, time, 5\)"):
        layer(draw(3, 7, 4))
    with pytest.raises(hx.ShapeError, match=r"x \(batch, time, 5\)"):
        layer(draw(7, 5))
    with pytest.raises(hx.DTypeError, match="weights' dtype float32"):
        layer(hx.zeros((3, 7, 5), dtype="float64"))
    with pytest.raises(hx.ShapeError, match=r"x \(batch, 5\)"):
        layer.step(draw(3, 1, 5), layer.initial_state(3))
    both = LAYERS[kind](5, 6, bidirectional=True)
    with pytest.raises(LayerError, match="one direction"):
        both.step(draw(3, 5), both.initial_state(3))


@pytest.mark.parametrize("name", ["input_size", "hidden_size", "num_layers"])
@pytest.mark.parametrize("value", [0, -1, 2.0, True])
def test_sizes_that_do_not_fit(kind, name, value):
    sizes = {"input_size": 3, "hidden_size": 4, "num_layers": 1, name: value}
    with pytest.raises(LayerError, match=name):
        LAYERS[kind](**sizes)


@pytest.mark.parametrize("value", [-1, 4, 5, 2.0, True])
def test_a_projection_is_to_fewer_features(value):
    with pytest.raises(LayerError, match="proj_size"):
        LSTM(3, 4, proj_size=value)


def test_dropout_is_a_probability(kind):
    with pytest.raises(LayerError, match="dropout"):
        LAYERS[kind](3, 4, dropout=1.5)
