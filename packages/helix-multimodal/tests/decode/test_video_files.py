"""Video and sound through FFmpeg, on what its own encoders write."""

from __future__ import annotations

import io
import struct
from fractions import Fraction

import numpy as np
import pytest

av = pytest.importorskip("av", reason="the extra 'video' is missing")

from helix_multimodal import (  # noqa: E402
    Audio,
    Corrupt,
    DataError,
    LimitExceeded,
    Limits,
    UnsupportedFormat,
    Video,
    decode,
    header,
)
from helix_multimodal.tensors.video import at_fps  # noqa: E402

# format, muxer, codecs of pictures and sound
CASES = [
    ("mp4", "mp4", "mpeg4", "aac"),
    ("mov", "mov", "mjpeg", "pcm_s16le"),
    ("3gp", "3gp", "mpeg4", "aac"),
    ("mkv", "matroska", "mpeg4", "flac"),
    ("webm", "webm", "libvpx", "libopus"),
    ("avi", "avi", "mpeg4", "mp3"),
    ("flv", "flv", "flv", "aac"),
    ("wmv", "asf", "wmv2", "wmav2"),
    ("mpeg-ps", "vob", "mpeg2video", "mp2"),
    ("mpeg-ts", "mpegts", "mpeg2video", "mp2"),
    ("mpeg-es", "mpeg2video", "mpeg2video", None),
    ("ogv", "ogg", "libtheora", "libvorbis"),
    ("rm", "rm", "rv20", "ac3"),
    ("swf", "swf", "flv", None),
    ("nut", "nut", "mpeg4", "pcm_s16le"),
    ("y4m", "yuv4mpegpipe", "wrapped_avframe", None),
    ("ivf", "ivf", "libvpx", None),
    ("mxf", "mxf", "mpeg2video", None),
]
SOUNDS = [
    ("m4a", "ipod", "aac"),
    ("aac", "adts", "aac"),
    ("wma", "asf", "wmav2"),
    ("ac3", "ac3", "ac3"),
    ("tta", "tta", "tta"),
    ("wavpack", "wv", "wavpack"),
]
RATE = 25


def pictures(n=20, height=48, width=64):
    """A bright square that moves right over a gradient."""
    out = np.empty((n, height, width, 3), np.uint8)
    out[:] = np.linspace(40, 90, width).astype(np.uint8)[None, None, :, None]
    for i in range(n):
        out[i, 8:24, 2 * i : 2 * i + 16] = (200, 60, 60)
    return out


def encoded(muxer, codec, sound=None, n=20, shape=(48, 64), times=None, seconds=0.8):
    """A file of FFmpeg's encoders; skips where this build has none."""
    for name in (codec, sound):
        if name is not None:
            try:
                av.codec.Codec(name, "w")
            except ValueError:
                pytest.skip(f"this build of FFmpeg has no encoder {name}")
    f = io.BytesIO()
    with av.open(f, "w", format=muxer) as out:
        stream = sounding = None
        if codec:
            stream = out.add_stream(codec, rate=RATE)
            stream.width, stream.height = shape[1], shape[0]
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.bit_rate = 2_000_000
        if sound:
            rate = 48000 if sound == "libopus" else 44100
            sounding = out.add_stream(sound, rate=rate, layout="stereo")
            sounding.bit_rate = 128_000
        if stream is not None:
            for i, rgb in enumerate(pictures(n, *shape)):
                frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
                frame = frame.reformat(format=stream.pix_fmt)
                if times is not None:
                    frame.pts, frame.time_base = times[i], Fraction(1, RATE)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        if sounding is not None:
            t = np.arange(int(rate * seconds)) / rate
            x = 0.4 * np.stack([np.sin(660 * np.pi * t), np.sin(880 * np.pi * t)])
            fifo = av.AudioFrame.from_ndarray(
                x.astype(np.float32), format="fltp", layout="stereo"
            )
            fifo.sample_rate, fifo.pts = rate, 0
            size = sounding.codec_context.frame_size or 1024
            convert = av.AudioResampler(
                format=sounding.format, layout="stereo", rate=rate, frame_size=size
            )
            for frame in [*convert.resample(fifo), *convert.resample(None)]:
                out.mux(sounding.encode(frame))
            out.mux(sounding.encode(None))
    return f.getvalue()


def here(data, **options):
    return decode(data, isolation="thread", **options)


def direct(data):
    """All frames and times of PyAV itself."""
    with av.open(io.BytesIO(data)) as f:
        frames = list(f.decode(video=0))
        zero = max(0, f.start_time or 0) / 1e6
    times = [None if x.time is None else x.time - zero for x in frames]
    return np.stack([x.to_ndarray(format="rgb24") for x in frames]), times


