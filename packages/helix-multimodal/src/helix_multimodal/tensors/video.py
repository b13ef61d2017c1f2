"""Videos: which frames, each as an image of a preset, and the sound beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from helix_core import ShapeError
from numpy.typing import NDArray

from ..samples import Audio, Image, Video
from ._check import OptionError, at_least, real
from .audio import audio_tensors
from .image import image_tensors

Indices = NDArray[np.int64]


def evenly(n: int, count: int) -> Indices:
    """``count`` of n frames, the first and last among them; repeats where n is less."""
    at_least("evenly", "count", count)
    at_least("evenly", "n", n)
    return np.rint(np.linspace(0, n - 1, count)).astype(np.int64)


def shown_at(times: Any, wanted: Any) -> Indices:
    """The frame that is on screen at each time: the last that began by then.

    Parameters
    ----------
    times : (frame,) array
        Seconds at which each frame is shown, rising.
    wanted : (n,) array
        Seconds; before the first frame the first is taken.

    Returns
    -------
    (n,) int64 array
    """
    t = real("shown_at", "times", times).astype(np.float64)
    if not len(t) or np.any(np.diff(t) < 0):
        raise ShapeError("[shown_at] expected rising times of at least one frame")
    w = real("shown_at", "wanted", wanted).astype(np.float64)
    return np.maximum(np.searchsorted(t, w, side="right") - 1, 0).astype(np.int64)


def at_fps(times: Any, fps: float) -> Indices:
    """Frames at a steady rate from the first frame's time to the last's."""
    t = real("at_fps", "times", times).astype(np.float64)
    if not np.isfinite(fps) or fps <= 0 or not len(t):
        raise OptionError(f"[at_fps] expected fps above 0 and a frame; got {fps!r}")
    # a frame's own time must find that frame, whatever the division rounds to
    steps = np.arange(int(np.floor((t[-1] - t[0]) * fps + 1e-6)) + 1)
    return shown_at(t, t[0] + steps / fps + 1e-6 / fps)


def audio_spans(times: Any, sample_rate: int, end: float | None = None) -> Indices:
    """Samples that sound while each frame is shown.

    Parameters
    ----------
    times : (frame,) array
        Seconds.
    sample_rate : int
        Hz.
    end : float, optional
        Seconds at which the last frame goes; as long as the one before if left out.

    Returns
    -------
    (frame, 2) int64 array
        First sample and the one after the last.
    """
    t = real("audio_spans", "times", times).astype(np.float64)
    if not len(t):
        return np.zeros((0, 2), np.int64)
    last = t[-1] + (t[-1] - t[-2] if len(t) > 1 else 0.0) if end is None else end
    edges = np.rint(np.append(t, last) * sample_rate).astype(np.int64)
    return np.stack([edges[:-1], edges[1:]], axis=1)


def aligned(audio: Audio, start: float) -> Audio:
    """Sound that begins at ``start`` seconds, moved so that sample 0 is second 0."""
    shift = round(start * audio.sample_rate)
    x = audio.samples
    if shift > 0:
        x = np.pad(x, [(0, 0), (shift, 0)])
    elif shift < 0:
        x = x[:, -shift:]
    return Audio(
        format=audio.format,
        metadata=audio.metadata,
        samples=x,
        sample_rate=audio.sample_rate,
    )


def _chosen(
    sample: Video,
    indices: Sequence[int] | None,
    times: Sequence[float] | None,
    fps: float | None,
    count: int | None,
) -> Indices:
    given = [v is not None for v in (indices, times, fps, count)]
    if sum(given) > 1:
        raise OptionError("[video] expected one of indices, times, fps and count")
    n = len(sample.frames)
    if n == 0:
        raise ShapeError("[video] expected a frame; got none")
    if indices is not None:
        at = np.asarray(indices, np.int64).reshape(-1)
        if at.size and not -n <= at.min() <= at.max() < n:
            raise OptionError(
                f"[video] expected indices of {n} frames; got {at.min()} to {at.max()}"
            )
        return np.where(at < 0, at + n, at)
    if times is not None:
        return shown_at(sample.times, np.asarray(times, np.float64).reshape(-1))
    if fps is not None:
        return at_fps(sample.times, fps)
    return np.arange(n) if count is None else evenly(n, count)


def video_tensors(
    sample: Video,
    *,
    indices: Sequence[int] | None = None,
    times: Sequence[float] | None = None,
    fps: float | None = None,
    count: int | None = None,
    preset: Callable[..., dict[str, NDArray[Any]]] | None = None,
    audio: dict[str, Any] | None = None,
    **options: Any,
) -> dict[str, NDArray[Any]]:
    """Arrays of a video.

    Parameters
    ----------
    sample : Video
    indices, times, fps, count : optional, one of them
        Frames by number; those on screen at some seconds; at a steady rate, exact for
        variable frame rates; or evenly over the whole. All if left out.
    preset : callable, optional
        An image preset for each frame, such as ``presets.clip``.
    audio : dict, optional
        Options of the sound, as of ``audio_tensors``.
    **options
        Of the image preset, or of ``image_tensors``.

    Returns
    -------
    dict
        ``pixel_values_videos`` (frame, channel, height, width) float32, ``frame_indices``
        (frame,) int64, ``frame_times`` (frame,) float64 in seconds, and where there is
        sound what ``audio_tensors`` gives, from second 0 on: ``audio_input_values`` or
        ``audio_input_features``, ``audio_attention_mask`` and ``audio_sample_rate``.

    Raises
    ------
    ShapeError, DTypeError
    """
    at = _chosen(sample, indices, times, fps, count)
    make = image_tensors if preset is None else preset
    stack = [
        make(Image(pixels=sample.frames[i]), **options)["pixel_values"] for i in at
    ]
    if not stack:
        raise ShapeError("[video] expected a frame to be chosen; got none")
    out: dict[str, NDArray[Any]] = {
        "pixel_values_videos": np.stack(stack),
        "frame_indices": at.astype(np.int64),
        "frame_times": np.asarray(sample.times, np.float64)[at],
    }
    if sample.audio is not None and sample.audio.samples.shape[0]:
        out |= audio_beside(sample, audio or {})
    return out


def audio_beside(sample: Video, options: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """The sound's arrays, with ``audio_`` before their names."""
    assert sample.audio is not None
    start = float(sample.metadata.get("audio_start", 0.0))
    made = audio_tensors(aligned(sample.audio, start), **options)
    rate = options.get("sample_rate") or (
        16_000 if options.get("features") == "whisper" else sample.audio.sample_rate
    )
    return {f"audio_{k}": v for k, v in made.items()} | {
        "audio_sample_rate": np.array(rate, np.int64)
    }
