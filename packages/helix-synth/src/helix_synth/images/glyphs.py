"""Digits and letters, drawn by strokes that are bent, turned and thickened at random."""

from __future__ import annotations

import numpy as np

from .._block import Column, Ragged
from .._elementary import cos_turns, sin_turns
from .._fields import field
from ..distributions import Draws
from ..generator import Generator
from ._font import CHARACTERS, SEGMENTS

SETS = {"digits": CHARACTERS[:10], "letters": CHARACTERS[10:], "all": CHARACTERS}
_PIECE = 32


class Glyphs(Generator):
    """A character in light on dark: ``image`` (row, column) uint8.

    ``label`` is its place in the set, ``strokes`` (segment, 4) float32 the ends of what
    was drawn, in pixels, ``width`` the stroke's.
    """

    name = "glyphs"
    modality = "image"
    chunk = 256
    side: int = field(28, 8, 256, "pixels of a side")
    characters: str = field("digits", meaning="which", choices=tuple(SETS))
    turn: float = field(0.04, 0.0, 0.1, "largest rotation, in turns")
    shear: float = field(0.25, 0.0, 0.5, "largest slant")
    shift: float = field(0.08, 0.0, 0.2, "largest offset, in sides")
    bend: float = field(0.06, 0.0, 0.1, "largest displacement of a corner")
    noise: float = field(6.0, 0.0, 64.0, "deviation of added noise, in levels of 255")

    def rows(self, draws: Draws) -> dict[str, Column]:
        n, side = len(draws), self.side
        chosen = [CHARACTERS.index(c) for c in SETS[self.characters]]
        label = draws.integers(0, len(chosen))
        u = draws.uniform(7, -1.0, 1.0)
        c, s = cos_turns(self.turn * u[:, 0]), sin_turns(self.turn * u[:, 0])
        half = side * (0.33 + 0.04 * u[:, 1])
        stretch = 1.0 + 0.15 * u[:, 2]
        slant = self.shear * u[:, 3]
        cx, cy = (
            side * (0.5 + self.shift * u[:, 4]),
            side * (0.5 + self.shift * u[:, 5]),
        )
        width = side * (0.09 + 0.03 * u[:, 6])
        most = max(map(len, SEGMENTS))
        jitter = self.bend * draws.uniform((7, 5, 2), -1.0, 1.0)  # of the grid's points
        image = np.empty((n, side, side), np.float32)
        grid = np.arange(side, dtype=np.float32) + np.float32(0.5)
        strokes = np.zeros((n, most, 4))
        counts = np.array([len(SEGMENTS[k]) for k in chosen])[label]
        for k, character in enumerate(chosen):
            found = np.flatnonzero(label == k)
            if not len(found):
                continue
            ends = SEGMENTS[character].reshape(-1, 2)
            column = np.rint(ends[:, 0] * 3 + 2).astype(int)
            line = np.rint(ends[:, 1] * 3 + 3).astype(int)
            at = ends + jitter[found][:, line, column]
            x, y = at[..., 0] * stretch[found, None], at[..., 1]
            x = x - slant[found, None] * y
            ca, sa, h = c[found, None], s[found, None], half[found, None]
            px = cx[found, None] + h * (ca * x - sa * y)
            py = cy[found, None] + h * (sa * x + ca * y)
            flat = np.stack([px, py], 2).reshape(len(found), -1, 4)
            strokes[found, : flat.shape[1]] = flat
            for i in range(0, len(found), _PIECE):
                rows = found[i : i + _PIECE]
                near = _distance(flat[i : i + _PIECE].astype(np.float32), grid)
                near = (0.5 * width[rows, None, None]).astype(np.float32) - near
                image[rows] = np.clip(near + np.float32(0.5), 0, 1)
        level = 255.0 * image
        if self.noise:
            level = level + self.noise * draws.normal((side, side))
        pixels = np.clip(np.rint(level), 0, 255).astype(np.uint8)
        kept = strokes[np.arange(most) < counts[:, None]].astype(np.float32)
        return {
            "image": pixels, "label": label, "strokes": Ragged.counted(kept, counts),
            "width": width,
        }  # fmt: skip


def _distance(segments: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """(row, y, x): how far each pixel is from the nearest of a row's segments."""
    best = np.full((len(segments), len(grid), len(grid)), 1e9, np.float32)
    for s in range(segments.shape[1]):
        ax, ay, bx, by = segments[:, s].T[:, :, None]
        dx, dy = bx - ax, by - ay
        length = np.maximum(dx * dx + dy * dy, np.float32(1e-6))
        x, y = grid - ax, grid - ay  # (row, x), (row, y)
        along = (x * dx)[:, None, :] + (y * dy)[:, :, None]
        along /= length[:, :, None]
        np.clip(along, 0, 1, out=along)
        ex = x[:, None, :] - along * dx[:, :, None]
        ey = y[:, :, None] - along * dy[:, :, None]
        np.minimum(best, ex * ex + ey * ey, out=best)
    return np.sqrt(best)
