"""The figures of data: detection, decoding, tensors, fusion, and synthetic data."""

from __future__ import annotations

from ..case import Case
from . import detection, synth

CASES: tuple[Case, ...] = (*detection.CASES, *synth.CASES)
