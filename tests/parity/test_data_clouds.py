"""Point clouds and meshes of helix-multimodal against trimesh and laspy."""

from __future__ import annotations

import io

import numpy as np
import pytest
from helix_multimodal.decode import decode

trimesh = pytest.importorskip("trimesh", reason="the peer of meshes")
SOLIDS = {
    "box": lambda: trimesh.creation.box(),
    "ball": lambda: trimesh.creation.icosphere(subdivisions=3),
    "ring": lambda: trimesh.creation.torus(2.0, 0.5),
}


def corners(xyz, faces):
    """The corners of each face: the same however vertices are shared."""
    return np.asarray(xyz)[np.asarray(faces)]


@pytest.mark.parametrize("solid", SOLIDS)
@pytest.mark.parametrize("kind", ["ply", "obj", "off", "stl", "stl_ascii", "ply_ascii"])
def test_meshes_are_trimeshs(kind, solid):
    mesh = SOLIDS[solid]()
    form, _, ascii_ = kind.partition("_")
    options = {"encoding": "ascii"} if form == "ply" and ascii_ else {}
    data = mesh.export(file_type=kind if form == "stl" else form, **options)
    data = data.encode() if isinstance(data, str) else data
    got = decode(data, format=form)
    want = trimesh.load(io.BytesIO(data), file_type=form, process=False)
    assert got.faces.shape == want.faces.shape
    np.testing.assert_allclose(
        corners(got.xyz, got.faces), corners(want.vertices, want.faces), atol=1e-7
    )


@pytest.mark.parametrize("form", range(4))
def test_las_is_laspys(form):
    laspy = pytest.importorskip("laspy", reason="the peer of LAS")
    rng = np.random.default_rng(form)
    las = laspy.create(point_format=form, file_version="1.2")
    las.header.scales, las.header.offsets = [0.01] * 3, [100.0, -5.0, 0.0]
    las.xyz = rng.uniform(-50, 50, (1000, 3))
    las.intensity = rng.integers(0, 2**16, 1000).astype(np.uint16)
    las.classification = rng.integers(0, 31, 1000).astype(np.uint8)
    if form in (2, 3):
        las.red, las.green, las.blue = rng.integers(0, 2**16, (3, 1000), np.uint16)
    file = io.BytesIO()
    las.write(file)
    got = decode(file.getvalue(), format="las")
    want = laspy.read(io.BytesIO(file.getvalue()))
    np.testing.assert_array_equal(got.xyz, want.xyz)
    np.testing.assert_array_equal(got.intensity, want.intensity)
    np.testing.assert_array_equal(got.labels, want.classification)
    if form in (2, 3):
        np.testing.assert_array_equal(
            got.colors, np.stack([want.red, want.green, want.blue], axis=1)
        )
