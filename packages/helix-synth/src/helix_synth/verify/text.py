"""Verifiers of text: it is parsed, and what it means is worked out from its words."""

from __future__ import annotations

import ast
import datetime
import itertools
import json as _json
import re
from typing import Any

from ._checks import Problems, Sample, Spec

_NUMBER = re.compile(r"\d+")


def _text(sample: Sample, other: str, kind: type) -> tuple[Problems, str]:
    p = Problems()
    good = p.names(sample, "text", other)
    good = good and p.unless(type(sample["text"]) is str, "text: not a str")
    good = good and p.unless(
        type(sample[other]) is kind, f"{other}: not {kind.__name__}"
    )
    good = good and p.unless(sample["text"] != "", "text: empty")
    return p, sample["text"] if good else ""


def _says(p: Problems, sample: Sample, name: str, want: object) -> list[str]:
    p.unless(sample[name] == want, f"{name}: expected {want!r}; got {sample[name]!r}")
    return p


_BINARY = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
}


def _number(node: ast.AST, values: dict[str, int]) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        left, right = _number(node.left, values), _number(node.right, values)
        result: int = _BINARY[type(node.op)](left, right)  # type: ignore[no-untyped-call]
        return result
    raise ValueError(f"{ast.dump(node)[:40]} is not arithmetic")


def arithmetic(spec: Spec, sample: Sample) -> list[str]:
    p, text = _text(sample, "value", str)
    if not text:
        return p
    left, _, right = text.rpartition(" = ")
    try:
        value = _number(ast.parse(left, mode="eval").body, {})
    except (SyntaxError, ValueError, KeyError) as e:
        p.append(f"text: does not parse ({e})")
        return p
    p.unless(str(value) == right, f"text: {left} is {value}, not {right}")
    numbers = [int(n) for n in _NUMBER.findall(left)]
    p.unless(max(numbers) <= spec["largest"], "text: a number above the largest")
    deep = most = 0
    for c in left:
        deep += (c == "(") - (c == ")")
        most = max(most, deep)
    p.unless(most < spec["depth"], f"text: {most} levels of brackets")
    return _says(p, sample, "value", str(value))


class _Formula:
    """Recursive descent over ``not a``, ``(a and b)``, letters."""

    def __init__(self, text: str, values: dict[str, bool]) -> None:
        self.tokens = re.findall(r"[()]|[a-z]+|\S", text)
        self.values, self.at = values, 0

    def next(self) -> str:
        token = self.tokens[self.at]
        self.at += 1
        return str(token)

    def value(self) -> bool:
        token = self.next()
        if token == "not":
            return not self.value()
        if token != "(":
            return self.values[token]
        a, joint, b = self.value(), self.next(), self.value()
        if self.next() != ")":
            raise ValueError("a bracket stays open")
        return {"and": a and b, "or": a or b, "implies": b or not a}[joint]


def logic(spec: Spec, sample: Sample) -> list[str]:
    p, text = _text(sample, "label", int)
    if not text:
        return p
    given, _, formula = text.partition(" : ")
    values = {name: bit == "1" for name, bit in re.findall(r"([p-y])=([01])", given)}
    p.unless(len(values) == spec["variables"], f"text: {len(values)} variables")
    written = " ".join(f"{name}={int(bit)}" for name, bit in values.items())
    p.unless(given == written, "text: more than values before the formula")
    parser = _Formula(formula, values)
    try:
        truth = parser.value()
        p.unless(parser.at == len(parser.tokens), "text: more than a formula")
    except (IndexError, KeyError, ValueError) as e:
        p.append(f"text: does not parse ({e})")
        return p
    return _says(p, sample, "label", int(truth))


def programs(spec: Spec, sample: Sample) -> list[str]:
    p, text = _text(sample, "answer", str)
    if not text:
        return p
    *lines, last = text.split("\n")
    p.unless(len(lines) == spec["lines"], f"text: {len(lines)} assignments")
    values: dict[str, int] = {}
    try:
        for line in lines:
            (statement,) = ast.parse(line).body
            if not isinstance(statement, ast.Assign):
                raise ValueError(f"{line!r} assigns nothing")
            (target,) = statement.targets
            if not isinstance(target, ast.Name):
                raise ValueError(f"{line!r} assigns to no name")
            values[target.id] = _number(statement.value, values)
        asked = re.fullmatch(r"print\(([a-f])\)", last)
        if asked is None:
            raise ValueError("it prints nothing")
        want = str(values[asked[1]])
    except (SyntaxError, ValueError, KeyError) as e:
        p.append(f"text: does not run ({e})")
        return p
    return _says(p, sample, "answer", want)


def _leaves(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_leaves, value.values()))
    return sum(map(_leaves, value)) if isinstance(value, list) else 1


def _levels(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(_levels, inner), default=0)


def json(spec: Spec, sample: Sample) -> list[str]:
    p, text = _text(sample, "leaves", int)
    if not text:
        return p
    try:
        value = _json.loads(text)
    except ValueError as e:
        p.append(f"text: is not JSON ({e})")
        return p
    p.unless(1 <= _levels(value) <= spec["depth"], f"text: {_levels(value)} levels")
    return _says(p, sample, "leaves", _leaves(value))


