"""Mixed modalities as one sequence, from which each item is found again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from helix_core import ShapeError
from numpy.typing import NDArray

from ._check import at_least
from .cells import Grid, cells, rebuilt
from .item import MODALITIES, Item

PATCH, SAMPLES = 16, 400


@dataclass(frozen=True, slots=True)
class Segment:
    """Tokens ``start`` to ``stop`` of a sequence: one item.

    Attributes
    ----------
    item : Item
        The item with the arrays that its tokens do not hold.
    grid : Grid
    order : tuple of str
        Names of all its arrays.
    width : int
        Features that its tokens fill; 0 for tokens with ids.
    masked : bool
        Whether the sequence's mask holds the item's ``attention_mask``.
    """

    item: Item
    grid: Grid
    order: tuple[str, ...]
    start: int
    stop: int
    width: int
    masked: bool

    @property
    def modality(self) -> str:
        return self.item.modality


@dataclass(slots=True, kw_only=True)
class Packed:
    """One sequence of tokens of several modalities.

    Attributes
    ----------
    input_ids : (token,) int64 array
        Ids of text and bytes; 0 for other tokens.
    features : (token, feature) float32 array
        Patches, frames of sound, points; filled up with zeros to the widest, all zeros
        for tokens with ids.
    is_id : (token,) bool array
        Whether a token is an id.
    modality_ids : (token,) int64 array
        Places in :data:`~helix_multimodal.tensors.item.MODALITIES`.
    segment_ids : (token,) int64 array
        Which item; equal ones may attend to each other in a block-diagonal mask.
    positions : (token, 3) int64 array
        Time, row and column within the item.
    attention_mask : (token,) int64 array
        0 for padding that items brought.
    segments : tuple of Segment
    """

    input_ids: NDArray[np.int64]
    features: NDArray[np.float32]
    is_id: NDArray[np.bool_]
    modality_ids: NDArray[np.int64]
    segment_ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    attention_mask: NDArray[np.int64]
    segments: tuple[Segment, ...]

    def __len__(self) -> int:
        return len(self.input_ids)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name."""
        names = (
            "input_ids",
            "features",
            "is_id",
            "modality_ids",
            "segment_ids",
            "positions",
            "attention_mask",
        )
        return {n: getattr(self, n) for n in names}

    def __repr__(self) -> str:
        what = ", ".join(f"{s.modality} {s.stop - s.start}" for s in self.segments)
        return f"Packed({len(self)} tokens: {what}; {self.features.shape[1]} features)"


def pack(
    items: Iterable[Item], *, patch: int = PATCH, samples: int = SAMPLES
) -> Packed:
    """Join items into one sequence; :func:`unpack` gives the same bits back.

    A token is an id of text or bytes, a square patch (channel, row, column) of an image
    or frame, a frame of spectra, ``samples`` samples of all channels, a point with its
    features, or a row of a table.

    Parameters
    ----------
    items : iterable of Item
    patch : int
        Edge of patches; images are filled up with zeros below and right.
    samples : int
        Samples of a token of waveform.

    Returns
    -------
    Packed

    Raises
    ------
    ShapeError
        No items, or one that has no tokens' form.
    DTypeError
        An array that float32 features cannot hold.

    Notes
    -----
    Features side by side are filled up with zeros as in Perceiver IO (Jaegle et al.,
    2021).
    """
    at_least("pack", "patch", patch)
    at_least("pack", "samples", samples)
    items = list(items)
    if not items:
        raise ShapeError("[pack] expected at least one item; got none")
    made = [cells(i, patch, samples) for i in items]
    sizes = [len(c.positions) for c in made]
    edges = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    widths = [0 if c.features is None else c.features.shape[1] for c in made]
    n = edges[-1]
    ids, features = np.zeros(n, np.int64), np.zeros((n, max(widths)), np.float32)
    segments = []
    for k, (item, c) in enumerate(zip(items, made, strict=True)):
        here = slice(edges[k], edges[k + 1])
        if c.ids is not None:
            ids[here] = c.ids
        if c.features is not None:
            features[here, : widths[k]] = c.features
        rest = {name: a for name, a in item.arrays.items() if name not in c.used}
        segments.append(
            Segment(
                replace(item, arrays=rest),
                c.grid,
                tuple(item.arrays),
                edges[k],
                edges[k + 1],
                widths[k],
                "attention_mask" in c.used,
            )
        )

    def each(values: Sequence[Any], dtype: Any) -> NDArray[Any]:
        return np.repeat(np.asarray(values, dtype), sizes)

    return Packed(
        input_ids=ids,
        features=features,
        is_id=each([c.ids is not None for c in made], np.bool_),
        modality_ids=each([MODALITIES.index(i.modality) for i in items], np.int64),
        segment_ids=each(range(len(items)), np.int64),
        positions=np.concatenate([c.positions for c in made]),
        attention_mask=np.concatenate([c.mask for c in made]).astype(np.int64),
        segments=tuple(segments),
    )


def unpack(packed: Packed) -> list[Item]:
    """The items of a sequence, each array with the bits, shape and dtype it had."""
    out = []
    for s in packed.segments:
        ids = packed.input_ids[s.start : s.stop]
        found = dict(s.item.arrays)
        found |= rebuilt(s.grid, ids, packed.features[s.start : s.stop, : s.width])
        if s.masked:
            found["attention_mask"] = packed.attention_mask[s.start : s.stop].copy()
        out.append(replace(s.item, arrays={name: found[name] for name in s.order}))
    return out


def block_mask(segment_ids: Any, attention_mask: Any = None) -> NDArray[np.bool_]:
    """Which tokens may attend to which: those of their own item.

    Parameters
    ----------
    segment_ids : (..., token) integer array
    attention_mask : (..., token) array, optional
        0 for tokens that nothing attends to.

    Returns
    -------
    (..., token, token) bool array
        Row: who looks; column: at whom.
    """
    ids = np.asarray(segment_ids)
    allowed = ids[..., :, None] == ids[..., None, :]
    if attention_mask is None:
        return allowed
    return allowed & (np.asarray(attention_mask) != 0)[..., None, :]
