"""Tones, sweeps and frequency modulation."""

from __future__ import annotations

import numpy as np

from .._block import Column
from .._elementary import sin_turns
from ..distributions import Draws
from ._base import Parameters, Sound, oscillation


class Tones(Sound):
    """A sine: ``frequency`` in hertz, ``amplitude``, ``phase`` in turns."""

    name = "tones"

    def parameters(self, draws: Draws) -> dict[str, Column]:
        return {
            "frequency": draws.uniform((), 80.0, 0.45 * self.rate),
            "amplitude": draws.uniform((), 0.2, 0.9),
            "phase": draws.uniform(),
        }

    def wave(self, p: Parameters, n: int) -> np.ndarray:
        x = oscillation(p["frequency"] / self.rate, p["phase"], n)
        out: np.ndarray = p["amplitude"][:, None] * x
        return out


class Chirps(Sound):
    """A sweep from ``start`` to ``stop`` hertz, linear in time."""

    name = "chirps"

    def parameters(self, draws: Draws) -> dict[str, Column]:
        f = draws.uniform(2, 80.0, 0.45 * self.rate)
        return {"start": f[:, 0], "stop": f[:, 1]}

    def wave(self, p: Parameters, n: int) -> np.ndarray:
        t = np.arange(n) / self.rate
        slope = (p["stop"] - p["start"]) / (2 * self.seconds)
        turns = (p["start"][:, None] + slope[:, None] * t) * t
        out: np.ndarray = 0.8 * sin_turns(turns)
        return out


class FM(Sound):
    """A sine whose phase another sine moves (Chowning 1973).

    ``carrier`` hertz, ``ratio`` of the modulator to it, ``index`` of the modulation in
    radians.
    """

    name = "fm"

    def parameters(self, draws: Draws) -> dict[str, Column]:
        return {
            "carrier": draws.uniform((), 100.0, 0.06 * self.rate),
            "ratio": draws.integers(1, 4),
            "index": draws.uniform((), 0.5, 4.0),
        }

    def wave(self, p: Parameters, n: int) -> np.ndarray:
        f = p["carrier"] / self.rate
        zero = np.zeros_like(f)
        inner = oscillation(f * p["ratio"], zero, n)
        inner *= (p["index"] / 6.283185307179586)[:, None]
        inner += f[:, None] * np.arange(n)
        out: np.ndarray = 0.8 * sin_turns(inner)
        return out
