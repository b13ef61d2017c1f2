"""Sounds that say something: clicks, telephone digits and Morse."""

from __future__ import annotations

import numpy as np

from .._block import Column, Ragged
from ..distributions import Draws
from ._base import Parameters, Sound, decay, oscillation

LOW = np.array([697, 770, 852, 941])
HIGH = np.array([1209, 1336, 1477, 1633])
KEYS = "123A456B789C*0#D"
MORSE = dict(
    zip(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (
            ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- "
            ".-. ... - ..- ...- .-- -..- -.-- --.."
        ).split(),
        strict=True,
    )
)


class Clicks(Sound):
    """A metronome: ``period`` samples between clicks, ``onsets`` (click,) int32."""

    name = "clicks"

    def parameters(self, draws: Draws) -> dict[str, Column]:
        n, rate = self.length, self.rate
        period = draws.integers(rate // 10, rate // 3)
        first = draws.below(period)
        onsets = [
            np.arange(a, n, b, dtype=np.int32)
            for a, b in zip(first.tolist(), period.tolist(), strict=True)
        ]
        return {"period": period, "onsets": Ragged.of(onsets) if onsets else
                Ragged(np.empty(0, np.int32), np.zeros(1, np.int64))}  # fmt: skip

    def wave(self, p: Parameters, n: int) -> np.ndarray:
        x = np.zeros((len(p["onsets"]), n))
        click = 0.8 * decay(np.array([1000.0 / self.rate]), self.rate // 100)[0]
        click[1::2] *= -1  # no weight at frequency 0
        for row, onsets in zip(x, p["onsets"], strict=True):
            for start in onsets.tolist():
                row[start : start + len(click)] = click[: n - start]
        return x


class Dtmf(Sound):
    """Keys of a telephone as pairs of tones (ITU-T Q.23): ``text`` is what was dialled.

    Each sounds for 80 ms; 40 ms of silence follow.
    """

    name = "dtmf"

    def parameters(self, draws: Draws) -> dict[str, Column]:
        keys = draws.integers(0, len(KEYS), int(self.seconds / 0.12))
        return {"text": ["".join(KEYS[k] for k in row) for row in keys.tolist()]}

    def wave(self, p: Parameters, n: int) -> np.ndarray:
        x = np.zeros((len(p["text"]), n))
        on, step = int(0.08 * self.rate), int(0.12 * self.rate)
        zero = np.zeros(4)
        low = oscillation(LOW / self.rate, zero, on)
        high = oscillation(HIGH / self.rate, zero, on)
        for row, text in zip(x, p["text"], strict=True):
            for i, key in enumerate(text):
                r, c = divmod(KEYS.index(key), 4)
                row[i * step : i * step + on] = 0.4 * (low[r] + high[c])
        return x


class Morse(Sound):
    """Letters in Morse code (ITU-R M.1677) at 40 words a minute: ``text``.

    A dot lasts 30 ms; ``frequency`` is that of the tone.
    """

    name = "morse"

    def parameters(self, draws: Draws) -> dict[str, Column]:
        units = int(self.seconds / 0.03)
        letters = draws.integers(0, 26, units // 4 + 1)
        text = []
        for row in letters.tolist():
            said, left = "", units
            for k in row:
                letter = chr(65 + k)
                took = sum(2 if c == "." else 4 for c in MORSE[letter]) + 2
                if took > left:
                    break
                said, left = said + letter, left - took
            text.append(said)
        return {"text": text, "frequency": draws.uniform((), 400.0, 1000.0)}

    def wave(self, p: Parameters, n: int) -> np.ndarray:
        x = np.zeros((len(p["text"]), n))
        unit = int(0.03 * self.rate)
        tone = oscillation(p["frequency"] / self.rate, np.zeros(len(x)), n)
        for r, text in enumerate(p["text"]):
            at = 0
            for letter in text:
                for c in MORSE[letter]:
                    stop = at + unit * (1 if c == "." else 3)
                    x[r, at:stop] = 0.7 * tone[r, at:stop]
                    at = stop + unit
                at += 2 * unit
        return x
