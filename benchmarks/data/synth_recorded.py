"""S6 usefulness, S7 duplicates, S8 memory: what ``nox -s full`` measured last.

The slow tests of ``tests/parity/test_data_synth.py`` run the pieces and note what they
found; ``--fresh`` runs a piece instead of reading its record.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import MappingProxyType

from tools import full

from ..case import Work
from ..environment import FRESH
from . import synth_digits, synth_memory, synth_near, synth_recall
from .synth_quality import once

PIECES: Mapping[str, Callable[[], float]] = MappingProxyType(
    {
        "digits": synth_digits.misread,
        "attention": lambda: synth_recall.recalled("attention"),
        "convolution": lambda: synth_recall.recalled("convolution"),
        "repeated": synth_near.repeated,
        "planted": synth_near.missed,
        "unplanted": synth_near.wrong,
        "datasketch": synth_near.beside_datasketch,
        "memory": synth_memory.growth,
    }
)


def note(piece: str) -> float:
    """Run a piece, and leave its figure to the record of the running shard."""
    value = PIECES[piece]()
    full.note_figure(f"synth {piece}", value)
    return value


def _last(piece: str) -> tuple[float, str]:
    if os.environ.get(FRESH):
        return PIECES[piece](), "measured now"
    return full.figure(f"synth {piece}")


def recorded(variant: str) -> Work:
    """The figure of a piece."""
    return once(lambda: _last(variant))


def behind(variant: str) -> Work:
    """Percentage points by which attention is ahead of a convolution, from 100 down."""

    def value() -> tuple[float, str]:
        (a, when), (c, _) = _last("attention"), _last("convolution")
        return 100 - (a - c), f"attention {a:.1f} %, convolution {c:.1f} %; {when}"

    return once(value)
