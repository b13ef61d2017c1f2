"""From anything to items: presets, settings, inputs, limits, errors."""

from __future__ import annotations

import io
import os
import struct
import sys
import tracemalloc
import wave
import zipfile

import numpy as np
import pytest
from helix_core import ShapeError, plugins
from helix_core.contracts import DecoderSpec, TensorizerSpec
from helix_multimodal import (
    Corrupt,
    DataError,
    IntelligentProcessor,
    Item,
    LimitExceeded,
    Limits,
    PluginFailed,
    UnknownFormat,
    Unreadable,
    UnsupportedFormat,
    unpack,
)
from helix_multimodal.decode._registry import refresh
from helix_multimodal.samples import Archive, Audio, Image, Points, Video
from helix_multimodal.tensors import presets
from helix_multimodal.tensors.audio import audio_tensors
from helix_multimodal.tensors.whisper import log_mel

RNG = np.random.default_rng(0)


def pnm(h, w, value=None):
    x = RNG.integers(0, 256, (h, w, 3), np.uint8) if value is None else value
    return b"P6 %d %d 255\n" % (w, h) + x.tobytes(), x


def wav(samples, rate, channels=1):
    out = io.BytesIO()
    with wave.open(out, "wb") as f:
        f.setparams((channels, 2, rate, 0, "NONE", ""))
        f.writeframes(np.asarray(samples, "<i2").tobytes())
    return out.getvalue()


def ply(xyz):
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(xyz)}\n"
    head += "".join(f"property float {a}\n" for a in "xyz") + "end_header\n"
    return head.encode() + np.asarray(xyz, "<f4").tobytes()


def npy(a):
    out = io.BytesIO()
    np.save(out, a)
    return out.getvalue()


P = IntelligentProcessor()


