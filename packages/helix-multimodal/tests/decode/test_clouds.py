"""Readers of point clouds, meshes, tables and text: small files, and damaged ones."""

from __future__ import annotations

import struct
from contextlib import suppress

import numpy as np
import pytest
from helix_multimodal import Limits, errors
from helix_multimodal.decode import decode

TRIANGLE = [[0.0, 0, 0], [1, 0, 0], [0, 2, 0]]
PLY = b"""ply
format ascii 1.0
element vertex 3
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
element face 1
property list uchar int vertex_indices
end_header
0 0 0 255 0 0
1 0 0 0 255 0
0 2 0 0 0 255
3 0 1 2
"""
BINARY_PLY = (
    b"ply\nformat binary_big_endian 1.0\nelement vertex 3\nproperty double x\n"
    b"property double y\nproperty double z\nelement face 1\n"
    b"property list uchar int vertex_indices\nend_header\n"
    + struct.pack(">9d", *np.ravel(TRIANGLE))
    + struct.pack(">B3i", 3, 0, 1, 2)
)
PCD = b"""VERSION .7
FIELDS x y z
SIZE 4 4 4
TYPE F F F
COUNT 1 1 1
WIDTH 3
HEIGHT 1
VIEWPOINT 0 0 0 1 0 0 0
POINTS 3
DATA ascii
0 0 0
1 0 0
0 2 0
"""
STL = (
    bytes(80)
    + struct.pack("<I", 1)
    + struct.pack("<12fH", 0, 0, 1, *np.ravel(TRIANGLE), 0)
)
FILES = {
    "ply": PLY,
    "ply binary": BINARY_PLY,
    "pcd": PCD,
    "xyz": b"0 0 0\n1 0 0\n0 2 0\n",
    "obj": b"v 0 0 0\nv 1 0 0\nv 0 2 0\nf 1 2 3\n",
    "off": b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 2 0\n3 0 1 2\n",
    "stl": STL,
}
OTHERS = {"csv": b"a,b\n1,x\n2,y\n", "text": "žluťoučký kůň".encode()}


@pytest.mark.parametrize("name", FILES)
def test_a_triangle(name):
    got = decode(FILES[name], format=name.split()[0])
    np.testing.assert_array_equal(got.xyz, TRIANGLE)
    if name not in ("pcd", "xyz"):
        assert got.faces.tolist() == [[0, 1, 2]]
    if name == "ply":
        np.testing.assert_array_equal(got.colors, np.eye(3, dtype=np.uint8) * 255)


def test_a_table_and_text():
    table = decode(OTHERS["csv"], format="csv")
    assert list(table.columns) == ["a", "b"]
    assert [int(v) for v in table.columns["a"]] == [1, 2]
    assert list(table.columns["b"]) == ["x", "y"]
    assert decode(OTHERS["text"], format="text").text == "žluťoučký kůň"


@pytest.mark.parametrize("name", [*FILES, *OTHERS])
def test_damaged_files_raise_nothing_else(name):
    data, rng = {**FILES, **OTHERS}[name], np.random.default_rng(0)
    damaged = [data[:n] for n in range(len(data))]
    for _ in range(300):
        some = bytearray(data)
        for at in rng.integers(0, len(some), rng.integers(1, 4)):
            some[at] = rng.integers(0, 256)
        damaged.append(bytes(some))
    for some in damaged:
        with suppress(errors.DataError):
            decode(some, format=name.split()[0])


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("ply", PLY.replace(b"vertex 3", b"vertex 999999999")),
        (
            "pcd",
            PCD.replace(b"WIDTH 3", b"WIDTH 999999999").replace(
                b"POINTS 3", b"POINTS 999999999"
            ),
        ),
        ("stl", STL[:80] + struct.pack("<I", 2**32 - 1) + STL[84:]),
        ("off", FILES["off"].replace(b"3 1 0", b"999999999 1 0")),
    ],
)
def test_counts_are_checked_against_the_bytes_that_are_there(form, data):
    with pytest.raises(errors.DataError):
        decode(data, format=form)


def test_limits_hold():
    with pytest.raises(errors.DataError, match="points"):
        decode(PLY, format="ply", limits=Limits(points=2))
