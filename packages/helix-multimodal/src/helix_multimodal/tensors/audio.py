"""Sound: channels, pieces of equal length, and the arrays of presets."""

from __future__ import annotations

from typing import Any

import numpy as np
from helix_core import ShapeError
from numpy.typing import NDArray

from ..samples import Audio
from ._check import OptionError, at_least, one_of, real
from .mel import decibels, mfcc, spectrogram
from .resample import resample
from .whisper import RATE, log_mel

CHANNELS = ("keep", "mono", "first", "stereo")
FEATURES = ("waveform", "whisper", "spectrogram", "mel", "mfcc")


def channels(x: Any, policy: str | int = "mono") -> NDArray[Any]:
    """Choose or mix channels.

    Parameters
    ----------
    x : (channel, time) array
    policy : {"keep", "mono", "first", "stereo"} or int
        "mono" is the mean; "stereo" doubles a single channel and keeps the first two of
        more; a number takes that channel.

    Returns
    -------
    (channel, time) array

    Raises
    ------
    ShapeError
    """
    x = real("channels", "x", x)
    if x.ndim != 2 or not len(x):
        raise ShapeError(
            f"[channels] expected x (channel, time); got x.shape={x.shape}"
        )
    if isinstance(policy, int) and not isinstance(policy, bool):
        if not 0 <= policy < len(x):
            raise OptionError(
                f"[channels] expected a channel below {len(x)}; got {policy}"
            )
        return x[policy : policy + 1]
    if one_of("channels", "policy", policy, CHANNELS) == "keep":
        return x
    if policy == "first":
        return x[:1]
    if policy == "stereo":
        return x[:2] if len(x) > 1 else np.repeat(x, 2, axis=0)
    if len(x) == 1:
        return x
    return np.mean(x, axis=0, dtype=np.float64, keepdims=True).astype(x.dtype)


def chunks(
    x: Any, length: int, hop: int | None = None, *, last: str = "pad"
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Cut into pieces of equal length.

    Parameters
    ----------
    x : (..., time) array
    length, hop : int
        Samples of a piece, and from start to start (``length``: side by side).
    last : {"pad", "drop"}
        What becomes of the end: zeros are added, or it is left out.

    Returns
    -------
    pieces : (chunk, ..., length) array
    mask : (chunk, length) bool array
        False where zeros were added.

    Raises
    ------
    ShapeError
    """
    x = real("chunks", "x", x)
    length = at_least("chunks", "length", length)
    hop = at_least("chunks", "hop", length if hop is None else hop)
    n = x.shape[-1]
    if one_of("chunks", "last", last, ("pad", "drop")) == "pad":
        count = 0 if n == 0 else max(0, -(-(n - length) // hop)) + 1
    else:
        count = 0 if n < length else (n - length) // hop + 1
    at = np.arange(count)[:, None] * hop + np.arange(length)
    mask = at < n
    pieces = (
        np.where(mask, x[..., np.minimum(at, max(n - 1, 0))], 0)
        if count
        else (np.zeros((*x.shape[:-1], 0, length), x.dtype))
    )
    return np.moveaxis(pieces, -2, 0).astype(x.dtype, copy=False), mask


def audio_tensors(
    sample: Audio,
    *,
    sample_rate: int | None = None,
    channel: str | int | None = None,
    features: str = "waveform",
    quality: str = "high",
    n_mels: int = 80,
    n_mfcc: int = 20,
    n_fft: int = 400,
    hop: int = 160,
    seconds: float | None = None,
    normalize: bool = False,
) -> dict[str, NDArray[Any]]:
    """Arrays of a sound.

    Parameters
    ----------
    sample : Audio
    sample_rate : int, optional
        Hz to resample to; as it is if left out, 16,000 for "whisper".
    channel : {"keep", "mono", "first", "stereo"} or int, optional
        "keep" for waveforms, else "mono".
    features : {"waveform", "whisper", "spectrogram", "mel", "mfcc"}
    quality : {"high", "fast", "soxr"}
        Of resampling.
    n_mels, n_mfcc, n_fft, hop : int
        Sizes of spectra; Whisper's own n_fft and hop are fixed.
    seconds : float, optional
        Cut, or padded with zeros, to this; 30 for "whisper".
    normalize : bool
        Shift and scale each channel to mean 0 and variance 1, as wav2vec2 does.

    Returns
    -------
    dict
        ``input_values`` (channel, time) float32 for waveforms, ``input_features``
        (channel, feature, frame) float32 otherwise, without the channel axis for
        one channel that was asked for or mixed; ``attention_mask`` (time or frame,) int64,
        0 where silence was added.

    Raises
    ------
    ShapeError, MissingExtra
    """
    op = "audio"
    one_of(op, "features", features, FEATURES)
    whisper = features == "whisper"
    x = channels(
        sample.samples,
        (
            ("keep" if features == "waveform" else "mono")
            if channel is None
            else channel
        ),
    )
    rate = sample_rate or (RATE if whisper else sample.sample_rate)
    if whisper and rate != RATE:
        raise OptionError(
            f"[{op}] expected sample_rate {RATE} for Whisper's features; got {rate}"
        )
    x = resample(x, sample.sample_rate, rate, quality=quality)
    if whisper and seconds is None:
        seconds = 30.0
    size = x.shape[-1] if seconds is None else round(seconds * rate)
    used = min(size, x.shape[-1])
    if normalize:
        x = _normalised(x[:, :used])
    x = np.pad(x[:, :used], [(0, 0), (0, size - used)]).astype(np.float32)
    single = (
        len(x) == 1
        and channel != "keep"
        and not (features == "waveform" and channel is None)
    )
    if features == "waveform":
        mask = np.arange(size) < used
        return {
            "input_values": x[0] if single else x,
            "attention_mask": mask.astype(np.int64),
        }
    if whisper:
        y = log_mel(x, n_mels, seconds=seconds)
        step = 160
    else:
        y, step = _spectra(x, rate, features, n_mels, n_mfcc, n_fft, hop), hop
    mask = np.arange(y.shape[-1]) * step < max(used, 1)
    return {
        "input_features": y[0] if single else y,
        "attention_mask": mask.astype(np.int64),
    }


def _spectra(
    x: NDArray[Any],
    rate: int,
    kind: str,
    n_mels: int,
    n_mfcc: int,
    n_fft: int,
    hop: int,
) -> NDArray[np.float32]:
    short = x.shape[-1] <= n_fft // 2
    common: dict[str, Any] = {
        "n_fft": n_fft,
        "hop": hop,
        "pad_mode": "constant" if short else "reflect",
    }
    if kind == "mfcc":
        return mfcc(x, rate, n_mfcc, n_mels=max(n_mels, n_mfcc), **common)
    bands = n_mels if kind == "mel" else None
    y = spectrogram(x, rate, n_mels=bands, **common)
    return decibels(y, top=None).astype(np.float32)


def _normalised(x: NDArray[Any]) -> NDArray[np.float64]:
    y = x.astype(np.float64)
    if not y.size:
        return y
    mean, var = y.mean(axis=-1, keepdims=True), y.var(axis=-1, keepdims=True)
    return np.asarray((y - mean) / np.sqrt(var + 1e-7))
