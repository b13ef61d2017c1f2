"""Items as the parts of a learned fusion."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import helix_core as hx
import numpy as np
from numpy.typing import NDArray

from ..tensors.cells import Cells, cells
from ..tensors.item import Item
from ..tensors.pack import PATCH, SAMPLES


def fused(items: Iterable[Item], module: Any) -> Any:
    """A module's fusion of one sample: batch 1.

    Parameters
    ----------
    items : iterable of Item
        Items of one modality are put one after the other.
    module : Fusion
        Its inputs are as wide as the tokens of ``pack``; ids are given as one-hot rows
        as wide as its input of "text" or "bytes".

    Raises
    ------
    ShapeError, TypeError
    """
    from ..fusion import Fusion, Part

    if not isinstance(module, Fusion):
        raise TypeError(
            f"[fuse] expected mode to be None or a trained Fusion; got {module!r}. "
            "Hint: helix_multimodal.fusion has their classes"
        )
    rows: dict[str, list[NDArray[np.float32]]] = {}
    masks: dict[str, list[NDArray[np.bool_]]] = {}
    for item in items:
        made = cells(item, PATCH, SAMPLES)
        layer = module.inputs.get(item.modality)
        width = 0 if layer is None else layer.weight.shape[1]
        rows.setdefault(item.modality, []).append(_features(item, made, width))
        masks.setdefault(item.modality, []).append(made.mask)
    device = module.kinds.device
    parts = []
    for name, given in rows.items():
        if len({r.shape[1] for r in given}) > 1:
            got = ", ".join(str(r.shape[1]) for r in given)
            raise hx.ShapeError(
                f"[fuse] expected tokens of {name!r} of one width; got {got}"
            )
        tokens = hx.tensor(np.concatenate(given)[None], device=device)
        mask = hx.tensor(np.concatenate(masks[name])[None], device=device)
        parts.append(Part(name, tokens, mask))
    return module(parts)


def _features(item: Item, made: Cells, width: int) -> NDArray[np.float32]:
    if made.features is not None:
        return made.features.astype(np.float32, copy=False)
    assert made.ids is not None
    if made.ids.size and not 0 <= made.ids.min() <= made.ids.max() < max(width, 1):
        raise hx.ShapeError(
            f"[fuse] expected ids of {item.modality!r} below the module's {width} "
            f"features; got {int(made.ids.min())} to {int(made.ids.max())}"
        )
    out = np.zeros((len(made.ids), width), np.float32)
    out[np.arange(len(out)), made.ids] = 1.0
    return out
