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
        return half if n == 1 else half * (1 + 0.36 * (2 * k / (n - 1) - 1))

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
