import wave

import numpy as np
import pytest
from helix_multimodal import Unreadable
from helix_multimodal.studies import digits, fuse


@pytest.fixture
def voices(tmp_path, monkeypatch):
    """Two voices of ten tones each, in files."""
    for v in range(2):
        folder = tmp_path / f"xx_XX_{v}" / "digits"
        folder.mkdir(parents=True)
        for d in range(10):
            t = np.arange(2400) / 8000
            tone = 8000 * np.sin(2 * np.pi * (200 + 150 * d + 20 * v) * t)
            with wave.open(str(folder / f"{d}.wav"), "wb") as f:
                f.setparams((1, 2, 8000, 0, "NONE", ""))
                f.writeframes(tone.astype("<i2").tobytes())
    monkeypatch.setenv("HELIX_SPOKEN_DIGITS", str(tmp_path))
    digits.spoken.cache_clear()
    fuse._clips.cache_clear()
    yield
    digits.spoken.cache_clear()
    fuse._clips.cache_clear()


def test_tokens(voices):
    clips, said = digits.spoken()
    assert len(clips) == 20 and said.tolist() == list(range(10)) * 2
    x = digits.audio_tokens(clips[3])
    assert x.shape == (12, digits.FEATURES["audio"]) and np.isfinite(x).all()
    images, shown = digits.written()
    assert images.shape == (1797, 8, 8) and set(shown) == set(range(10))
    assert digits.image_tokens(images[:2]).shape == (2, 8, digits.FEATURES["image"])


def test_no_image_is_in_both_halves_and_labels_are_of_pairs(voices):
    rng = np.random.default_rng(0)
    _, _, y, a, b = fuse.pairs("mod10", rng, 500, True)
    assert set(y) == set(range(10)) and (y == (a + b) % 10).all()
    _, _, y, a, b = fuse.pairs("xor", rng, 500, False)
    assert 0.4 < y.mean() < 0.6 and (y == (a % 2 != b % 2)).all()


@pytest.mark.parametrize("mode", [*fuse.LEARNERS, "late", "single"])
def test_every_mode_runs(voices, mode):
    got = fuse.train("xor", mode, 0, steps=2)
    assert 0.2 < got["accuracy"] < 0.8 and np.isfinite(got["loss"])


def test_no_voices(tmp_path, monkeypatch):
    monkeypatch.setenv("HELIX_SPOKEN_DIGITS", str(tmp_path))
    digits.spoken.cache_clear()
    with pytest.raises(Unreadable, match="asterisk-core-sounds-en-wav"):
        digits.spoken()


def test_the_judge_wants_learners_high_and_controls_low():
    study = fuse.Fuse()
    scores = {
        "early": 0.97,
        "cross": 0.9,
        "bottleneck": 0.96,
        "late": 0.6,
        "single": 0.5,
    }
    results = {
        cell: {"accuracy": scores[cell.split("/")[1]]}
        for cell in study.cells()
        if cell.startswith("xor/")
    }
    rows = {r["goal"].split()[1].rstrip(":"): r for r in study.judge(results)}
    assert {k: r["ok"] for k, r in rows.items()} == {
        "early": True,
        "cross": False,
        "bottleneck": True,
        "late": True,
        "single": True,
    }
    assert rows["early"]["runs"] == fuse.SEEDS
