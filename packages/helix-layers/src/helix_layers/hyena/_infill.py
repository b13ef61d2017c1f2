"""Filling in the middle: the span moves to the end, behind what comes after it.

``prefix span suffix`` becomes ``[P] prefix [S] suffix [M] span`` with three sentinel ids
of the model's own, so that a model that reads from left to right has seen both sides
when it writes the span. Such a model is trained on such sequences; a model that is not
does not fill in.

References
----------
Bavarian et al., "Efficient Training of Language Models to Fill in the Middle", 2022
(arXiv:2207.14255), the arrangement that it calls PSM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._check import LayerError

Ids = Sequence[int]


def sentinels(name: str, values: Any, vocab_size: int | None = None) -> list[int]:
    """Three different ids, within the vocabulary."""
    if values is None:
        raise LayerError(
            f"[{name}] expected a model with infill_ids; got one without. Hint: "
            "HyenaConfig(vocab_size=259, infill_ids=(256, 257, 258)), and training on "
            "pairs of infill_pair"
        )
    found = [int(v) for v in values]
    inside = vocab_size is None or all(0 <= v < vocab_size for v in found)
    if len(found) != 3 or len(set(found)) != 3 or not inside:
        raise LayerError(
            f"[{name}] expected three different sentinel ids"
            f"{'' if vocab_size is None else f' in [0, {vocab_size})'}; got {found}"
        )
    return found


def free_of(name: str, what: str, ids: Any, marks: list[int]) -> np.ndarray:
    """Ids as an array; none of them is a sentinel."""
    a: np.ndarray = np.asarray(list(ids), np.int32)
    if np.isin(a, marks).any():
        raise LayerError(f"[{name}] expected {what} without the sentinel ids {marks}")
    return a


def to_infill(ids: Ids, start: int, stop: int, infill_ids: Ids) -> np.ndarray:
    """Move ``ids[start:stop]`` to the end.

    Parameters
    ----------
    ids : sequence of int, or bytes
        Without sentinels.
    start, stop : int
        0 <= start <= stop <= len(ids).
    infill_ids : three ints
        Before the prefix, the suffix, and the span.

    Returns
    -------
    ndarray (len(ids) + 3,), int32

    Examples
    --------
    >>> to_infill([10, 11, 12, 13, 14], 1, 3, (0, 1, 2)).tolist()
    [0, 10, 1, 13, 14, 2, 11, 12]
    """
    marks = sentinels("to_infill", infill_ids)
    a = free_of("to_infill", "ids", ids, marks)
    if not 0 <= start <= stop <= len(a):
        raise LayerError(
            f"[to_infill] expected 0 <= start <= stop <= {len(a)}; got {start}, {stop}"
        )
    p, s, m = ([i] for i in marks)
    moved = np.concatenate([p, a[:start], s, a[stop:], m, a[start:stop]])
    return moved.astype(np.int32)


def from_infill(ids: Ids, infill_ids: Ids) -> tuple[np.ndarray, int, int]:
    """Undo `to_infill`.

    Returns
    -------
    ndarray, int, int
        The ids, and where the span starts and stops.

    Examples
    --------
    >>> ids, start, stop = from_infill([0, 10, 1, 13, 14, 2, 11, 12], (0, 1, 2))
    >>> ids.tolist(), start, stop
    ([10, 11, 12, 13, 14], 1, 3)
    """
    p, s, m = sentinels("from_infill", infill_ids)
    a: np.ndarray = np.asarray(list(ids), np.int32)
    places = [np.flatnonzero(a == i).tolist() for i in (p, s, m)]
    ordered = [i for found in places for i in found]
    if [len(f) for f in places] != [1, 1, 1] or ordered != sorted(ordered) or a[0] != p:
        raise LayerError(
            f"[from_infill] expected {p} first, then {s}, then {m}, once each; got them "
            f"at {places}"
        )
    _, j, k = ordered
    prefix, suffix, span = a[1:j], a[j + 1 : k], a[k + 1 :]
    whole = np.concatenate([prefix, span, suffix])
    return whole, len(prefix), len(prefix) + len(span)


def infill_pair(
    ids: Ids, start: int, stop: int, infill_ids: Ids, only_span: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels to train on, of ``len(ids) + 2`` places.

    Parameters
    ----------
    ids, start, stop, infill_ids
        See `to_infill`.
    only_span : bool
        Labels outside the span are -100: they do not count.
    """
    moved = to_infill(ids, start, stop, infill_ids)
    inputs, labels = moved[:-1], moved[1:].copy()
    if only_span:
        labels[: len(labels) - (stop - start)] = -100
    return inputs, labels
