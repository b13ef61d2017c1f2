"""Mel filter banks, and the spectra made with them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._check import OptionError, at_least, one_of, real
from .stft import centred, frames, window

_BLOCK = 256  # frames at a time: their spectra stay in a core's cache
SCALES = ("slaney", "htk")


def hz_to_mel(hz: Any, scale: str = "slaney") -> NDArray[np.float64]:
    """Frequency to mel.

    "slaney": linear below 1 kHz, logarithmic above (Auditory Toolbox, 1998); "htk":
    ``2595 log10(1 + hz / 700)``.
    """
    hz = np.asarray(hz, np.float64)
    if one_of("hz_to_mel", "scale", scale, SCALES) == "htk":
        return np.asarray(2595.0 * np.log10(1.0 + hz / 700.0))
    high = 15.0 + np.log(np.maximum(hz, 1000.0) / 1000.0) * (27.0 / np.log(6.4))
    return np.where(hz >= 1000.0, high, 3.0 * hz / 200.0)


def mel_to_hz(mel: Any, scale: str = "slaney") -> NDArray[np.float64]:
    """Mel to frequency, the inverse of :func:`hz_to_mel`."""
    mel = np.asarray(mel, np.float64)
    if one_of("mel_to_hz", "scale", scale, SCALES) == "htk":
        return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0))
    high = 1000.0 * np.exp((np.maximum(mel, 15.0) - 15.0) * (np.log(6.4) / 27.0))
    return np.where(mel >= 15.0, high, 200.0 * mel / 3.0)


@lru_cache(maxsize=32)
def _filters(
    rate: float,
    n_fft: int,
    n_mels: int,
    low: float,
    high: float,
    scale: str,
    norm: bool,
) -> NDArray[np.float64]:
    edges = mel_to_hz(
        np.linspace(hz_to_mel(low, scale), hz_to_mel(high, scale), n_mels + 2), scale
    )
    bins = np.fft.rfftfreq(n_fft, 1.0 / rate)
    width = np.diff(edges)
    slope = edges[:, None] - bins  # (n_mels + 2, frequency)
    rise, fall = -slope[:-2] / width[:-1, None], slope[2:] / width[1:, None]
    bank = np.maximum(0.0, np.minimum(rise, fall))
    if norm:
        bank *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    bank.flags.writeable = False
    return bank


def mel_filters(
    sample_rate: float,
    n_fft: int,
    n_mels: int = 80,
    *,
    low: float = 0.0,
    high: float | None = None,
    scale: str = "slaney",
    norm: str | None = "slaney",
) -> NDArray[np.float64]:
    """Triangular filters whose centres are equally far apart in mel.

    Parameters
    ----------
    sample_rate : float
        Hz.
    n_fft, n_mels : int
    low, high : float
        Hz; ``high`` is half the sample rate if left out.
    scale : {"slaney", "htk"}
    norm : {"slaney", None}
        "slaney" divides each triangle by half its width in Hz: equal areas.

    Returns
    -------
    (n_mels, n_fft // 2 + 1) float64 array
        Read-only, shared between calls.

    Raises
    ------
    ShapeError
    """
    op = "mel_filters"
    at_least(op, "n_fft", n_fft, 2)
    at_least(op, "n_mels", n_mels)
    one_of(op, "scale", scale, SCALES)
    if norm not in ("slaney", None):
        raise OptionError(f"[{op}] expected norm 'slaney' or None; got {norm!r}")
    top = sample_rate / 2 if high is None else high
    if not 0 <= low < top <= sample_rate / 2:
        raise OptionError(
            f"[{op}] expected 0 <= low < high <= {sample_rate / 2:g} Hz; got low={low:g}, "
            f"high={top:g}"
        )
    return _filters(
        float(sample_rate), n_fft, n_mels, low, top, scale, norm is not None
    )


def power_spectrum(
    x: NDArray[Any],
    w: NDArray[np.float64],
    hop: int,
    power: float,
    bank: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Of padded (time,) to (frame, frequency or mel): blocks that stay in cache."""
    pieces = frames(x, len(w), hop)
    n, size, bins = len(pieces), len(w), len(w) // 2 + 1
    out = np.empty((n, bins if bank is None else len(bank)))
    block = min(_BLOCK, n)
    # new pages cost more than the transforms, so blocks share these
    windowed = np.empty((block, size))
    spectrum = np.empty((block, bins), np.complex128)
    energy, imaginary = np.empty((2, block, bins))
    for i in range(0, n, _BLOCK):
        m = min(_BLOCK, n - i)
        s, p, q = spectrum[:m], energy[:m], imaginary[:m]
        np.multiply(pieces[i : i + m], w, out=windowed[:m])
        np.fft.rfft(windowed[:m], axis=-1, out=s)
        np.square(s.real, out=p)
        p += np.square(s.imag, out=q)
        if power != 2.0:
            p **= power / 2.0
        if bank is None:
            out[i : i + m] = p
        else:
            np.matmul(p, bank.T, out=out[i : i + m])
    return out


def spectrogram(
    x: Any,
    sample_rate: float,
    *,
    n_fft: int = 400,
    hop: int = 160,
    n_mels: int | None = None,
    power: float = 2.0,
    window_name: Any = "hann",
    center: bool = True,
    pad_mode: str = "reflect",
    low: float = 0.0,
    high: float | None = None,
    scale: str = "slaney",
    norm: str | None = "slaney",
) -> NDArray[np.float64]:
    """Magnitudes to a power, in linear frequency or in mel bands; float64 throughout.

    Parameters
    ----------
    x : (..., time) array of real numbers
    sample_rate : float
        Hz.
    n_fft, hop : int
        Samples.
    n_mels : int, optional
        Bands; None keeps the ``n_fft // 2 + 1`` frequencies.
    power : float
        2 for energy, 1 for magnitude.
    window_name, center, pad_mode
        As of :func:`~helix_multimodal.tensors.stft.stft`.
    low, high, scale, norm
        As of :func:`mel_filters`.

    Returns
    -------
    (..., frequency or mel, frame) float64 array

    Raises
    ------
    ShapeError, DTypeError
    """
    op = "spectrogram"
    x = real(op, "x", x)
    at_least(op, "hop", hop)
    w = window(window_name, at_least(op, "n_fft", n_fft, 2))
    bank = None
    if n_mels is not None:
        bank = mel_filters(
            sample_rate, n_fft, n_mels, low=low, high=high, scale=scale, norm=norm
        )
    if center:
        x = centred(op, x, n_fft // 2, pad_mode)
    count = max(0, (x.shape[-1] - n_fft) // hop + 1)
    out = np.empty(
        (*x.shape[:-1], count, n_fft // 2 + 1 if bank is None else len(bank))
    )
    for i in np.ndindex(x.shape[:-1]):
        out[i] = power_spectrum(x[i], w, hop, power, bank)
    return np.swapaxes(out, -1, -2)


def decibels(
    power: Any,
    *,
    reference: float = 1.0,
    floor: float = 1e-10,
    top: float | None = 80.0,
) -> NDArray[np.float64]:
    """``10 log10(power / reference)``, not below ``top`` under the largest value."""
    p = real("decibels", "power", power, 0).astype(np.float64)
    db = 10.0 * np.log10(np.maximum(p, floor) / max(reference, floor))
    return db if top is None or not db.size else np.maximum(db, db.max() - top)


@lru_cache(maxsize=32)
def _dct(n: int, m: int) -> NDArray[np.float64]:
    """Rows 0 to m of the orthonormal DCT-II over n."""
    k, i = np.arange(m)[:, None], np.arange(n)
    c = np.cos(np.pi * k * (2 * i + 1) / (2 * n)) * np.sqrt(2.0 / n)
    c[0] /= np.sqrt(2.0)
    return c


def mfcc(
    x: Any, sample_rate: float, n_mfcc: int = 20, *, lifter: int = 0, **options: Any
) -> NDArray[np.float32]:
    """Mel-frequency cepstral coefficients: the DCT-II of mel bands in decibels.

    Parameters
    ----------
    x : (..., time) array of real numbers
    sample_rate : float
        Hz.
    n_mfcc : int
        Coefficients, at most the number of bands.
    lifter : int
        Weighs coefficient k with ``1 + lifter / 2 sin(pi (k + 1) / lifter)``; 0 does not.
    **options
        Of :func:`spectrogram`; ``n_mels`` is 40 if left out.

    Returns
    -------
    (..., n_mfcc, frame) float32 array

    Raises
    ------
    ShapeError, DTypeError
    """
    options = {"n_mels": 40, **options}
    at_least("mfcc", "lifter", lifter, 0)
    if at_least("mfcc", "n_mfcc", n_mfcc) > options["n_mels"]:
        raise OptionError(
            f"[mfcc] expected n_mfcc at most n_mels={options['n_mels']}; got {n_mfcc}"
        )
    bands = decibels(spectrogram(x, sample_rate, **options))
    c = _dct(options["n_mels"], n_mfcc)
    if lifter:
        k = np.arange(1, n_mfcc + 1)
        c = c * (1.0 + lifter / 2.0 * np.sin(np.pi * k / lifter))[:, None]
    return (c @ bands).astype(np.float32)
