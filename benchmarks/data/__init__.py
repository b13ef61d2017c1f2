"""The figures of data: detection, decoding, tensors, fusion, and synthetic data."""

from __future__ import annotations

from ..case import Case
from . import detection

CASES: tuple[Case, ...] = (*detection.CASES,)
