"""Images against closed forms and loops; Pillow is asked in the parity tests."""

import math
from fractions import Fraction

import numpy as np
import pytest
from helix_core import DTypeError, ShapeError
from helix_multimodal import Image, Video
from helix_multimodal.tensors.image import (
    composite,
    convert,
    crop,
    image_tensors,
    longest,
    normalise,
    pad,
    shortest,
    to_uint8,
)
from helix_multimodal.tensors.presets import (
    clip,
    imagenet,
    patchify,
    qwen2vl,
    siglip,
    smart_resize,
    unpatchify,
)
from helix_multimodal.tensors.resize import premultiply, resize, unpremultiply


def pixels(h, w, c=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (h, w, c), dtype=np.uint8)


def loop(row, m, name):
    """One row of 8-bit values, by the definition and exact arithmetic."""
    n = len(row)
    support = {"bilinear": 1.0, "bicubic": 2.0}[name]
    scale = n / m
    wide = max(scale, 1.0)
    out = []
    for j in range(m):
        centre = (j + 0.5) * scale
        low = max(int(centre - support * wide + 0.5), 0)
        high = min(int(centre + support * wide + 0.5), n)
        weights = []
        for i in range(low, high):
            x = abs((i - centre + 0.5) * (1.0 / wide))
            if name == "bilinear":
                weights.append(1.0 - x if x < 1.0 else 0.0)
            elif x < 1.0:
                weights.append((1.5 * x - 2.5) * x * x + 1)
            else:
                weights.append((((x - 5) * x + 8) * x - 4) * -0.5 if x < 2.0 else 0.0)
        total = 0.0
        for w in weights:
            total += w
        value = Fraction(0)
        for i, w in zip(range(low, high), weights, strict=True):
            k = w / total * (1 << 22)
            value += int(k + (0.5 if k >= 0 else -0.5)) * int(row[i])
        out.append(min(255, max(0, math.floor(value / (1 << 22) + Fraction(1, 2)))))
    return out


@pytest.mark.parametrize("name", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    ("n", "m"), [(50, 7), (7, 50), (31, 30), (1, 9), (9, 1), (40, 39)]
)
def test_a_row_is_the_filters_sum_in_exact_arithmetic(name, n, m):
    x = pixels(1, n, 1)
    assert resize(x, 1, m, name)[0, :, 0].tolist() == loop(x[0, :, 0], m, name)
    assert resize(x.reshape(n, 1, 1), m, 1, name)[:, 0, 0].tolist() == (
        loop(x[0, :, 0], m, name)
    )


def test_two_passes_round_in_between_and_shrinking_columns_come_first():
    x = pixels(60, 20)
    rows_first = resize(resize(x, 60, 13), 50, 13)
    np.testing.assert_array_equal(resize(x, 50, 13), rows_first)
    columns_first = resize(resize(x, 10, 20), 10, 13)
    np.testing.assert_array_equal(resize(x, 10, 13), columns_first)


