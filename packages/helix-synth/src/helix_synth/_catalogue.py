"""What this package registers: one line for each generator and its verifier.

The class is in ``helix_synth.<folder>``, the verifier of the generator's name in
``helix_synth.verify.<folder>``.
"""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """A generator: its name, class, folder, modality and a line of what it makes."""

    name: str
    cls: str
    folder: str
    modality: str
    summary: str


_SEQUENCES = """
mqar MQAR Many keys are asked for the values that stood beside them.
associative_recall AssociativeRecall One key is asked for its last value.
induction Induction What came after the marker the last time?
needle Needle One marked number in a long haystack.
n_back NBack Is this token the one of n steps ago?
copy Copy Say the tokens again.
reverse Reverse Say the tokens backwards.
sorting Sorting Say the tokens from the smallest to the largest.
selective_copy SelectiveCopy Tokens scattered among blanks, said again without them.
parity Parity The parity of the bits so far.
modular_addition ModularAddition The sum so far, modulo a number.
state_tracking StateTracking Permutations of five things, composed (S5).
dyck Dyck Balanced brackets: which one has to close next?
majority Majority Which token has come most often so far?
addition Addition Two numbers and their sum, digit by digit.
automata Automata Strings of an automaton that each sequence has for itself.
hidden_markov HiddenMarkov Documents of a mixture of hidden Markov models.
in_context_regression InContextRegression Points of a linear function to be inferred.
"""

_IMAGES = """
shapes Shapes One shape on a ground, with every combination of its factors.
"""


def _read(text: str, folder: str, modality: str) -> list[Entry]:
    out = []
    for line in text.strip().splitlines():
        name, cls, summary = line.split(" ", 2)
        out.append(Entry(name, cls, folder, modality, summary))
    return out


ENTRIES = [
    *_read(_SEQUENCES, "sequences", "sequence"),
    *_read(_IMAGES, "images", "image"),
]
