"""Sounds against Fourier analysis, and against their own noise."""

import numpy as np
import pytest
from helix_synth import registry
from helix_synth._catalogue import ENTRIES
from helix_synth.audio._base import decay, oscillation, pitch

NAMES = [e.name for e in ENTRIES if e.folder == "audio"]


def test_oscillations_and_decays_are_those_of_the_library():
    f, phase, t = (
        np.array([0.01, 0.4443, 0.0]),
        np.array([0.0, 0.3, 0.25]),
        np.arange(999),
    )
    want = np.sin(2 * np.pi * (f[:, None] * t + phase[:, None]))
    np.testing.assert_allclose(oscillation(f, phase, 999), want, atol=1e-11)
    rate = np.array([0.001, 0.1])
    np.testing.assert_allclose(decay(rate, 999), np.exp(-rate[:, None] * t), rtol=1e-12)
    np.testing.assert_allclose(pitch(np.array([57, 69, 81])), [220, 440, 880])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("spec", [{"noise": 0.01}, {"rate": 8000, "seconds": 0.5},
                                  {"rate": 44100, "noise": 0.014}])  # fmt: skip
def test_every_rate_and_noise_is_verified(name, spec):
    g, check = registry.generator(name, seed=1, **spec), registry.verifier(name)
    for s in g.stream(12):
        assert list(check(g.spec, s)) == []
        assert np.abs(s["audio"]).max() <= 1
        assert s["audio"].shape == (g.length,)


def test_notes_have_their_pitch():
    g = registry.generator("notes", seconds=2.0)
    for s in g.stream(20):
        x = s["audio"][s["onset"] : s["onset"] + s["duration"]]
        spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)), 1 << 18))
        hertz = np.arange(len(spectrum)) * 16_000 / (1 << 18)
        f = 440 * 2 ** ((s["pitch"] - 69) / 12)
        near = (hertz > f * 0.75) & (hertz < f * 1.25)
        cents = 1200 * np.log2(hertz[near][spectrum[near].argmax()] / f)
        assert abs(cents) < 5


@pytest.mark.parametrize("name", NAMES)
def test_sounds_have_no_constant(name):
    g = registry.generator(name, seed=2)
    x = np.stack([s["audio"] for s in g.stream(16)])
    assert np.abs(x.mean(1)).max() < 0.01
    assert np.abs(x).max() > 0.1


def test_the_noise_has_its_level():
    loud = registry.generator("tones", noise=0.01).sample(3)
    t = np.arange(16_000) / 16_000
    turn = 2 * np.pi * (loud["frequency"] * t + loud["phase"])
    rest = loud["audio"] - loud["amplitude"] * np.sin(turn)
    assert rest.std() == pytest.approx(0.01, rel=0.03)
