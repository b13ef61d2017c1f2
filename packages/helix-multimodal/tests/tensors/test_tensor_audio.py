"""Sound against closed forms."""

import numpy as np
import pytest
from helix_core import DTypeError, ShapeError
from helix_multimodal import Audio
from helix_multimodal.tensors.audio import audio_tensors, channels, chunks
from helix_multimodal.tensors.mel import (
    decibels,
    hz_to_mel,
    mel_filters,
    mel_to_hz,
    mfcc,
    spectrogram,
)
from helix_multimodal.tensors.resample import resample
from helix_multimodal.tensors.stft import istft, stft, window
from helix_multimodal.tensors.whisper import log_mel


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_a_frame_of_the_stft_is_the_transform_of_windowed_samples():
    x = noise(2, 900)
    got = stft(x, 128, 50, center=False)
    assert got.shape == (2, 65, 16) and got.dtype == np.complex128
    w = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(128) / 128)
    kernel = np.exp(-2j * np.pi * np.outer(np.arange(65), np.arange(128)) / 128)
    np.testing.assert_allclose(got[1, :, 3], kernel @ (w * x[1, 150:278]), atol=1e-12)


def test_centred_frames_reflect_at_the_ends():
    x = noise(300)
    got = stft(x, 64, 16)
    want = stft(np.pad(x, 32, mode="reflect"), 64, 16, center=False)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("name", ["hann", "hamming", "blackman"])
@pytest.mark.parametrize("center", [True, False])
def test_istft_gives_the_signal_back(name, center):
    x = noise(2, 1000)
    spectrum = stft(x, 128, 32, window=name, center=center)
    got = istft(spectrum, 32, window=name, center=center)
    inside = slice(0, 992) if center else slice(128, 800)
    np.testing.assert_allclose(got[:, inside], x[:, inside], atol=1e-12)


def test_istft_with_a_short_window_odd_sizes_and_a_length():
    x = noise(777)
    options = {"win_length": 77, "window": "hamming"}
    got = istft(stft(x, 101, 20, **options), 20, n_fft=101, length=777, **options)
    assert got.shape == (777,)
    np.testing.assert_allclose(got[:750], x[:750], atol=1e-12)


def test_float32_stays_single():
    x = noise(500).astype(np.float32)
    spectrum = stft(x, 64)
    assert spectrum.dtype == np.complex64
    assert istft(spectrum, 16).dtype == np.float32


def test_istft_refuses_frames_with_gaps():
    with pytest.raises(ShapeError, match="cover every sample"):
        istft(np.ones((33, 5), np.complex128), 100)


def test_stft_of_little_and_of_wrong_input():
    assert stft(np.zeros((3, 0)), 16, pad_mode="constant").shape == (3, 9, 1)
    assert stft(np.zeros(5), 16, center=False).shape == (9, 0)
    with pytest.raises(ShapeError, match="more than 8 samples"):
        stft(np.zeros(8), 16)
    with pytest.raises(DTypeError, match="real numbers"):
        stft(np.zeros(100, complex), 16)
    with pytest.raises(ShapeError, match="hop"):
        stft(np.zeros(100), 16, 0)
    with pytest.raises(ShapeError, match="win_length at most"):
        stft(np.zeros(100), 16, win_length=17)
    with pytest.raises(ShapeError, match="'hann', 'hamming'"):
        stft(np.zeros(100), 16, window="han")
    with pytest.raises(ShapeError, match="3 values"):
        window(np.ones(2), 3)


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_mel_and_back(scale):
    hz = np.linspace(0, 12_000, 500)
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz, scale), scale), hz, atol=1e-9)
    assert np.all(np.diff(hz_to_mel(hz, scale)) > 0)


def test_mel_scales_at_known_points():
    np.testing.assert_allclose(hz_to_mel([0, 200, 1000, 6400]), [0, 3, 15, 42])
    np.testing.assert_allclose(hz_to_mel(700, "htk"), 2595 * np.log10(2))


def test_filters_are_triangles_of_equal_area():
    bank = mel_filters(16_000, 4096, 20)
    assert bank.shape == (20, 2049)
    areas = bank.sum(axis=1) * 16_000 / 4096
    np.testing.assert_allclose(areas, 1.0, rtol=2e-2)
    peaks = bank.argmax(axis=1)
    assert np.all(np.diff(peaks) > 0)
    assert mel_filters(16_000, 4096, 20, norm=None).max() <= 1.0


