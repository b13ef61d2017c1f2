"""Images of one shape whose factors are all known."""

from __future__ import annotations

import numpy as np

from .._block import Column
from .._elementary import cos_turns, sin_turns
from .._fields import field
from .._shuffle import Shuffle
from ..distributions import Draws
from ..errors import SynthError
from ..generator import Generator
from ._palette import FILL, GROUND
from ._sdf import DISTANCES, PERIODS, SHAPES

FACTORS = ("shape", "fill", "ground", "scale", "turn", "x", "y")
_PIECE = 16  # images that stay in the cache


class Shapes(Generator):
    """One shape on a ground of one colour, as in dSprites and 3dShapes.

    The samples 0 to ``size - 1`` are all combinations of the factors, each once, in an
    order that the seed shuffles; after them they come again in another order. A sample
    has ``image`` (row, column, channel) uint8, ``factors`` (factor,) int32 in the order
    of `FACTORS`, and ``label``, the shape.

    `factors` and `index` go from an index to its factors and back.
    """

    name = "shapes"
    modality = "image"
    chunk = 128
    side: int = field(64, 16, 1024, "pixels of a side")
    scales: int = field(8, 1, 64, "sizes, from 0.4 to 0.8 of what fits")
    turns: int = field(15, 1, 360, "orientations")
    places: int = field(8, 1, 64, "positions along each axis")
    noise: float = field(0.0, 0.0, 64.0, "deviation of added noise, in levels of 255")

    def check(self) -> None:
        self.counts = (
            len(SHAPES), len(FILL), len(GROUND), self.scales, self.turns,
            self.places, self.places,
        )  # fmt: skip
        self.size = int(np.prod(self.counts))
        self._shuffle = Shuffle(self.size, self.key)

    def factors(self, indices: np.ndarray) -> np.ndarray:
        """The factors of samples: (row, factor) int64."""
        epoch, place = np.divmod(np.asarray(indices, np.uint64), np.uint64(self.size))
        rank = self._shuffle(place, epoch)
        return np.stack(np.unravel_index(rank.astype(np.int64), self.counts), 1)

    def index(self, factors: object, epoch: int = 0) -> int:
        """Which sample of an epoch has these factors."""
        given = np.asarray(factors)
        if given.shape != (len(FACTORS),) or not np.all(
            (given >= 0) & (given < self.counts)
        ):
            raise SynthError(
                f"[shapes] expected factors {', '.join(FACTORS)} below {self.counts}; "
                f"got {factors}. Hint: shapes.factors([0]) shows one"
            )
        rank = np.ravel_multi_index(tuple(given.tolist()), self.counts)
        place = self._shuffle(
            np.array([rank], np.uint64), np.array([epoch], np.uint64), back=True
        )
        return epoch * self.size + int(place[0])

    def rows(self, draws: Draws) -> dict[str, Column]:
        factors = self.factors(draws.streams)
        images = np.empty((len(draws), self.side, self.side, 3), np.uint8)
        cx, cy, radius, c, s = self._poses(factors)
        grid = np.arange(self.side, dtype=np.float32) + np.float32(0.5)
        for shape, distance in enumerate(DISTANCES):
            found = np.flatnonzero(factors[:, 0] == shape)
            for i in range(0, len(found), _PIECE):
                at = found[i : i + _PIECE]
                dx = (grid - cx[at, None])[:, None, :] / radius[at, None, None]
                dy = (grid - cy[at, None])[:, :, None] / radius[at, None, None]
                ca, sa = c[at, None, None], s[at, None, None]
                u, v = ca * dx + sa * dy, ca * dy - sa * dx
                cover = distance(u, v)
                cover *= -radius[at, None, None]
                cover += np.float32(0.5)
                np.clip(cover, 0, 1, out=cover)
                ground = GROUND[factors[at, 2]].astype(np.float32)
                fill = FILL[factors[at, 1]].astype(np.float32)
                for channel in range(3):
                    g = ground[:, channel, None, None]
                    level = cover * (fill[:, channel, None, None] - g)
                    level += g + np.float32(0.5)
                    images[at, :, :, channel] = level.astype(np.uint8)
        if self.noise:
            level = images + self.noise * draws.normal(images.shape[1:])
            images = np.clip(np.rint(level), 0, 255).astype(np.uint8)
        return {
            "image": images,
            "factors": factors.astype(np.int32),
            "label": factors[:, 0],
        }

    def _poses(self, factors: np.ndarray) -> tuple[np.ndarray, ...]:
        """Centre, radius, cosine and sine: (row,) float32 each, in pixels."""
        half = self.side / 2
        part = np.arange(self.scales) / max(self.scales - 1, 1)
        radius = half * (0.3 + 0.3 * part)[factors[:, 3]]
        reach = 0.36 * half * (np.arange(self.places) * 2 / max(self.places - 1, 1) - 1)
        if self.places == 1:
            reach = np.zeros(1)
        period = np.array(PERIODS)[factors[:, 0]]
        turn = factors[:, 4] * period / self.turns
        cx, cy = half + reach[factors[:, 5]], half + reach[factors[:, 6]]
        return tuple(
            a.astype(np.float32)
            for a in (cx, cy, radius, cos_turns(turn), sin_turns(turn))
        )