@pytest.mark.parametrize(("name", "muxer", "codec", "sound"), CASES)
def test_frames_are_ffmpegs(name, muxer, codec, sound):
    data = encoded(muxer, codec, sound)
    got = here(data)
    assert isinstance(got, Video)
    assert got.format == name
    want, times = direct(data)
    np.testing.assert_array_equal(got.frames, want)
    if None not in times:
        np.testing.assert_allclose(got.times, times, atol=1e-9)
    assert got.frames.shape[1:] == (48, 64, 3)
    # the square is where it was drawn
    shown = got.frames[5].astype(int)
    assert shown[12:20, 14:22, 0].mean() > 150 > shown[30:, :, 0].mean()
    if sound is None:
        assert got.audio is None
    else:
        assert got.audio.samples.shape[0] == 2
        length = got.audio.samples.shape[1] / got.audio.sample_rate
        assert 0.7 < length < 1.0
        assert abs(got.metadata["audio_start"]) < 0.1
        level = np.sqrt(np.mean(got.audio.samples[:, 8000:24000] ** 2))
        assert abs(level - 0.4 / np.sqrt(2)) < 0.05


@pytest.mark.parametrize(("name", "muxer", "codec"), SOUNDS)
def test_sound(name, muxer, codec):
    data = encoded(muxer, None, codec)
    got = here(data)
    assert isinstance(got, Audio)
    assert (got.format, got.sample_rate) == (name, 44100)
    x = got.samples[:, 8000:24000]
    for row, hz in zip(x, (330, 440), strict=True):
        spectrum = np.abs(np.fft.rfft(row * np.hanning(len(row))))
        assert abs(np.argmax(spectrum) * 44100 / len(row) - hz) < 4


def test_a_worker_gives_the_same():
    data = encoded("matroska", "mpeg4", "flac")
    one, two = here(data), decode(data)
    np.testing.assert_array_equal(one.frames, two.frames)
    np.testing.assert_array_equal(one.audio.samples, two.audio.samples)


def test_header():
    got = header(encoded("mp4", "mpeg4", "aac"))
    assert (got["width"], got["height"], got["frames"]) == (64, 48, 20)
    assert (got["sample_rate"], got["channels"]) == (44100, 2)
    assert got["fps"] == pytest.approx(25)
    assert got["seconds"] == pytest.approx(0.8, abs=0.05)


# --------------------------------------------------------------------------- what to keep
VARIABLE = [0, 1, 2, 5, 6, 11, 12, 13, 19, 20]


@pytest.fixture(scope="module")
def film():
    return encoded("nut", "mpeg4", "pcm_s16le")


def test_every(film):
    full, got = here(film), here(film, every=3)
    np.testing.assert_array_equal(got.frames, full.frames[::3])
    np.testing.assert_array_equal(got.times, full.times[::3])


@pytest.mark.parametrize("fps", [1, 7, 10, 25, 60])
@pytest.mark.parametrize("variable", [False, True])
def test_fps_takes_what_is_on_screen(film, fps, variable):
    data = film
    if variable:
        data = encoded("nut", "mpeg4", n=10, times=VARIABLE)
    full, got = here(data), here(data, fps=fps)
    at = at_fps(full.times, fps)
    np.testing.assert_array_equal(got.times, full.times[at])
    np.testing.assert_array_equal(got.frames, full.frames[at])


def test_start_and_stop_cut_both(film):
    full, got = here(film), here(film, start=0.2, stop=0.5)
    kept = (full.times >= 0.2) & (full.times < 0.5)
    np.testing.assert_array_equal(got.frames, full.frames[kept])
    assert got.metadata["audio_start"] == pytest.approx(0.2, abs=1e-4)
    first = round(0.2 * 44100)
    want = full.audio.samples[:, first : round(0.5 * 44100)]
    np.testing.assert_array_equal(got.audio.samples, want)


def test_max_frames_ends_the_sound_too(film):
    full, got = here(film), here(film, max_frames=5)
    np.testing.assert_array_equal(got.frames, full.frames[:5])
    assert got.audio.samples.shape[1] == round(0.2 * 44100)


def test_after_the_end_there_is_nothing(film):
    got = here(film, start=100.0)
    assert got.frames.shape == (0, 48, 64, 3)
    assert got.audio is None
    assert here(film, audio=False).audio is None


@pytest.mark.parametrize(
    "options",
    [{"every": 0}, {"fps": -1}, {"fps": 5, "every": 2}, {"max_frames": 0}],
)
def test_options_that_are_none(film, options):
    with pytest.raises(DataError, match=r"expected (every|fps|max_frames)"):
        here(film, **options)


