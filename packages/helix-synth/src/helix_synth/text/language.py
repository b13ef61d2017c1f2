"""Small pieces of English whose meaning is known."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from .._fields import field
from .._tape import Tape
from ._base import Grammar

_NOUNS = ("cat", "dog", "bird", "child", "sailor", "baker", "robot", "queen")
_PLURALS = (
    "cats",
    "dogs",
    "birds",
    "children",
    "sailors",
    "bakers",
    "robots",
    "queens",
)
_VERBS = ("sees", "follows", "likes", "hears", "helps")
_PLACES = ("near", "behind", "beside")
NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gwen", "Hugo", "Iris", "Jan")
_MONTHS = (
    "January February March April May June July August September October November December"
).split()
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen "
    "fourteen fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()

_UNITS = ((10**6, "million"), (1000, "thousand"), (100, "hundred"))


class English(Grammar):
    """Sentences whose verb agrees with a subject far away, or does not: ``label``.

    The nouns between them are attractors of either number (Linzen et al. 2016).
    """

    name = "english"
    attractors: int = field(2, 0, 8, "nouns between subject and verb")

    def one(self, tape: Tape) -> dict[str, Any]:
        plural = tape.below(2)
        good = tape.below(2)
        words = ["the", self._noun(tape, plural)]
        for _ in range(self.attractors):
            words += [tape.pick(_PLACES), "the", self._noun(tape, tape.below(2))]
        verb = tape.pick(_VERBS)
        words.append(verb[:-1] if plural == good else verb)
        words += ["the", self._noun(tape, tape.below(2))]
        return {"text": " ".join(words) + " .", "label": good}

    def _noun(self, tape: Tape, plural: int) -> str:
        return (_NOUNS, _PLURALS)[plural][tape.below(len(_NOUNS))]


class Ordering(Grammar):
    """Who is older than whom, and a question: ``answer`` is the oldest."""

    name = "ordering"
    people: int = field(5, 2, 10, "people")

    def one(self, tape: Tape) -> dict[str, Any]:
        order = tape.sample(NAMES, self.people)
        facts = []
        for older, younger in pairwise(order):
            if tape.below(2):
                facts.append(f"{older} is older than {younger}.")
            else:
                facts.append(f"{younger} is younger than {older}.")
        tape.shuffle(facts)
        return {"text": " ".join([*facts, "Who is the oldest?"]), "answer": order[0]}


class Dates(Grammar):
    """A date and a number of days, in words, and the date that it leads to."""

    name = "dates"
    days: int = field(60, 1, 10000, "at most so many days later")

    def one(self, tape: Tape) -> dict[str, Any]:
        day = date(1900, 1, 1) + timedelta(days=tape.below(73000))
        later = 1 + tape.below(self.days)
        ending = (
            "th"
            if 10 < day.day < 14
            else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
        )
        said = f"{day.day}{ending} of {_MONTHS[day.month - 1]} {day.year}"
        unit = "day" if later == 1 else "days"
        text = f"{later} {unit} after the {said}"
        return {"text": text, "answer": (day + timedelta(days=later)).isoformat()}


_NUMERALS = (("M", " ", " "), ("C", "D", "M"), ("X", "L", "C"), ("I", "V", "X"))


class Roman(Grammar):
    """Roman numerals and their ``value``."""

    name = "roman"
    largest: int = field(3999, 1, 3999, "largest number")

    def one(self, tape: Tape) -> dict[str, Any]:
        value = 1 + tape.below(self.largest)
        text = ""
        for digit, (one, five, ten) in zip(f"{value:04d}", _NUMERALS, strict=True):
            n = int(digit)
            if n == 9:
                text += one + ten
            elif n == 4 and five != " ":
                text += one + five
            else:
                text += five * (n > 4) + one * (n % 5 if five != " " else n)
        return {"text": text, "value": value}


class NumberWords(Grammar):
    """Numbers in English words, and their ``value``."""

    name = "number_words"
    largest: int = field(999_999, 0, 999_999_999, "largest number")

    def one(self, tape: Tape) -> dict[str, Any]:
        value = tape.below(self.largest + 1)
        return {"text": _words(value), "value": value}


def _words(n: int) -> str:
    if n < 20:
        return _ONES[n]
    if n < 100:
        return _TENS[n // 10 - 2] + (f"-{_ONES[n % 10]}" if n % 10 else "")
    size, unit = next(u for u in _UNITS if n >= u[0])
    rest = n % size
    head = f"{_words(n // size)} {unit}"
    if not rest:
        return head
    return head + (" and " if rest < 100 else " ") + _words(rest)
