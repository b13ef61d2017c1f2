"""Written and spoken digits, as tokens.

Written: the 1,797 images of the UCI set that scikit-learn ships (Alpaydin and Kaynak,
1998). Spoken: the digits 0 to 9 of Asterisk's prompts in five languages, from the Debian
packages ``asterisk-core-sounds-{en,fr,es,it,ru}-wav``; one speaker a language, so what is
learned says nothing of other speakers.
"""

from __future__ import annotations

import os
import wave
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..errors import MissingExtra, Unreadable
from ..samples import Array
from ..tensors.mel import spectrogram

SOUNDS = Path("/usr/share/asterisk/sounds")
SEGMENTS, MELS = 12, 24
FEATURES = {"image": 16, "audio": MELS + SEGMENTS}


@lru_cache(maxsize=1)
def written() -> tuple[Array, Array]:
    """(1797, 8, 8) float32 in [0, 1], and what each shows."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingExtra(
            "[study] expected scikit-learn, whose digits are read; got none installed. "
            "Hint: pip install 'helix-multimodal[study]'",
            "study",
        ) from None
    found = load_digits()
    return (found.images / 16.0).astype(np.float32), found.target.astype(np.int32)


@lru_cache(maxsize=1)
def spoken() -> tuple[list[Array], Array]:
    """Waveforms at 8 kHz, -1 to 1, and what each says."""
    root = Path(os.environ.get("HELIX_SPOKEN_DIGITS", SOUNDS))
    clips: list[Array] = []
    labels = []
    # one folder to a voice; links to them are skipped
    voices = sorted(p for p in root.glob("*_*_*") if p.is_dir() and not p.is_symlink())
    for voice in voices:
        paths = [voice / "digits" / f"{d}.wav" for d in range(10)]
        if not all(p.is_file() for p in paths):
            continue
        for d, path in enumerate(paths):
            with wave.open(str(path), "rb") as f:
                pcm = np.frombuffer(f.readframes(f.getnframes()), "<i2")
            clips.append((pcm / 32768.0).astype(np.float32))
            labels.append(d)
    if not clips:
        raise Unreadable(
            f"[study] expected voices with digits/0.wav to 9.wav under {root}; got none. "
            "Hint: apt-get install asterisk-core-sounds-en-wav, -fr-wav, -es-wav, -it-wav, "
            "-ru-wav, or set HELIX_SPOKEN_DIGITS"
        )
    return clips, np.array(labels, np.int32)


def image_tokens(images: Array) -> Array:
    """(n, 8, 8) to (n, 8 rows, 8 pixels and the row's number as one of 8)."""
    place = np.broadcast_to(np.eye(8, dtype=np.float32), (len(images), 8, 8))
    return np.concatenate([images, place], 2)


def audio_tokens(clip: Array) -> Array:
    """(time,) to (12 segments, 24 mel bins in log and the segment's number)."""
    mel = spectrogram(clip, 8000, n_fft=256, hop=80, n_mels=MELS)
    log = np.log10(np.maximum(mel, 1e-8)).T  # (frame, mel)
    edges = np.linspace(0, len(log), SEGMENTS + 1).astype(int)
    rows = [log[a : max(b, a + 1)].mean(0) for a, b in pairwise(edges)]
    x = (np.stack(rows) + 3.0) / 2.0
    return np.concatenate([x, np.eye(SEGMENTS)], 1).astype(np.float32)


def changed_image(image: Array, rng: np.random.Generator) -> Array:
    """Moved by up to a pixel each way, with noise."""
    dy, dx = rng.integers(-1, 2, 2)
    moved = np.pad(image, 1)[1 - dy : 9 - dy, 1 - dx : 9 - dx]
    return moved + rng.normal(0.0, 0.05, (8, 8)).astype(np.float32)


def changed_clip(clip: Array, rng: np.random.Generator) -> Array:
    """Faster or slower by up to a tenth, louder or softer, moved, with noise at 20 dB."""
    n = int(len(clip) * rng.uniform(0.9, 1.1))
    x = np.interp(np.linspace(0, len(clip) - 1, n), np.arange(len(clip)), clip)
    x = np.pad(x, rng.integers(0, 400, 2)) * rng.uniform(0.5, 1.5)
    level = np.sqrt(np.mean(x**2)) * 0.1
    return np.asarray(x + rng.normal(0.0, level, len(x)), np.float32)
