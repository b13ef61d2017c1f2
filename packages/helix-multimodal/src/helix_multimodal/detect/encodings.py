"""Encodings of text without a mark: UTF-16 and UTF-32 by their zeros, others by letters."""

from __future__ import annotations

import codecs

STRUCTURED = frozenset(
    {"shift_jis", "euc-jp", "iso-2022-jp", "euc-kr", "gb18030", "big5"}
)
_CONTROLS = {
    *range(9),
    11,
    *range(14, 27),
    *range(28, 32),
    *range(0x7F, 0xA0),
    0xFFFE,
    0xFFFF,
}
_CONTROLS -= {7, 8, 0x85}


def sane(text: str) -> bool:
    """No control characters, surrogates or characters for private use to speak of."""
    strange = sum(
        1 for c in set(text) if ord(c) in _CONTROLS or 0xD800 <= ord(c) < 0xF900
    )
    return strange == 0


def wide(window: bytes, whole: bool) -> str:
    """UTF-16 or UTF-32 without a mark, or an empty string."""
    n = len(window) & ~3
    if n < 4 or (whole and len(window) % 2):
        return ""
    zeros = [window[i:n:4].count(0) for i in range(4)]
    quarter = n // 4
    if zeros[2] == zeros[3] == quarter and zeros[0] == 0:
        name = "utf-32-le"
    elif zeros[0] == zeros[1] == quarter and zeros[3] == 0:
        name = "utf-32-be"
    else:
        even, odd = zeros[0] + zeros[2], zeros[1] + zeros[3]
        if max(even, odd) < 0.2 * quarter or min(even, odd) > 0.02 * quarter:
            return ""
        name = "utf-16-le" if odd > even else "utf-16-be"
    try:
        text = codecs.getincrementaldecoder(name)("strict").decode(window, whole)
    except UnicodeError:
        return ""
    return name if sane(text) else ""


def best(window: bytes) -> str | None:
    """The most plausible legacy encoding."""
    if any(0x80 <= b < 0xA0 and b in (0x81, 0x8D, 0x8F, 0x90, 0x9D) for b in window):
        return None
    return "cp1252"
