"""E57: the own reader, on files that are written here and by libE57."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from helix_multimodal import (
    Corrupt,
    DataError,
    LimitExceeded,
    Limits,
    UnsupportedFormat,
    decode,
    detect,
    header,
)
from helix_multimodal.decode import _pages
from helix_multimodal.limits import Meter

rng = np.random.default_rng(0)


def crc32c(data):
    """Bit by bit, as RFC 3720 defines it."""
    c = 0xFFFFFFFF
    for byte in data:
        c ^= byte
        for _ in range(8):
            c = c >> 1 ^ (0x82F63B78 if c & 1 else 0)
    return c ^ 0xFFFFFFFF


def sealed(plain):
    """Logical bytes as pages with checksums."""
    plain += bytes(-len(plain) % 1020)
    pages = [plain[i : i + 1020] for i in range(0, len(plain), 1020)]
    return b"".join(p + struct.pack(">I", crc32c(p)) for p in pages)


def physical(at):
    return at // 1020 * 1024 + at % 1020


def bits_of(values, bits):
    """Python integers, packed from the lowest bit."""
    whole = 0
    for i, v in enumerate(values):
        whole |= int(v) << (i * bits)
    return whole.to_bytes((len(values) * bits + 7) // 8, "little")


def packets(streams, most=200):
    """Byte streams, cut into packets of at most ``most`` bytes of each."""
    out = b""
    at = 0
    while at < max(map(len, streams)):
        parts = [s[at : at + most] for s in streams]
        sizes = struct.pack(f"<{len(parts)}H", *map(len, parts))
        body = struct.pack("<H", len(parts)) + sizes + b"".join(parts)
        body += bytes(-len(body) % 4)
        out += struct.pack("<BBH", 1, 0, len(body) + 3) + body
        at += most
    return out


def made(prototype, streams, count, pose="", xml=None, change=lambda x: x):
    """A file of one scan."""
    data = packets(streams)
    first = 48 + 32
    section = struct.pack("<B7xQQQ", 1, 32 + len(data), physical(first), 0)
    text = xml or (
        '<e57Root type="Structure" xmlns="http://www.astm.org/COMMIT/E57/2010-e57-v1.0"'
        ' xmlns:nor="http://www.libe57.org/E57_NOR_surface_normals.txt">'
        '<data3D type="Vector"><vectorChild type="Structure"><name>One</name>'
        f'{pose}<points type="CompressedVector" fileOffset="48" recordCount="{count}">'
        f'<prototype type="Structure">{prototype}</prototype></points></vectorChild>'
        "</data3D></e57Root>"
    )
    body = change(section + data)
    at = 48 + len(body)
    total = len(sealed(bytes(at) + text.encode()))
    head = struct.pack(
        "<8sIIQQQQ", b"ASTM-E57", 1, 0, total, physical(at), len(text.encode()), 1024
    )
    return sealed(head + body + text.encode())


def doubles(names="XYZ"):
    return "".join(f'<cartesian{c} type="Float"/>' for c in names)


def simple(n=300, **options):
    xyz = rng.normal(size=(n, 3))
    streams = [xyz[:, i].tobytes() for i in range(3)]
    return xyz, made(doubles(), streams, n, **options)


@pytest.mark.parametrize(
    "bits", [0, 1, 3, 7, 8, 12, 16, 31, 32, 33, 57, 58, 61, 63, 64]
)
@pytest.mark.parametrize("n", [0, 1, 9, 1000])
def test_bits(bits, n):
    values = [int.from_bytes(rng.bytes(8), "little") >> (64 - bits) for _ in range(n)]
    meter = Meter(Limits(), 1, "e57")
    got = _pages.unpacked(bits_of(values, bits), bits, n, meter)
    assert got.tolist() == values


def test_bits_of_more_than_a_block():
    values = rng.integers(0, 2**13, 200_001)
    raw = np.unpackbits(values.astype("<u2").view(np.uint8), bitorder="little")
    raw = np.packbits(raw.reshape(-1, 16)[:, :13].reshape(-1), bitorder="little")
    got = _pages.unpacked(raw.tobytes(), 13, len(values), Meter(Limits(), 1, "e57"))
    np.testing.assert_array_equal(got, values)


def test_doubles():
    xyz, data = simple()
    assert detect(data).format == "e57"
    got = decode(data)
    np.testing.assert_array_equal(got.xyz, xyz)
    told = header(data)
    assert (told["points"], told["scans"][0]["name"]) == (300, "One")


def test_scaled_integers_colours_normals_and_invalid_points():
    n = 500
    raw = rng.integers(0, 10_000, (3, n))
    colours = rng.integers(0, 1024, (3, n))
    normals = rng.normal(size=(3, n)).astype("<f4")
    bad = rng.integers(0, 3, n)
    cartesian = "".join(
        f'<cartesian{c} type="ScaledInteger" minimum="-5000" maximum="4999" '
        'scale="0.001" offset="7"/>'
        for c in "XYZ"
    )
    rest = "".join(
        f'<color{c} type="Integer" minimum="0" maximum="1023"/>'
        for c in ("Red", "Green", "Blue")
    )
    rest += "".join(f'<nor:normal{c} type="Float" precision="single"/>' for c in "XYZ")
    rest += '<cartesianInvalidState type="Integer" minimum="0" maximum="2"/>'
    rest += '<returnCount type="Integer" minimum="3" maximum="3"/>'
    streams = [bits_of(r, 14) for r in raw] + [bits_of(c, 10) for c in colours]
    streams += [x.tobytes() for x in normals] + [bits_of(bad, 2), b""]
    # a quarter around z
    pose = (
        "<pose><rotation><w>1</w><x/><y/><z>1</z></rotation>"
        "<translation><x>1</x><y>2</y><z>3</z></translation></pose>"
    )
    got = decode(made(cartesian + rest, streams, n, pose))
    keep = bad == 0
    x, y, z = ((raw - 5000) * 0.001 + 7)[:, keep]
    np.testing.assert_allclose(got.xyz, np.stack([1 - y, 2 + x, 3 + z], 1), atol=1e-12)
    assert got.colors.dtype == np.uint16
    np.testing.assert_array_equal(got.colors, colours.T[keep])
    u, v, w = normals[:, keep]
    np.testing.assert_allclose(got.normals, np.stack([-v, u, w], 1), atol=1e-6)
    assert set(got.fields["returnCount"].tolist()) == {3}


def test_spherical():
    r, az, el = rng.uniform(1, 9, 50), rng.uniform(-3, 3, 50), rng.uniform(-1, 1, 50)
    names = ("Range", "Azimuth", "Elevation")
    prototype = "".join(f'<spherical{c} type="Float"/>' for c in names)
    got = decode(made(prototype, [r.tobytes(), az.tobytes(), el.tobytes()], 50))
    np.testing.assert_allclose(np.linalg.norm(got.xyz, axis=1), r)
    np.testing.assert_allclose(np.arctan2(got.xyz[:, 1], got.xyz[:, 0]), az)
    np.testing.assert_allclose(np.arcsin(got.xyz[:, 2] / r), el)


@pytest.mark.parametrize("n", [0, 1])
def test_few_points(n):
    assert decode(simple(n)[1] if n else made(doubles(), [b""] * 3, 0)).xyz.shape == (
        n,
        3,
    )


def test_what_is_wrong():
    _, data = simple()
    bad = bytearray(data)
    bad[1500] ^= 1
    with pytest.raises(Corrupt, match="checksum; got page 1"):
        decode(bytes(bad))
    with pytest.raises(Corrupt, match="in pages"):
        decode(data[:-1024])
    xyz = rng.normal(size=(300, 3))
    streams = [xyz[:, i].tobytes() for i in range(3)]
    with pytest.raises(Corrupt, match="301 values"):
        decode(made(doubles(), streams, 301))
    with pytest.raises(Corrupt, match="positions"):
        decode(made(doubles("XY"), streams[:2], 300))
    with pytest.raises(Corrupt, match="3 streams"):
        decode(made(doubles(), streams[:2], 300))
    with pytest.raises(Corrupt, match="document type"):
        decode(made("", [b""], 0, xml='<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'))
    with pytest.raises(Corrupt, match="a scan"):
        decode(made("", [b""], 0, xml="<e57Root/>"))
    with pytest.raises(Corrupt, match="scan 1"):
        decode(data, scan=1)
    parts = '<cartesianX type="Structure"><a type="Float"/></cartesianX>'
    with pytest.raises(UnsupportedFormat, match="cartesianX"):
        decode(made(parts, streams, 300))


def test_limits():
    with pytest.raises(LimitExceeded) as e:
        decode(made(doubles(), [b""] * 3, 10**12))
    assert e.value.limit == "points"
    flat = "".join(
        f'<cartesian{c} type="Integer" minimum="1" maximum="1"/>' for c in "XYZ"
    )
    with pytest.raises(LimitExceeded) as e:  # values that take no bits
        decode(made(flat, [b"", b"", b"ab"], 40_000_000))
    assert e.value.limit in ("decoded_bytes", "ratio")


def test_damage_stays_in_the_closed_set():
    """Damage that the checksums agree with."""
    for i in range(150):
        local = np.random.default_rng(i)

        def change(body, local=local):
            bad = bytearray(body)
            for at in local.integers(0, min(len(bad), 300), 3):
                bad[at] = local.integers(0, 256)
            return bytes(bad)

        try:
            got = decode(simple(20, change=change)[1])
        except DataError:
            continue
        assert got.xyz.shape == (20, 3)


def test_what_libe57_writes(tmp_path):
    pye57 = pytest.importorskip("pye57", reason="the extra 'e57' is missing")
    n = 3000
    first = {f"cartesian{c}": rng.normal(size=n) for c in "XYZ"}
    first |= {
        f"color{c}": rng.integers(0, 256, n, np.uint8) for c in ("Red", "Green", "Blue")
    }
    first |= {"intensity": rng.random(n, np.float32)}
    first |= {"rowIndex": np.arange(n) % 60, "columnIndex": np.arange(n) // 60}
    second = {f"cartesian{c}": rng.normal(size=41) for c in "XYZ"}
    path = tmp_path / "a.e57"
    with pye57.E57(str(path), mode="w") as f:
        turn = np.array([0.5, 0.5, -0.5, 0.5])
        f.write_scan_raw(first, rotation=turn, translation=np.array([1.0, 2, 3]))
        f.write_scan_raw(second)
    with pye57.E57(str(path)) as f:
        options = {"intensity": True, "colors": True, "row_column": True}
        want = f.read_scan(0, ignore_missing_fields=True, **options)
    data = path.read_bytes()
    got = decode(data, scan=0)
    xyz = np.stack([want[f"cartesian{c}"] for c in "XYZ"], 1)
    np.testing.assert_allclose(got.xyz, xyz, atol=1e-12)
    for i, c in enumerate(("Red", "Green", "Blue")):
        np.testing.assert_array_equal(got.colors[:, i], want[f"color{c}"])
    np.testing.assert_array_equal(got.intensity, want["intensity"])
    for name in ("rowIndex", "columnIndex"):
        np.testing.assert_array_equal(got.fields[name], want[name])
    both = decode(data)
    assert np.bincount(both.fields["scan"]).tolist() == [n, 41]
    assert both.colors is None