def test_text_is_its_bytes():
    text = "naïve 北京\n"
    a = P.process_auto(text.encode())
    assert (a.modality, a.format, a.preset) == ("text", "text", "text")
    assert bytes(a["input_ids"].astype(np.uint8)).decode() == text
    assert a["attention_mask"].tolist() == [1] * len(text.encode())
    assert a.metadata["encoding"] == "utf-8"
    assert a.metadata["characters"] == len(text)
    assert set(a.seconds) == {"read", "decode", "tensors"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_encodings_become_utf8(encoding):
    text = "Grüße aus der Stadt, 北京"
    a = P.process_auto(text.encode(encoding))
    assert bytes(a["input_ids"].astype(np.uint8)).decode().lstrip("\ufeff") == text


@pytest.mark.parametrize("preset", ["clip", "siglip", "imagenet", "qwen2vl"])
def test_images_by_preset(preset):
    data, x = pnm(70, 90)
    got = IntelligentProcessor(image=preset).process_auto(data)
    want = getattr(presets, preset)(Image(pixels=x))
    assert got.preset == preset and got.arrays.keys() == want.keys()
    for name, a in want.items():
        assert np.array_equal(got[name], a), name
    assert (got.metadata["height"], got.metadata["width"]) == (70, 90)


def test_options_reach_the_preset():
    data, x = pnm(70, 90)
    p = IntelligentProcessor(image={"preset": "clip", "size": 32})
    assert np.array_equal(
        p.process_auto(data)["pixel_values"],
        presets.clip(Image(pixels=x), size=32)["pixel_values"],
    )
    p = IntelligentProcessor(text={"max_length": 3, "bos": True})
    assert p.process_auto(b"abcdef")["input_ids"].tolist() == [257, 97, 98]


def test_all_frames_of_a_still():
    data, _ = pnm(3, 4)
    a = IntelligentProcessor(image={"frames": "all"}).process_auto(data)
    assert a["pixel_values"].shape == (1, 3, 3, 4)


def test_sound_is_waveform_and_features_of_all_of_it():
    x = RNG.integers(-9000, 9000, 16_000 * 31)
    a = P.process_auto(wav(x, 16_000))
    want = (x / 32768).astype(np.float32)
    assert np.array_equal(a["input_values"], want)
    assert a["input_features"].shape == (80, 6000)
    assert np.array_equal(a["input_features"], log_mel(want, seconds=60))
    assert a["attention_mask"].sum() == 3100
    assert a.metadata["seconds"] == 31.0 and a.metadata["sample_rate"] == 16_000


def test_sound_of_other_rates_and_presets():
    data = wav(RNG.integers(-9000, 9000, (8000, 2)), 8000, 2)
    assert P.process_auto(data)["input_values"].shape == (16_000,)
    sample = Audio(
        samples=IntelligentProcessor(audio="none").process_auto(data)["input_values"],
        sample_rate=8000,
    )
    assert sample.samples.shape == (2, 8000)
    got = IntelligentProcessor(audio="whisper").process_auto(data)
    want = audio_tensors(sample, features="whisper")
    assert np.array_equal(got["input_features"], want["input_features"])
    got = IntelligentProcessor(audio={"preset": "none", "features": "mfcc"})
    assert got.process_auto(data)["input_features"].shape[0] == 20


def test_points_fill_the_unit_sphere():
    xyz = RNG.normal(size=(50, 3)).astype("f4") * 7 + 1000
    a = P.process_auto(ply(xyz))
    assert np.linalg.norm(a["points"], axis=1).max() == pytest.approx(1, abs=1e-6)
    back = a["points"] * a["size"] + a["origin"]
    np.testing.assert_allclose(back, xyz, atol=1e-3)
    b = IntelligentProcessor(points={"scale": "none", "count": 9}).process_auto(
        ply(xyz)
    )
    assert b["points"].shape == (9, 3) and b["size"] == 1


def test_tables_and_arrays():
    a = P.process_auto(b"name,x,y\nann,1,2.5\nbob,3,4.5\n")
    assert a.modality == "table"
    assert a["values"].tolist() == [[1, 2.5], [3, 4.5]]
    assert a.metadata["columns"]["name"].tolist() == ["ann", "bob"]
    x = RNG.normal(size=(3, 4))
    b = P.process_auto(npy(x))
    assert b.modality == "arrays"
    assert [np.array_equal(v, x) for v in b.arrays.values()] == [True]


def test_items_are_no_views_of_what_was_given():
    data = bytearray(npy(np.arange(4.0)))
    (a,) = P.process_auto(data).arrays.values()
    data[-8:] = bytes(8)
    assert a.tolist() == [0, 1, 2, 3]
    a[0] = 5


def test_other_bytes():
    data = bytes(RNG.integers(128, 256, 300, np.uint8))
    a = P.process(data, format="bytes")
    assert a.modality == "bytes" and a["input_ids"].tolist() == list(data)
    with pytest.raises(UnknownFormat):
        IntelligentProcessor(unrecognised="raise").process(data, format="bytes")


def video(frames=5, sound=True):
    return Video(
        format="mp4",
        frames=RNG.integers(0, 256, (frames, 30, 40, 3), np.uint8),
        times=np.arange(frames) / 10,
        audio=Audio(samples=np.ones((1, 800), "f4"), sample_rate=1600)
        if sound
        else None,
    )


def made(sample, limits=None, **settings):
    """The item of a decoded sample, without a file."""
    from helix_multimodal.processor._tensorize import tensorize

    p = IntelligentProcessor(limits, **settings)
    return tensorize(sample, p._settings[sample.modality], p.limits)


def test_videos():
    v = video()
    a = made(v)
    assert a["pixel_values_videos"].shape == (5, 3, 30, 40)
    assert a["audio_input_values"].shape == (1, 800)
    assert a.metadata["times"].tolist() == v.times.tolist()
    b = made(v, video={"preset": "clip", "count": 2, "size": 16})
    want = presets.clip(Image(pixels=v.frames[4]), size=16)["pixel_values"]
    assert np.array_equal(b["pixel_values_videos"][1], want)
    c = made(v, video={"preset": "qwen2vl", "indices": [0, 3]})
    still = Video(frames=v.frames[[0, 3]], times=v.times[:2])
    want = presets.qwen2vl(still)
    assert np.array_equal(c["pixel_values_videos"], want["pixel_values_videos"])
    assert c["frame_times"].tolist() == [0, 0.3] and "audio_input_values" in c.arrays
    for item in (a, b, c):
        (again,) = unpack(P.fuse([item]))
        assert all(np.array_equal(x, again[k]) for k, x in item.arrays.items())


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"image": {"preset": "clip", "sise": 3}}, "'sise'. Hint: did you mean 'size'"),
        ({"audio": {"features": "mfcc"}}, "'features'"),
        ({"video": {"cuont": 3}}, "'cuont'. Hint: did you mean 'count'"),
        ({"points": {"scael": 3}}, "'scael'"),
        ({"text": {"colour": 3}}, "'colour'"),
        ({"image": {"decode": {"page": 3}}}, "'page'"),
        ({"image": 3}, "expected image to be a preset's name or a dict"),
        ({"limits": 3}, "expected limits to be Limits"),
        ({"images": "clip"}, "images"),
    ],
)
def test_unknown_settings(settings, name):
    with pytest.raises(TypeError, match=name):
        IntelligentProcessor(**settings)