def patterns(spec: Spec, sample: Sample) -> list[str]:
    p, text = _text(sample, "label", int)
    if not text:
        return p
    pattern, _, string = text.partition(" ~ ")
    parts = re.findall(r"(?:[a-e]|\[[a-e]-?[a-e]\])[*+?]?", pattern)
    if p.unless(
        "".join(parts) == pattern and len(parts) == spec["parts"], "not a pattern"
    ):
        p.unless(re.fullmatch("[a-ez]*", string) is not None, "other letters")
        _says(p, sample, "label", int(re.fullmatch(pattern, string) is not None))
    return p


_SENTENCE = re.compile(
    r"the (\w+)((?: (?:near|behind|beside) the \w+)*) (\w+) the (\w+) \."
)
_ONE = set("cat dog bird child sailor baker robot queen".split())
_MANY = {n + "s" for n in _ONE - {"child"}} | {"children"}
_ACTS = {"see", "follow", "like", "hear", "help"}


def english(spec: Spec, sample: Sample) -> list[str]:
    p, text = _text(sample, "label", int)
    if not text:
        return p
    found = _SENTENCE.fullmatch(text)
    if not p.unless(found is not None, "text: not a sentence") or found is None:
        return p
    subject, between, verb, thing = found.groups()
    nouns = re.findall(r"the (\w+)", between)
    p.unless(len(nouns) == spec["attractors"], f"text: {len(nouns)} attractors")
    p.unless({subject, thing, *nouns} <= _ONE | _MANY, "text: a noun it does not have")
    plural = verb in _ACTS
    p.unless(plural or (verb[-1] == "s" and verb[:-1] in _ACTS), f"text: verb {verb!r}")
    return _says(p, sample, "label", int((subject in _MANY) == plural))


def ordering(spec: Spec, sample: Sample) -> list[str]:
    p, text = _text(sample, "answer", str)
    if not text:
        return p
    facts = re.findall(r"(\w+) is (older|younger) than (\w+)\.", text)
    rest = re.sub(r"\w+ is (?:older|younger) than \w+\. ", "", text)
    p.unless(rest == "Who is the oldest?", "text: no question, or more than facts")
    pairs = [(a, b) if how == "older" else (b, a) for a, how, b in facts]
    people = {name for pair in pairs for name in pair}
    p.unless(
        len(people) == spec["people"] and len(pairs) == len(people) - 1, "text: people"
    )
    below = dict(pairs)
    tops = people - {b for _, b in pairs}
    if p.unless(
        len(tops) == 1 and len(below) == len(pairs), "text: not one line of people"
    ):
        (top,) = tops
        seen, now = 1, top
        while now in below and seen <= len(people):
            now, seen = below[now], seen + 1
        p.unless(seen == len(people), "text: not one line of people")
        _says(p, sample, "answer", top)
    return p


_MONTH = "JanFebMarAprMayJunJulAugSepOctNovDec"
_DATE = re.compile(r"(\d+) days? after the (\d+)(st|nd|rd|th) of (\w+) (\d{4})")


def dates(spec: Spec, sample: Sample) -> list[str]:
    p, text = _text(sample, "answer", str)
    if not text:
        return p
    found = _DATE.fullmatch(text)
    if not p.unless(found is not None, "text: not a date") or found is None:
        return p
    later, day, ending, month, year = found.groups()
    try:
        start = datetime.date(int(year), _MONTH.index(month[:3]) // 3 + 1, int(day))
        want = datetime.date.fromordinal(start.toordinal() + int(later))
    except ValueError as e:
        p.append(f"text: {e}")
        return p
    n = int(day)
    right = (
        "st"
        if n in (1, 21, 31)
        else "nd"
        if n in (2, 22)
        else "rd"
        if n in (3, 23)
        else "th"
    )
    p.unless(ending == right, f"text: {day}{ending}")
    p.unless(1 <= int(later) <= spec["days"], f"text: {later} days")
    p.unless(("days" in text.split()[1]) == (int(later) != 1), "text: number of days")
    return _says(p, sample, "answer", want.isoformat())


_ROMAN = re.compile("M{0,3}(CM|CD|D?C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})")
_LETTERS = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def roman(spec: Spec, sample: Sample) -> list[str]:
    p, text = _text(sample, "value", int)
    if not text:
        p.unless(sample.get("text") != "", "text: empty")
        return p
    if not p.unless(
        _ROMAN.fullmatch(text) is not None, f"text: {text!r} is no numeral"
    ):
        return p
    values = [_LETTERS[c] for c in text] + [0]
    total = sum(-a if a < b else a for a, b in itertools.pairwise(values))
    p.unless(total <= spec["largest"], "text: above the largest")
    return _says(p, sample, "value", total)


_SMALL = {
    w: i
    for i, w in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen "
        "fourteen fifteen sixteen seventeen eighteen nineteen".split()
    )
}
_SMALL |= {
    w: 10 * i
    for i, w in enumerate(
        "twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2
    )
}


def number_words(spec: Spec, sample: Sample) -> list[str]:
    p, text = _text(sample, "value", int)
    if not text:
        return p
    total = part = 0
    for word in re.split("[ -]", text):
        if word in _SMALL:
            part += _SMALL[word]
        elif word == "hundred":
            part *= 100
        elif word in ("thousand", "million"):
            total += part * (1000 if word == "thousand" else 10**6)
            part = 0
        elif word != "and":
            p.append(f"text: {word!r} is no number")
    total += part
    p.unless(total <= spec["largest"], "text: above the largest")
    return _says(p, sample, "value", total)