# -------------------------------------------------------------------------------- turning
PLAIN = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
TURNS = {
    (0, 1, -1, 0): lambda x: np.rot90(x, -1, (1, 2)),  # a quarter, clockwise
    (-1, 0, 0, -1): lambda x: np.rot90(x, 2, (1, 2)),
    (0, -1, 1, 0): lambda x: np.rot90(x, 1, (1, 2)),
    (-1, 0, 0, 1): lambda x: x[:, :, ::-1],
}


@pytest.mark.parametrize("turn", TURNS)
def test_frames_are_upright(turn):
    data = encoded("mp4", "mpeg4", n=3)
    at = data.index(PLAIN, data.index(b"tkhd"))
    a, b, c, d = (v << 16 for v in turn)
    matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    turned = data[:at] + matrix + data[at + 36 :]
    np.testing.assert_array_equal(here(turned).frames, TURNS[turn](here(data).frames))


# ------------------------------------------------------------------------ limits, damage
@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("frames", 10),
        ("frame_pixels", 64 * 47),
        ("seconds", 0.5),
        ("decoded_bytes", 48 * 64 * 3 * 10),
    ],
)
@pytest.mark.parametrize("muxer", ["mp4", "nut"])
def test_limits(muxer, limit, value):
    data = encoded(muxer, "mpeg4")
    with pytest.raises(LimitExceeded) as e:
        here(data, limits=Limits(**{limit: value}))
    assert e.value.limit == limit


def test_a_still_may_be_as_small_as_it_is():
    """Ratios of video have no limit: frames, seconds and bytes have."""
    data = encoded("mp4", "mpeg4", n=8, shape=(1024, 1024))
    assert here(data, limits=Limits(ratio=1)).frames.nbytes > 16 << 20


def test_what_is_asked_for_stays_within_limits(film):
    got = here(film, every=4, limits=Limits(frames=5))
    assert len(got.frames) == 5


def test_the_format_is_pinned(film):
    with pytest.raises(DataError):
        here(film, format="mp4")
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n"
    for name in ("mp4", "mkv", "mpeg-ts", "avi"):
        with pytest.raises(DataError):
            here(playlist, format=name)


def test_a_stream_that_was_cut():
    data = encoded("mpegts", "mpeg2video")
    got = here(data[: len(data) // 2])
    assert 0 < len(got.frames) < 20
    whole = encoded("mp4", "mpeg4")
    with pytest.raises(Corrupt):  # its index is at the end
        here(whole[: len(whole) // 2], format="mp4")


def test_covers_are_no_film():
    """Sound comes out of a file that has a picture attached to it."""
    x = av.AudioFrame.from_ndarray(
        np.zeros((1, 4096), np.float32), format="fltp", layout="mono"
    )
    x.sample_rate, x.pts = 44100, 0
    image = av.VideoFrame.from_ndarray(pictures(1)[0], format="rgb24")
    f = io.BytesIO()
    with av.open(f, "w", format="mp4") as out:
        sound = out.add_stream("aac", rate=44100, layout="mono")
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        out.mux(cover.encode(image.reformat(format="yuvj420p")))
        out.mux(cover.encode(None))
        convert = av.AudioResampler(format=sound.format, frame_size=1024)
        for frame in convert.resample(x):
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    with av.open(io.BytesIO(f.getvalue())) as again:
        assert len(again.streams.video) == 1
    got = here(f.getvalue(), format="mp4")
    assert isinstance(got, Audio)
    assert 4096 <= got.samples.shape[1] < 4096 + 2048


def test_sound_is_asked_for():
    assert isinstance(here(encoded("ipod", None, "aac"), format="mp4"), Audio)
    with pytest.raises(UnsupportedFormat, match="sound"):
        here(encoded("mp4", "mpeg4"), format="m4a")


@pytest.mark.parametrize("muxer", ["mp4", "matroska", "avi", "mpegts"])
def test_damage_stays_in_the_closed_set(muxer):
    name = next(n for n, m, _, _ in CASES if m == muxer)
    codec, sound = next((c, s) for _, m, c, s in CASES if m == muxer)
    data = encoded(muxer, codec, sound, n=6, seconds=0.2)
    rng = np.random.default_rng(5)
    for i in range(24):
        bad = bytearray(data[: int(rng.integers(1, len(data)))] if i % 3 == 0 else data)
        for at in rng.integers(0, len(bad), 12):
            bad[at] = rng.integers(0, 256)
        try:
            got = decode(bytes(bad), format=name, limits=Limits(wall=5.0))
        except DataError:
            continue
        assert isinstance(got, (Video, Audio))
