"""Encodings of text without a mark, as ranked guesses.

UTF-16 and UTF-32 show in their zeros. Double-byte encodings show in which of their rows
are used: kana, syllables and the characters of a standard's first level are frequent.
Single-byte encodings are told apart by what they would spell: letters of one language,
no capital inside a word, no sign between letters. All tables are made of the codecs of
Python when they are first needed.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .languages import ALPHABETS, SIGNS

# the more usual first, for where two spell the same
SINGLE = (
    "cp1252 cp1251 cp1250 koi8-r cp1254 cp1253 cp1257 cp1255 cp1256 cp1258 koi8-u "
    "iso-8859-1 iso-8859-15 iso-8859-2 iso-8859-5 iso-8859-7 iso-8859-9 iso-8859-8 "
    "iso-8859-6 iso-8859-13 iso-8859-4 iso-8859-3 iso-8859-10 iso-8859-14 iso-8859-16 "
    "mac-roman mac-cyrillic mac-greek mac-latin2 cp874 cp437 cp850 cp852 cp866"
).split()


class Guess(NamedTuple):
    """An encoding, how plausible it is (at most about 1), and why."""

    encoding: str
    score: float
    why: str


# -------------------------------------------------------------------- marks of UTF-16, 32
_CONTROLS = frozenset(
    (*range(7), 11, *range(14, 26), *range(28, 32), *range(0x7F, 0xA0))
)
_CONTROLS -= {0x85}


def sane(text: str) -> bool:
    """No control characters, surrogates, noncharacters or characters for private use."""
    return not any(
        ord(c) in _CONTROLS or 0xD800 <= ord(c) < 0xF900 or ord(c) & 0xFFFE == 0xFFFE
        for c in set(text)
    )


def wide(window: bytes, whole: bool) -> str:
    """UTF-16 or UTF-32 without a mark, or an empty string."""
    probe = window[:512]  # the whole window is decoded where this fits
    n = len(probe) & ~3
    if len(window) < 4 or (whole and len(window) % 2):
        return ""
    zeros = [probe[i:n:4].count(0) for i in range(4)]
    quarter = n // 4
    few = quarter // 8
    if zeros[3] == quarter and zeros[0] <= few and 2 * zeros[2] > quarter:
        names = ["utf-32-le"]
    elif zeros[0] == quarter and zeros[3] <= few and 2 * zeros[1] > quarter:
        names = ["utf-32-be"]
    else:
        names = _orders(probe[:n], zeros[0] + zeros[2], zeros[1] + zeros[3])
    for name in names:
        text = decode(window, name, whole)
        if text and sane(text) and _letters(text) and (len(names) == 1 or _east(text)):
            return name
    return ""


def _orders(window: bytes, even: int, odd: int) -> list[str]:
    """UTF-16 where the high bytes are zeros, or the few values of a script's blocks.

    Both orders, the likelier first, where bytes alone do not tell.
    """
    count = len(window) // 2
    kinds = len(set(window[::2])), len(set(window[1::2]))
    orders = ["utf-16-le", "utf-16-be"]
    if 5 * max(even, odd) > count:  # text with many letters of ASCII or Latin-1
        little, clear = odd > even, 10 * min(even, odd) <= max(even, odd)
    else:
        little = kinds[1] < kinds[0]
        clear = 2 * min(kinds) <= max(kinds) and min(even, odd) <= count // 16
    if not little:
        orders.reverse()
    return orders[:1] if clear else orders


def _east(text: str) -> bool:
    """Mostly Chinese, Japanese or Korean, with a sign or space in forty characters."""
    letters = sum(
        1 for c in text if "\u3041" <= c < "\ua000" or "\uac00" <= c < "\ud7b0"
    )
    stops = sum(map(text.count, _STOPS))
    return 2 * letters > len(text) > 8 and 40 * stops > len(text)


_STOPS = " \n,.\u3000\u3001\u3002\uff0c\uff0e"


def _letters(text: str) -> bool:
    """Two thirds are letters, digits, spaces or common signs."""
    good = sum(1 for c in text if c.isalnum() or c.isspace() or c in _COMMON)
    return 3 * good >= 2 * len(text)


_COMMON = frozenset(".,;:!?'\"()[]{}<>/\\-_=+*&%$#@|~`^" + SIGNS)


def decode(window: bytes, encoding: str, whole: bool) -> str | None:
    """Decoded strictly; where the window is not all, its last character may be cut."""
    try:
        return codecs.getincrementaldecoder(encoding)("strict").decode(window, whole)
    except UnicodeError:
        return None


# ---------------------------------------------------------------------------- 7-bit states
def stateful(window: bytes, whole: bool) -> str:
    """ISO-2022-JP or ISO-2022-KR by their escape sequences, or an empty string."""
    if b"\x1b$)C" in window and b"\x0e" in window:
        return "iso-2022-kr" if decode(window, "iso-2022-kr", whole) else ""
    if b"\x1b$B" in window or b"\x1b$@" in window or b"\x1b$(D" in window:
        return "iso-2022-jp" if decode(window, "iso-2022-jp-2", whole) else ""
    return ""


# --------------------------------------------------------------------------- double bytes
class _Rows(NamedTuple):
    """Which lead bytes are worth how much, given a trail byte that fits."""

    encoding: str
    pair: re.Pattern[bytes]
    worth: tuple[tuple[int, int, float], ...]  # first lead, last lead, worth
    alone: float  # a high byte that is no pair


_EUC = re.compile(rb"[\xa1-\xfe][\xa1-\xfe]")
_DOUBLE = (
    _Rows(
        "shift_jis",
        re.compile(rb"[\x81-\x9f\xe0-\xfc][\x40-\x7e\x80-\xfc]"),
        ((0x81, 0x81, 0.5), (0x82, 0x83, 1.0), (0x88, 0x97, 0.7), (0x98, 0xEA, 0.1)),
        0.2,
    ),
    _Rows(
        "euc-jp",
        _EUC,
        ((0xA1, 0xA3, 0.5), (0xA4, 0xA5, 1.0), (0xB0, 0xCF, 0.7), (0xD0, 0xF4, 0.1)),
        0.0,
    ),
    _Rows(
        "euc-kr", _EUC, ((0xA1, 0xA3, 0.5), (0xB0, 0xC8, 1.0), (0xCA, 0xFD, 0.1)), 0.0
    ),
    _Rows(
        "gb18030", _EUC, ((0xA1, 0xA3, 0.6), (0xB0, 0xD7, 0.9), (0xD8, 0xF7, 0.1)), 0.0
    ),
    _Rows(
        "big5",
        re.compile(rb"[\xa1-\xf9][\x40-\x7e\xa1-\xfe]"),
        ((0xA1, 0xA3, 0.6), (0xA4, 0xC6, 0.9), (0xC9, 0xF9, 0.1)),
        0.0,
    ),
)
STRUCTURED = frozenset(r.encoding for r in _DOUBLE)


def _double(window: bytes, whole: bool) -> list[Guess]:
    high = len(window.translate(None, _ASCII))
    out = []
    for rows in _DOUBLE:
        text = decode(window, _LENIENT.get(rows.encoding, rows.encoding), whole)
        if text is None:
            continue
        leads = np.zeros(256)
        pairs = rows.pair.findall(window)
        for p in pairs:
            leads[p[0]] += 1
        worth = sum(leads[a : b + 1].sum() * w for a, b, w in rows.worth)
        chars = len(text.encode("ascii", "ignore"))
        count = max(len(text) - chars, 1)
        alone = max(count - len(pairs), 0)
        score = float((worth + alone * rows.alone) / max(count, high / 2))
        out.append(Guess(rows.encoding, score, "rows in use"))
    return out


_ASCII = bytes(range(128))
_LENIENT = {"shift_jis": "cp932", "euc-kr": "cp949", "big5": "big5hkscs"}


# --------------------------------------------------------------------------- single bytes
class _Tables(NamedTuple):
    worth: NDArray[np.float64]  # (pair, byte)
    pairs: tuple[tuple[int, str], ...]  # index of encoding, language
    classes: tuple[bytes, ...]  # by encoding: byte to class


@lru_cache(maxsize=1)
def _tables() -> _Tables:
    rows: list[NDArray[np.float64]] = []
    pairs: list[tuple[int, str]] = []
    classes = []
    for e, encoding in enumerate(SINGLE):
        chars = [bytes([b]).decode(encoding, "replace") for b in range(256)]
        classes.append(bytes(_class(c) for c in chars))
        for language, alphabet in ALPHABETS.items():
            row = _worth(chars, alphabet)
            if row is not None:
                rows.append(row)
                pairs.append((e, language))
    return _Tables(np.array(rows), tuple(pairs), tuple(classes))


def _class(c: str) -> int:
    """l and U: letters of Latin; g and G: of another script; s a sign, m a mark."""
    if c.isalpha():
        latin = c.isascii() or "LATIN" in unicodedata.name(c, "") or c in "ªºµ"
        small = not c.isupper()
        return ord(("l" if small else "U") if latin else ("g" if small else "G"))
    if unicodedata.category(c) == "Mn":
        return ord("m")
    return ord(" ") if c.isascii() or c in SIGNS else ord("s")


def _worth(chars: list[str], alphabet: str) -> NDArray[np.float64] | None:
    """What each high byte is worth, if the encoding has the language's letters."""
    common, bar, rest = alphabet.partition("|")
    letters = common + rest
    have = set(chars)
    if sum(c in have for c in letters) < 0.7 * len(letters):
        return None
    row = np.zeros(256)
    for b in range(128, 256):
        c = chars[b]
        small = c.lower()
        if small in common:
            row[b] = 1.0 if small == c else 0.4
        elif small in letters:
            row[b] = (0.7 if bar else 1.0) if small == c else 0.4
        elif c in SIGNS:
            row[b] = 0.3
        elif c == "\ufffd" or unicodedata.category(c) == "Cc":
            row[b] = -20.0
        else:
            row[b] = -1.0
    return row