def test_filters_refuse_frequencies_that_are_not_there():
    with pytest.raises(ShapeError, match="8000 Hz"):
        mel_filters(16_000, 400, 80, high=9000)


def test_a_tone_is_in_its_bin():
    t = np.arange(16_000) / 16_000
    s = spectrogram(np.sin(2 * np.pi * 1000 * t), 16_000)
    assert s.shape == (201, 101)
    assert np.all(s[:, 5:-5].argmax(axis=0) == 25)
    np.testing.assert_allclose(s[25, 50], (400 / 4) ** 2, rtol=1e-9)
    m = spectrogram(np.sin(2 * np.pi * 1000 * t), 16_000, power=1.0)
    np.testing.assert_allclose(m**2, s, rtol=1e-9, atol=1e-9)


def test_mel_bands_are_filters_times_energy():
    x = noise(3, 2000)
    linear = spectrogram(x, 16_000)
    mel = spectrogram(x, 16_000, n_mels=64)
    np.testing.assert_allclose(mel, mel_filters(16_000, 400, 64) @ linear, rtol=1e-10)


def test_mfcc_is_an_orthonormal_cosine_transform_of_decibels():
    x = noise(4000)
    db = decibels(spectrogram(x, 16_000, n_mels=40))
    got = mfcc(x, 16_000, 40)
    np.testing.assert_allclose((got**2).sum(0), (db**2).sum(0), rtol=1e-5)
    np.testing.assert_allclose(got[0], db.sum(0) / np.sqrt(40), rtol=1e-5)
    np.testing.assert_allclose(mfcc(x, 16_000, 13), got[:13])
    with pytest.raises(ShapeError, match="at most n_mels=40"):
        mfcc(x, 16_000, 41)


def test_log_mel_of_silence_and_of_padding():
    quiet = log_mel(np.zeros(100))
    assert quiet.shape == (80, 3000) and quiet.dtype == np.float32
    assert np.all(quiet == -1.5)
    x = noise(16_000)
    padded = np.concatenate([x, np.zeros(464_000)])
    np.testing.assert_array_equal(log_mel(x), log_mel(padded))
    tail = np.concatenate([padded[:-1], [1e-30]])
    np.testing.assert_allclose(log_mel(x), log_mel(tail), atol=1e-6)
    assert log_mel(x, 128, seconds=None).shape == (128, 100)
    assert log_mel(np.zeros((2, 0))).shape == (2, 80, 3000)
    with pytest.raises(ShapeError, match="seconds=30"):
        log_mel(np.zeros(100), seconds=None)


RATES = [(44_100, 16_000), (48_000, 16_000), (8000, 16_000), (44_100, 48_000)]


