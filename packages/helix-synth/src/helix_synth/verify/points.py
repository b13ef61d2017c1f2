"""Verifiers of point clouds: signed distances of solids, written once more as such."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ._checks import Problems, Sample, Spec

_ORDER = (
    "sphere hemisphere torus capsule cylinder disc cone frustum bicone tube spool cube "
    "brick tetrahedron octahedron icosahedron dodecahedron prism3 prism6 pyramid"
).split()
_PHI = (1 + math.sqrt(5)) / 2


def _planes(p: np.ndarray, normals: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Largest signed distance to the planes of a convex solid."""
    units = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    return np.asarray((p @ units.T - heights).max(1))


def _solid_of(
    normals: Sequence[Sequence[float]], height: float, p: np.ndarray
) -> np.ndarray:
    return _planes(p, np.array(normals, float), np.full(len(normals), height))


def _cyclic(*rows: tuple[float, float, float]) -> list[list[float]]:
    out = []
    for r in rows:
        for k in range(3):
            base = r[k:] + r[:k]
            for signs in np.ndindex(2, 2, 2):
                v = [c * (1 - 2 * s) for c, s in zip(base, signs, strict=True)]
                if v not in out:
                    out.append(v)
    return out


def _segment(r: np.ndarray, z: np.ndarray, a: complex, b: complex) -> np.ndarray:
    q, d = r + 1j * z - a, b - a
    t = np.clip((q * np.conj(d)).real / abs(d) ** 2, 0, 1)
    return np.asarray(np.abs(q - t * d))


def _outline(r: np.ndarray, z: np.ndarray, *corners: complex) -> np.ndarray:
    """Distance to a closed outline in (radius, z); the axis is not a part of it."""
    return np.asarray(
        np.min(
            [
                _segment(r, z, a, b)
                for a, b in zip(corners, (*corners[1:], corners[0]), strict=True)
                if a.real > 0 or b.real > 0
            ],
            axis=0,
        )
    )


def distance(name: str, p: np.ndarray) -> np.ndarray:
    """How far points are from the surface of a solid in its own frame: (point,)."""
    x, y, z = p.T
    r = np.hypot(x, y)
    if name == "sphere":
        return np.asarray(np.abs(np.linalg.norm(p, axis=1) - 1))
    if name == "hemisphere":
        dome = np.where(
            z >= 0, np.abs(np.linalg.norm(p, axis=1) - 1), np.hypot(r - 1, z)
        )
        return np.asarray(
            np.minimum(dome, np.where(r <= 1, np.abs(z), np.hypot(r - 1, z)))
        )
    if name == "torus":
        return np.asarray(np.abs(np.hypot(r - 0.7, z) - 0.3))
    if name == "capsule":
        return np.asarray(np.abs(np.hypot(r, np.maximum(np.abs(z) - 0.5, 0)) - 0.4))
    outlines = {
        "cylinder": (-0.7j, 0.6 - 0.7j, 0.6 + 0.7j, 0.7j),
        "disc": (-0.1j, 0.9 - 0.1j, 0.9 + 0.1j, 0.1j),
        "cone": (-0.5j, 0.8 - 0.5j, 0.9j),
        "frustum": (-0.6j, 0.8 - 0.6j, 0.4 + 0.6j, 0.6j),
        "bicone": (-0.9j, 0.7 + 0j, 0.9j),
        "tube": (0.5 - 0.6j, 0.8 - 0.6j, 0.8 + 0.6j, 0.5 + 0.6j),
        "spool": (-0.7j, 0.7 - 0.7j, 0.7 - 0.4j, 0.3 - 0.4j, 0.3 + 0.4j, 0.7 + 0.4j,
                  0.7 + 0.7j, 0.7j),
    }  # fmt: skip
    if name in outlines:
        return _outline(r, z, *outlines[name])
    if name in ("cube", "brick"):
        half = np.array([0.58, 0.58, 0.58] if name == "cube" else [0.8, 0.5, 0.3])
        return np.asarray(np.abs((np.abs(p) - half).max(1)))
    if name == "tetrahedron":
        four = [[-1, -1, -1], [-1, 1, 1], [1, -1, 1], [1, 1, -1]]
        return np.asarray(np.abs(_solid_of(four, 1 / 3, p)))
    if name == "octahedron":
        return np.asarray(np.abs(_solid_of(_cyclic((1, 1, 1)), 1 / math.sqrt(3), p)))
    if name == "icosahedron":  # faces point where a dodecahedron has corners
        faces = _cyclic((1, 1, 1), (0, _PHI, 1 / _PHI))
        return np.asarray(
            np.abs(_solid_of(faces, _PHI**2 / math.sqrt(3) / math.sqrt(1 + _PHI**2), p))
        )
    if name == "dodecahedron":  # and the other way round
        faces = _cyclic((0, _PHI, 1))
        return np.asarray(
            np.abs(_solid_of(faces, _PHI**2 / math.sqrt(1 + _PHI**2) / math.sqrt(3), p))
        )
    if name.startswith("prism"):
        n = int(name[5:])
        around = math.pi * (2 * np.arange(n) + 1) / n
        sides = np.cos(around) * x[:, None] + np.sin(around) * y[:, None]
        wall = sides.max(1) - 0.8 * math.cos(math.pi / n)
        return np.asarray(np.abs(np.maximum(wall, np.abs(z) - 0.6)))
    # a pyramid of four sides: base at -0.4 with corners at 0.9, tip at 0.9
    apothem, rise = 0.9 * math.cos(math.pi / 4), 1.3
    slope = np.abs(np.array([x + y, x - y])).max(0) / math.sqrt(2)
    side = (slope * rise + (z - 0.9) * apothem) / math.hypot(rise, apothem)
    return np.asarray(np.abs(np.maximum(side, -0.4 - z)))


