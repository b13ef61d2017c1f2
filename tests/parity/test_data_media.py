"""Decoders of extras against soundfile, PyAV and laspy, and on public files."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from helix_multimodal import Audio, DataError, Points, Video, decode, detect
from helix_multimodal.decode import decoders

from benchmarks.data import detection
from tools import media_manifest as manifest

av = pytest.importorskip("av", reason="PyAV")
laspy = pytest.importorskip("laspy", reason="laspy")
soundfile = pytest.importorskip("soundfile", reason="soundfile")

_SPECS = {"sndfile", "ffmpeg", "ffmpeg-audio", "laz"}
# files that hold media: others of the set are headers that were cut for tests of tags
_LEAST = 20_000  # bytes


@pytest.fixture(scope="module")
def public():
    """(path, format, bytes) of public files that these decoders read first."""
    try:
        files = detection.files()
    except manifest.Absent as e:
        pytest.skip(f"public media files: {e}")
    out = []
    for entry, data in files:
        if not _LEAST < len(data) < 4_000_000:
            continue
        name = detect(data).format
        found = decoders(name)
        if found and found[0].spec.name in _SPECS:
            out.append((entry.path, name, data))
    return out


def whole(data):
    """Samples and rate; ``soundfile.read`` seeks, after which Opus has no past."""
    with soundfile.SoundFile(io.BytesIO(data)) as f:
        return f.read(dtype="float32", always_2d=True), f.samplerate


def chosen(public, spec):
    files = [x for x in public if decoders(x[1])[0].spec.name == spec]
    assert len(files) >= 5
    return files


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        ("FLAC", "PCM_24"),
        ("OGG", "VORBIS"),
        ("MP3", "MPEG_LAYER_III"),
        ("CAF", "ALAC_24"),
        ("WAV", "MS_ADPCM"),
        ("W64", "FLOAT"),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_sound_is_soundfiles(kind, subtype, channels):
    x = 0.3 * np.random.default_rng(0).standard_normal((90_000, channels))
    f = io.BytesIO()
    soundfile.write(f, x.clip(-1, 1), 44100, format=kind, subtype=subtype)
    want, rate = whole(f.getvalue())
    got = decode(f.getvalue(), format="wav" if kind == "W64" else kind.lower())
    assert got.sample_rate == rate
    same(got.samples, want.T, got.format)


def same(got, want, name, path=""):
    """Equal; mpg123 rounds otherwise where it is asked for blocks."""
    near = 2.5e-7 if name == "mp3" else 0
    np.testing.assert_allclose(got, want, rtol=0, atol=near, err_msg=path)


def test_public_sound_is_soundfiles(public):
    compared = 0
    for path, name, data in chosen(public, "sndfile"):
        try:
            want, rate = whole(data)
        except soundfile.LibsndfileError:
            continue
        got = decode(data, format=name)
        assert isinstance(got, Audio), path
        assert got.sample_rate == rate
        same(got.samples, want.T, name, path)
        compared += 1
    assert compared >= 5


def test_public_videos_are_pyavs(public):
    formats = set()
    for path, name, data in chosen(public, "ffmpeg"):
        got = decode(data, format=name, max_frames=8)
        if not isinstance(got, Video) or "damaged_packets" in got.metadata:
            continue
        with av.open(io.BytesIO(data)) as f:
            frames = itertools.islice(f.decode(video=0), 8)
            want = [frame.to_ndarray(format="rgb24") for frame in frames]
        assert np.all(np.diff(got.times) >= 0), path
        np.testing.assert_array_equal(got.frames, np.stack(want), err_msg=path)
        formats.add(name)
    assert len(formats) >= 8, formats


def test_public_sound_of_other_kinds_is_pyavs(public):
    formats = set()
    for path, name, data in chosen(public, "ffmpeg-audio"):
        try:
            got = decode(data, format=name)
        except DataError:
            continue
        assert isinstance(got, Audio), path
        if "damaged_packets" in got.metadata:
            continue
        with av.open(io.BytesIO(data)) as f:
            convert = av.AudioResampler(format="fltp")
            want = [
                part.to_ndarray()
                for frame in f.decode(audio=0)
                for part in convert.resample(frame)
            ]
        np.testing.assert_array_equal(
            got.samples, np.concatenate(want, 1), err_msg=path
        )
        formats.add(name)
    assert len(formats) >= 4, formats


def test_public_laz_is_laspys(public):
    for path, name, data in chosen(public, "laz"):
        want = laspy.read(io.BytesIO(data))
        got = decode(data, format=name)
        assert isinstance(got, Points), path
        np.testing.assert_allclose(got.xyz, want.xyz, rtol=0, atol=1e-9, err_msg=path)
        np.testing.assert_array_equal(got.intensity, want.intensity)
        np.testing.assert_array_equal(got.labels, want.classification)
        np.testing.assert_array_equal(got.fields["return_number"], want.return_number)
        if got.colors is not None:
            np.testing.assert_array_equal(
                got.colors, np.stack([want.red, want.green, want.blue], 1)
            )
