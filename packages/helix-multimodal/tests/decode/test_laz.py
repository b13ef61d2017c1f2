"""LAZ, on what LASzip's own encoder writes; LAS is what it must equal."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest

laspy = pytest.importorskip("laspy", reason="the extra 'pointcloud' is missing")
pytest.importorskip("lazrs", reason="the extra 'pointcloud' is missing")

from helix_multimodal import (  # noqa: E402
    Corrupt,
    DataError,
    LimitExceeded,
    Limits,
    UnsupportedFormat,
    decode,
    detect,
    header,
)


def cloud(kind, n=2000, seed=0):
    version = "1.4" if kind >= 6 else "1.2"
    head = laspy.LasHeader(point_format=kind, version=version)
    head.scales, head.offsets = [0.01, 0.02, 0.001], [5.0, -3.0, 100.0]
    out = laspy.LasData(head)
    rng = np.random.default_rng(seed)
    out.x, out.y, out.z = rng.normal(size=(3, n)) * [[30], [20], [4]]
    out.intensity = rng.integers(0, 65536, n)
    out.classification = rng.integers(0, 32, n)
    if kind in (1, 3, 6, 7, 8):
        out.gps_time = np.sort(rng.uniform(0, 1e5, n))
    if kind in (2, 3, 7, 8):
        out.red, out.green, out.blue = rng.integers(0, 65536, (3, n))
    return out


def written(points, compress=True):
    f = io.BytesIO()
    backend = laspy.LazBackend.Lazrs if compress else None
    points.write(f, do_compress=compress, laz_backend=backend)
    return f.getvalue()


def here(data, **options):
    return decode(data, isolation="thread", **options)


def same(a, b):
    for name in ("xyz", "intensity", "labels", "colors"):
        x, y = getattr(a, name), getattr(b, name)
        assert (x is None) == (y is None)
        if x is not None:
            np.testing.assert_array_equal(x, y)
            assert x.dtype == y.dtype
    assert a.fields.keys() == b.fields.keys()
    for name, x in a.fields.items():
        np.testing.assert_array_equal(x, b.fields[name])
    assert a.metadata == b.metadata


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 6, 7, 8])
def test_it_equals_las(kind):
    points = cloud(kind)
    data = written(points)
    assert detect(data).format == "laz"
    got = here(data)
    same(got, here(written(points, False)))
    assert got.format == "laz"
    np.testing.assert_allclose(got.xyz, np.asarray(points.xyz), rtol=0, atol=1e-9)
    plain = header(written(points, False))
    assert header(data) == plain | {"format": "laz"}


def test_more_points_than_a_block():
    points = cloud(3, 150_000)
    same(here(written(points)), here(written(points, False)))


def test_a_worker_gives_the_same():
    data = written(cloud(7))
    same(decode(data), here(data))


@pytest.mark.parametrize("n", [0, 1])
def test_few_points(n):
    assert here(written(cloud(1, n))).xyz.shape == (n, 3)


def test_more_points_than_there_are():
    data = bytearray(written(cloud(0)))
    struct.pack_into("<I", data, 107, 2_000_000)
    with pytest.raises(Corrupt):
        here(bytes(data))
    struct.pack_into("<I", data, 107, 2**32 - 1)
    with pytest.raises(LimitExceeded):
        here(bytes(data))


def test_limits():
    data = written(cloud(0))
    with pytest.raises(LimitExceeded) as e:
        here(data, limits=Limits(points=1999))
    assert e.value.limit == "points"
    with pytest.raises(LimitExceeded) as e:
        here(data, limits=Limits(decoded_bytes=20 * 2000 - 1))
    assert e.value.limit == "decoded_bytes"


def test_the_format_is_pinned():
    data = written(cloud(0), False)
    with pytest.raises(UnsupportedFormat, match="format='las'"):
        here(data, format="laz")
    with pytest.raises(UnsupportedFormat, match="format='laz'"):
        here(written(cloud(0)), format="las")


@pytest.mark.parametrize("kind", [0, 3, 7])
def test_damage_stays_in_the_closed_set(kind):
    """Panics and aborts of the library end a worker, not this process."""
    data = written(cloud(kind, 300))
    rng = np.random.default_rng(kind)
    for i in range(30):
        bad = bytearray(data[: int(rng.integers(1, len(data)))] if i % 3 == 0 else data)
        for at in rng.integers(0, len(bad), 8):
            bad[at] = rng.integers(0, 256)
        try:
            got = decode(bytes(bad), format="laz", limits=Limits(wall=5.0))
        except DataError:
            continue
        assert got.xyz.shape[1] == 3
