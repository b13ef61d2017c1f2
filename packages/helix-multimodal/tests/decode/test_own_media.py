"""Own readers of images, sound and arrays, on literal bytes and what NumPy writes."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from helix_multimodal import Corrupt, LimitExceeded, Limits, UnsupportedFormat
from helix_multimodal.decode import aiff, npy, png, pnm, qoi, wav
from helix_multimodal.limits import Meter


def meter(data, what="test", **limits):
    return Meter(Limits(**limits), len(data), what)


def read(module, data, name="decode", **limits):
    return getattr(module, name)(data, meter(data, **limits))


# ------------------------------------------------------------------------------- images
def chunk(name, body):
    crc = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)


def make_png(width, height, depth, colour, rows, lace=0, extra=b""):
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, lace)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + extra
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_png_of_two_gray_pixels():
    got = read(png, make_png(2, 1, 8, 0, b"\0\x07\xff"))
    assert got.pixels.tolist() == [[[7], [255]]]
    assert got.pixels.dtype == np.uint8
    assert got.pixels.flags.writeable


def test_png_palette_with_alpha_at_one_bit():
    extra = chunk(b"PLTE", bytes([1, 2, 3, 4, 5, 6])) + chunk(b"tRNS", b"\x09")
    got = read(png, make_png(3, 1, 1, 3, b"\0\xa0", extra=extra))
    assert got.pixels.tolist() == [[[4, 5, 6, 255], [1, 2, 3, 9], [4, 5, 6, 255]]]


def test_png_sixteen_bits():
    got = read(png, make_png(1, 1, 16, 2, b"\0\1\2\3\4\5\6"))
    assert got.pixels.tolist() == [[[0x102, 0x304, 0x506]]]
    assert got.pixels.dtype == np.uint16


def test_png_is_upright():
    tiff = b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"
    data = make_png(2, 1, 8, 0, b"\0\1\2", extra=chunk(b"eXIf", tiff))
    assert read(png, data).pixels.tolist() == [[[1]], [[2]]]


def test_apng_over():
    """Half transparent red over blue; the first image is a frame."""

    def control(n, blend):
        body = struct.pack(">IIIIIHHBB", n, 1, 1, 0, 0, 1, 50, 0, blend)
        return chunk(b"fcTL", body)

    blue = zlib.compress(b"\0\0\0\xff\xff")
    red = struct.pack(">I", 2) + zlib.compress(b"\0\xff\0\0\x80")
    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 6, 0, 0, 0))
        + chunk(b"acTL", struct.pack(">II", 2, 0))
        + control(0, 0)
        + chunk(b"IDAT", blue)
        + control(1, 1)
        + chunk(b"fdAT", red)
        + chunk(b"IEND", b"")
    )
    got = png.decode(data, meter(data), frames=True)
    assert got.frames.tolist() == [[[[0, 0, 255, 255]]], [[[128, 0, 127, 255]]]]
    assert got.durations.tolist() == [0.02, 0.02]


@pytest.mark.parametrize("cut", [5, 20, 40, 50, 60])
def test_png_cut_is_corrupt(cut):
    data = make_png(2, 1, 8, 0, b"\0\x07\xff")
    with pytest.raises(Corrupt):
        read(png, data[:cut])


def test_png_bomb_is_refused_by_its_header():
    data = make_png(20_000, 20_000, 8, 0, b"\0")
    with pytest.raises(LimitExceeded, match="pixels"):
        read(png, data)


def test_png_pixels_that_are_not_there():
    with pytest.raises(Corrupt, match="bytes of pixels"):
        read(png, make_png(100, 100, 8, 0, b"\0\1\2"))


@pytest.mark.parametrize(
    ("data", "want"),
    [
        (b"P1 2 2\n1 0\n01", [[[0], [1]], [[1], [0]]]),
        (b"P2\n# c\n2 1\n255\n3 # x\n 200", [[[3], [200]]]),
        (b"P3 1 1 255 1 2 3", [[[1, 2, 3]]]),
        (b"P4 3 1\n\xa0", [[[0], [1], [0]]]),
        (b"P5 2 1 255\n\x05\xff", [[[5], [255]]]),
        (b"P5 2 1 15\n\x05\x0f", [[[85], [255]]]),
        (b"P6 1 1 255\n\1\2\3", [[[1, 2, 3]]]),
        (b"P5 1 1 65535\n\1\2", [[[0x102]]]),
    ],
)
def test_pnm(data, want):
    got = read(pnm, data).pixels
    scale = 255 if data[:2] in (b"P1", b"P4") else 1
    assert got.tolist() == (np.array(want) * scale).tolist()


def test_pfm_rows_are_from_the_top():
    data = b"Pf 1 2 -1\n" + np.array([1.5, 2.5], "<f4").tobytes()
    assert read(pnm, data).pixels.tolist() == [[[2.5]], [[1.5]]]


def test_pam():
    head = b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
    assert read(pnm, head + b"\1\2\3\4").pixels.tolist() == [[[1, 2, 3, 4]]]


@pytest.mark.parametrize(
    "data",
    [
        b"P5",
        b"P5 0 1 255\n",
        b"P5 2 2 255\n\0",
        b"P2 1 1 255 x",
        b"P5 1 1 0\n\0",
        b"P9",
    ],
)
def test_pnm_that_lies(data):
    with pytest.raises(Corrupt):
        read(pnm, data)


def test_farbfeld():
    data = b"farbfeld" + struct.pack(">II4H", 1, 1, 1, 2, 3, 4)
    assert read(pnm, data, "decode_farbfeld").pixels.tolist() == [[[1, 2, 3, 4]]]


def test_qoi_codes():
    """One of each code of the specification."""
    body = (
        b"\xfe\x0a\x14\x1e"  # RGB 10, 20, 30
        b"\xc0"  # run of 1
        b"\x7f"  # diff +1 +1 +1
        b"\xa5\x88"  # luma: green + 5, red and blue the same
        b"\xff\1\2\3\4"  # RGBA
        + bytes([(10 * 3 + 20 * 5 + 30 * 7 + 255 * 11) % 64])  # index
    )
    data = b"qoif" + struct.pack(">IIBB", 6, 1, 4, 0) + body + b"\0" * 7 + b"\1"
    assert read(qoi, data).pixels.tolist() == [
        [
            [10, 20, 30, 255],
            [10, 20, 30, 255],
            [11, 21, 31, 255],
            [16, 26, 36, 255],
            [1, 2, 3, 4],
            [10, 20, 30, 255],
        ]
    ]


def test_qoi_bomb():
    data = b"qoif" + struct.pack(">IIBB", 60_000, 60_000, 4, 0) + b"\xfd" * 9
    with pytest.raises((Corrupt, LimitExceeded)):
        read(qoi, data)


# -------------------------------------------------------------------------------- sound
def make_wav(tag, channels, bits, body, rate=8000):
    align = channels * bits // 8
    fmt = struct.pack("<HHIIHH", tag, channels, rate, rate * align, align, bits)
    chunks = b"fmt " + struct.pack("<I", 16) + fmt
    chunks += b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


@pytest.mark.parametrize(
    ("tag", "bits", "body", "want"),
    [
        (1, 8, b"\x00\x80\xc0", [-1, 0, 0.5]),
        (1, 16, b"\x00\x80\x00\x00\x00\x40", [-1, 0, 0.5]),
        (1, 24, b"\x00\x00\x80\x00\x00\x00\x00\x00\x40", [-1, 0, 0.5]),
        (1, 32, b"\0\0\0\x80\0\0\0\0\0\0\0\x40", [-1, 0, 0.5]),
        (3, 32, np.array([-1, 0, 0.5], "<f4").tobytes(), [-1, 0, 0.5]),
        (3, 64, np.array([-1, 0, 0.5], "<f8").tobytes(), [-1, 0, 0.5]),
        (7, 8, b"\x00\xff\x80", [-32124 / 32768, 0, 32124 / 32768]),
        (6, 8, b"\xd5\x55\xaa", [8 / 32768, -8 / 32768, 32256 / 32768]),
    ],
)
def test_wav(tag, bits, body, want):
    got = read(wav, make_wav(tag, 1, bits, body))
    assert got.samples.dtype == np.float32
    assert got.sample_rate == 8000
    np.testing.assert_array_equal(got.samples, np.array([want], np.float32))


def test_wav_channels_and_header():
    data = make_wav(1, 2, 16, struct.pack("<4h", 1, 2, 3, 4))
    got = read(wav, data).samples * 32768
    assert got.tolist() == [[1, 3], [2, 4]]
    head = read(wav, data, "header")
    assert head["frames"] == 2
    assert head["seconds"] == 2 / 8000


def test_wav_that_ends_early_gives_what_is_there():
    data = make_wav(1, 1, 16, struct.pack("<4h", 1, 2, 3, 4))[:-3]
    assert read(wav, data).samples.shape == (1, 2)


def test_wav_that_lasts_too_long():
    with pytest.raises(LimitExceeded, match="seconds"):
        read(wav, make_wav(1, 1, 8, b"\0" * 1000, rate=1))


def test_wav_of_a_codec():
    with pytest.raises(UnsupportedFormat, match="0x2"):
        read(wav, make_wav(2, 1, 4, b""))


def test_aiff():
    rate = bytes.fromhex("400bfa00000000000000")  # 8000 as an 80-bit float
    comm = struct.pack(">HIH", 1, 3, 16) + rate
    ssnd = struct.pack(">II3h", 0, 0, -32768, 0, 16384)
    body = b"COMM" + struct.pack(">I", len(comm)) + comm
    body += b"SSND" + struct.pack(">I", len(ssnd)) + ssnd
    data = b"FORM" + struct.pack(">I", 4 + len(body)) + b"AIFF" + body
    got = read(aiff, data)
    assert got.sample_rate == 8000
    assert got.samples.tolist() == [[-1, 0, 0.5]]


def test_au():
    data = struct.pack(">4s5I3h", b".snd", 24, 6, 3, 8000, 1, -32768, 0, 16384)
    assert read(aiff, data, "decode_au").samples.tolist() == [[-1, 0, 0.5]]


# ------------------------------------------------------------------------------- arrays
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">i8", "?", "<U3", "<c8"])
def test_npy(dtype, order):
    want = np.arange(12).reshape(3, 4).astype(dtype, order=order)
    f = io.BytesIO()
    np.save(f, want)
    got = read(npy, f.getvalue()).arrays["array"]
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


def test_npy_of_objects_is_refused():
    f = io.BytesIO()
    np.save(f, np.array([{}], object), allow_pickle=True)
    with pytest.raises(UnsupportedFormat, match="pickles"):
        read(npy, f.getvalue())


@pytest.mark.parametrize(
    "shape", ["(10**12,)", "(-1,)", "(99999999999, 0)", "3", "('a',)"]
)
def test_npy_shape_that_lies(shape):
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".encode()
    data = b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + b"\0" * 8
    if shape == "(99999999999, 0)":
        assert read(npy, data).arrays["array"].shape == (99999999999, 0)
    else:
        with pytest.raises((Corrupt, LimitExceeded)):
            read(npy, data)


def test_npz():
    f = io.BytesIO()
    np.savez_compressed(f, a=np.arange(3), b=np.eye(2))
    got = read(npy, f.getvalue(), "decode_npz").arrays
    assert got["a"].tolist() == [0, 1, 2]
    assert got["b"].tolist() == [[1, 0], [0, 1]]


def test_npz_bomb():
    f = io.BytesIO()
    np.savez_compressed(f, a=np.zeros(64 << 20, np.uint8))
    with pytest.raises(LimitExceeded):
        read(npy, f.getvalue(), "decode_npz", decoded_bytes=1 << 20)
    with pytest.raises(LimitExceeded):
        read(npy, f.getvalue(), "decode_npz", ratio=100)
