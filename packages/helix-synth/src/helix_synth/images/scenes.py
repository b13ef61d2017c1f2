"""Scenes of shapes over each other, with boxes, masks and poses."""

from __future__ import annotations

import numpy as np

from .._block import Column, Ragged
from .._elementary import cos_turns, sin_turns
from .._fields import field
from ..distributions import Draws
from ..errors import SpecError
from ..generator import Generator
from ._palette import FILL, GROUND
from ._sdf import DISTANCES, SHAPES


class Scenes(Generator):
    """Shapes drawn one over the other, for detection and segmentation.

    A sample has ``image`` (row, column, channel) uint8; ``mask`` (row, column) uint8, 0
    for the ground or 1 + the object that is seen; and for each object that is seen, from
    back to front: ``boxes`` (object, 4) int32, the x and y where its visible pixels begin
    and end (exclusive), ``classes`` and ``colours`` (object,) int32, ``visible``
    (object,) float32, the share of its pixels that is not covered, and ``poses``
    (object, 4) float32: x, y, radius in pixels and rotation in turns.
    """

    name = "scenes"
    modality = "image"
    chunk = 32
    side: int = field(256, 32, 2048, "pixels of a side")
    least: int = field(1, 1, 100, "fewest objects")
    most: int = field(8, 1, 100, "most objects")
    smallest: float = field(0.05, 0.03, 0.4, "smallest radius, in sides")
    largest: float = field(0.16, 0.03, 0.4, "largest radius, in sides")

    def check(self) -> None:
        if self.least > self.most or self.smallest > self.largest:
            raise SpecError(
                f"[scenes] expected least <= most and smallest <= largest; got "
                f"{self.least}, {self.most}, {self.smallest}, {self.largest}. "
                "Hint: the defaults"
            )

    def rows(self, draws: Draws) -> dict[str, Column]:
        n, side, most = len(draws), self.side, self.most
        count = draws.integers(self.least, most + 1)
        ground = GROUND[draws.integers(0, len(GROUND))]
        kind = draws.integers(0, len(SHAPES), most)
        colour = draws.integers(0, len(FILL), most)
        u = draws.uniform((4, most))
        radius = side * (self.smallest + (self.largest - self.smallest) * u[:, 0])
        reach = 1.08 * radius + 1.0  # a heart is a little larger than its circle
        x = reach + u[:, 1] * (side - 2 * reach)
        y = reach + u[:, 2] * (side - 2 * reach)
        poses = np.stack([x, y, radius, u[:, 3]], 2).astype(np.float32)
        c, s = cos_turns(poses[..., 3]), sin_turns(poses[..., 3])
        turned = np.stack([c, s], 2).astype(np.float32)
        images = np.empty((n, side, side, 3), np.uint8)
        images[:] = ground[:, None, None]
        masks = np.zeros((n, side, side), np.uint8)
        parts: list[list[np.ndarray]] = [[], [], [], [], []]
        for r in range(n):
            covers = [
                self._cover(kind[r, k], poses[r, k], turned[r, k])
                for k in range(count[r])
            ]
            for k, (at, cover) in enumerate(covers):
                masks[r][at][cover >= 0.5] = k + 1
            pixels = np.array([np.count_nonzero(cover >= 0.5) for _, cover in covers])
            seen, boxes, shares = _boxes(masks[r], pixels)
            for (
                k
            ) in seen:  # what is hidden leaves no trace at the edge of what hides it
                at, cover = covers[k]
                window, fill = images[r][at], FILL[colour[r, k]].astype(np.float32)
                level = window + cover[..., None] * (fill - window) + np.float32(0.5)
                window[...] = level.astype(np.uint8)
            for part, value in zip(
                parts,
                (boxes, kind[r, seen], colour[r, seen], shares, poses[r, seen]),
                strict=True,
            ):
                part.append(value)
        box, classes, colours, visible, pose = map(Ragged.of, parts)
        return {
            "image": images, "mask": masks, "boxes": box, "visible": visible,
            "classes": _int32(classes), "colours": _int32(colours), "poses": pose,
        }  # fmt: skip

    def _cover(
        self, kind: int, pose: np.ndarray, turned: np.ndarray
    ) -> tuple[tuple[slice, slice], np.ndarray]:
        """Where an object may be, and how much of each pixel it covers there."""
        x, y, radius, _ = pose
        reach = float(radius) * 1.05 + 1.0
        x0, x1 = max(int(x - reach), 0), min(int(x + reach) + 2, self.side)
        y0, y1 = max(int(y - reach), 0), min(int(y + reach) + 2, self.side)
        half = np.float32(0.5)
        dx = (np.arange(x0, x1, dtype=np.float32) + half - x) / radius
        dy = ((np.arange(y0, y1, dtype=np.float32) + half - y) / radius)[:, None]
        c, s = turned
        cover = DISTANCES[kind](c * dx + s * dy, c * dy - s * dx) * -radius + half
        return np.s_[y0:y1, x0:x1], np.clip(cover, 0, 1, out=cover)


def _boxes(
    mask: np.ndarray, pixels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which objects are seen, their boxes and shares; renumbers the mask."""
    left = np.bincount(mask.reshape(-1), minlength=len(pixels) + 1)[1:]
    seen = np.flatnonzero(left)
    table = np.zeros(256, np.uint8)
    table[seen + 1] = np.arange(1, len(seen) + 1)
    boxes = np.empty((len(seen), 4), np.int32)
    for i, k in enumerate(seen):
        found = mask == k + 1
        columns, rows = np.flatnonzero(found.any(0)), np.flatnonzero(found.any(1))
        boxes[i] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    if len(seen) < len(pixels):
        mask[...] = table[mask]
    return seen, boxes, (left[seen] / pixels[seen]).astype(np.float32)


def _int32(rows: Ragged) -> Ragged:
    return Ragged(rows.values.astype(np.int32), rows.offsets)
