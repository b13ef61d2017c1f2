"""Rotary scalings, ALiBi and sinusoids against the published equations."""

import math

import helix_core as hx
import numpy as np
import pytest
from helix_layers import LayerError, LearnedPositions, Rotary, Sinusoids, alibi_slopes
from helix_layers.transformer.positions import frequencies

D, THETA = 8, 10_000.0
PLAIN = np.array([1.0, 0.1, 0.01, 0.001])  # 10000 ** (-2 i / 8)


def test_angles_are_positions_times_powers_of_theta():
    rates, size = frequencies(D)
    np.testing.assert_allclose(rates, PLAIN)
    assert size == 1.0
    x = np.zeros((1, 3, 1, D), "float32")
    x[..., :4] = 1.0
    y = Rotary(D)(hx.tensor(x), start=5).numpy()[0, :, 0]
    angles = np.outer([5, 6, 7], PLAIN)
    np.testing.assert_allclose(y[:, :4], np.cos(angles), atol=1e-6)
    np.testing.assert_allclose(y[:, 4:], np.sin(angles), atol=1e-6)


def test_interleaved_pairs_are_neighbours():
    x = np.zeros((1, 1, 1, D), "float32")
    x[..., 2] = 1.0
    y = Rotary(D, interleaved=True)(hx.tensor(x), start=3).numpy()[0, 0, 0]
    np.testing.assert_allclose(y[2:4], [math.cos(0.3), math.sin(0.3)], atol=1e-6)


def test_linear_scaling_divides_positions():
    rates, _ = frequencies(D, scaling={"rope_type": "linear", "factor": 4.0})
    np.testing.assert_allclose(rates, PLAIN / 4)


def test_dynamic_scaling_begins_beyond_the_length():
    scaling = {"rope_type": "dynamic", "factor": 2.0}
    same, _ = frequencies(D, THETA, scaling, 100, length=100)
    np.testing.assert_allclose(same, PLAIN)
    longer, _ = frequencies(D, THETA, scaling, 100, length=300)
    theta = THETA * (2.0 * 300 / 100 - 1.0) ** (8 / 6)
    np.testing.assert_allclose(longer, theta ** (-np.arange(4) / 4))


def test_llama3_keeps_short_waves_and_divides_long_ones():
    scaling = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 128,
    }
    rates, _ = frequencies(D, THETA, scaling)
    turns = 128 * 0.1 / (2 * math.pi)  # of pair 1: between 1 and 4
    smooth = (turns - 1.0) / 3.0
    middle = (1 - smooth) * 0.1 / 8 + smooth * 0.1
    np.testing.assert_allclose(rates, [1.0, middle, 0.01 / 8, 0.001 / 8])


def test_yarn_blends_by_turns_and_enlarges():
    scaling = {
        "rope_type": "yarn",
        "factor": 4.0,
        "original_max_position_embeddings": 512,
    }
    rates, size = frequencies(D, THETA, scaling)
    assert size == pytest.approx(0.1 * math.log(4.0) + 1.0)

    def pair(turns):
        return D * math.log(512 / (turns * 2 * math.pi)) / (2 * math.log(THETA))

    low, high = max(math.floor(pair(32)), 0), min(math.ceil(pair(1)), D - 1)
    ramp = np.clip((np.arange(4) - low) / (high - low), 0, 1)
    np.testing.assert_allclose(rates, PLAIN / 4 * ramp + PLAIN * (1 - ramp))
    assert frequencies(D, THETA, {**scaling, "attention_factor": 1.5})[1] == 1.5


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Rotary(7), "even number of features to turn; got 7"),
        (lambda: Rotary(8, 0.0), "theta > 0"),
        (lambda: Rotary(8, scaling={"rope_type": "longrope"}), "got 'longrope'"),
        (lambda: Rotary(8, scaling={"factor": 2.0}), "got None"),
        (lambda: Rotary(8, scaling={"rope_type": "linear"}), "with factor"),
        (
            lambda: Rotary(8, scaling={"rope_type": "llama3", "factor": 8.0}),
            "low_freq_factor",
        ),
        (
            lambda: Rotary(8, scaling={"rope_type": "linear", "factor": 0.5}),
            "factor >= 1",
        ),
        (
            lambda: Rotary(
                8, scaling={"rope_type": "linear", "factor": 2.0, "speed": 1}
            ),
            "speed",
        ),
        (lambda: Sinusoids(0), "d_model"),
        (lambda: LearnedPositions(0, 4), "max_positions"),
    ],
)
def test_what_is_no_position_is_refused(make, match):
    with pytest.raises(LayerError, match=match):
        make()


@pytest.mark.parametrize(
    ("heads", "want"),
    [
        (1, [2.0**-8]),
        (2, [2.0**-4, 2.0**-8]),
        (8, [2.0**-i for i in range(1, 9)]),
        # of the authors' code: those of 8, then every second one of 16
        (12, [2.0**-i for i in range(1, 9)] + [2.0 ** -(i + 0.5) for i in range(4)]),
    ],
)
def test_alibi_slopes(heads, want):
    np.testing.assert_allclose(alibi_slopes(heads), want)


def test_sinusoids_are_sines_and_cosines_in_turn():
    x = hx.zeros((2, 3, 5))
    y = Sinusoids(5)(x, start=4).numpy()
    for p in range(3):
        for i in range(5):
            angle = (4 + p) / 10_000 ** (2 * (i // 2) / 5)
            want = math.cos(angle) if i % 2 else math.sin(angle)
            np.testing.assert_allclose(y[:, p, i], want, atol=1e-6)


def test_tables_are_no_parameters_and_are_made_once_for_all_layers():
    from helix_layers import TransformerConfig, TransformerLM

    model = TransformerLM(TransformerConfig(d_model=16, n_layers=3, n_heads=2))
    assert not [n for n in model.state_dict() if "rotary" in n]
    tables = {id(block.attention.mixer.rotary) for block in model.layers}
    assert len(tables) == 1
    rotary = model.layers[0].attention.mixer.rotary
    first = rotary.tables(0, 4, "numpy", hx.float32)
    assert rotary.tables(0, 4, "numpy", hx.float32) is first
