"""Sound through libsndfile, on what its own encoder writes."""

from __future__ import annotations

import io
import struct
import sys

import numpy as np
import pytest

soundfile = pytest.importorskip("soundfile", reason="the extra 'audio' is missing")

from helix_multimodal import (  # noqa: E402
    Audio,
    Corrupt,
    LimitExceeded,
    Limits,
    UnsupportedFormat,
    decode,
    header,
)

CASES = [
    ("flac", "FLAC", "PCM_16", 1e-4),
    ("flac", "FLAC", "PCM_24", 1e-6),
    ("ogg", "OGG", "VORBIS", 0.05),
    ("opus", "OGG", "OPUS", 0.05),
    ("mp3", "MP3", "MPEG_LAYER_III", 0.05),
    ("caf", "CAF", "PCM_16", 1e-4),
    ("caf", "CAF", "ALAC_16", 1e-4),
    ("wav", "W64", "PCM_16", 1e-4),
    ("wav", "WAV", "IMA_ADPCM", 0.05),
    ("wav", "WAV", "GSM610", 0.05),
    ("voc", "VOC", "PCM_16", 1e-4),
    ("8svx", "SVX", "PCM_S8", 2e-2),
]
RATE = 48000


def tone(channels=2, seconds=0.5):
    t = np.arange(int(RATE * seconds)) / RATE
    rows = [0.4 * np.sin(2 * np.pi * 330 * (c + 1) * t) for c in range(channels)]
    return np.stack(rows, 1).astype(np.float32)


def written(kind, subtype, x, rate=RATE):
    f = io.BytesIO()
    soundfile.write(f, x, rate, format=kind, subtype=subtype)
    return f.getvalue()


@pytest.mark.parametrize(("name", "kind", "subtype", "near"), CASES)
def test_a_tone_comes_back(name, kind, subtype, near):
    x = tone(1 if subtype == "GSM610" or kind in ("SVX", "VOC") else 2)
    data = written(kind, subtype, x)
    got = decode(data, format=name)
    assert isinstance(got, Audio)
    assert got.sample_rate == RATE
    assert got.samples.dtype == np.float32
    assert got.samples.shape[0] == x.shape[1]
    n = min(len(x), got.samples.shape[1])
    assert n > 0.9 * len(x)
    error = np.sqrt(np.mean((got.samples[:, :n] - x[:n].T) ** 2))
    assert error < near
    told = header(data, format=name)
    assert (told["channels"], told["sample_rate"]) == (x.shape[1], RATE)


@pytest.mark.parametrize("name", ["flac", "ogg", "opus", "mp3", "caf"])
def test_detection_finds_the_decoder(name):
    kind, subtype = next((k, s) for n, k, s, _ in CASES if n == name)
    got = decode(written(kind, subtype, tone()))
    assert got.format == name


def test_other_codecs_of_ogg_are_left_to_others(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    page = (
        b"OggS" + bytes([0, 2]) + bytes(20) + bytes([1, 80]) + b"Speex   " + bytes(72)
    )
    with pytest.raises(UnsupportedFormat, match="Speex"):
        decode(page, format="ogg", isolation="thread")


def test_rf64_is_read_by_the_own_reader():
    got = decode(written("RF64", "PCM_16", tone()))
    np.testing.assert_allclose(got.samples, tone().T, atol=1e-4)


def test_silence_of_no_length():
    got = decode(written("CAF", "PCM_16", np.zeros((0, 2), np.float32)), format="caf")
    assert got.samples.shape == (2, 0)


def test_limits_by_what_the_header_tells():
    data = written("FLAC", "PCM_16", np.zeros((RATE * 4, 1), np.float32))
    for limit in ({"seconds": 3.0}, {"decoded_bytes": 4 * RATE}):
        with pytest.raises(LimitExceeded) as e:
            decode(data, format="flac", limits=Limits(**limit))
        assert e.value.limit == next(iter(limit))


def forged(data, rate, frames):
    """A FLAC whose header tells another rate and number of frames (RFC 9639, 8.2)."""
    out = bytearray(data)
    old = int.from_bytes(out[18:26], "big")
    rest = old >> 36 & 0xFF  # channels and bits
    out[18:26] = (rate << 44 | rest << 36 | frames).to_bytes(8, "big")
    return bytes(out)


def test_limits_while_decoding():
    """A header that tells of few frames does not hide many."""
    data = forged(written("FLAC", "PCM_16", tone(2, 4)), RATE, 0)
    with pytest.raises(LimitExceeded):
        decode(data, format="flac", limits=Limits(decoded_bytes=RATE * 8))


def test_a_header_that_promises_too_much():
    data = forged(written("FLAC", "PCM_16", tone()), 655_350, 2**36 - 1)
    with pytest.raises(LimitExceeded):
        decode(data, format="flac")


@pytest.mark.parametrize("name", ["flac", "ogg", "opus", "mp3", "caf"])
def test_damage_stays_in_the_closed_set(name):
    kind, subtype = next((k, s) for n, k, s, _ in CASES if n == name)
    data = written(kind, subtype, tone(2, 0.1))
    rng = np.random.default_rng(3)
    for i in range(40):
        bad = bytearray(data[: int(rng.integers(1, len(data)))] if i % 2 else data)
        for at in rng.integers(0, len(bad), 6):
            bad[at] = rng.integers(0, 256)
        try:
            got = decode(bytes(bad), format=name)
        except (Corrupt, LimitExceeded, UnsupportedFormat):
            continue
        assert np.ndim(got.samples) == 2


def test_the_format_is_pinned():
    with pytest.raises(Corrupt, match="fLaC"):
        decode(written("OGG", "VORBIS", tone()), format="flac")
    with pytest.raises(Corrupt, match="expected MP3; got FLAC"):
        decode(written("FLAC", "PCM_16", tone()), format="mp3")


def test_a_codec_that_nothing_knows():
    fmt = struct.pack("<HHIIHH", 0x1234, 1, 8000, 8000, 1, 8)
    body = b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", 4)
    data = b"RIFF" + struct.pack("<I", len(body) + 4) + body + b"abcd"
    with pytest.raises(UnsupportedFormat):
        decode(data)


@pytest.mark.parametrize("name", ["flac", "ogg", "opus", "mp3"])
def test_the_same_bits_each_time(name):
    kind, subtype = next((k, s) for n, k, s, _ in CASES if n == name)
    data = written(kind, subtype, tone(2, 4))
    first = decode(data, format=name).samples
    keep = [np.empty(i * 7777, np.uint8) for i in range(1, 9)]  # memory lies elsewhere
    for _ in keep:
        np.testing.assert_array_equal(decode(data, format=name).samples, first)
    np.testing.assert_array_equal(
        decode(data, format=name, isolation="process").samples, first
    )
