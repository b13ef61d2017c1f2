"""What a processor gives: the arrays of one sample, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from ..detection import Detection

# their places are the ids of packed sequences and of batches
MODALITIES = (
    "text",
    "bytes",
    "image",
    "audio",
    "video",
    "points",
    "table",
    "arrays",
    "archive",
)


@dataclass(slots=True, kw_only=True)
class Item:
    """Arrays of one sample. ``item["pixel_values"]`` is one of them.

    Attributes
    ----------
    modality, format : str
        ``"image"``, ``"png"``.
    preset : str
        The tensorizer that made the arrays: ``"clip"``; the modality's name by default.
    arrays : dict of str to array
        By the names that models of Hugging Face take.
    metadata : dict
        What the file said, and the sizes of what it holds: ``sample_rate``, ``height``.
    fills : dict of str to int
        What pads an array in a batch, where that is not 0.
    parts : dict of str to Item
        Members of an archive by name.
    detection : Detection or None
    seconds : dict of str to float
        Spent in "read", "decode" (with detection) and "tensors".
    """

    modality: str
    format: str = ""
    preset: str = ""
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    fills: dict[str, int] = field(default_factory=dict)
    parts: dict[str, Item] = field(default_factory=dict)
    detection: Detection | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    def __getitem__(self, name: str) -> NDArray[Any]:
        try:
            return self.arrays[name]
        except KeyError:
            raise KeyError(
                f"[item] expected one of {', '.join(self.arrays) or 'no arrays'}; got "
                f"{name!r}"
            ) from None

    def __repr__(self) -> str:
        arrays = ", ".join(f"{k} {v.dtype}{v.shape}" for k, v in self.arrays.items())
        more = f", parts={len(self.parts)}" if self.parts else ""
        return f"Item({self.modality}, {self.format}: {arrays}{more})"
