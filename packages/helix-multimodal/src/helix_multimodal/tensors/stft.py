"""The short-time Fourier transform and its inverse."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from helix_core import ShapeError
from numpy.typing import NDArray

from ._check import OptionError, at_least, one_of, real

WINDOWS = ("hann", "hamming", "blackman", "rectangular")
PADDING = ("reflect", "constant", "edge")
_COSINES = {
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.5, 0.08),
    "rectangular": (1.0,),
}


@lru_cache(maxsize=64)
def _window(name: str, length: int) -> NDArray[np.float64]:
    t = 2 * np.pi * np.arange(length) / length
    terms = [(-1) ** k * a * np.cos(k * t) for k, a in enumerate(_COSINES[name])]
    w = np.sum(terms, axis=0)
    w.flags.writeable = False
    return w


def window(name: Any, length: int) -> NDArray[np.float64]:
    """A window of one period, as spectra of frames want it.

    Parameters
    ----------
    name : str or (length,) array
        "hann", "hamming", "blackman", "rectangular"; or the values themselves.
    length : int

    Returns
    -------
    (length,) float64 array

    Raises
    ------
    ShapeError
        The name is unknown, or the values are not ``length`` many.
    """
    length = at_least("window", "length", length)
    if isinstance(name, str):
        return _window(one_of("window", "name", name, WINDOWS), length)
    values = real("window", "name", name).astype(np.float64)
    if values.shape != (length,):
        raise ShapeError(
            f"[window] expected {length} values of a window; got shape {values.shape}"
        )
    return values


def frames(x: NDArray[Any], length: int, hop: int) -> NDArray[Any]:
    """A view of overlapping pieces: (..., time) to (..., frame, length).

    Samples after the last whole frame are left out; nothing is copied.
    """
    if x.shape[-1] < length:
        return np.empty((*x.shape[:-1], 0, length), x.dtype)
    view = np.lib.stride_tricks.sliding_window_view(x, length, axis=-1)
    return view[..., ::hop, :]


def centred(op: str, x: NDArray[Any], half: int, mode: str) -> NDArray[Any]:
    """Pad both ends so that frame i is centred on sample ``i * hop``."""
    one_of(op, "pad_mode", mode, PADDING)
    n = x.shape[-1]
    if mode == "reflect" and 0 < n <= half:
        raise ShapeError(
            f"[{op}] expected more than {half} samples to reflect at the ends; got {n}. "
            "Hint: pad_mode='constant'"
        )
    if n == 0:
        mode = "constant"
    pad: Any = np.pad  # its overloads know modes as literals only
    return np.asarray(pad(x, [(0, 0)] * (x.ndim - 1) + [(half, half)], mode=mode))


def _settings(
    op: str, n_fft: int, hop: int | None, win_length: int | None, name: Any
) -> tuple[int, int, NDArray[np.float64]]:
    n_fft = at_least(op, "n_fft", n_fft)
    hop = at_least(op, "hop", n_fft // 4 or 1 if hop is None else hop)
    length = at_least(op, "win_length", n_fft if win_length is None else win_length)
    if length > n_fft:
        raise OptionError(
            f"[{op}] expected win_length at most n_fft={n_fft}; got {length}"
        )
    w = window(name, length)
    before = (n_fft - length) // 2
    return n_fft, hop, np.pad(w, (before, n_fft - length - before))


def stft(
    x: Any,
    n_fft: int = 400,
    hop: int | None = None,
    *,
    win_length: int | None = None,
    window: Any = "hann",
    center: bool = True,
    pad_mode: str = "reflect",
) -> NDArray[np.complexfloating[Any, Any]]:
    """Short-time Fourier transform; computed in float64.

    ``X[f, i] = sum_t w[t] x[i hop + t] exp(-2 pi j f t / n_fft)``.

    Parameters
    ----------
    x : (..., time) array of real numbers
    n_fft, hop, win_length : int
        Samples of a transform, between frames (a quarter of n_fft), and of the window
        (n_fft; a shorter one is centred).
    window : str or array
        See :func:`window`.
    center : bool
        Pad so that frame i is centred on sample ``i hop``; otherwise it starts there and
        samples after the last whole frame are left out.
    pad_mode : {"reflect", "constant", "edge"}

    Returns
    -------
    (..., n_fft // 2 + 1, frame) complex array
        complex128 for float64 input, otherwise complex64.

    Raises
    ------
    ShapeError, DTypeError
    """
    x = real("stft", "x", x)
    n_fft, hop, w = _settings("stft", n_fft, hop, win_length, window)
    if center:
        x = centred("stft", x, n_fft // 2, pad_mode)
    pieces = frames(x, n_fft, hop)
    spectrum = np.fft.rfft(pieces * w, axis=-1)
    dtype = np.complex128 if x.dtype == np.float64 else np.complex64
    return np.ascontiguousarray(np.swapaxes(spectrum, -1, -2), dtype=dtype)


def istft(
    spectrum: Any,
    hop: int | None = None,
    *,
    n_fft: int | None = None,
    win_length: int | None = None,
    window: Any = "hann",
    center: bool = True,
    length: int | None = None,
) -> NDArray[np.floating[Any]]:
    """The signal whose transform is nearest to ``spectrum`` in least squares.

    Frames are added and divided by the sum of squared windows (Griffin and Lim, 1984);
    the exact inverse of :func:`stft`.

    Parameters
    ----------
    spectrum : (..., frequency, frame) complex array
    hop, n_fft, win_length, window, center
        As given to :func:`stft`; n_fft is even if left out.
    length : int, optional
        Samples to return; by default what frames cover.

    Returns
    -------
    (..., time) array
        float64 for complex128 input, otherwise float32.

    Raises
    ------
    ShapeError
        Sizes do not fit, or the windows leave a sample uncovered (hop too large).
    """
    s = np.asarray(spectrum)
    if s.ndim < 2 or s.shape[-1] == 0:
        raise ShapeError(
            "[istft] expected spectrum (..., frequency, frame) with a frame; got "
            f"spectrum.shape={s.shape}"
        )
    size = 2 * (s.shape[-2] - 1) if n_fft is None else n_fft
    size, hop, w = _settings("istft", size, hop, win_length, window)
    if s.shape[-2] != size // 2 + 1:
        raise ShapeError(
            f"[istft] expected {size // 2 + 1} frequencies for n_fft={size}; got "
            f"spectrum.shape={s.shape}"
        )
    pieces = np.fft.irfft(np.swapaxes(s, -1, -2), size, axis=-1) * w
    n = pieces.shape[-2]
    out = overlap_add(pieces, hop)
    weight = overlap_add(np.broadcast_to(w * w, (n, size)), hop)
    start = size // 2 if center else 0
    stop = out.shape[-1] - start if length is None else start + length
    out, weight = out[..., start:stop], weight[start:stop]
    inside = weight[hop : max(hop, (n - 1) * hop - start)] if n > 1 else weight[:0]
    if inside.size and inside.min() < 1e-10:
        raise ShapeError(
            f"[istft] expected windows that cover every sample; got hop={hop} for a "
            f"window of {size}. Hint: a smaller hop"
        )
    out = out / np.where(weight > 1e-10, weight, 1.0)
    if length is not None and out.shape[-1] < length:
        out = np.pad(out, [(0, 0)] * (out.ndim - 1) + [(0, length - out.shape[-1])])
    return out.astype(np.float64 if s.dtype == np.complex128 else np.float32)


def overlap_add(pieces: NDArray[Any], hop: int) -> NDArray[np.float64]:
    """(..., frame, length) to (..., time): frame i is added from sample ``i * hop``."""
    *batch, n, size = pieces.shape
    steps = -(-size // hop)
    padded = np.zeros((*batch, n, steps * hop))
    padded[..., :size] = pieces
    blocks = padded.reshape(*batch, n, steps, hop)
    out = np.zeros((*batch, n + steps - 1, hop))
    for k in range(steps):
        out[..., k : k + n, :] += blocks[..., k, :]
    return out.reshape(*batch, -1)[..., : (n - 1) * hop + size]
