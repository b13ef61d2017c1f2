"""Batches by the names that models take."""

from __future__ import annotations

import helix_core as hx
import numpy as np
import pytest
from helix_core import DTypeError, ShapeError
from helix_multimodal.collate import collate
from helix_multimodal.samples import Audio, Image, Text, Video
from helix_multimodal.tensors.audio import audio_tensors
from helix_multimodal.tensors.image import image_tensors
from helix_multimodal.tensors.item import Item
from helix_multimodal.tensors.pack import pack
from helix_multimodal.tensors.presets import clip, qwen2vl
from helix_multimodal.tensors.text import text_tensors


def text(string, **fills):
    return Item(
        modality="text", arrays=text_tensors(Text(text=string)), metadata={"n": string}
    )


def image(h, w, make=image_tensors):
    return Item(modality="image", arrays=make(Image(pixels=np.ones((h, w, 3), "u1"))))


def audio(n, **options):
    x = Audio(samples=np.ones((1, n), np.float32), sample_rate=16_000)
    return Item(modality="audio", arrays=audio_tensors(x, **options))


def test_text_is_padded():
    batch = collate([text("a"), text("bcd")])
    assert batch["input_ids"].tolist() == [[97, 256, 256], [98, 99, 100]]
    assert batch["attention_mask"].tolist() == [[1, 0, 0], [1, 1, 1]]
    assert batch.metadata == [{"n": "a"}, {"n": "bcd"}]
    assert list(batch) == ["input_ids", "attention_mask"]


def test_left_padding_and_the_pad_id_of_the_item():
    items = [text("a"), text("bc")]
    for i in items:
        i.fills["input_ids"] = 3
    batch = collate(items, padding_side="left")
    assert batch["input_ids"].tolist() == [[3, 97], [98, 99]]
    assert batch["attention_mask"].tolist() == [[0, 1], [1, 1]]


def test_images_of_one_size_and_of_several():
    batch = collate([image(30, 40, clip), image(50, 20, clip)])
    assert batch["pixel_values"].shape == (2, 3, 224, 224)
    assert list(batch) == ["pixel_values"]
    batch = collate([image(2, 3), image(4, 1)])
    assert batch["pixel_values"].shape == (2, 3, 4, 3)
    assert batch["pixel_mask"].sum(axis=(1, 2)).tolist() == [6, 4]
    assert np.array_equal(batch["pixel_values"][:, 0] != 0, batch["pixel_mask"] == 1)


def test_patches_lie_end_to_end():
    batch = collate([image(56, 56, qwen2vl), image(84, 56, qwen2vl)])
    assert batch["pixel_values"].shape == (16 + 24, 1176)
    assert batch["image_grid_thw"].tolist() == [[1, 4, 4], [1, 6, 4]]


def test_sound_of_several_lengths():
    batch = collate([audio(5), audio(3)])
    assert batch["input_values"].shape == (2, 1, 5)
    assert batch["attention_mask"].sum(axis=1).tolist() == [5, 3]
    assert batch["input_values"][1].tolist() == [[1, 1, 1, 0, 0]]


def test_several_modalities():
    items = [text("ab"), image(4, 4), audio(7), text("c"), image(4, 4)]
    batch = collate(items)
    assert batch.modalities == ["text", "image", "audio", "text", "image"]
    assert batch["modality_ids"].tolist() == [0, 2, 3, 0, 2]
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (2, 2)
    assert batch["pixel_values"].shape == (2, 3, 4, 4)
    assert batch["audio_attention_mask"].shape == (1, 7)


def test_frames_of_several_numbers_are_masked():
    frames = [np.ones((n, 3, 2, 2), np.float32) for n in (2, 3)]
    items = [Item(modality="video", arrays={"pixel_values_videos": f}) for f in frames]
    batch = collate(items)
    assert batch["pixel_values_videos"].shape == (2, 3, 3, 2, 2)
    assert batch["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]
    assert Video.modality == "video"


def test_tensors():
    batch = collate([text("ab"), image(3, 3)], return_tensors="helix")
    assert all(isinstance(v, hx.Tensor) for v in batch.values())
    assert batch["input_ids"].tolist() == [[97, 98]]
    assert batch["input_ids"].dtype is hx.int64
    assert batch["pixel_values"].dtype is hx.float32


def test_packed_sequences():
    batch = collate([pack([text("ab"), image(16, 16)]), pack([text("c")])])
    assert batch["input_ids"].tolist() == [[97, 98, 0], [99, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["segment_ids"].tolist() == [[0, 0, 1], [0, -1, -1]]
    assert batch["features"].shape == (2, 3, 768)
    assert batch.modalities == ["text image", "text"]


def test_dicts_of_arrays():
    batch = collate([{"x": [1.0, 2.0]}, {"x": [3.0, 4.0]}])
    assert batch["x"].tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_bad_batches():
    with pytest.raises(ShapeError, match=r"\[collate\] expected at least one item"):
        collate([])
    with pytest.raises(ShapeError, match="expected return_tensors to be one of 'np'"):
        collate([text("a")], return_tensors="pt")
    with pytest.raises(ShapeError, match="only some have image_grid_thw"):
        collate([image(56, 56), image(56, 56, qwen2vl)])
    with pytest.raises(ShapeError, match="packed, or none"):
        collate([text("a"), pack([text("a")])])
    with pytest.raises(ShapeError, match="equal axes and dtype"):
        collate([{"x": np.zeros(2)}, {"x": np.zeros((2, 2))}])
    with pytest.raises(DTypeError, match="expected x of numbers"):
        collate([{"x": ["a"]}])
    with pytest.raises(ShapeError, match="got an archive"):
        collate([Item(modality="archive", parts={"a": text("a")})])
    with pytest.raises(ShapeError, match="got str"):
        collate(["a"])
