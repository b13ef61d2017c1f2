"""Formal languages with a meaning: arithmetic, logic, programs, JSON, patterns."""

from __future__ import annotations

import json
from typing import Any

from .._fields import field
from .._tape import Tape
from ._base import Grammar


class Arithmetic(Grammar):
    """Sums, differences and products with brackets, and their ``value``."""

    name = "arithmetic"
    depth: int = field(3, 1, 8, "levels of brackets")
    largest: int = field(99, 1, 10**6, "largest number")

    def one(self, tape: Tape) -> dict[str, Any]:
        text, value, _ = self._expression(tape, self.depth)
        return {"text": f"{text} = {value}", "value": str(value)}

    def _expression(self, tape: Tape, depth: int) -> tuple[str, int, int]:
        """Text, value, and how tightly its outermost operation binds."""
        if depth == 0 or (tape.below(4) == 0 and depth < self.depth):
            n = tape.below(self.largest + 1)
            return str(n), n, 3
        a, x, left = self._expression(tape, depth - 1)
        b, y, right = self._expression(tape, depth - 1)
        sign = tape.pick("+-*")
        binds = 2 if sign == "*" else 1
        a = f"({a})" if left < binds else a
        b = f"({b})" if right <= binds else b
        value = x + y if sign == "+" else x - y if sign == "-" else x * y
        return f"{a} {sign} {b}", value, binds


class Logic(Grammar):
    """Formulas of not, and, or, implies over variables with values, and their truth.

    ``text`` is like ``p=1 q=0 : (p and not q)``; ``label`` is 0 or 1.
    """

    name = "logic"
    variables: int = field(3, 1, 10, "variables")
    depth: int = field(3, 1, 8, "levels of brackets")

    def one(self, tape: Tape) -> dict[str, Any]:
        names = "pqrstuvwxy"[: self.variables]
        values = {v: bool(tape.below(2)) for v in names}
        text, truth = self._formula(tape, values, self.depth)
        given = " ".join(f"{v}={int(values[v])}" for v in names)
        return {"text": f"{given} : {text}", "label": int(truth)}

    def _formula(
        self, tape: Tape, values: dict[str, bool], depth: int
    ) -> tuple[str, bool]:
        if depth == 0:
            v = tape.pick(list(values))
            return v, values[v]
        kind = tape.pick(("not", "and", "or", "implies"))
        a, x = self._formula(tape, values, depth - 1)
        if kind == "not":
            return f"not {a}", not x
        b, y = self._formula(tape, values, depth - 1)
        truth = x and y if kind == "and" else x or y if kind == "or" else not x or y
        return f"({a} {kind} {b})", truth


class Programs(Grammar):
    """Assignments to variables one after another, and what the last line prints."""

    name = "programs"
    lines: int = field(6, 1, 64, "assignments")

    def one(self, tape: Tape) -> dict[str, Any]:
        values: dict[str, int] = {}
        out = []
        for _ in range(self.lines):
            target = tape.pick("abcdef")
            if values and tape.below(4):
                source, n = tape.pick(sorted(values)), 1 + tape.below(9)
                sign = tape.pick("+-*")
                old = values[source]
                new = old + n if sign == "+" else old - n if sign == "-" else old * n
                out.append(f"{target} = {source} {sign} {n}")
            else:
                new = tape.below(100)
                out.append(f"{target} = {new}")
            values[target] = new
        asked = tape.pick(sorted(values))
        return {
            "text": "\n".join([*out, f"print({asked})"]),
            "answer": str(values[asked]),
        }


class Json(Grammar):
    """JSON documents of nested objects and lists, and how many ``leaves`` they have."""

    name = "json"
    depth: int = field(3, 1, 8, "levels of nesting")
    width: int = field(4, 1, 16, "at most so many items")

    def one(self, tape: Tape) -> dict[str, Any]:
        value, leaves = self._value(tape, self.depth)
        indent = (None, 2)[tape.below(2)]
        return {"text": json.dumps(value, indent=indent), "leaves": leaves}

    def _value(self, tape: Tape, depth: int) -> tuple[Any, int]:
        if depth == 0:
            kind = tape.below(5)
            if kind == 0:
                return tape.below(2) == 1, 1
            if kind == 1:
                return None, 1
            if kind == 2:
                return (tape.below(20001) - 10000) / 100, 1
            if kind == 3:
                return tape.below(1000), 1
            return "".join(tape.pick('abcdefgh \\"/{[]}:,') for _ in range(6)), 1
        count = 1 + tape.below(self.width)
        items = [self._value(tape, depth - 1 - tape.below(depth)) for _ in range(count)]
        leaves = sum(n for _, n in items)
        if tape.below(2):
            return [v for v, _ in items], leaves
        keys = tape.sample([a + b for a in "klmn" for b in "aeio"], count)
        return dict(zip(keys, (v for v, _ in items), strict=True)), leaves


class Patterns(Grammar):
    """A regular expression and a string; ``label``: does all of it match?

    Patterns have letters, classes, ranges, ``*``, ``+`` and ``?``.
    """

    name = "patterns"
    parts: int = field(4, 1, 16, "parts of a pattern")

    def one(self, tape: Tape) -> dict[str, Any]:
        pattern, string, spoil = "", "", tape.below(2)
        for _ in range(self.parts):
            letters = "".join(tape.sample("abcde", 2))
            atom, choices = tape.pick(
                (
                    (letters[0], letters[0]),
                    (f"[{letters}]", letters),
                    ("[a-e]", "abcde"),
                )
            )
            times = tape.pick(("", "*", "+", "?"))
            low = 1 if times in ("", "+") else 0
            high = 1 if times in ("", "?") else 4
            count = low + tape.below(high - low + 1)
            pattern += atom + times
            string += "".join(tape.pick(choices) for _ in range(count))
        if spoil:  # a letter that no pattern has
            at = tape.below(len(string) + 1)
            string = f"{string[:at]}z{string[at:]}"
        return {"text": f"{pattern} ~ {string}", "label": 1 - spoil}
