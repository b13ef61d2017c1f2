"""When each label of a known text is spoken."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from helix_core import HelixError, ShapeError

from ..samples import Array


class Span(NamedTuple):
    """One label's frames: from ``start`` up to, not including, ``stop``.

    ``score`` is the mean log-probability of its frames.
    """

    label: int
    start: int
    stop: int
    score: float


class Alignment(NamedTuple):
    """The likeliest way of labels through frames.

    Attributes
    ----------
    log_likelihood : float
        Of this way alone.
    frames : (time,) int64 array
        The label of each frame, or blank.
    spans : list of Span
        One for each label, in order.
    """

    log_likelihood: float
    frames: Array
    spans: list[Span]


def forced_align(log_probs: Any, labels: Any, blank: int = 0) -> Alignment:
    """The likeliest alignment of a labelling with frames (Viterbi on CTC's states).

    Parameters
    ----------
    log_probs : (time, class) array
        Log-probabilities, as for `helix_core.losses.ctc`.
    labels : (label,) integers
    blank : int

    Returns
    -------
    Alignment

    Raises
    ------
    ShapeError, HelixError
        Where labels are no classes, or need more frames than there are.

    Examples
    --------
    >>> import numpy as np
    >>> p = np.log([[0.8, 0.2], [0.1, 0.9], [0.3, 0.7], [0.9, 0.1]])
    >>> forced_align(p, [1]).frames.tolist()
    [0, 1, 1, 0]
    """
    lp = np.asarray(log_probs, np.float64)
    text = np.asarray(labels, dtype=np.int64 if not len(labels) else None)
    if lp.ndim != 2 or not lp.size:
        raise ShapeError(
            f"[forced_align] expected log_probs (time, class), not empty; got {lp.shape}"
        )
    time, classes = lp.shape
    if np.isnan(lp).any():
        raise HelixError("[forced_align] expected log_probs without NaN")
    if text.ndim != 1 or text.dtype.kind not in "iu":
        raise ShapeError(
            f"[forced_align] expected labels (label,) of integers; got {text.dtype} "
            f"{text.shape}"
        )
    wrong = (text < 0) | (text >= classes) | (text == blank)
    if not 0 <= blank < classes or wrong.any():
        raise HelixError(
            f"[forced_align] expected labels and blank in [0, {classes}), no label being "
            f"blank; got {text[wrong].tolist()} and blank {blank}"
        )
    need = len(text) + int((text[1:] == text[:-1]).sum())
    if need > time:
        raise HelixError(
            f"[forced_align] expected at least {need} frames for {len(text)} labels; got "
            f"{time}"
        )
    states = np.full(2 * len(text) + 1, blank, np.int64)
    states[1::2] = text
    best, came = _forward(lp[:, states], states, blank)
    ends = best[-2:] if len(best) > 1 else best
    s = len(best) - len(ends) + int(np.argmax(ends))
    total = float(best[s])
    if total == -np.inf:
        raise HelixError(
            "[forced_align] expected an alignment that is possible; got none"
        )
    way = np.empty(time, np.int64)
    for t in range(time - 1, -1, -1):
        way[t] = s
        s -= int(came[t, s])
    spans = []
    for k, label in enumerate(text.tolist()):
        at = np.flatnonzero(way == 2 * k + 1)
        score = float(lp[at, label].mean())
        spans.append(Span(label, int(at[0]), int(at[-1]) + 1, score))
    return Alignment(total, states[way], spans)


def _forward(emitted: Array, states: Array, blank: int) -> tuple[Array, Array]:
    """Best log-likelihood of each state at the end, and how far each came from."""
    time, n = emitted.shape
    skip = np.zeros(n, bool)
    skip[2:] = (states[2:] != blank) & (states[2:] != states[:-2])
    best = np.full(n, -np.inf)
    best[:2] = emitted[0, :2]
    came = np.zeros((time, n), np.int8)
    options = np.full((3, n), -np.inf)
    for t in range(1, time):
        options[0] = best
        options[1, 1:] = best[:-1]
        options[2, 2:] = np.where(skip[2:], best[:-2], -np.inf)
        came[t] = np.argmax(options, 0)
        best = options[came[t], np.arange(n)] + emitted[t]
    return best, came
