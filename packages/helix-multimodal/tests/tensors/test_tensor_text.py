"""Text as tokens."""

import numpy as np
import pytest
from helix_core import ShapeError
from helix_multimodal import Bytes, Corrupt, Text, Unreadable
from helix_multimodal.tensors.text import (
    ByteTokenizer,
    open_tokenizer,
    pad_ids,
    text_tensors,
    truncate,
)


@pytest.mark.parametrize("text", ["", "plain", "é世界🙂", "a\0b", "\udc80"])
def test_bytes_and_back(text):
    t = ByteTokenizer()
    ids = t.encode(text)
    assert ids.dtype == np.int64
    assert t.decode_bytes(ids) == text.encode("utf-8", "surrogatepass")


def test_any_bytes_are_tokens():
    data = bytes(range(256))
    out = text_tensors(Bytes(data=data))
    assert out["input_ids"].tolist() == list(range(256))
    assert ByteTokenizer().decode_bytes(out["input_ids"]) == data
    with pytest.raises(ShapeError, match="0 to 259"):
        ByteTokenizer().decode([260])


def test_special_ids_truncation_and_padding():
    out = text_tensors(Text(text="hello"), bos=True, eos=True, max_length=5, pad_to=7)
    assert out["input_ids"].tolist() == [257, 104, 101, 108, 258, 256, 256]
    assert out["attention_mask"].tolist() == [1, 1, 1, 1, 1, 0, 0]
    left = text_tensors(
        Text(text="hello"),
        max_length=2,
        truncation_side="left",
        pad_to=3,
        padding_side="left",
    )
    assert left["input_ids"].tolist() == [256, 108, 111]
    assert left["attention_mask"].tolist() == [0, 1, 1]


def test_rows_of_one_length():
    ids, mask = pad_ids([[1, 2], [], [3]], 9)
    assert ids.tolist() == [[1, 2], [9, 9], [3, 9]]
    assert mask.tolist() == [[1, 1], [0, 0], [1, 0]]
    assert pad_ids([], 0)[0].shape == (0, 0)
    with pytest.raises(ShapeError, match="max_length truncates"):
        pad_ids([[1, 2]], 0, length=1)
    assert truncate(np.arange(3), 0, "left").tolist() == []


def test_tokenizers_that_are_none():
    with pytest.raises(Unreadable, match="no-such-file"):
        open_tokenizer("no-such-file.json")
    with pytest.raises(ShapeError, match="a file or a Tokenizer"):
        open_tokenizer(3)


def test_byte_pairs(tmp_path):
    pytest.importorskip("tokenizers", reason="the extra `tokenizers` is not installed")
    from helix_multimodal.tensors.text import FileTokenizer, train_bpe

    t = train_bpe(["low lower lowest"] * 50, 280)
    ids = t.encode("lower 🙂 slow")
    assert t.decode(ids) == "lower 🙂 slow"
    assert len(ids) < len("lower 🙂 slow".encode())
    path = tmp_path / "tokenizer.json"
    path.write_text(t.to_json(), "utf-8")
    out = text_tensors(Text(text="lowest"), tokenizer=path, eos=True)
    assert out["input_ids"][-1] == t.eos_id == 2
    assert open_tokenizer(path) is open_tokenizer(str(path))
    with pytest.raises(Corrupt, match=r"tokenizer\.json"):
        FileTokenizer(b"{}")
