"""What detection says of bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

# confidence is a class of rule, never a guess at a probability
EXACT = 1.0  # a signature of at least four bytes
TWO_FIELDS = 0.99  # a container and its second field
FOOTER = 0.9
GRAMMAR = 0.8  # text that parses
FRAME_SYNC = 0.6  # two frames in a row
WEAK = 0.4  # what is left when nothing else fits


class Evidence(NamedTuple):
    """One rule that fitted: where, and in words."""

    offset: int
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """What bytes are.

    Attributes
    ----------
    modality : str
        "text", "image", "audio", "video", "points", "table", "arrays", "archive",
        "document", "program" or "bytes".
    format, mime : str
        ``"png"``, ``"image/png"``.
    confidence : float
        Class of the rule that decided, 0 to 1.
    evidence : tuple of Evidence
    variant : str
        A kind within the format: "binary_little_endian" of ply.
    encoding : str
        Of text: a name that ``bytes.decode`` takes.
    also : tuple of Detection
        What else the bytes can be read as (polyglots).
    """

    modality: str
    format: str
    mime: str
    confidence: float
    evidence: tuple[Evidence, ...] = ()
    variant: str = ""
    encoding: str = ""
    also: tuple[Detection, ...] = ()
