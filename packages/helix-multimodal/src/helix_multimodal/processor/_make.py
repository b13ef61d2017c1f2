"""Arrays of samples where a preset is more than one function of ``tensors``."""

from __future__ import annotations

import math
import pkgutil
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..samples import Arrays, Audio, Table, Video
from ..tensors.audio import channels
from ..tensors.presets import qwen2vl
from ..tensors.resample import resample
from ..tensors.video import _chosen, audio_beside, video_tensors
from ..tensors.whisper import HOP, RATE, SECONDS, log_mel

Made = dict[str, NDArray[Any]]


def speech(
    sample: Audio,
    *,
    n_mels: int = 80,
    quality: str = "high",
    channel: str | int = "mono",
    seconds: float | None = None,
) -> Made:
    """The waveform at 16,000 Hz, and Whisper's log-mel features of all of it.

    Parameters
    ----------
    sample : Audio
    n_mels : int
        80, or 128 from large-v3 on.
    quality : {"high", "fast", "soxr"}
        Of resampling.
    channel : {"mono", "first"} or int
    seconds : float, optional
        Cut, or filled up with silence, to this; by default as many windows of 30 s as
        hold the whole sound.

    Returns
    -------
    dict
        ``input_features`` (n_mels, frame) float32, ``attention_mask`` (frame,) int64,
        ``input_values`` (time,) float32: the waveform, not filled up.
    """
    x = resample(
        channels(sample.samples, channel), sample.sample_rate, RATE, quality=quality
    )
    x = x.astype(np.float32, copy=False)[0]
    if seconds is None:
        seconds = SECONDS * max(1, math.ceil(len(x) / (SECONDS * RATE)))
    x = x[: round(seconds * RATE)]
    y = log_mel(x, n_mels, seconds=seconds)
    mask = np.arange(y.shape[-1]) * HOP < max(len(x), 1)
    return {
        "input_features": y,
        "attention_mask": mask.astype(np.int64),
        "input_values": np.ascontiguousarray(x),
    }


def video(
    sample: Video,
    *,
    preset: str = "none",
    indices: Any = None,
    times: Any = None,
    fps: float | None = None,
    count: int | None = None,
    audio: dict[str, Any] | None = None,
    **options: Any,
) -> Made:
    """Frames by an image preset, the sound beside them: see ``video_tensors``."""
    chosen = {"indices": indices, "times": times, "fps": fps, "count": count}
    if preset != "qwen2vl":
        path = f"helix_multimodal.tensors.presets:{preset}"
        function = None if preset == "none" else pkgutil.resolve_name(path)
        return video_tensors(sample, **chosen, preset=function, audio=audio, **options)
    at = _chosen(sample, indices, times, fps, count)
    out = qwen2vl(replace(sample, frames=sample.frames[at]), **options)
    out["frame_indices"] = at.astype(np.int64)
    out["frame_times"] = np.asarray(sample.times, np.float64)[at]
    if sample.audio is not None and sample.audio.samples.shape[0]:
        out |= audio_beside(sample, audio or {})
    return out


def table(sample: Table) -> Made:
    """``values`` (row, column) float32: the columns of numbers, in order."""
    numbers = [c for c in sample.columns.values() if c.dtype.kind in "biuf"]
    if not numbers:
        n = len(next(iter(sample.columns.values()), ()))
        return {"values": np.zeros((n, 0), np.float32)}
    with np.errstate(over="ignore"):
        return {"values": np.stack([c.astype(np.float32) for c in numbers], axis=1)}


def arrays(sample: Arrays) -> Made:
    """The arrays as they are."""
    return dict(sample.arrays)
