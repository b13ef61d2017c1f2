"""Decoders of helix-multimodal against Pillow, soundfile, laspy and trimesh."""

from __future__ import annotations

import io

import numpy as np
import pytest
from helix_multimodal import Limits
from helix_multimodal.limits import Meter

rng = np.random.default_rng(0)


def read(module, data, name="decode", **options):
    meter = Meter(Limits(), len(data), "test")
    return getattr(module, name)(data, meter, **options)


def picture(height, width, channels, top=256):
    """Smooth, with an edge and noise: encoders choose every filter."""
    y, x = np.mgrid[:height, :width]
    out = np.stack([(x * (c + 1) + 2 * y) % top for c in range(channels)], -1)
    out[: height // 3] += rng.integers(0, 9, (height // 3, width, channels))
    return (out % top).astype(np.uint8)


def saved(image, kind, **options):
    f = io.BytesIO()
    image.save(f, kind, **options)
    return f.getvalue()


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (61, 47), (300, 200)])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_png_is_pillows(mode, size):
    from helix_multimodal.decode import png
    from PIL import Image

    want = picture(*size, len(mode) if mode != "L" else 1)
    data = saved(
        Image.fromarray(want.squeeze(-1) if mode == "L" else want, mode), "PNG"
    )
    np.testing.assert_array_equal(read(png, data).pixels, want)


@pytest.mark.parametrize("kind", range(5))
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_filters(kind, channels):
    """Rows of one filter only, as Pillow reads them."""
    import struct
    import zlib

    from helix_multimodal.decode import png
    from PIL import Image

    height, width = 40, 33
    raw = rng.integers(0, 256, (height, 1 + width * channels), np.uint8)
    raw[:, 0] = kind

    def chunk(name, body):
        crc = zlib.crc32(name + body)
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)

    colour = {1: 0, 3: 2, 4: 6}[channels]
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
    data += chunk(b"IDAT", zlib.compress(raw.tobytes())) + chunk(b"IEND", b"")
    want = np.asarray(Image.open(io.BytesIO(data))).reshape(height, width, channels)
    np.testing.assert_array_equal(read(png, data).pixels, want)


@pytest.mark.parametrize("mode", ["1", "P", "I;16"])
def test_png_of_other_modes(mode):
    from helix_multimodal.decode import png
    from PIL import Image

    if mode == "I;16":
        want = rng.integers(0, 65536, (31, 17)).astype(np.uint16)
        data = saved(Image.fromarray(want), "PNG")
        np.testing.assert_array_equal(read(png, data).pixels[..., 0], want)
        return
    image = Image.fromarray(picture(31, 17, 3)).convert(mode)
    want = np.asarray(image.convert("RGB" if mode == "P" else "L"))
    got = read(png, saved(image, "PNG")).pixels
    np.testing.assert_array_equal(got, want.reshape(got.shape))


# not disposal 2 with blend 1: Pillow keeps there what the standard reverts
@pytest.mark.parametrize(
    ("disposal", "blend"), [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
)
def test_apng_is_pillows(disposal, blend):
    from helix_multimodal.decode import png
    from PIL import Image, ImageSequence

    parts = [picture(20, 16, 4, 200 + i) for i in range(4)]
    if blend:  # Pillow pastes by the mask; the standard's "over" differs between
        for part in parts:
            part[..., 3] = np.where(part[..., 3] > 60, 255, 0)
    frames = [Image.fromarray(part, "RGBA") for part in parts]
    data = saved(
        frames[0],
        "PNG",
        save_all=True,
        append_images=frames[1:],
        duration=40,
        disposal=disposal,
        blend=blend,
    )
    shown = ImageSequence.Iterator(Image.open(io.BytesIO(data)))
    want = np.stack([np.asarray(f.convert("RGBA")) for f in shown])
    got = read(png, data, frames=True)
    np.testing.assert_allclose(got.durations, 0.04)
    np.testing.assert_array_equal(got.frames[..., 3], want[..., 3])
    seen = want[..., 3] > 0
    np.testing.assert_array_equal(got.frames[seen], want[seen])


@pytest.mark.parametrize(("kind", "channels"), [("PPM", 1), ("PPM", 3)])
def test_pnm_is_pillows(kind, channels):
    from helix_multimodal.decode import pnm
    from PIL import Image

    want = picture(21, 33, channels)
    data = saved(Image.fromarray(want.squeeze(-1) if channels == 1 else want), kind)
    np.testing.assert_array_equal(read(pnm, data).pixels, want)


@pytest.mark.parametrize("channels", [3, 4])
def test_qoi_is_pillows(channels):
    from helix_multimodal.decode import qoi
    from PIL import Image

    want = picture(60, 41, channels)
    want[20:30] = want[20, 0]
    data = saved(Image.fromarray(want), "QOI")
    np.testing.assert_array_equal(read(qoi, data).pixels, want)


SUBTYPES = [
    ("WAV", "PCM_U8"),
    ("WAV", "PCM_16"),
    ("WAV", "PCM_24"),
    ("WAV", "PCM_32"),
    ("WAV", "FLOAT"),
    ("WAV", "DOUBLE"),
    ("WAV", "ULAW"),
    ("WAV", "ALAW"),
    ("WAVEX", "PCM_24"),
    ("RF64", "PCM_16"),
    ("AIFF", "PCM_S8"),
    ("AIFF", "PCM_16"),
    ("AIFF", "PCM_24"),
    ("AIFF", "FLOAT"),
    ("AIFF", "ULAW"),
    ("AU", "PCM_16"),
    ("AU", "FLOAT"),
    ("AU", "ALAW"),
]


@pytest.mark.parametrize(("kind", "subtype"), SUBTYPES)
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_sound_is_soundfiles(kind, subtype, channels):
    import soundfile
    from helix_multimodal.decode import aiff, wav

    f = io.BytesIO()
    x = np.clip(rng.standard_normal((20_001, channels)) * 0.3, -1, 1)
    soundfile.write(f, x, 11_025, subtype=subtype, format=kind)
    data = f.getvalue()
    want, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    module = wav if kind in ("WAV", "WAVEX", "RF64") else aiff
    got = read(module, data, "decode_au" if kind == "AU" else "decode")
    assert got.sample_rate == rate == 11_025
    np.testing.assert_array_equal(got.samples, want.T)
