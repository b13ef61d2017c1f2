"""What films share: objects that move, drawn frame by frame, and a caption."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as member
from typing import Any, ClassVar

import numpy as np

from .._block import Column
from .._elementary import sin_cos_turns
from .._fields import field
from ..distributions import Draws
from ..generator import Generator
from ..images._palette import FILL, GROUND
from ..images._sdf import DISTANCES, SHAPES

COLOURS = (
    "red orange yellow lime green mint cyan azure blue violet magenta rose".split()
)
REACH = 1.08  # how far a shape goes, in its radius


@dataclass
class Scene:
    """Objects of many films, in units of a side, to be drawn.

    Attributes
    ----------
    path : (row, object, frame, 2) float64
    radii, angles : (row, object, frame) float64
        Angles in turns.
    phrases : list of str
        What the (first) object does.
    law : dict
        Columns with the numbers of the motion.
    """

    path: np.ndarray
    radii: np.ndarray
    angles: np.ndarray
    phrases: list[str]
    law: dict[str, Column] = member(default_factory=dict)


class Film(Generator):
    """A film: ``video`` (frame, row, column, channel) uint8 and its ``caption``.

    ``shapes`` and ``colours`` (object,) int32, the ``ground``; in pixels ``path`` (object,
    frame, 2) float32 and ``radii`` (object, frame) float32; ``angles`` (object, frame)
    float32 in turns; and the numbers of the motion, in sides and frames.
    """

    modality: ClassVar[str] = "video"
    chunk: ClassVar[int] = 32
    objects: ClassVar[int] = 1
    side: int = field(32, 24, 512, "pixels of a side")
    frames: int = field(16, 4, 1024, "frames")

    def move(self, draws: Draws, radius: np.ndarray) -> Scene:
        """How objects of these radii, (row, object), move."""
        raise NotImplementedError

    def caption(self, size: str, names: list[str], phrase: str) -> str:
        """Words for a film."""
        return f"a {size} {names[0]} {phrase}"

    def rows(self, draws: Draws) -> dict[str, Column]:
        n, k = len(draws), self.objects
        shapes = draws.integers(0, len(SHAPES), k)
        colours = draws.integers(0, len(FILL), k)
        ground = draws.integers(0, len(GROUND))
        large = draws.integers(0, 2) if k == 1 else np.zeros(n, np.int64)
        radius = np.where(large == 1, 0.15, 0.09)[:, None] + draws.uniform(k, 0.0, 0.02)
        scene = self.move(draws, radius)
        path = (scene.path * self.side).astype(np.float32)
        radii = (scene.radii * self.side).astype(np.float32)
        angles = scene.angles.astype(np.float32)
        video = np.empty((n, self.frames, self.side, self.side, 3), np.uint8)
        captions = []
        for r in range(n):
            video[r] = GROUND[ground[r]]
            for j in range(k):
                cover = self._cover(shapes[r, j], path[r, j], radii[r, j], angles[r, j])
                _over(video[r], cover, FILL[colours[r, j]])
            names = [
                f"{COLOURS[c]} {SHAPES[s]}"
                for c, s in zip(colours[r].tolist(), shapes[r].tolist(), strict=True)
            ]
            size = ("small", "large")[large[r]]
            captions.append(self.caption(size, names, scene.phrases[r]))
        return {
            "video": video, "caption": captions, "shapes": shapes.astype(np.int32),
            "colours": colours.astype(np.int32), "ground": ground, "path": path,
            "radii": radii, "angles": angles, **scene.law,
        }  # fmt: skip

    def _cover(
        self, shape: int, path: np.ndarray, radii: np.ndarray, angles: np.ndarray
    ) -> np.ndarray:
        """How much of each pixel an object covers: (frame, row, column) float32."""
        grid = np.arange(self.side, dtype=np.float32) + np.float32(0.5)
        size = radii[:, None]
        dx = ((grid - path[:, :1]) / size)[:, None, :]
        dy = ((grid - path[:, 1:]) / size)[:, :, None]
        s, c = (a.astype(np.float32)[:, None, None] for a in sin_cos_turns(angles))
        cover = DISTANCES[shape](c * dx + s * dy, c * dy - s * dx)
        cover = cover * -size[:, :, None] + np.float32(0.5)
        return np.clip(cover, 0, 1, out=cover)

    def still(self, n: int, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Radii that stay, and angles of 0: (row, object, frame) each."""
        shape = (n, self.objects, self.frames)
        return np.broadcast_to(radius[:, :, None], shape), np.zeros(shape)


def _over(video: np.ndarray, cover: np.ndarray, fill: np.ndarray) -> None:
    for channel in range(3):
        below = video[..., channel].astype(np.float32)
        below += cover * (np.float32(fill[channel]) - below) + np.float32(0.5)
        video[..., channel] = below.astype(np.uint8)


def words(choice: np.ndarray, *of: str) -> list[str]:
    """The words that these numbers choose."""
    return [of[i] for i in choice.tolist()]


def joined(x: Any, y: Any) -> np.ndarray:
    """(row, 1, frame, 2) of (row, frame) coordinates."""
    return np.stack(np.broadcast_arrays(x, y), -1)[:, None]
