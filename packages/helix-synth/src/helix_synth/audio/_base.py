"""What sounds share: parameters, a wave of them, and noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from .._block import Column
from .._elementary import exp, sin_cos_turns
from .._fields import field
from ..distributions import Draws
from ..generator import Generator

Parameters = Mapping[str, Any]
_PIECE = 4  # rows whose waves stay in the cache
_RUN = 128


class Sound(Generator):
    """A sound: ``audio`` (time,) float32 in [-1, 1], and the parameters it was made by."""

    modality: ClassVar[str] = "audio"
    chunk: ClassVar[int] = 64
    rate: int = field(16_000, 8_000, 96_000, "samples a second")
    seconds: float = field(1.0, 0.5, 60.0, "length")
    noise: float = field(0.0, 0.0, 0.014, "deviation of white noise over it")

    @property
    def length(self) -> int:
        """Samples of a sound."""
        return int(self.rate * self.seconds)

    def parameters(self, draws: Draws) -> dict[str, Column]:
        """What makes a sound: arrays with a row axis, or lists."""
        raise NotImplementedError

    def wave(self, p: Parameters, n: int) -> np.ndarray:
        """(row, n) float64 within 0.9 of zero, of some rows' parameters."""
        raise NotImplementedError

    def rows(self, draws: Draws) -> dict[str, Column]:
        p = self.parameters(draws)
        audio = np.empty((len(draws), self.length), np.float32)
        noise = draws.normal(self.length) if self.noise else None
        for i in range(0, len(draws), _PIECE):
            at = slice(i, min(i + _PIECE, len(draws)))
            part = {k: _rows(v, at) for k, v in p.items()}
            wave = self.wave(part, self.length)
            if noise is not None:
                wave = wave + self.noise * noise[at]
            audio[at] = wave
        return {"audio": audio, **p}


def _rows(column: Column, at: slice) -> Any:
    if isinstance(column, np.ndarray | list):
        return column[at]
    return [column[r] for r in range(at.start, at.stop)]


def oscillation(frequency: np.ndarray, phase: np.ndarray, n: int) -> np.ndarray:
    """Sine of ``frequency`` turns a sample from ``phase``: (row, n).

    By the sum of angles: long steps and short ones, each exact.
    """
    far = frequency[:, None] * (np.arange(-(-n // _RUN)) * _RUN) + phase[:, None]
    s1, c1 = sin_cos_turns(far - np.floor(far))
    s2, c2 = sin_cos_turns(frequency[:, None] * np.arange(_RUN))
    out = s1[:, :, None] * c2[:, None]
    out += c1[:, :, None] * s2[:, None]
    return out.reshape(len(frequency), -1)[:, :n]


def decay(rate: np.ndarray, n: int) -> np.ndarray:
    """``exp(-rate t)`` at t = 0, 1, ... n - 1: (row, n)."""
    far = exp(-rate[:, None] * (np.arange(-(-n // _RUN)) * _RUN))
    near = exp(-rate[:, None] * np.arange(_RUN))
    return (far[:, :, None] * near[:, None]).reshape(len(rate), -1)[:, :n]


def pitch(midi: np.ndarray) -> np.ndarray:
    """Hertz of MIDI numbers: 69 is 440."""
    return 440.0 * exp((np.asarray(midi) - 69.0) * (0.6931471805599453 / 12))


def late(wave: np.ndarray, onset: np.ndarray) -> np.ndarray:
    """Rows that begin at their onsets, silence before."""
    out = np.zeros_like(wave)
    n = wave.shape[1]
    for r, start in enumerate(onset.tolist()):
        out[r, start:] = wave[r, : n - start]
    return out
