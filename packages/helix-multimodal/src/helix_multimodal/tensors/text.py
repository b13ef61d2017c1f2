"""Text as tokens: bytes, or the merges of a tokenizer file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from helix_core import ShapeError
from numpy.typing import NDArray

from ..errors import Corrupt, MissingExtra, Unreadable
from ..samples import Bytes, Text
from ._check import OptionError, at_least, one_of

Ids = NDArray[np.int64]


class Tokenizer(Protocol):
    """What text needs: ids of text, text of ids, and the ids that mean no text."""

    vocab_size: int
    pad_id: int
    bos_id: int | None
    eos_id: int | None

    def encode(self, text: str | bytes) -> Ids: ...

    def decode(self, ids: Any) -> str: ...


class ByteTokenizer:
    """Each byte of UTF-8 is a token, 0 to 255; then padding, beginning, end and mask.

    >>> t = ByteTokenizer()
    >>> t.encode("hé").tolist()
    [104, 195, 169]
    >>> t.decode([257, 104, 195, 169, 258, 256])
    'hé'
    """

    vocab_size = 260
    pad_id, mask_id = 256, 259
    bos_id: int | None = 257
    eos_id: int | None = 258

    def encode(self, text: str | bytes) -> Ids:
        """Bytes as (token,) int64; lone surrogates are kept as they were decoded."""
        if isinstance(text, str):
            text = text.encode("utf-8", "surrogatepass")
        return np.frombuffer(text, np.uint8).astype(np.int64)

    def decode(self, ids: Any) -> str:
        """Text of ids; special ones are left out, broken sequences become U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def decode_bytes(self, ids: Any) -> bytes:
        """Bytes of ids; special ones are left out."""
        a = np.asarray(ids, np.int64).reshape(-1)
        if a.size and not 0 <= a.min() <= a.max() < self.vocab_size:
            raise OptionError(
                f"[ByteTokenizer] expected ids of 0 to {self.vocab_size - 1}; got "
                f"{int(a.min())} to {int(a.max())}"
            )
        return a[a < 256].astype(np.uint8).tobytes()


def _library() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise MissingExtra(
            "[text] expected tokenizers for a tokenizer file; got none installed. "
            "Hint: pip install 'helix-multimodal[tokenizers]'",
            "tokenizers",
        ) from None
    return tokenizers


_NAMES = {
    "pad": ("<pad>", "[PAD]", "<|padding|>", "<|endoftext|>"),
    "bos": ("<s>", "<bos>", "<|begin_of_text|>", "[CLS]", "<|startoftext|>"),
    "eos": ("</s>", "<eos>", "<|end_of_text|>", "[SEP]", "<|im_end|>", "<|endoftext|>"),
}


class FileTokenizer:
    """A ``tokenizer.json``: byte-pair or another model of the ``tokenizers`` library.

    Parameters
    ----------
    source : path, bytes or str
        The file, or its JSON.

    Raises
    ------
    MissingExtra, Unreadable, Corrupt
    """

    def __init__(self, source: str | os.PathLike[str] | bytes) -> None:
        library = _library()
        if isinstance(source, bytes):
            text = source.decode("utf-8", "replace")
        elif isinstance(source, str) and source.lstrip().startswith("{"):
            text = source
        else:
            try:
                text = Path(source).read_text("utf-8")
            except (OSError, ValueError) as e:
                raise Unreadable(
                    f"[text] expected a tokenizer file; got {source!s}: {e}"
                ) from None
        try:
            self._model = library.Tokenizer.from_str(text)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as e:  # the library panics on some input
            raise Corrupt(f"[text] expected a tokenizer.json; got {e}") from None
        self._model.no_padding()
        self._model.no_truncation()
        self.vocab_size = int(self._model.get_vocab_size())
        ids = {
            key: next(
                (i for n in names if (i := self._model.token_to_id(n)) is not None),
                None,
            )
            for key, names in _NAMES.items()
        }
        self.bos_id, self.eos_id = ids["bos"], ids["eos"]
        self.pad_id = next(i for i in (ids["pad"], ids["eos"], 0) if i is not None)

    def encode(self, text: str | bytes) -> Ids:
        """Ids as (token,) int64, with what the file's post-processor adds."""
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        return np.asarray(self._model.encode(text).ids, np.int64)

    def decode(self, ids: Any) -> str:
        """Text of ids, without special ones."""
        return str(self._model.decode([int(i) for i in np.asarray(ids).reshape(-1)]))

    def to_json(self) -> str:
        """What a ``tokenizer.json`` holds."""
        return str(self._model.to_str())


