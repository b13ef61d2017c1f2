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


# --- images ----------------------------------------------------------------------------


def picture(h, w, c=3, seed=0):
    """Smooth, noisy and hard edges at once."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (h, w, c), dtype=np.uint8)
    y, z = np.mgrid[:h, :w]
    x[..., 0] = 127 + 127 * np.sin(y / 7 + z / 11)
    x[(y // 9 + z // 5) % 3 == 0] = 255
    x[(y // 9 + z // 5) % 5 == 1] = 0
    return x


def pil(x):
    from PIL import Image

    c = x.shape[-1]
    if c == 2:
        bands = [Image.fromarray(np.ascontiguousarray(x[..., i])) for i in range(2)]
        return Image.merge("LA", bands)
    return Image.fromarray(x if c > 1 else x[..., 0])


SIZES = [
    ((1, 1), (5, 7)),
    ((40, 60), (1, 1)),
    ((65, 34), (38, 133)),
    ((34, 65), (133, 38)),
    ((200, 300), (224, 224)),
    ((333, 517), (224, 347)),
    ((512, 100), (60, 99)),
    ((97, 101), (96, 102)),
    ((480, 640), (240, 320)),
]


@pytest.mark.parametrize("name", ["nearest", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("channel", [1, 2, 3, 4])
def test_resize_has_the_bits_of_pillow(name, channel):
    import PIL
    from helix_multimodal.tensors.resize import resize
    from PIL import Image

    # until 12 rows always came first
    assert int(PIL.__version__.split(".")[0]) >= 13
    filter = Image.Resampling[name.upper()]
    for k, ((h, w), (height, width)) in enumerate(SIZES):
        x = picture(h, w, channel, k)
        want = np.asarray(pil(x).resize((width, height), filter))
        got = resize(x, height, width, name)
        np.testing.assert_array_equal(got, want.reshape(got.shape), str(SIZES[k]))


@pytest.mark.parametrize("name", ["bilinear", "bicubic", "lanczos"])
def test_float_resize_is_pillows(name):
    from helix_multimodal.tensors.resize import resize
    from PIL import Image

    x = np.random.default_rng(0).standard_normal((90, 131, 1)).astype(np.float32)
    for height, width in ((40, 50), (200, 300), (17, 131)):
        filter = Image.Resampling[name.upper()]
        want = np.asarray(Image.fromarray(x[..., 0]).resize((width, height), filter))
        got = resize(x, height, width, name)[..., 0]
        np.testing.assert_allclose(got, want, atol=1e-6)


@pytest.mark.parametrize("name", ["nearest", "bilinear"])
def test_16_bit_resize_is_pillows(name):
    from helix_multimodal.tensors.resize import resize
    from PIL import Image

    x = np.random.default_rng(0).integers(0, 65536, (90, 131, 1)).astype(np.uint16)
    for height, width in ((40, 50), (200, 300), (17, 131)):
        filter = Image.Resampling[name.upper()]
        want = np.asarray(Image.fromarray(x[..., 0]).resize((width, height), filter))
        off = np.abs(resize(x, height, width, name)[..., 0].astype(int) - want)
        assert off.max() <= 1 and (off > 0).mean() < 0.01  # halves, summed in order


def test_modes_are_pillows():
    from helix_multimodal.tensors.image import composite, convert
    from PIL import Image

    x = np.random.default_rng(0).integers(0, 256, (200, 300, 4), dtype=np.uint8)
    im = pil(x)
    gray = np.asarray(im.convert("RGB").convert("L"))
    np.testing.assert_array_equal(convert(x, "gray")[..., 0], gray)
    np.testing.assert_array_equal(convert(x, "rgb"), np.asarray(im.convert("RGB")))
    back = Image.new("RGB", im.size, (12, 200, 99))
    back.paste(im, mask=im.getchannel("A"))
    np.testing.assert_array_equal(composite(x, (12, 200, 99)), np.asarray(back))


SHAPES = [(224, 224), (480, 640), (640, 480), (100, 37), (301, 299), (1024, 333)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channel", [1, 3])
def test_clip_and_siglip_are_transformers(shape, channel):
    from helix_multimodal import Image
    from helix_multimodal.tensors.presets import clip, siglip
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.siglip.image_processing_pil_siglip import (
        SiglipImageProcessorPil,
    )

    x = picture(*shape, channel)
    for ours, peer in (
        (clip, CLIPImageProcessorPil()),
        (siglip, SiglipImageProcessorPil()),
    ):
        want = peer(pil(x), return_tensors="np")["pixel_values"][0]
        got = ours(Image(pixels=x))["pixel_values"]
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("shape", [*SHAPES, (257, 258), (255, 600)])
def test_imagenet_is_torchvisions_formula(shape):
    import torch
    from helix_multimodal import Image
    from helix_multimodal.tensors.presets import imagenet
    from PIL import Image as Pillow

    x = picture(*shape)
    h, w = shape
    long = int(256 * max(h, w) / min(h, w))
    size = (256, long) if w <= h else (long, 256)
    im = pil(x).resize(size, Pillow.Resampling.BILINEAR)
    left, top = round((size[0] - 224) / 2.0), round((size[1] - 224) / 2.0)
    im = im.crop((left, top, left + 224, top + 224))
    y = torch.from_numpy(np.array(im)).permute(2, 0, 1).float().div(255)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    want = y.sub(mean[:, None, None]).div(std[:, None, None]).numpy()
    np.testing.assert_array_equal(imagenet(Image(pixels=x))["pixel_values"], want)


@pytest.mark.parametrize("shape", [*SHAPES, (1024, 2048), (20, 30)])
def test_qwen2_vl_is_transformers(shape):
    from helix_multimodal import Image
    from helix_multimodal.tensors.presets import qwen2vl
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import (
        Qwen2VLImageProcessorPil,
    )

    x = picture(*shape)
    want = Qwen2VLImageProcessorPil()(pil(x), return_tensors="np")
    got = qwen2vl(Image(pixels=x))
    np.testing.assert_array_equal(got["image_grid_thw"], want["image_grid_thw"])
    np.testing.assert_array_equal(got["pixel_values"], want["pixel_values"])


def test_smart_resize_of_10000_sizes():
    from helix_multimodal.tensors.presets import smart_resize
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import (
        smart_resize as peer,
    )

    rng = np.random.default_rng(0)
    sizes = np.exp(rng.uniform(0, np.log(20_000), (14_000, 2))).astype(int)
    fits = sizes[sizes.max(1) <= 200 * sizes.min(1)][:10_000]
    assert len(fits) == 10_000
    for h, w in fits.tolist():
        assert smart_resize(h, w) == peer(h, w, max_pixels=28 * 28 * 1280)