def test_unknown_words():
    with pytest.raises(ValueError, match="preset of image to be one of none, clip"):
        IntelligentProcessor(image="clop")
    with pytest.raises(ValueError, match="expected isolation"):
        IntelligentProcessor(isolation="jail")
    with pytest.raises(ValueError, match="expected modality"):
        P.process(b"a", modality="smell")
    with pytest.raises(ValueError, match="did you mean 'jpeg'"):
        P.process(b"a", format="jpegg")
    with pytest.raises(ValueError, match="expected errors"):
        P.process_auto([b"a"], errors="ignore")
    with pytest.raises(ShapeError, match="expected policy"):
        IntelligentProcessor(audio={"channel": "left"}).process_auto(wav([1, 2], 8000))


def test_format_and_modality_override():
    data, _ = pnm(2, 2)
    assert P.process(data, format="pnm").modality == "image"
    assert P.process(data, modality="image").format == "pnm"
    assert P.process(data, modality="bytes")["input_ids"].tolist() == list(data)
    html = b"<!DOCTYPE html><html><body>hi</body></html>"
    for x in (P.process_auto(html), P.process(html, modality="text")):
        assert bytes(x["input_ids"].astype(np.uint8)) == html
    with pytest.raises(UnsupportedFormat, match="as audio; got image"):
        P.process(data, modality="audio")
    with pytest.raises(DataError):
        P.process(data, format="png")
    with pytest.raises(UnsupportedFormat, match="as image; got audio"):
        P.process(wav([1], 8000), format="wav", modality="image")


def test_every_way_in(tmp_path, monkeypatch):
    data, _ = pnm(3, 4)
    path = tmp_path / "a.mp3"  # names play no part
    path.write_bytes(data)
    monkeypatch.chdir(tmp_path)
    want = P.process_auto(data)["pixel_values"]

    class Short:
        """A stream that gives little at a time."""

        def __init__(self):
            self.left = io.BytesIO(data)

        def read(self, n):
            return self.left.read(min(n, 5))

    ways = [bytearray(data), memoryview(data), path, str(path), "a.mp3", Short()]
    ways += [io.BytesIO(data), path.open("rb")]
    for x in ways:
        assert np.array_equal(P.process_auto(x)["pixel_values"], want), x
    ways[-1].close()
    strided = memoryview(bytes(b for v in data for b in (v, 0)))[::2]
    assert np.array_equal(P.process_auto(strided)["pixel_values"], want)


def test_lists_with_progress_and_errors():
    seen = []
    data, _ = pnm(2, 2)
    out = P.process_auto(
        [b"a", b"", data], errors="return", progress=lambda i, n: seen.append((i, n))
    )
    assert [type(x) for x in out] == [Item, UnknownFormat, Item]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(UnknownFormat):
        P.process_auto([b"a", b""])
    assert P.process_auto([]) == []