@pytest.mark.parametrize("filter", ["nearest", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channel", [1, 2, 3, 4])
def test_a_flat_image_stays_flat(filter, dtype, channel):
    value = 200 if dtype != np.float32 else 0.7
    x = np.full((33, 70, channel), value, dtype)
    if channel in (2, 4):
        x[..., -1] = 255 if dtype == np.uint8 else 65535 if dtype == np.uint16 else 1
    y = resize(x, 11, 90, filter)
    assert y.shape == (11, 90, channel) and y.dtype == dtype
    np.testing.assert_allclose(y[5, 5], x[0, 0], rtol=1e-6)
    assert np.all(y == y[0, 0]) or dtype == np.float32


def test_nearest_takes_pixels():
    x = pixels(4, 4)
    np.testing.assert_array_equal(resize(x, 2, 2, "nearest"), x[1::2, 1::2])
    np.testing.assert_array_equal(resize(x, 8, 4, "nearest"), np.repeat(x, 2, axis=0))


def test_shrinking_averages():
    x = np.zeros((8, 8, 1), np.uint8)
    x[::2] = 255  # stripes that a filter without antialiasing would keep
    y = resize(x, 1, 1, "bilinear")
    assert abs(int(y[0, 0, 0]) - 128) <= 12


def test_16_bits_are_kept():
    x = np.linspace(0, 65535, 64).astype(np.uint16).reshape(1, 64, 1)
    y = resize(x, 1, 32, "bilinear")
    inner = y[0, 2:-2, 0].astype(float)
    want = (x[0, ::2, 0].astype(float) + x[0, 1::2, 0])[2:-2] / 2
    np.testing.assert_allclose(inner, want, atol=1.0)
    assert len(np.unique(y)) == 32


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_transparent_colours_do_not_bleed(dtype):
    full = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    x = np.zeros((8, 8, 4), dtype)
    x[:, :4] = [full, 0, 0, full]  # red
    x[:, 4:] = [0, full, 0, 0]  # green that nobody sees
    y = resize(x, 4, 5)
    seen = y[..., 3] > full // 100 if dtype != np.float32 else y[..., 3] > 0.01
    assert np.all(y[seen][:, 1] == 0)
    assert np.all(y[seen][:, 0] >= 0.9 * full)


def test_premultiplied_and_back():
    x = pixels(5, 5, 4)
    x[..., 3] = 255
    np.testing.assert_array_equal(unpremultiply(premultiply(x)), x)
    half = np.array([[[100, 200, 50, 128]]], np.uint8)
    assert premultiply(half)[0, 0].tolist() == [50, 100, 25, 128]


def test_resize_refuses():
    x = pixels(4, 4)
    with pytest.raises(ShapeError, match="height"):
        resize(x, 0, 4)
    with pytest.raises(ShapeError, match="'nearest', 'bilinear'"):
        resize(x, 4, 4, "cubic")
    with pytest.raises(ShapeError, match="with pixels"):
        resize(x[:0], 4, 4)
    with pytest.raises(DTypeError, match="int64"):
        resize(x.astype(np.int64), 2, 2)
    assert resize(x, 4, 4) is not x


def test_modes():
    gray, colour = pixels(2, 2, 1), pixels(2, 2, 3)
    assert np.array_equal(convert(gray, "rgb"), np.repeat(gray, 3, axis=-1))
    assert convert(colour, "gray").shape == (2, 2, 1)
    assert convert(colour, "rgba")[..., 3].min() == 255
    assert convert(pixels(2, 2, 4), "rgb").shape == (2, 2, 3)
    assert convert(pixels(2, 2, 4), "rgb", "keep").shape == (2, 2, 4)
    assert convert(pixels(2, 2, 2), "keep", "keep").shape == (2, 2, 2)
    assert convert(pixels(2, 2, 2), "rgba").shape == (2, 2, 4)
    assert convert(np.ones((2, 2, 1), bool), "rgb").max() == 255
    with pytest.raises(ShapeError, match="'keep', 'gray'"):
        convert(gray, "RGB")


def test_luma_of_any_depth():
    x = np.array([[[10, 200, 30]]], np.uint8)
    want = 0.299 * 10 + 0.587 * 200 + 0.114 * 30
    assert abs(int(convert(x, "gray")[0, 0, 0]) - want) <= 0.5
    deep = convert(x.astype(np.uint16) * 257, "gray")
    assert abs(int(deep[0, 0, 0]) - want * 257) <= 1
    assert abs(convert(x.astype(np.float32) / 255, "gray")[0, 0, 0] - want / 255) < 1e-4


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_alpha_on_a_colour(dtype):
    full = {np.uint8: 255, np.uint16: 65535, np.float32: 1.0}[dtype]
    x = np.array([[[full, 0, 0, full], [full, 0, 0, 0]]], dtype)
    y = convert(x, "rgb", (0, 255, 0))
    np.testing.assert_allclose(y[0], [[full, 0, 0], [0, full, 0]])
    half = x.copy()
    half[0, 0, 3] = full / 2
    np.testing.assert_allclose(composite(half, (0, 0, 0))[0, 0, 0], full / 2, atol=1)


def test_alpha_of_gray_on_a_colour():
    x = np.array([[[100, 0]]], np.uint8)
    assert convert(x, "rgb", (9, 8, 7))[0, 0].tolist() == [9, 8, 7]
    assert convert(x, "gray", (255, 255, 255))[0, 0].tolist() == [255]
    with pytest.raises(ShapeError, match="0 to 255"):
        convert(x, "rgb", (300, 0, 0))


def test_crop_inside_and_beyond():
    x = pixels(5, 6)
    assert np.array_equal(crop(x, 3, 2), x[1:4, 2:4])
    big = crop(x, 7, 6)
    assert np.array_equal(big[1:6], x) and not big[0].any() and not big[6].any()
    assert np.array_equal(crop(x, 2, 2, top=-1, left=5)[1, 0], x[0, 5])
    assert not crop(x, 2, 2, top=99, left=0).any()


def test_pad_at_the_end_and_around():
    x = pixels(2, 2)
    assert np.array_equal(pad(x, 4, 3)[:2, :2], x)
    y = pad(x, 4, 4, value=7, where="centre")
    assert np.array_equal(y[1:3, 1:3], x) and y[0, 0, 0] == 7
    with pytest.raises(ShapeError, match="at least 2 x 2"):
        pad(x, 1, 4)


def test_sizes_by_an_edge():
    assert shortest(480, 640, 224) == (224, 298)
    assert shortest(640, 480, 224) == (298, 224)
    assert longest(480, 640, 100) == (75, 100)
    assert longest(1, 640, 100) == (1, 100)


def test_normalised_pixels_of_each_depth():
    x = pixels(3, 4)
    got = normalise(x, (0.1, 0.2, 0.3), 0.5)
    want = (x.transpose(2, 0, 1) / 255 - np.array([0.1, 0.2, 0.3])[:, None, None]) / 0.5
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, atol=1e-6)
    deep = normalise(x.astype(np.uint16) * 257, (0.1, 0.2, 0.3), 0.5)
    np.testing.assert_allclose(deep, want, atol=1e-6)
    floats = normalise((x / 255).astype(np.float32), (0.1, 0.2, 0.3), 0.5)
    np.testing.assert_allclose(floats, want, atol=1e-6)
    with pytest.raises(ShapeError, match="std above 0"):
        normalise(x, 0, 0)
    with pytest.raises(ShapeError, match="3 finite numbers of mean"):
        normalise(x, (1, 2))


def test_to_8_bits_rounds():
    deep = np.array([[[0], [128], [129], [65535]]], np.uint16)
    assert to_uint8(deep).ravel().tolist() == [0, 0, 1, 255]
    x = np.array([[[0.0], [1.5], [np.nan], [0.5]]], np.float32)
    assert to_uint8(x).ravel().tolist() == [0, 255, 0, 128]


def test_arrays_of_an_image():
    s = Image(pixels=pixels(40, 60, 4))
    out = image_tensors(s, size=20, crop_size=16, mode="rgba")
    assert out["pixel_values"].shape == (4, 16, 16)
    assert image_tensors(s)["pixel_values"].shape == (3, 40, 60)
    assert image_tensors(s, size=(5, 7), mode="gray")["pixel_values"].shape == (1, 5, 7)
    with pytest.raises(ShapeError, match="size"):
        image_tensors(s, size=(1, 2, 3))
    moving = Image(pixels=s.pixels, frames=np.stack([s.pixels, s.pixels[::-1]]))
    all_frames = image_tensors(moving, frames="all", size=8)["pixel_values"]
    assert all_frames.shape == (2, 3, 8, 12)


def test_16_bit_images_keep_their_levels():
    ramp = np.arange(40_000, 40_256).astype(np.uint16).reshape(16, 16, 1)
    out = image_tensors(Image(pixels=ramp), mode="gray")["pixel_values"]
    assert len(np.unique(out)) == 256


@pytest.mark.parametrize(
    "shape", [(224, 224), (1, 1), (300, 500), (500, 3), (223, 225)]
)
@pytest.mark.parametrize("preset", [clip, siglip, imagenet])
def test_presets_give_their_shape(preset, shape):
    for c in (1, 2, 3, 4):
        out = preset(Image(pixels=pixels(*shape, c)))["pixel_values"]
        assert out.shape == (3, 224, 224) and out.dtype == np.float32
        assert np.isfinite(out).all()


def test_smart_resize_bounds():
    assert smart_resize(1024, 2048) == (700, 1400)
    assert smart_resize(1, 1) == (56, 56)
    with pytest.raises(ShapeError, match="factor of 200"):
        smart_resize(1, 201)
    with pytest.raises(ShapeError, match="height"):
        smart_resize(0, 5)


def test_patches_and_back():
    frames = np.random.default_rng(0).random((3, 3, 56, 84))
    patches, grid = patchify(frames)
    assert grid == (2, 4, 6) and patches.shape == (48, 1176)
    back = unpatchify(patches, grid)
    np.testing.assert_array_equal(back[:3], frames)
    np.testing.assert_array_equal(back[3], frames[2])
    # second patch is to the right of the first; the third below it: one merge group
    first = patches[:3].reshape(3, 3, 2, 14, 14)
    np.testing.assert_array_equal(first[1, :, 0], frames[0, :, :14, 14:28])
    np.testing.assert_array_equal(first[2, :, 1], frames[1, :, 14:28, :14])
    with pytest.raises(ShapeError, match="multiples of 28"):
        patchify(frames[:, :, :50])


def test_qwen_of_images_and_videos():
    out = qwen2vl(Image(pixels=pixels(100, 200)))
    assert out["image_grid_thw"].tolist() == [[1, 8, 14]]
    assert out["pixel_values"].shape == (112, 1176)
    v = Video(
        frames=np.stack([pixels(60, 60, seed=i) for i in range(3)]),
        times=np.arange(3.0),
    )
    out = qwen2vl(v)
    assert out["video_grid_thw"].tolist() == [[2, 4, 4]]
    assert out["pixel_values_videos"].shape == (32, 1176)
