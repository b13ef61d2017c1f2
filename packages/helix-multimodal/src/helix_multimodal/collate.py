"""Items to one batch, by the names that models of Hugging Face take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from helix_core import DTypeError, ShapeError
from numpy.typing import NDArray

from .tensors._check import one_of
from .tensors.item import MODALITIES, Item
from .tensors.pack import Packed

_GRIDS = {"pixel_values": "image_grid_thw", "pixel_values_videos": "video_grid_thw"}
_FILLS = {"input_ids": 256, "point_indices": -1, "labels": -100, "segment_ids": -1}
_TOKENS = {"pixel_values_videos": 0, "values": 0, "points": 0}  # axis of tokens
_IDS_AND_MASK = ("input_ids", "attention_mask")


class Batch(dict[str, Any]):
    """Arrays by name.

    Attributes
    ----------
    modalities : list of str
        Of each item, in order.
    metadata : list of dict
        Of each item.
    """

    def __init__(
        self,
        arrays: Mapping[str, Any],
        modalities: Sequence[str] = (),
        metadata: Sequence[dict[str, Any]] = (),
    ) -> None:
        super().__init__(arrays)
        self.modalities = list(modalities)
        self.metadata = list(metadata)


def _padded(
    name: str, rows: Sequence[NDArray[Any]], fill: int, left: bool = False
) -> NDArray[Any]:
    """Rows of one number of axes, each filled up to the largest."""
    dtypes = {r.dtype for r in rows}
    if len({r.ndim for r in rows}) > 1 or len(dtypes) > 1:
        got = ", ".join(sorted({f"{r.dtype}{r.shape}" for r in rows}))
        raise ShapeError(
            f"[collate] expected {name} with equal axes and dtype; got {got}"
        )
    if rows[0].dtype.kind not in "biufc":
        raise DTypeError(f"[collate] expected {name} of numbers; got {rows[0].dtype}")
    if len({r.shape for r in rows}) == 1:
        return np.stack(rows)
    largest = np.max([r.shape for r in rows], axis=0)
    out = np.full((len(rows), *largest), fill, rows[0].dtype)
    for row, to in zip(rows, out, strict=True):
        to[
            tuple(
                slice(m - n, m) if left else slice(n)
                for n, m in zip(row.shape, largest, strict=True)
            )
        ] = row
    return out


def _ones(shapes: Iterable[tuple[int, ...]]) -> NDArray[np.int64]:
    """1 where a row has something, 0 where it is filled up."""
    return _padded("mask", [np.ones(s, np.int64) for s in shapes], 0)


def _of_one_modality(items: Sequence[Item], side: str) -> dict[str, NDArray[Any]]:
    names = list(items[0].arrays)
    for i in items:
        if set(i.arrays) != set(names):
            odd = sorted(set(i.arrays) ^ set(names))
            raise ShapeError(
                f"[collate] expected {i.modality} items with the same arrays; only some "
                f"have {', '.join(odd)}. Hint: the same preset for all"
            )
    out: dict[str, NDArray[Any]] = {}
    for name in names:
        rows = [i.arrays[name] for i in items]
        grid = _GRIDS.get(name)
        if name in _GRIDS.values() or (grid is not None and grid in names):
            out[name] = np.concatenate(rows)  # patches lie end to end, cut by the grids
            continue
        fill = items[0].fills.get(name, _FILLS.get(name, 0))
        out[name] = _padded(name, rows, fill, side == "left" and name in _IDS_AND_MASK)
        if grid is not None and len({r.shape[-2:] for r in rows}) > 1:
            out["pixel_mask"] = _ones(r.shape[-2:] for r in rows)
        if name in _TOKENS and "attention_mask" not in names:
            lengths = [r.shape[_TOKENS[name] : _TOKENS[name] + 1] for r in rows]
            if len(set(lengths)) > 1:
                out["attention_mask"] = _ones(lengths)
    return out


def _by_modality(items: Sequence[Item], side: str) -> dict[str, NDArray[Any]]:
    kinds = list(dict.fromkeys(i.modality for i in items))
    if len(kinds) == 1:
        return _of_one_modality(items, side)
    out: dict[str, NDArray[Any]] = {
        "modality_ids": np.array([MODALITIES.index(i.modality) for i in items])
    }
    kinds.sort(key=lambda m: m != "text")  # text keeps the plain names
    for kind in kinds:
        made = _of_one_modality([i for i in items if i.modality == kind], side)
        plain = kind == "text" or ("text" not in kinds and kind == kinds[0])
        for name, a in made.items():
            shared = name in out or (name == "attention_mask" and not plain)
            out[f"{kind}_{name}" if shared else name] = a
    return out


def _packed(sequences: Sequence[Packed]) -> dict[str, NDArray[Any]]:
    arrays = [p.arrays() for p in sequences]
    return {
        name: _padded(
            name, [a[name] for a in arrays], -1 if name == "segment_ids" else 0
        )
        for name in arrays[0]
    }


def collate(
    items: Iterable[Item | Packed | Mapping[str, Any]],
    return_tensors: str = "np",
    *,
    padding_side: str = "right",
    device: Any = None,
) -> Batch:
    """One batch of items.

    Parameters
    ----------
    items : iterable of Item, of Packed, or of dicts of arrays
    return_tensors : {"np", "helix"}
        NumPy arrays, or tensors of helix-core.
    padding_side : {"right", "left"}
        Of ``input_ids`` and their mask; all else is filled up at the end.
    device : str or Device, optional
        Of tensors.

    Returns
    -------
    Batch
        Names and axes as items have them, with the batch in front: ``input_ids``,
        ``attention_mask``, ``pixel_values``, ``input_features``, ``input_values``,
        ``pixel_values_videos``, ``points``. Patches of Qwen2-VL lie end to end, with
        ``image_grid_thw`` (image, 3). Images of unequal sizes get ``pixel_mask`` (batch,
        height, width). For several modalities, each array has a row for each item of its
        modality, in order; ``modality_ids`` (batch,) tells whose turn it is, and
        ``attention_mask`` is that of text, others' are ``audio_attention_mask`` ....

    Raises
    ------
    ShapeError, DTypeError
    """
    one_of("collate", "return_tensors", return_tensors, ("np", "helix"))
    one_of("collate", "padding_side", padding_side, ("right", "left"))
    given = list(items)
    if not given:
        raise ShapeError("[collate] expected at least one item; got none")
    packed = [p for p in given if isinstance(p, Packed)]
    if packed:
        if len(packed) < len(given):
            raise ShapeError("[collate] expected all items packed, or none; got both")
        batch = Batch(
            _packed(packed),
            [" ".join(s.modality for s in p.segments) for p in packed],
            [{"segments": [s.item.metadata for s in p.segments]} for p in packed],
        )
    else:
        single = [_item(i) for i in given]
        if any(i.parts for i in single):
            raise ShapeError(
                "[collate] expected single items; got an archive. Hint: item.parts"
            )
        batch = Batch(
            _by_modality(single, padding_side),
            [i.modality for i in single],
            [i.metadata for i in single],
        )
    if return_tensors == "helix":
        import helix_core as hx

        tensor: Callable[..., Any] = hx.tensor
        for name, a in batch.items():
            batch[name] = tensor(a, device=device)
    return batch


def _item(given: Any) -> Item:
    if isinstance(given, Item):
        return given
    if isinstance(given, Mapping):
        arrays = {str(k): np.asarray(v) for k, v in given.items()}
        return Item(modality="arrays", arrays=arrays)
    raise ShapeError(
        f"[collate] expected items, packed sequences or dicts of arrays; got "
        f"{type(given).__name__}"
    )
