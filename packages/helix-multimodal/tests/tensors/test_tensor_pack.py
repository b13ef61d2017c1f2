"""One sequence of several modalities, and the items back from it."""

from __future__ import annotations

import numpy as np
import pytest
from helix_core import DTypeError, ShapeError
from helix_multimodal.samples import Audio, Image, Points, Text, Video
from helix_multimodal.tensors.audio import audio_tensors
from helix_multimodal.tensors.image import image_tensors
from helix_multimodal.tensors.item import MODALITIES, Item
from helix_multimodal.tensors.pack import block_mask, pack, unpack
from helix_multimodal.tensors.points import points_tensors
from helix_multimodal.tensors.presets import qwen2vl
from helix_multimodal.tensors.text import text_tensors
from helix_multimodal.tensors.video import video_tensors

RNG = np.random.default_rng(0)


def pixels(*shape):
    return RNG.integers(0, 256, shape, np.uint8)


def sound(channels, n, rate=16_000):
    x = RNG.standard_normal((channels, n)).astype(np.float32)
    return Audio(samples=x, sample_rate=rate)


def item(modality, arrays, **more):
    return Item(modality=modality, arrays=arrays, **more)


def every_kind():
    cloud = Points(xyz=RNG.standard_normal((9, 3)), colors=pixels(9, 3))
    film = Video(
        frames=pixels(3, 20, 33, 3), times=np.arange(3) / 3.0, audio=sound(1, 900)
    )
    numbers = RNG.standard_normal((4, 6)).astype(np.float32)
    numbers[0, 0] = np.nan
    short = audio_tensors(sound(1, 5000), features="whisper", seconds=0.5)
    return [
        item("text", text_tensors(Text(text="naïve")), metadata={"encoding": "utf-8"}),
        item("bytes", text_tensors(Text(text="ab"), pad_to=5)),
        item("image", image_tensors(Image(pixels=pixels(17, 40, 3)))),
        item("image", qwen2vl(Image(pixels=pixels(60, 90, 3)))),
        item("audio", audio_tensors(sound(2, 1003))),
        item("audio", audio_tensors(sound(1, 1003), channel="mono", seconds=0.2)),
        item("audio", audio_tensors(sound(2, 1600), features="mel", channel="keep")),
        item("audio", short),
        item("video", video_tensors(film)),
        item("video", qwen2vl(film)),
        item("points", points_tensors(cloud, count=12)),
        item("table", {"values": numbers}),
    ]


def same(a, b):
    assert list(a.arrays) == list(b.arrays)
    for name, x in a.arrays.items():
        y = b.arrays[name]
        assert (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes()), name
    assert (a.modality, a.metadata) == (b.modality, b.metadata)


def test_unpack_gives_every_bit_back():
    items = every_kind()
    packed = pack(items)
    for a, b in zip(items, unpack(packed), strict=True):
        same(a, b)


@pytest.mark.parametrize("k", range(12))
def test_unpack_of_one(k):
    one = every_kind()[k]
    same(one, unpack(pack([one], patch=7, samples=64))[0])


def test_tokens_hold_the_arrays_and_not_copies_beside():
    packed = pack(every_kind())
    packed.features[:] = 0.0
    for was, now in zip(every_kind(), unpack(packed), strict=True):
        for name in ("pixel_values", "input_features", "input_values", "values"):
            if name in was.arrays:
                assert not now.arrays[name].any()


def test_sequence_of_text_and_an_image():
    image = np.arange(2 * 3 * 5, dtype=np.float32).reshape(2, 3, 5)
    packed = pack(
        [
            item("text", {"input_ids": np.array([7, 9]), "attention_mask": ONES}),
            item("image", {"pixel_values": image}),
        ],
        patch=2,
    )
    assert len(packed) == 2 + 6
    assert packed.input_ids.tolist() == [7, 9, 0, 0, 0, 0, 0, 0]
    assert packed.is_id.tolist() == [True] * 2 + [False] * 6
    kinds = [MODALITIES.index("text")] * 2 + [MODALITIES.index("image")] * 6
    assert packed.modality_ids.tolist() == kinds
    assert packed.segment_ids.tolist() == [0, 0, 1, 1, 1, 1, 1, 1]
    assert packed.attention_mask.tolist() == [1, 0] + [1] * 6
    assert packed.positions.tolist() == [
        [0, 0, 0],
        [1, 0, 0],
        *[[0, i, j] for i in range(2) for j in range(3)],
    ]
    # channel, row, column of the patch; zeros below and to the right of the image
    assert packed.features[2].tolist() == [0, 1, 5, 6, 15, 16, 20, 21]
    assert packed.features[7].tolist() == [14, 0, 0, 0, 29, 0, 0, 0]
    assert not packed.features[:2].any()


ONES = np.array([1, 0])


def test_positions_of_qwen_follow_the_order_of_its_patches():
    made = qwen2vl(Image(pixels=pixels(56, 84, 3)))
    packed = pack([item("image", made)])
    assert made["image_grid_thw"].tolist() == [[1, 4, 6]]
    assert packed.positions[:6].tolist() == [
        [0, 0, 0],
        [0, 0, 1],
        [0, 1, 0],
        [0, 1, 1],
        [0, 0, 2],
        [0, 0, 3],
    ]
    assert len({tuple(p) for p in packed.positions.tolist()}) == 24


def test_mask_of_waveforms_is_by_token():
    made = audio_tensors(sound(1, 500), channel="mono", seconds=0.1)
    packed = pack([item("audio", made)], samples=400)
    assert packed.attention_mask.tolist() == [1, 1, 0, 0]


def test_no_tokens():
    empty = item("text", text_tensors(Text(text="")))
    silent = item("audio", audio_tensors(sound(2, 0)))
    packed = pack([empty, silent])
    assert len(packed) == 0
    for a, b in zip([empty, silent], unpack(packed), strict=True):
        same(a, b)


def test_bad_items():
    with pytest.raises(ShapeError, match=r"\[pack\] expected at least one item"):
        pack([])
    with pytest.raises(DTypeError, match="float32, so that nothing is lost"):
        pack([item("table", {"values": np.zeros((2, 2))})])
    with pytest.raises(ShapeError, match=r"got archive with no arrays.*its parts"):
        pack([item("archive", {}, parts={"a": item("text", {})})])
    with pytest.raises(ShapeError, match="got arrays with weights"):
        pack([item("arrays", {"weights": np.zeros(3, np.float32)})])
    with pytest.raises(ShapeError, match="expected patch to be a whole number"):
        pack(every_kind(), patch=0)


def test_block_mask():
    mask = block_mask([0, 0, 1], [1, 0, 1])
    assert mask.tolist() == [
        [True, False, False],
        [True, False, False],
        [False, False, True],
    ]