def solids(spec: Spec, sample: Sample) -> list[str]:
    n, noise = spec["points"], spec["noise"]
    p = Problems()
    good = p.names(sample, "points", "normals", "label", "rotation", "scale", "offset")
    good &= p.array(sample, "points", "float32", (n, 3))
    good &= p.array(sample, "normals", "float32", (n, 3), -1.0001, 1.0001)
    good &= p.array(sample, "rotation", "float64", (3, 3), -1.0001, 1.0001)
    good &= p.array(sample, "offset", "float64", (3,), -1, 1)
    good &= p.number(sample, "scale", 0.5, 2.0)
    good &= p.integer(sample, "label", 0, len(_ORDER) - 1)
    if not good:
        return p
    turn = sample["rotation"]
    p.unless(np.abs(turn @ turn.T - np.eye(3)) < 1e-9, "rotation: not orthogonal")
    p.unless(np.linalg.det(turn) > 0, "rotation: it mirrors")
    own = (sample["points"].astype(float) - sample["offset"]) @ turn / sample["scale"]
    normals = sample["normals"].astype(float)
    p.unless(
        np.abs(np.linalg.norm(normals, axis=1) - 1) < 1e-5, "normals: not of length 1"
    )
    name = _ORDER[sample["label"]]
    off = distance(name, own)
    p.unless(off <= 6.5 * noise + 5e-6, f"points: up to {off.max():.2g} off the {name}")
    rms = math.sqrt(float((off * off).mean()))
    bound = noise * math.sqrt(1 + 6 * math.sqrt(2 / n) + 12 / n) + 5e-6
    p.unless(rms <= bound, f"points: {rms:.2g} off the {name} on the whole")
    if p:
        return p
    # along its normal a point leaves the surface as fast as it moves
    local = normals @ turn
    h = 1e-3
    out = distance(name, own + h * local)
    inward = distance(name, own - h * local)
    if noise == 0:
        wrong = (np.abs(out - h) > 0.02 * h) & (np.abs(inward - h) > 0.02 * h)
        p.unless(
            wrong.mean() <= 0.01, f"normals: {wrong.mean():.1%} do not leave the {name}"
        )
    convex = name not in ("torus", "tube", "spool")
    if convex and n >= 64 and noise <= 0.02:
        away = (local * (own - own.mean(0))).sum(1)
        p.unless((away > -0.1).mean() > 0.98, "normals: they point inward")
    if n >= 64:
        # by the divergence theorem it is three volumes over the area
        p.unless((local * own).sum(1).mean() > 0.02, "normals: they point inward")
        rounded = np.unique(sample["points"], axis=0)
        p.unless(len(rounded) >= 0.98 * n, "points: repeated")
        far = np.abs(own.mean(0)[:2]).max()
        p.unless(far < 6 / math.sqrt(n) + 0.01, "points: more on one side")
    return p
