"""The log-mel spectrogram that Whisper and its relatives were trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
from helix_core import ShapeError
from numpy.typing import NDArray

from ._check import at_least, real
from .mel import mel_filters, power_spectrum
from .stft import window

RATE, N_FFT, HOP = 16_000, 400, 160
SECONDS = 30
_SILENCE = -10.0  # log10 of the floor, 1e-10


def log_mel(
    x: Any, n_mels: int = 80, *, seconds: float | None = SECONDS
) -> NDArray[np.float32]:
    """Whisper's input features, as ``WhisperFeatureExtractor`` makes them.

    ``m = max(log10 max(mel power, 1e-10), max m - 8)``, then ``(m + 4) / 4``. Power and
    filters are float64. Frames of trailing silence cost nothing.

    Parameters
    ----------
    x : (..., time) array of real numbers
        At 16,000 Hz; mono, or each row for itself.
    n_mels : int
        80, or 128 from large-v3 on.
    seconds : float, optional
        Cut or padded with silence to this; None keeps the length.

    Returns
    -------
    (..., n_mels, frame) float32 array
        100 frames a second, 3,000 of 30 s.

    Raises
    ------
    ShapeError
        Without ``seconds``, not more than 200 samples.

    Notes
    -----
    Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022.
    """
    x = real("log_mel", "x", x).astype(np.float32, copy=False)
    at_least("log_mel", "n_mels", n_mels)
    n = x.shape[-1] if seconds is None else round(seconds * RATE)
    if n <= N_FFT // 2:
        raise ShapeError(
            f"[log_mel] expected more than {N_FFT // 2} samples; got {n}. Hint: seconds=30"
        )
    bank = mel_filters(RATE, N_FFT, n_mels)
    w = window("hann", N_FFT)
    out = np.empty((*x.shape[:-1], n_mels, n // HOP), np.float32)
    for i in np.ndindex(x.shape[:-1]):
        out[i] = _features(x[i][:n], n, w, bank)
    return out


def _features(
    x: NDArray[Any], n: int, w: NDArray[np.float64], bank: NDArray[np.float64]
) -> NDArray[np.float32]:
    count = n // HOP
    half = N_FFT // 2
    sound = np.flatnonzero(x)
    used = int(sound[-1]) + 1 if sound.size else 0
    # frames that hold sound; the reflected end counts only where it is not silence
    kept = count if used > n - N_FFT else min(count, (used + half) // HOP + 1)
    padded = np.zeros(n + 2 * half)
    padded[half : half + len(x)] = x
    padded[:half] = padded[2 * half : half : -1]
    padded[n + half :] = padded[n + half - 2 : n - 2 : -1]
    mel = power_spectrum(padded[: (kept - 1) * HOP + N_FFT], w, HOP, 2.0, bank)
    log = np.log10(np.maximum(mel, 1e-10, out=mel), out=mel)
    top = max(float(log.max()), _SILENCE if kept < count else -np.inf)
    floor = top - 8.0
    out = np.empty((len(bank), count), np.float32)
    out[:, :kept] = (np.maximum(log, floor, out=log).T + 4.0) / 4.0
    out[:, kept:] = (max(_SILENCE, floor) + 4.0) / 4.0
    return out
