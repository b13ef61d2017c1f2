"""Notes of instruments, chords, plucked strings and bells."""

from __future__ import annotations

import numpy as np

from .._block import Column
from ..distributions import Draws
from ._base import Parameters, Sound, decay, late, oscillation, pitch

# weights of the harmonics of a flute, an organ, a clarinet and a trumpet
TIMBRES = np.array(
    [
        [0.80, 0.15, 0.05, 0.00, 0.00, 0.00],
        [0.35, 0.25, 0.00, 0.25, 0.00, 0.15],
        [0.60, 0.00, 0.25, 0.00, 0.15, 0.00],
        [0.20, 0.25, 0.20, 0.15, 0.10, 0.10],
    ]
)
# half tones above the root: major, minor, diminished, augmented
CHORDS = np.array([[0, 4, 7], [0, 3, 7], [0, 3, 6], [0, 4, 8]])
# a bell's partials over its strike note, their weights and decays (Rossing 2000)
PARTIALS = np.array([0.5, 1.0, 1.2, 1.5, 2.0, 2.5])
LOUDNESS = np.array([0.15, 0.25, 0.2, 0.15, 0.15, 0.1])
FADING = np.array([0.5, 1.0, 1.4, 1.7, 2.0, 2.6])


class Notes(Sound):
    """A note: ``pitch`` as a MIDI number, ``instrument`` 0 to 3.

    Sounds from sample ``onset`` for ``duration`` samples, with 10 ms of attack and 50 ms
    of release.
    """

    name = "notes"

    def parameters(self, draws: Draws) -> dict[str, Column]:
        n = self.length
        return {
            "pitch": draws.integers(36, 85),
            "instrument": draws.integers(0, len(TIMBRES)),
            "onset": draws.integers(0, n // 4),
            "duration": draws.integers(n // 4, 3 * n // 4),
        }

    def wave(self, p: Parameters, n: int) -> np.ndarray:
        f = pitch(p["pitch"]) / self.rate
        weights = TIMBRES[p["instrument"]]
        x, zero = np.zeros((len(f), n)), np.zeros(len(f))
        for k in range(weights.shape[1]):
            w = np.where((k + 1) * f < 0.5, weights[:, k], 0.0)
            if w.any():
                x += w[:, None] * oscillation((k + 1) * f, zero, n)
        t = np.arange(n) / self.rate
        left = (p["duration"] / self.rate)[:, None] - t
        x *= 0.85 * np.clip(t * 100.0, 0, 1) * np.clip(left * 20.0, 0, 1)
        return late(x, p["onset"])


class Chords(Sound):
    """Three sines: ``root`` as a MIDI number, ``quality`` 0 to 3.

    Major, minor, diminished, augmented; each note from its phase in turns.
    """

    name = "chords"

    def parameters(self, draws: Draws) -> dict[str, Column]:
        return {
            "root": draws.integers(48, 73),
            "quality": draws.integers(0, len(CHORDS)),
            "phases": draws.uniform(3),
        }

    def wave(self, p: Parameters, n: int) -> np.ndarray:
        x = np.zeros((len(p["root"]), n))
        for k in range(3):
            f = pitch(p["root"] + CHORDS[p["quality"], k]) / self.rate
            x += 0.28 * oscillation(f, p["phases"][:, k], n)
        return x


class Plucks(Sound):
    """A plucked string of ``frequency`` hertz.

    Harmonic k from 1 to 8 has weight 1 / k and fades as ``exp(-damping k t)``.
    """

    name = "plucks"

    def parameters(self, draws: Draws) -> dict[str, Column]:
        return {
            "frequency": draws.uniform((), 60.0, 0.03 * self.rate),
            "damping": draws.uniform((), 1.0, 6.0),
            "onset": draws.integers(0, self.length // 2),
        }

    def wave(self, p: Parameters, n: int) -> np.ndarray:
        f, d = p["frequency"] / self.rate, p["damping"] / self.rate
        x, zero = np.zeros((len(f), n)), np.zeros(len(f))
        one = decay(d, n)
        fading = one.copy()
        for k in range(1, 9):
            part = oscillation(k * f, zero, n)
            part *= fading
            part *= 1 / k
            x += part
            fading *= one
        x *= 0.33
        return late(x, p["onset"])


class Bells(Sound):
    """A bell whose strike note is ``frequency`` hertz; ``damping`` a second."""

    name = "bells"

    def parameters(self, draws: Draws) -> dict[str, Column]:
        return {
            "frequency": draws.uniform((), 150.0, 0.15 * self.rate),
            "damping": draws.uniform((), 0.5, 4.0),
            "onset": draws.integers(0, self.length // 2),
        }

    def wave(self, p: Parameters, n: int) -> np.ndarray:
        f, d = p["frequency"] / self.rate, p["damping"] / self.rate
        x, zero = np.zeros((len(f), n)), np.zeros(len(f))
        for ratio, weight, fade in zip(PARTIALS, LOUDNESS, FADING, strict=True):
            part = oscillation(ratio * f, zero, n)
            part *= decay(fade * d, n)
            part *= 0.9 * weight
            x += part
        return late(x, p["onset"])