# a capital inside a word, two scripts in one, a sign between letters
_ODD = re.compile(rb"lU|gG|[lU](?=[gG])|[gG](?=[lU])|[lUgG]s+(?=[lUgG])")


def _single(window: bytes) -> list[Guess]:
    tables = _tables()
    high = np.frombuffer(window.translate(None, _ASCII), np.uint8)
    scores = tables.worth @ np.bincount(high, minlength=256) / max(len(high), 1)
    best: dict[int, tuple[float, str]] = {}
    for (e, language), score in zip(tables.pairs, scores.tolist(), strict=True):
        if e not in best or score > best[e][0]:
            best[e] = (score, language)
    out = []
    for e, (score, language) in best.items():
        if score > -1.0:
            spelled = window.translate(tables.classes[e])
            odd = len(_ODD.findall(spelled))
            score -= 2.0 * odd / max(len(high), 1) + 0.0005 * e
            out.append(Guess(SINGLE[e], score, f"letters of {language}"))
    return out


# --------------------------------------------------------------------------------- public
def guesses(data: Any, *, most: int = 8) -> list[Guess]:
    """Legacy encodings that bytes may be in, the most plausible first.

    Parameters
    ----------
    data : bytes, bytearray, memoryview
        Text; the first 4 KiB are looked at.
    most : int
        How many to give.

    Returns
    -------
    list of Guess
        Empty if no encoding makes plausible text. Text that is valid UTF-8 is guessed
        too: ask ``detect`` first.
    """
    window = bytes(memoryview(data)[:4096])
    whole = len(window) == memoryview(data).nbytes
    name = stateful(window, whole)
    if name:
        return [Guess(name, 1.0, "escape sequences")]
    if window.isascii():
        return [Guess("ascii", 1.0, "no high byte")]
    found = [*_double(window, whole), *_single(window)]
    found.sort(key=lambda g: -g.score)
    return [g for g in found[:most] if g.score > 0.0]
