"""Arrays of helix-multimodal against the libraries that define them."""

from __future__ import annotations

import numpy as np
import pytest

# --- sound -----------------------------------------------------------------------------


def noise(n, seed=0):
    return (np.random.default_rng(seed).standard_normal(n) * 0.1).astype(np.float32)


@pytest.mark.parametrize("bins", [80, 128])
@pytest.mark.parametrize("n", [1, 150, 16_000, 464_007, 479_900, 480_000, 500_000])
def test_log_mel_is_whispers(bins, n):
    from helix_multimodal.tensors.whisper import log_mel
    from transformers import WhisperFeatureExtractor

    x = noise(n)
    padded = np.zeros(480_000, np.float32)
    padded[: min(n, 480_000)] = x[:480_000]
    peer = WhisperFeatureExtractor(feature_size=bins)
    want = peer._np_extract_fbank_features(padded[None], "cpu")[0]
    got = log_mel(x, bins)
    assert got.shape == want.shape == (bins, 3000)
    assert np.abs(got - want).max() <= 1e-6


@pytest.mark.parametrize("htk", [False, True])
@pytest.mark.parametrize("norm", ["slaney", None])
@pytest.mark.parametrize(
    "size", [(22_050, 2048, 128), (16_000, 400, 80), (8000, 256, 23)]
)
def test_mel_filters_are_librosas(htk, norm, size):
    import librosa
    from helix_multimodal.tensors.mel import mel_filters

    rate, n_fft, n_mels = size
    scale = "htk" if htk else "slaney"
    got = mel_filters(rate, n_fft, n_mels, scale=scale, norm=norm, low=20.0)
    want = librosa.filters.mel(
        sr=rate,
        n_fft=n_fft,
        n_mels=n_mels,
        htk=htk,
        norm=norm,
        fmin=20,
        dtype=np.float64,
    )
    assert np.abs(got - want).max() < 1e-12


def test_mel_spectrogram_is_librosas():
    import librosa
    from helix_multimodal.tensors.mel import spectrogram

    x = noise(50_000).astype(np.float64)
    got = spectrogram(x, 22_050, n_fft=2048, hop=512, n_mels=128, pad_mode="constant")
    want = librosa.feature.melspectrogram(y=x, sr=22_050)
    np.testing.assert_allclose(got, want, rtol=1e-5)


@pytest.mark.parametrize("pad", ["reflect", "constant"])
@pytest.mark.parametrize("sizes", [(512, 128, 512), (400, 160, 400), (512, 100, 300)])
def test_stft_and_inverse_are_librosas(pad, sizes):
    import librosa
    from helix_multimodal.tensors.stft import istft, stft

    n_fft, hop, length = sizes
    x = noise(20_000).astype(np.float64)
    common = {"hop_length": hop, "win_length": length}
    want = librosa.stft(x, n_fft=n_fft, pad_mode=pad, **common)
    got = stft(x, n_fft, hop, win_length=length, pad_mode=pad)
    np.testing.assert_allclose(got, want, atol=1e-10)
    rng = np.random.default_rng(1)
    damaged = want * rng.uniform(0.5, 1.5, want.shape)
    ours = istft(damaged, hop, win_length=length, length=len(x))
    theirs = librosa.istft(damaged, length=len(x), **common)
    np.testing.assert_allclose(ours, theirs, atol=1e-10)


def test_stft_is_scipys():
    from helix_multimodal.tensors.stft import stft
    from scipy.signal import ShortTimeFFT
    from scipy.signal.windows import hann

    x = noise(5000).astype(np.float64)
    peer = ShortTimeFFT(hann(256, sym=False), hop=64, fs=1, phase_shift=None)
    want = peer.stft(x)
    got = stft(x, 256, 64, pad_mode="constant")
    first = int(np.argmin(np.abs(peer.t(len(x)))))
    assert np.abs(got - want[:, first : first + got.shape[1]]).max() < 1e-10


@pytest.mark.parametrize("lifter", [0, 22])
def test_mfcc_is_librosas(lifter):
    import librosa
    from helix_multimodal.tensors.mel import mfcc

    x = noise(30_000).astype(np.float64)
    got = mfcc(
        x, 16_000, 13, n_fft=512, hop=128, n_mels=40, pad_mode="constant", lifter=lifter
    )
    want = librosa.feature.mfcc(
        y=x, sr=16_000, n_mfcc=13, n_fft=512, hop_length=128, n_mels=40, lifter=lifter
    )
    assert np.abs(got - want).max() < 1e-5 * np.abs(want).max()


@pytest.mark.parametrize(
    "rates", [(44_100, 16_000), (48_000, 16_000), (16_000, 44_100)]
)
def test_resampling_agrees_with_soxr_and_beats_its_distance_to_the_truth(rates):
    import soxr
    from helix_multimodal.tensors.resample import resample

    source, target = rates
    n = 2 * source
    f = np.linspace(50, 0.6 * min(rates) / 2, 40)

    def truth(t):
        return sum(np.sin(2 * np.pi * a * t + a) for a in f) / 40

    x = truth(np.arange(n) / source)
    ours = resample(x, source, target)[2000:-2000]
    theirs = soxr.resample(x, source, target, quality="HQ")[2000 : 2000 + len(ours)]
    want = truth((2000 + np.arange(len(ours))) / target)

    def snr(a, b):
        return 10 * np.log10((b**2).sum() / ((a - b) ** 2).sum())

    assert snr(ours, theirs) >= 100
    assert snr(ours, want) >= 120


def test_soxr_when_asked():
    import soxr
    from helix_multimodal.tensors.resample import resample

    x = np.stack([noise(5000), noise(5000, 1)])
    got = resample(x, 44_100, 16_000, quality="soxr")
    want = soxr.resample(x.T, 44_100, 16_000, quality="HQ").T
    assert got.shape == (2, 1815)
    np.testing.assert_array_equal(got[:, : want.shape[1]], want[:, :1815])