class Broken:
    def __init__(self, what):
        self.what = what

    def read(self, n):
        if isinstance(self.what, Exception):
            raise self.what
        return self.what


@pytest.mark.parametrize(
    ("given", "got"),
    [
        (OSError("connection reset"), "OSError: connection reset"),
        (StopIteration(), "StopIteration"),
        ("text", "got str of its read. Hint: open it with 'rb'"),
        (None, "got NoneType"),
        (3, "got int"),
    ],
)
def test_streams_that_fail(given, got):
    with pytest.raises(Unreadable, match=got):
        P.process_auto(Broken(given))


def test_an_endless_stream_ends_at_the_limit():
    p = IntelligentProcessor(Limits(input_bytes=5_000_000))
    with pytest.raises(LimitExceeded) as e:
        p.process_auto(Broken(bytes(1 << 20)))
    assert e.value.limit == "input_bytes"


def test_paths_that_are_no_files(tmp_path):
    for bad in (tmp_path, tmp_path / "none", "a\0b", "x" * 5000):
        with pytest.raises(Unreadable):
            P.process_auto(bad)
    with pytest.raises(Unreadable, match="text is given as bytes"):
        P.process_auto("Call me Ishmael.")
    (tmp_path / "empty").touch()
    with pytest.raises(UnknownFormat, match="got none"):
        P.process_auto(tmp_path / "empty")


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes and links of POSIX")
def test_devices_pipes_and_loops(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    for bad in ("/dev/zero", tmp_path / "pipe", tmp_path / "a"):
        with pytest.raises(Unreadable):
            P.process_auto(bad)


def test_a_large_file_is_not_read(tmp_path):
    path = tmp_path / "sparse"
    with path.open("wb") as f:
        f.truncate(1 << 23)
    with pytest.raises(LimitExceeded, match="8,388,608"):  # the size, not what was read
        IntelligentProcessor(Limits(input_bytes=1 << 20)).process_auto(path)


@pytest.mark.parametrize("x", [3, None, {"a": 1}, np.zeros(3), object()])
def test_what_is_no_input(x):
    with pytest.raises(TypeError, match="expected bytes, a path"):
        P.process_auto(x)


def test_text_of_the_wrong_encoding():
    with pytest.raises(Corrupt):
        P.process(b"abc\xff\xfe\xfd", format="text")
    good = IntelligentProcessor(text={"decode": {"encoding": "latin-1"}})
    assert good.process(b"\xe4", format="text").metadata["encoding"] == "latin-1"


def test_thin_images_are_not_blown_up():
    data, _ = pnm(1, 20_000)
    assert P.process_auto(data)["pixel_values"].shape == (3, 1, 20_000)
    small = Limits(pixels=100_000)
    for preset in ("clip", "imagenet", {"size": 64}):
        with pytest.raises(LimitExceeded, match="pixels after resizing"):
            IntelligentProcessor(small, image=preset).process_auto(data)
    with pytest.raises(UnsupportedFormat, match="factor of 200"):
        IntelligentProcessor(image="qwen2vl").process_auto(data)
    thin = Video(frames=np.zeros((1, 1, 20_000, 3), "u1"), times=np.zeros(1))
    with pytest.raises(LimitExceeded):
        made(thin, small, video="clip")


def test_slow_sound_and_long_text_are_not_blown_up():
    data = bytearray(wav(np.ones(50_000, "i2"), 1))
    with pytest.raises(LimitExceeded, match="seconds"):
        P.process_auto(data)
    p = IntelligentProcessor(Limits(seconds=None, decoded_bytes=1_000_000))
    with pytest.raises(LimitExceeded, match="decoded bytes"):
        p.process_auto(data)
    with pytest.raises(LimitExceeded, match="decoded bytes"):
        p.process_auto(b"long " * 80_000)
    p = IntelligentProcessor(p.limits, text={"max_length": 4})
    assert p.process_auto(b"long " * 80_000)["input_ids"].shape == (4,)


@pytest.mark.parametrize("rate", [768_000, 7_216_960, 15_999_937, 16_000_000])
def test_forged_sample_rates_take_no_memory(rate):
    data = wav(np.full(30_000, 1000, "i2"), rate)
    tracemalloc.start()
    n = len(P.process_auto(data)["input_values"])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n == -(-30_000 * 16_000 // rate) and most < 300e6


def test_sample_rates_of_radio():
    data = wav([1, 2, 3], 90_000_000)
    with pytest.raises(UnsupportedFormat, match=r"got 90,000,000\. Hint: audio='none'"):
        P.process_auto(data)
    a = IntelligentProcessor(audio="none").process_auto(data)
    assert a["input_values"].shape == (1, 3)


def test_no_points_and_no_samples():
    a = P.process_auto(wav([], 16_000))
    assert a["input_values"].shape == (0,) and not a["attention_mask"][1:].any()
    empty = Points(xyz=np.zeros((0, 3)), format="ply")
    assert made(empty)["points"].shape == (0, 3)


def test_an_untrusted_file_is_decoded_elsewhere():
    data, _ = pnm(3, 3)
    got = IntelligentProcessor(untrusted=True).process_auto(data)["pixel_values"]
    assert np.array_equal(got, P.process_auto(data)["pixel_values"])


def unzip(data, meter):
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as z:
        return Archive(members=[(n, z.read(n)) for n in z.namelist()])


def zipped(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, data in members.items():
            z.writestr(name, data)
    return out.getvalue()


@pytest.fixture
def archives():
    plugins.register(
        DecoderSpec(
            name="test-unzip",
            factory=f"{__name__}:unzip",
            formats=("zip",),
            modality="archive",
            priority=1000,
        ),
        "decoders",
    )
    refresh()
    yield
    plugins.reset()
    refresh()


def test_archives_have_parts(archives):
    image, _ = pnm(2, 2)
    a = P.process_auto(zipped({"a.txt": b"hello", "b": image, "c": b"%PDF-1.7\n"}))
    assert a.modality == "archive" and list(a.parts) == ["a.txt", "b"]
    assert a.parts["b"].modality == "image"
    assert "pdf" in a.metadata["skipped"]["c"]
    assert set(a.seconds) == {"read", "decode", "tensors"}
    assert len(P.fuse(a.parts.values())) == 6


def test_archives_in_archives_are_counted(archives):
    inner = zipped({"a": b"hello"})
    with pytest.raises(LimitExceeded) as e:
        P.process_auto(zipped({"b": inner}))
    assert e.value.limit == "depth"
    deep = IntelligentProcessor(Limits(depth=2)).process_auto(zipped({"b": inner}))
    assert deep.parts["b"].parts["a"]["input_ids"].tolist() == list(b"hello")


def test_members_share_the_limits(archives):
    members = {str(i): b"x" * 1000 for i in range(100)}
    p = IntelligentProcessor(Limits(decoded_bytes=200_000))
    with pytest.raises(LimitExceeded) as e:
        p.process_auto(zipped(members))
    assert e.value.limit == "decoded_bytes"


def tensorizer(sample, *, how="good"):
    if how == "raise":
        raise KeyError("lost")
    return {"mean": sample.pixels.mean((0, 1))} if how == "good" else how


@pytest.fixture
def means():
    spec = TensorizerSpec(
        name="test-means", factory=f"{__name__}:tensorizer", modality="image"
    )
    plugins.register(spec, "tensorizers")
    yield
    plugins.reset()


def test_a_tensorizer_of_another_package(means):
    data, x = pnm(2, 3)

    def process(**options):
        image = {"preset": "test-means", **options}
        return IntelligentProcessor(image=image).process_auto(data)

    assert process()["mean"].tolist() == x.mean((0, 1)).tolist()
    assert process().preset == "test-means"
    with pytest.raises(PluginFailed, match="KeyError: 'lost'"):
        process(how="raise")
    with pytest.raises(PluginFailed, match="dict of arrays"):
        process(how=3)
    with pytest.raises(TypeError, match=r"'hwo'\. Hint: did you mean 'how'"):
        process(hwo=3)


def test_batches_and_sequences():
    data, _ = pnm(3, 4)
    items = P.process_auto([b"ab", data, b"c", ply(np.eye(3)), wav([1, 2], 16_000)])
    for item, again in zip(items, unpack(P.fuse(items)), strict=True):
        for name, a in item.arrays.items():
            assert a.dtype == again[name].dtype and np.array_equal(a, again[name])
    batch = P.collate(items)
    assert batch["modality_ids"].tolist() == [0, 2, 0, 5, 3]
    assert batch["input_ids"].tolist() == [[97, 98], [99, 256]]


def test_header_that_lies():
    data = bytearray(wav(np.ones(10), 8000))
    struct.pack_into("<I", data, 40, 1 << 31)
    out = P.process_auto([bytes(data), ply(np.eye(3))[:-5]], errors="return")
    assert all(isinstance(x, (Item, DataError)) for x in out)
    assert isinstance(out[1], Corrupt)


def test_what_is_no_fusion():
    pytest.importorskip("helix_layers", reason="fusion needs helix-layers")
    with pytest.raises(TypeError, match="None or a trained Fusion; got 'cross'"):
        P.fuse([P.process_auto(b"a")], mode="cross")


def test_a_learned_fusion():
    pytest.importorskip("helix_layers", reason="fusion needs helix-layers")
    from helix_multimodal.fusion import EarlyFusion

    data, _ = pnm(16, 32)
    items = P.process_auto([b"ab", data, b"c"])
    module = EarlyFusion({"text": 260, "image": 768}, 16)
    out = P.fuse(items, mode=module)
    assert out.tokens.shape == (1, 5, 16) and out.mask.numpy().all()
    swapped = P.fuse([items[0], items[2], items[1]], mode=module)
    np.testing.assert_allclose(out.pooled.numpy(), swapped.pooled.numpy(), atol=1e-6)
    with pytest.raises(ShapeError, match="below the module's 98"):
        P.fuse(items[:1], mode=EarlyFusion({"text": 98}, 16))


def film(n=20, rate=10):
    """Frames of one brightness each, 10 a second, in Matroska."""
    av = pytest.importorskip("av", reason="the extra 'video' is missing")
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as f:
        stream = f.add_stream("ffv1", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(n):
            x = np.full((48, 64, 3), 10 * i + 20, np.uint8)
            f.mux(stream.encode(av.VideoFrame.from_ndarray(x, "rgb24")))
        f.mux(stream.encode())
    return out.getvalue()


def brightness(item):
    return np.rint(item["pixel_values_videos"].mean((1, 2, 3)) * 25.5 - 2).tolist()


@pytest.mark.parametrize("preset", ["none", "clip"])
def test_frames_of_a_film(preset):
    data = film()
    a = IntelligentProcessor(video={"fps": 2}).process_auto(data)
    assert (a.modality, a.format) == ("video", "mkv")
    assert brightness(a) == [0, 5, 10, 15]
    b = IntelligentProcessor(video={"count": 3}).process_auto(data)
    assert brightness(b) == [0, 10, 19] and b["frame_times"].tolist() == [0, 1, 1.9]
    # the limit counts the frames that are kept
    few = Limits(decoded_bytes=5 * 64 * 48 * 3)
    p = IntelligentProcessor(few, video={"preset": preset, "fps": 2})
    assert len(p.process_auto(data)["pixel_values_videos"]) == 4
    with pytest.raises(LimitExceeded):
        IntelligentProcessor(few).process_auto(data)


def test_compressed_sound():
    soundfile = pytest.importorskip("soundfile", reason="the extra 'audio' is missing")
    x = RNG.integers(-9000, 9000, 4000).astype(np.int16)
    out = io.BytesIO()
    soundfile.write(out, x, 16_000, format="FLAC", subtype="PCM_16")
    a = P.process_auto(out.getvalue())
    assert a.format == "flac" and np.array_equal(
        a["input_values"], x / np.float32(2**15)
    )
