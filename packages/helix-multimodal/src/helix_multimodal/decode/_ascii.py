"""Numbers in ASCII, between spaces: many at once, none believed."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from ..limits import Meter
from ._bytes import Data, corrupt

# what a number is made of: digits, "nan", "inf" and "infinity" too
_LETTERS = b"0123456789+-.eEnaifINAFTtyY"
_SPACES = b" \t\r\n\v\f"
_IS_SPACE = np.zeros(256, bool)
_IS_SPACE[list(_SPACES)] = True
_PART = 1 << 22


def count_tokens(text: Data) -> int:
    """Words between spaces."""
    total = 0
    before = True
    raw = np.frombuffer(text, np.uint8)
    for start in range(0, len(raw), _PART):
        space = _IS_SPACE[raw[start : start + _PART]]
        total += int(np.count_nonzero(space[:-1] & ~space[1:]))
        total += bool(before and not space[0])
        before = bool(space[-1])
    return total


class Numbers:
    """Text that shall be numbers.

    Parameters
    ----------
    text : bytes
        Numbers between spaces and line ends.
    what : str
        For messages.
    meter : Meter
        Asked before the numbers are allocated.
    """

    __slots__ = ("meter", "text", "what")

    def __init__(self, text: bytes, what: str, meter: Meter) -> None:
        self.text = text
        self.what = what
        self.meter = meter

    def table(self, columns: int) -> NDArray[np.float64]:
        """(row, column) float64.

        Raises
        ------
        Corrupt
            Something that is no number, or rows that are not full.
        LimitExceeded
        """
        strange = self.text.translate(None, _LETTERS + _SPACES)
        if strange:
            raise corrupt(self.what, "numbers and spaces", strange[:20])
        count = count_tokens(self.text)
        if columns < 1 or count % columns:
            raise corrupt(self.what, f"rows of {columns} numbers", f"{count:,} in all")
        self.meter.charge(8 * count)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", DeprecationWarning)
                values = np.fromstring(self.text, np.float64, sep=" ")
        except (ValueError, DeprecationWarning) as e:
            raise corrupt(self.what, "numbers", "other text") from e
        # an empty text reads as one number, "1.2.3" as two
        if count == 0:
            values = values[:0]
        if len(values) != count:
            raise corrupt(self.what, f"{count:,} numbers", f"{len(values):,}")
        return values.reshape(-1, columns)
