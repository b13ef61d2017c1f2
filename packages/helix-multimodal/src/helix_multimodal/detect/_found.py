"""Detections made once and shared: they are immutable."""

from __future__ import annotations

from functools import lru_cache

from ..detection import EXACT, WEAK, Detection, Evidence
from .table import FORMATS


@lru_cache(maxsize=2048)
def found(
    name: str,
    rule: str,
    offset: int = 0,
    confidence: float = EXACT,
    variant: str = "",
    encoding: str = "",
) -> Detection:
    """A detection of one rule. Its arguments come from tables, never from the bytes."""
    f = FORMATS[name]
    return Detection(
        modality=f.modality,
        format=name,
        mime=f.mime,
        confidence=confidence,
        evidence=(Evidence(offset, rule),),
        variant=variant,
        encoding=encoding,
    )


EMPTY = found("empty", "no bytes")
UNKNOWN = found("bytes", "nothing fits", 0, WEAK)
