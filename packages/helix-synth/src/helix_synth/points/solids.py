"""Points on the surfaces of twenty solids, with normals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .._block import Column
from .._elementary import sin_cos_turns
from .._fields import field
from ..distributions import Draws
from ..generator import Generator

# a surface takes uniform numbers (row, point, 3) to points and normals, area-uniform
Surface = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
_GOLDEN = (1 + 5**0.5) / 2


def _sphere(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    z = 2 * u[..., 0] - 1
    s, c = sin_cos_turns(u[..., 1])
    r = np.sqrt(np.maximum(1 - z * z, 0))
    p = np.stack([r * c, r * s, z], -1)
    return p, p


def _hemisphere(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The upper half of the unit sphere, closed by its disc."""
    flat = u[..., 2] < 1 / 3
    s, c = sin_cos_turns(u[..., 1])
    r = np.where(flat, np.sqrt(u[..., 0]), np.sqrt(np.maximum(1 - u[..., 0] ** 2, 0)))
    z = np.where(flat, 0.0, u[..., 0])
    p = np.stack([r * c, r * s, z], -1)
    return p, np.where(flat[..., None], np.array([0.0, 0.0, -1.0]), p)


def _revolved(*profile: tuple[float, float]) -> Surface:
    """The polyline of (radius, z), turned about z; outside is on its right."""
    a, b = np.array(profile[:-1]), np.array(profile[1:])
    step = b - a
    length = np.sqrt((step * step).sum(1))
    area = np.cumsum(length * (a[:, 0] + b[:, 0]))
    area /= area[-1]
    normal = np.stack([step[:, 1], -step[:, 0]], 1) / length[:, None]

    def surface(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        k = np.minimum(np.searchsorted(area, u[..., 2], side="right"), len(area) - 1)
        r0, r1 = a[k, 0], b[k, 0]
        r = np.sqrt(r0 * r0 + u[..., 0] * (r1 * r1 - r0 * r0))
        t = np.where(r1 == r0, u[..., 0], (r - r0) / np.where(r1 == r0, 1, r1 - r0))
        z = a[k, 1] + t * step[k, 1]
        s, c = sin_cos_turns(u[..., 1])
        n = normal[k]
        return np.stack([r * c, r * s, z], -1), np.stack(
            [n[..., 0] * c, n[..., 0] * s, n[..., 1]], -1
        )

    return surface


def _faceted(vertices: np.ndarray, faces: list[tuple[int, ...]]) -> Surface:
    """A convex polyhedron around the origin: its faces in triangles."""
    triangles = np.array(
        [[vertices[f[0]], vertices[f[i]], vertices[f[i + 1]]]
         for f in faces for i in range(1, len(f) - 1)]
    )  # fmt: skip
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    cross = np.cross(b - a, c - a)
    twice = np.sqrt((cross * cross).sum(1))
    area = np.cumsum(twice)
    area /= area[-1]
    normal = cross / twice[:, None]
    normal *= np.where((normal * a).sum(1) < 0, -1.0, 1.0)[:, None]

    def surface(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        k = np.minimum(np.searchsorted(area, u[..., 2], side="right"), len(area) - 1)
        root = np.sqrt(u[..., 0])[..., None]
        v = u[..., 1][..., None]
        p = (1 - root) * a[k] + root * (1 - v) * b[k] + root * v * c[k]
        return p, normal[k]

    return surface


def _hull(vertices: np.ndarray, n: int) -> list[tuple[int, ...]]:
    """Faces of a polyhedron whose vertices all lie on n-sided faces, in turn."""
    faces = set()
    count = len(vertices)
    for i in range(count):
        for j in range(i + 1, count):
            for k in range(j + 1, count):
                normal = np.cross(vertices[j] - vertices[i], vertices[k] - vertices[i])
                height = vertices @ normal - vertices[i] @ normal
                if (height > 1e-9).any() and (height < -1e-9).any():
                    continue
                on = np.flatnonzero(np.abs(height) < 1e-9)
                if len(on) == n:
                    faces.add(tuple(on.tolist()))
    return [_turning(vertices, f) for f in sorted(faces)]


def _turning(vertices: np.ndarray, face: tuple[int, ...]) -> tuple[int, ...]:
    middle = vertices[list(face)].mean(0)
    first = vertices[face[0]] - middle
    other = np.cross(middle, first)
    angle = [
        np.arctan2((vertices[f] - middle) @ other, (vertices[f] - middle) @ first)
        for f in face
    ]
    return tuple(face[i] for i in np.argsort(angle))


def _prism(n: int) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    s, c = sin_cos_turns(np.arange(n) / n)
    ring = np.stack([0.8 * c, 0.8 * s], 1)
    vertices = np.concatenate([np.insert(ring, 2, -0.6, 1), np.insert(ring, 2, 0.6, 1)])
    sides = [(i, (i + 1) % n, n + (i + 1) % n, n + i) for i in range(n)]
    return vertices, [tuple(range(n)), tuple(range(n, 2 * n)), *sides]


def _torus(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Radii 0.7 and 0.3; the tube's angle by inverting its area's integral."""
    turn = u[..., 0]
    for _ in range(12):  # theta + k sin theta = 2 pi u: a contraction, k = 3 / 7
        s, _ = sin_cos_turns(turn)
        turn = u[..., 0] - (0.3 / 0.7) / (2 * np.pi) * s
    s, c = sin_cos_turns(turn)
    sa, ca = sin_cos_turns(u[..., 1])
    r = 0.7 + 0.3 * c
    return np.stack([r * ca, r * sa, 0.3 * s], -1), np.stack([c * ca, c * sa, s], -1)


def _box(x: float, y: float, z: float) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    corners = np.array([[i, j, k] for i in (-x, x) for j in (-y, y) for k in (-z, z)])
    return corners, [
        (0, 1, 3, 2),
        (4, 6, 7, 5),
        (0, 4, 5, 1),
        (2, 3, 7, 6),
        (0, 2, 6, 4),
        (1, 5, 7, 3),
    ]


def _capsule(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A cylinder of radius 0.4 and half height 0.5 between two half spheres."""
    z = 1.8 * u[..., 0] - 0.9  # a sphere's area is that of its cylinder
    s, c = sin_cos_turns(u[..., 1])
    over = np.maximum(np.abs(z) - 0.5, 0) * np.sign(z)
    r = np.sqrt(np.maximum(0.16 - over * over, 0))
    return np.stack([r * c, r * s, z], -1), np.stack([r * c, r * s, over], -1) / 0.4


def _icosahedron() -> np.ndarray:
    signs = [(a, b) for a in (-1, 1) for b in (-1, 1)]
    v = [np.roll([0, a, b * _GOLDEN], k) for a, b in signs for k in range(3)]
    return np.asarray(np.array(v) / np.sqrt(1 + _GOLDEN**2))


def _dodecahedron() -> np.ndarray:
    signs = [(a, b) for a in (-1, 1) for b in (-1, 1)]
    v = [np.roll([0, a / _GOLDEN, b * _GOLDEN], k) for a, b in signs for k in range(3)]
    v += [np.array([a, b, c]) for a, b in signs for c in (-1, 1)]
    return np.asarray(np.array(v) / np.sqrt(3))


def _pyramid(n: int) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    s, c = sin_cos_turns(np.arange(n) / n)
    ring = np.stack([0.9 * c, 0.9 * s, np.full(n, -0.4)], 1)
    vertices = np.concatenate([ring, [[0.0, 0.0, 0.9]]])
    return vertices, [tuple(range(n)), *((i, (i + 1) % n, n) for i in range(n))]


_TETRA = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / 3**0.5
_OCTA = np.concatenate([np.eye(3), -np.eye(3)])

SOLIDS: dict[str, Surface] = {
    "sphere": _sphere,
    "hemisphere": _hemisphere,
    "torus": _torus,
    "capsule": _capsule,
    "cylinder": _revolved((0, -0.7), (0.6, -0.7), (0.6, 0.7), (0, 0.7)),
    "disc": _revolved((0, -0.1), (0.9, -0.1), (0.9, 0.1), (0, 0.1)),
    "cone": _revolved((0, -0.5), (0.8, -0.5), (0, 0.9)),
    "frustum": _revolved((0, -0.6), (0.8, -0.6), (0.4, 0.6), (0, 0.6)),
    "bicone": _revolved((0, -0.9), (0.7, 0), (0, 0.9)),
    "tube": _revolved((0.5, 0.6), (0.5, -0.6), (0.8, -0.6), (0.8, 0.6), (0.5, 0.6)),
    "spool": _revolved(
        (0, -0.7), (0.7, -0.7), (0.7, -0.4), (0.3, -0.4), (0.3, 0.4), (0.7, 0.4),
        (0.7, 0.7), (0, 0.7),
    ),
    "cube": _faceted(*_box(0.58, 0.58, 0.58)),
    "brick": _faceted(*_box(0.8, 0.5, 0.3)),
    "tetrahedron": _faceted(_TETRA, _hull(_TETRA, 3)),
    "octahedron": _faceted(_OCTA, _hull(_OCTA, 3)),
    "icosahedron": _faceted(_icosahedron(), _hull(_icosahedron(), 3)),
    "dodecahedron": _faceted(_dodecahedron(), _hull(_dodecahedron(), 5)),
    "prism3": _faceted(*_prism(3)),
    "prism6": _faceted(*_prism(6)),
    "pyramid": _faceted(*_pyramid(4)),
}  # fmt: skip


class Solids(Generator):
    """A solid, turned, scaled and moved, seen as points of its surface.

    ``points`` and ``normals`` (point, 3) float32; ``label`` is the solid; ``rotation``
    (3, 3), ``scale`` and ``offset`` (3,) take the solid's own frame to the points':
    ``scale * rotation @ p + offset``, and noise along the normal.
    """

    name = "solids"
    modality = "points"
    chunk = 64
    points: int = field(2048, 1, 1 << 20, "points of a cloud")
    noise: float = field(0.0, 0.0, 0.1, "deviation along the normal, in units of scale")

    def rows(self, draws: Draws) -> dict[str, Column]:
        n, surfaces = len(draws), list(SOLIDS.values())
        label = draws.integers(0, len(surfaces))
        rotation = _rotation(draws.normal(4))
        scale = draws.uniform((), 0.5, 2.0)
        offset = draws.uniform(3, -1.0, 1.0)
        u = draws.uniform((self.points, 3))
        push = self.noise * draws.normal(self.points) if self.noise else None
        points = np.empty((n, self.points, 3), np.float32)
        normals = np.empty_like(points)
        for k, surface in enumerate(surfaces):
            for r in np.flatnonzero(label == k).tolist():
                p, normal = surface(u[r])
                if push is not None:
                    p = p + push[r, :, None] * normal
                points[r] = _turned(p * scale[r], rotation[r]) + offset[r]
                normals[r] = _turned(normal, rotation[r])
        return {
            "points": points, "normals": normals, "label": label,
            "rotation": rotation, "scale": scale, "offset": offset,
        }  # fmt: skip


def _turned(p: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Rows of p by a rotation, in one order of adding on every machine."""
    x, y, z = p[:, 0:1], p[:, 1:2], p[:, 2:3]
    out: np.ndarray = x * rotation[:, 0] + y * rotation[:, 1] + z * rotation[:, 2]
    return out


def _rotation(q: np.ndarray) -> np.ndarray:
    """(row, 3, 3) of normal quaternions: uniform over all rotations."""
    w, x, y, z = (
        q / np.sqrt(q[:, 0] ** 2 + q[:, 1] ** 2 + q[:, 2] ** 2 + q[:, 3] ** 2)[:, None]
    ).T
    return np.stack(
        [
            np.stack(
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)], 1
            ),
            np.stack(
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)], 1
            ),
            np.stack(
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)], 1
            ),
        ],
        1,
    )
