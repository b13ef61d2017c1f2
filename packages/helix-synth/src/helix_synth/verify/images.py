"""Verifiers of images: drawn again as polygons, and compared where no edge is near."""

from __future__ import annotations

import math

import numpy as np

from . import _raster
from ._checks import Problems, Sample, Spec


def _wheel(k: int, value: int, grey: int) -> np.ndarray:
    """Colour k of twelve: red at 0, green at 4, blue at 8, straight lines between."""
    out = []
    for peak in (0, 4, 8):
        away = min((k - peak) % 12, (peak - k) % 12)
        out.append(grey + (value - grey) * min(max(4 - away, 0) * 6, 12) // 12)
    return np.array(out)


def shapes(spec: Spec, sample: Sample) -> list[str]:
    side, noise = spec["side"], spec["noise"]
    counts = (8, 12, 12, spec["scales"], spec["turns"], spec["places"], spec["places"])
    p = Problems()
    good = p.names(sample, "image", "factors", "label")
    good &= p.array(sample, "image", "uint8", (side, side, 3))
    good &= p.array(sample, "factors", "int32", (7,), 0)
    if not good or not p.unless(
        sample["factors"] < counts, "factors: above their counts"
    ):
        return p
    shape, fill, ground, scale, turn, x, y = sample["factors"].tolist()
    p.unless(
        sample["label"] == shape, f"label: {sample['label']} is not the shape {shape}"
    )
    half = side / 2
    name = _raster.NAMES[shape]

    def place(k: int) -> float:
        n = spec["places"]
        return float(half if n == 1 else half * (1 + 0.36 * (2 * k / (n - 1) - 1)))

    radius = half * (0.3 + 0.3 * scale / max(spec["scales"] - 1, 1))
    angle = turn / _raster.PERIOD[name] / spec["turns"]
    corners = _raster.placed(name, place(x), place(y), radius, angle)
    core, rim = _raster.core_and_rim(corners, side, side)
    image = sample["image"].astype(int)
    bound = 6.0 * noise + 1
    for what, mask, want in (
        ("inside", core, _wheel(fill, 255, 30)),
        ("outside", ~rim, _wheel(ground, 120, 70)),
    ):
        if mask.any():
            error = np.abs(image[mask] - want)
            off = (error > bound).mean()
            p.unless(
                off <= (1e-3 if noise else 0),
                f"image: {off:.1%} of the pixels {what} are not of colour {want.tolist()}",
            )
    if not noise:
        # between the colours on the rim; the covered area is the polygon's
        low, high = _wheel(ground, 120, 70), _wheel(fill, 255, 30)
        lowest, highest = np.minimum(low, high) - 1, np.maximum(low, high) + 1
        p.unless((image >= lowest) & (image <= highest), "image: a third colour")
        channel = int(np.argmax(np.abs(high - low)))
        share = (image[..., channel] - low[channel]) / (high - low)[channel]
        area = 0.5 * abs(np.sum((corners.conj() * np.roll(corners, -1)).imag))
        slack = 0.02 * area + 0.12 * np.abs(np.diff(corners, append=corners[0])).sum()
        p.unless(
            abs(share.sum() - area) < slack,
            f"image: {share.sum():.0f} pixels are covered, not {area:.0f}",
        )
    elif side >= 32:
        rms = float(np.sqrt(np.mean((image[~rim] - _wheel(ground, 120, 70)) ** 2.0)))
        p.unless(
            math.isclose(rms, noise, rel_tol=0.25, abs_tol=0.5), f"noise of {rms:.2f}"
        )
    return p


def glyphs(spec: Spec, sample: Sample) -> list[str]:
    side, noise = spec["side"], spec["noise"]
    p = Problems()
    count = {"digits": 10, "letters": 26, "all": 36}[spec["characters"]]
    good = p.names(sample, "image", "label", "strokes", "width")
    good &= p.array(sample, "image", "uint8", (side, side))
    good &= p.array(sample, "strokes", "float32", (None, 4), -side, 2 * side)
    good &= p.integer(sample, "label", 0, count - 1)
    good &= p.number(sample, "width", 0.0599 * side, 0.1201 * side)
    if not good:
        return p
    first = 10 if spec["characters"] == "letters" else 0
    _strokes(p, spec, sample["strokes"].astype(float), first + sample["label"])
    # ink where a point of a stroke is near, none where all are far
    a, b = sample["strokes"].astype(float).reshape(-1, 2, 2).transpose(1, 0, 2)
    t = np.linspace(0, 1, 4 * side)[:, None, None]
    points = (a + t * (b - a)).reshape(-1, 2)
    points = points[np.unique(np.rint(points * 6), axis=0, return_index=True)[1]]
    y, x = np.mgrid[:side, :side] + 0.5
    d2 = (x.reshape(-1, 1) - points[:, 0]) ** 2 + (y.reshape(-1, 1) - points[:, 1]) ** 2
    near = np.sqrt(d2.min(1)).reshape(side, side)
    image, half = sample["image"].astype(float), sample["width"] / 2
    slack = 6.5 * noise + 0.51
    ink, blank = image[near < half - 0.7], image[near > half + 0.7]
    p.unless(ink >= 255 - slack, "image: a stroke is missing")
    p.unless(blank <= slack, "image: ink away from the strokes")
    if noise >= 1 and blank.size > 50:  # half of it is cut off at black
        rms = math.sqrt(2 * float((blank**2).mean()))
        p.unless(
            abs(rms / noise - 1) < 7 / math.sqrt(blank.size) + 0.1,
            f"noise of {rms:.2f}",
        )
    return p


def _strokes(p: Problems, spec: Spec, strokes: np.ndarray, label: int) -> None:
    """The strokes are the character's own, moved by a linear map, but for the bend."""
    from ..images._font import SEGMENTS  # the font is data, and part of the spec

    font = SEGMENTS[label].reshape(-1, 2)
    if not p.unless(len(strokes) * 2 == len(font), f"strokes: {len(strokes)} segments"):
        return
    design = np.concatenate([font, np.ones((len(font), 1))], 1)
    ends = strokes.reshape(-1, 2)
    map_, *_ = np.linalg.lstsq(design, ends, rcond=None)
    error = np.abs(ends - design @ map_).max()
    # a corner moves by bend on both axes, in half heights of up to 0.37 sides
    bound = 0.37 * spec["side"] * spec["bend"] * 2.6 + 0.01
    p.unless(
        error <= bound, f"strokes: {error:.2f} pixels from the character of the label"
    )
    scale = math.sqrt(abs(float(np.linalg.det(map_[:2])))) / spec["side"]
    if len(font) > 4:
        p.unless(0.2 < scale < 0.5, f"strokes: of scale {scale:.2f}")
    middle = np.abs(ends.mean(0) - 0.5 * spec["side"]).max() / spec["side"]
    p.unless(middle < spec["shift"] + 0.2, "strokes: far from the middle")


def scenes(spec: Spec, sample: Sample) -> list[str]:
    side = spec["side"]
    p = Problems()
    good = p.names(
        sample, "image", "mask", "boxes", "visible", "classes", "colours", "poses"
    )
    if not good:
        return p
    k = len(sample["boxes"])
    good = p.array(sample, "image", "uint8", (side, side, 3))
    good &= p.array(sample, "mask", "uint8", (side, side), 0, k)
    good &= p.array(sample, "boxes", "int32", (k, 4), 0, side)
    good &= p.array(sample, "visible", "float32", (k,), 1e-6, 1)
    good &= p.array(sample, "classes", "int32", (k,), 0, 7)
    good &= p.array(sample, "colours", "int32", (k,), 0, 11)
    low = 0.999 * spec["smallest"] * side
    good &= p.array(sample, "poses", "float32", (k, 4), 0, side)
    if not good or not p.unless(1 <= k <= spec["most"], f"{k} objects"):
        return p
    image, mask = sample["image"].astype(int), sample["mask"]
    covered = np.zeros((side, side), bool)  # by objects in front
    edge = np.zeros((side, side), bool)
    for i in range(k - 1, -1, -1):
        x, y, radius, turn = sample["poses"][i].tolist()
        p.unless(
            low <= radius <= 1.001 * spec["largest"] * side, f"object {i}: its radius"
        )
        name = _raster.NAMES[sample["classes"][i]]
        corners = _raster.placed(name, x, y, radius, turn)
        core, rim = _raster.core_and_rim(corners, side, side)
        own = mask == i + 1
        sure = core & ~covered & ~edge
        p.unless(own[sure], f"object {i}: its mask lacks pixels of its {name}")
        p.unless(rim[own], f"object {i}: its mask goes beyond its {name}")
        fill = _wheel(sample["colours"][i], 255, 30)
        p.unless(np.abs(image[sure] - fill) <= 1, f"object {i}: not of its colour")
        p.unless(own.any(), f"object {i}: not seen")
        rows, columns = np.nonzero(own)
        if len(rows):
            box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            p.unless(
                sample["boxes"][i] == box, f"object {i}: box {box} is that of its mask"
            )
            full = max(int(_raster.inside(corners, side, side).sum()), 1)
            share = own.sum() / full
            p.unless(
                abs(sample["visible"][i] - share) < (0.5 * radius + 1) / full,
                f"object {i}: {share:.2f} of it are visible",
            )
        covered |= core
        edge |= rim & ~core
    bare = ~(covered | edge)
    if bare.any():
        ground = image[bare][0]
        wheel = [np.abs(_wheel(c, 120, 70) - ground).max() for c in range(12)]
        p.unless(min(wheel) == 0, "image: the ground is of no ground colour")
        p.unless(image[bare] == ground, "image: the ground is not of one colour")
        p.unless(mask[bare] == 0, "mask: objects where there is ground")
    return p
