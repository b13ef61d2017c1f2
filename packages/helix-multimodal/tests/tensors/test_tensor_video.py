"""Frames by index, time and rate; sound beside them."""

import numpy as np
import pytest
from helix_core import ShapeError
from helix_multimodal import Audio, Video
from helix_multimodal.tensors.presets import clip
from helix_multimodal.tensors.video import (
    aligned,
    at_fps,
    audio_spans,
    evenly,
    shown_at,
    video_tensors,
)


def video(n=10, fps=25.0, sound=True, **metadata):
    frames = np.arange(n, dtype=np.uint8)[:, None, None, None] * np.ones(
        (1, 8, 12, 3), np.uint8
    )
    audio = None
    if sound:
        samples = np.arange(n * 40, dtype=np.float32)[None] / 1000
        audio = Audio(samples=samples, sample_rate=1000)
    times = np.arange(n) / fps
    return Video(frames=frames, times=times, audio=audio, metadata=metadata)


def numbers(out):
    return np.rint(out["pixel_values_videos"][:, 0, 0, 0] * 255).astype(int).tolist()


def test_evenly_has_both_ends():
    assert evenly(10, 4).tolist() == [0, 3, 6, 9]
    assert evenly(1, 3).tolist() == [0, 0, 0]
    with pytest.raises(ShapeError, match="count"):
        evenly(4, 0)


def test_the_frame_on_screen():
    times = [0.0, 0.04, 0.5, 0.6]  # a variable rate
    assert shown_at(times, [-1, 0, 0.039, 0.04, 0.49, 0.5, 9]).tolist() == [
        0, 0, 0, 1, 1, 2, 3,
    ]  # fmt: skip
    with pytest.raises(ShapeError, match="rising"):
        shown_at([1.0, 0.0], [0])


@pytest.mark.parametrize("fps", [10.0, 24.0, 25.0, 30_000 / 1001, 59.94])
def test_a_rate_equal_to_the_videos_gives_every_frame_once(fps):
    times = 0.3 + np.arange(2000) / fps
    assert at_fps(times, fps).tolist() == list(range(2000))
    assert at_fps(times, fps / 2).tolist() == list(range(0, 2000, 2))
    with pytest.raises(ShapeError, match="fps above 0"):
        at_fps(times, 0)


def test_frames_by_each_way():
    v = video()
    assert numbers(video_tensors(v)) == list(range(10))
    assert numbers(video_tensors(v, indices=[3, -1])) == [3, 9]
    assert numbers(video_tensors(v, times=[0.1, 0.0])) == [2, 0]
    assert numbers(video_tensors(v, count=2)) == [0, 9]
    out = video_tensors(v, fps=12.5)
    assert out["frame_indices"].tolist() == [0, 2, 4, 6, 8]
    np.testing.assert_allclose(out["frame_times"], [0, 0.08, 0.16, 0.24, 0.32])
    with pytest.raises(ShapeError, match="one of indices"):
        video_tensors(v, fps=1, count=2)
    with pytest.raises(ShapeError, match="indices of 10 frames"):
        video_tensors(v, indices=[10])
    with pytest.raises(ShapeError, match="expected a frame"):
        video_tensors(video(0, sound=False))


def test_each_frame_through_a_preset():
    out = video_tensors(video(), count=2, preset=clip)
    assert out["pixel_values_videos"].shape == (2, 3, 224, 224)


def test_sound_starts_with_the_picture():
    v = video(audio_start=0.1)
    out = video_tensors(v, count=1)
    assert out["audio_input_values"].shape == (1, 500)
    assert not out["audio_input_values"][0, :100].any()
    assert out["audio_input_values"][0, 101] == np.float32(0.001)
    early = aligned(v.audio, -0.05)
    assert early.samples[0, 0] == np.float32(0.05)
    mel = video_tensors(v, count=1, audio={"features": "whisper"})
    assert mel["audio_input_features"].shape == (80, 3000)
    assert int(mel["audio_sample_rate"]) == 16_000


def test_samples_of_each_frame():
    spans = audio_spans([0.0, 0.04, 0.08], 1000)
    assert spans.tolist() == [[0, 40], [40, 80], [80, 120]]
    assert audio_spans([], 1000).shape == (0, 2)