def train_bpe(texts: Iterable[str], vocab_size: int = 1024) -> FileTokenizer:
    """A byte-level byte-pair tokenizer of one's own; any text has ids.

    Parameters
    ----------
    texts : iterable of str
    vocab_size : int
        At least 259: bytes and three special tokens.

    Raises
    ------
    MissingExtra, ShapeError

    Notes
    -----
    Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016.
    """
    at_least("train_bpe", "vocab_size", vocab_size, 259)
    t = _library()
    model = t.Tokenizer(t.models.BPE())
    model.pre_tokenizer = t.pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = t.decoders.ByteLevel()
    trainer = t.trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=t.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    model.train_from_iterator(texts, trainer)
    return FileTokenizer(model.to_str())


@lru_cache(maxsize=8)
def _read(path: str, stamp: tuple[int, int]) -> FileTokenizer:
    return FileTokenizer(path)


def open_tokenizer(source: Any) -> Tokenizer:
    """Open "bytes", a path of a ``tokenizer.json`` (read once), or a tokenizer itself."""
    if isinstance(source, str) and source == "bytes":
        return ByteTokenizer()
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        try:
            s = os.stat(path)
        except (OSError, ValueError) as e:
            raise Unreadable(
                f"[text] expected tokenizer 'bytes' or a file; got {path!r}: {e}"
            ) from None
        return _read(path, (s.st_mtime_ns, s.st_size))
    if hasattr(source, "encode") and hasattr(source, "pad_id"):
        return cast(Tokenizer, source)
    raise OptionError(
        f"[text] expected tokenizer to be 'bytes', a file or a Tokenizer; got {source!r}"
    )


def truncate(ids: Ids, length: int, side: str = "right") -> Ids:
    """At most ``length`` ids; ``side`` is what is cut."""
    at_least("truncate", "length", length, 0)
    if one_of("truncate", "side", side, ("left", "right")) == "right":
        return ids[:length]
    return ids[max(0, len(ids) - length) :]


def pad_ids(
    rows: Sequence[Any], pad_id: int, *, length: int | None = None, side: str = "right"
) -> tuple[Ids, Ids]:
    """Rows of one length.

    Parameters
    ----------
    rows : sequence of (token,) arrays
    pad_id : int
    length : int, optional
        The longest row if left out.
    side : {"right", "left"}
        Where padding goes; "left" for generation.

    Returns
    -------
    input_ids, attention_mask : (row, token) int64 arrays

    Raises
    ------
    ShapeError
        A row is longer than ``length``.
    """
    right = one_of("pad_ids", "side", side, ("left", "right")) == "right"
    arrays = [np.asarray(r, np.int64).reshape(-1) for r in rows]
    longest = max((len(a) for a in arrays), default=0)
    n = longest if length is None else length
    if longest > n:
        raise ShapeError(
            f"[pad_ids] expected rows of at most {n} tokens; got {longest}. "
            "Hint: max_length truncates"
        )
    ids = np.full((len(arrays), n), pad_id, np.int64)
    mask = np.zeros((len(arrays), n), np.int64)
    for i, a in enumerate(arrays):
        where = slice(0, len(a)) if right else slice(n - len(a), n)
        ids[i, where] = a
        mask[i, where] = 1
    return ids, mask


def text_tensors(
    sample: Text | Bytes,
    *,
    tokenizer: Any = "bytes",
    bos: bool = False,
    eos: bool = False,
    max_length: int | None = None,
    truncation_side: str = "right",
    pad_to: int | None = None,
    padding_side: str = "right",
) -> dict[str, NDArray[Any]]:
    """Arrays of text, or of bytes that nothing recognises.

    Parameters
    ----------
    sample : Text or Bytes
    tokenizer : "bytes", a path of a tokenizer.json, or a Tokenizer
    bos, eos : bool
        Add the ids of beginning and end; they count for ``max_length``.
    max_length : int, optional
        Tokens that are kept.
    truncation_side, padding_side : {"right", "left"}
    pad_to : int, optional

    Returns
    -------
    dict
        ``input_ids`` and ``attention_mask`` (token,) int64.

    Raises
    ------
    ShapeError, MissingExtra, Unreadable, Corrupt
    """
    t = open_tokenizer(tokenizer)
    ids = t.encode(sample.data if isinstance(sample, Bytes) else sample.text)
    head, tail = _special("bos", bos, t.bos_id), _special("eos", eos, t.eos_id)
    if max_length is not None:
        room = at_least("text", "max_length", max_length) - len(head) - len(tail)
        ids = truncate(ids, max(0, room), truncation_side)
    ids = np.concatenate([head, ids, tail])
    if pad_to is None:
        return {"input_ids": ids, "attention_mask": np.ones(len(ids), np.int64)}
    rows, masks = pad_ids([ids], t.pad_id, length=pad_to, side=padding_side)
    return {"input_ids": rows[0], "attention_mask": masks[0]}


def _special(name: str, wanted: bool, value: int | None) -> Ids:
    if not wanted:
        return np.zeros(0, np.int64)
    if value is None:
        raise OptionError(f"[text] expected a tokenizer with a {name} token; got none")
    return np.array([value], np.int64)
