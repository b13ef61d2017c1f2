"""The little language of `Stack`: ``"mamba*3 attention (mamba attention)*2"``."""

from __future__ import annotations

import re

from ._check import LayerError

MOST = 4096  # layers of a pattern: "a*999999999" is a mistake
_TOKEN = re.compile(r"\s*(?:([A-Za-z_][\w.-]*)|(\()|(\))|\*\s*(\d+))")


def parse(pattern: str) -> list[str]:
    """The layer names that a pattern stands for, in order.

    A name, ``name*3`` for three in a row, and parentheses around what repeats.

    Raises
    ------
    LayerError
        That says where the pattern cannot be read.

    Examples
    --------
    >>> parse("mamba*2 attention")
    ['mamba', 'mamba', 'attention']
    >>> parse("(mamba attention)*2")
    ['mamba', 'attention', 'mamba', 'attention']
    """
    levels: list[list[list[str]]] = [[]]  # of parentheses: items, each a list of names
    at, starred = 0, True
    text = pattern.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _unreadable(pattern, at, "a name, '(', ')' or '*' and a number")
        name, opened, closed, times = found.groups()
        if name:
            levels[-1].append([name])
        elif opened:
            levels.append([])
        elif closed:
            if len(levels) == 1 or not levels[-1]:
                raise _unreadable(pattern, at, "layers in '(...)' before ')'")
            inside = levels.pop()
            levels[-1].append([n for item in inside for n in item])
        else:
            if starred or not levels[-1] or int(times) < 1:
                raise _unreadable(pattern, at, "a layer before '*', and a number >= 1")
            if int(times) * len(levels[-1][-1]) > MOST:
                raise _unreadable(pattern, at, f"at most {MOST} layers")
            levels[-1][-1] = levels[-1][-1] * int(times)
        starred = times is not None or opened is not None
        at = found.end()
    if len(levels) > 1:
        raise _unreadable(pattern, len(text), "')'")
    names = [n for item in levels[0] for n in item]
    if not names:
        raise _unreadable(pattern, 0, "at least one layer")
    if len(names) > MOST:
        raise _unreadable(pattern, 0, f"at most {MOST} layers")
    return names


def _unreadable(pattern: str, at: int, want: str) -> LayerError:
    return LayerError(
        f"[Stack] expected {want} at position {at}; got {pattern!r}. Hint: "
        '"mamba*3 attention mamba*3"'
    )