def snr(got, want):
    inside = slice(len(want) // 10, -len(want) // 10)
    error = ((got - want)[inside] ** 2).sum()
    return 10 * np.log10((want[inside] ** 2).sum() / error)


def tones(t, frequencies):
    return sum(np.sin(2 * np.pi * f * t + f) for f in frequencies)


@pytest.mark.parametrize(("source", "target"), [*RATES, (16_000, 15_999)])
@pytest.mark.parametrize(
    ("quality", "band", "least"), [("high", 0.9, 120), ("fast", 0.78, 75)]
)
def test_resampled_tones_are_the_tones(source, target, quality, band, least):
    n = source // 2
    f = np.linspace(20, band * min(source, target) / 2, 25)
    got = resample(tones(np.arange(n) / source, f), source, target, quality=quality)
    assert len(got) == -(-n * target // source)
    assert snr(got, tones(np.arange(len(got)) / target, f)) > least


@pytest.mark.parametrize(("quality", "least"), [("high", 118), ("fast", 78)])
def test_what_the_lower_rate_cannot_hold_is_gone(quality, least):
    f = np.linspace(8010, 22_000, 25)
    x = tones(np.arange(22_050) / 44_100, f)
    got = resample(x, 44_100, 16_000, quality=quality)[800:-800]
    assert 10 * np.log10(x.var() / got.var()) > least


def test_resampling_keeps_a_constant_rows_and_dtype():
    x = np.ones((2, 3, 4000), np.float32)
    got = resample(x, 3, 2)
    assert got.shape == (2, 3, 2667) and got.dtype == np.float32
    np.testing.assert_allclose(got[..., 300:-300], 1.0, atol=1e-6)
    assert resample(np.zeros((2, 0)), 3, 2).shape == (2, 0)
    assert resample([1.0], 1, 3).shape == (3,)
    same = resample(x, 8000, 8000)
    assert np.array_equal(same, x) and same is not x


def test_resampling_is_linear_in_rows():
    x = noise(2, 5000)
    both = resample(x, 441, 160)
    np.testing.assert_allclose(both[1], resample(x[1], 441, 160), atol=1e-12)


@pytest.mark.parametrize(("source", "target"), [(0, 1), (8000.0, 1), (1, -2)])
def test_rates_are_whole_numbers(source, target):
    with pytest.raises(ShapeError, match="whole number of Hz"):
        resample(np.ones(4), source, target)


def test_channel_policies():
    x = np.array([[1.0, 2], [3, 6], [5, 1]], np.float32)
    assert channels(x, "mono").tolist() == [[3, 3]]
    assert channels(x, "first").tolist() == [[1, 2]]
    assert channels(x, 2).tolist() == [[5, 1]]
    assert channels(x, "stereo").shape == (2, 2)
    assert channels(x[:1], "stereo").tolist() == [[1, 2], [1, 2]]
    assert channels(x, "keep") is x
    with pytest.raises(ShapeError, match="a channel below 3"):
        channels(x, 3)
    with pytest.raises(ShapeError, match="channel, time"):
        channels(x[0])


def test_chunks_cover_the_sound_and_say_what_is_padding():
    pieces, mask = chunks(np.arange(1, 8), 3)
    assert pieces.tolist() == [[1, 2, 3], [4, 5, 6], [7, 0, 0]]
    assert mask.tolist()[2] == [True, False, False]
    assert len(chunks(np.arange(7), 3, last="drop")[0]) == 2
    overlapping, _ = chunks(np.arange(6), 4, 2)
    assert overlapping.tolist() == [[0, 1, 2, 3], [2, 3, 4, 5]]
    assert chunks(np.zeros((2, 5)), 2)[0].shape == (3, 2, 2)
    assert chunks(np.zeros((2, 0)), 2)[0].shape == (0, 2, 2)


def sound(n=8000, rate=8000, count=2):
    return Audio(samples=noise(count, n).astype(np.float32), sample_rate=rate)


def test_a_waveform_keeps_its_channels_unless_asked():
    s = sound()
    out = audio_tensors(s)
    np.testing.assert_array_equal(out["input_values"], s.samples)
    mono = audio_tensors(s, channel="mono", sample_rate=16_000, seconds=2)
    assert mono["input_values"].shape == (32_000,)
    assert mono["attention_mask"].sum() == 16_000


def test_whisper_features_of_another_rate_and_channels():
    s = sound()
    out = audio_tensors(s, features="whisper", n_mels=128)
    want = log_mel(resample(s.samples.mean(0), 8000, 16_000), 128)
    assert out["input_features"].shape == (128, 3000)
    np.testing.assert_allclose(out["input_features"], want, atol=1e-4)
    assert out["attention_mask"].sum() == 100
    with pytest.raises(ShapeError, match="sample_rate 16000"):
        audio_tensors(s, features="whisper", sample_rate=8000)


@pytest.mark.parametrize(
    ("kind", "size"), [("spectrogram", 201), ("mel", 80), ("mfcc", 20)]
)
@pytest.mark.parametrize("n", [0, 1, 8000])
def test_spectra_of_any_length(kind, size, n):
    out = audio_tensors(sound(n), features=kind)
    assert out["input_features"].shape == (size, n // 160 + 1)
    assert out["input_features"].dtype == np.float32
    assert len(out["attention_mask"]) == n // 160 + 1


def test_normalised_waveforms():
    out = audio_tensors(sound(), normalize=True)["input_values"]
    np.testing.assert_allclose(out.mean(1), 0, atol=1e-6)
    np.testing.assert_allclose(out.std(1), 1, atol=1e-5)
