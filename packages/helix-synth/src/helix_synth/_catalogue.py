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
glyphs Glyphs Digits and letters of bent, turned, thickened strokes.
scenes Scenes Shapes over each other, with boxes, masks and poses.
"""

_GRAPHS = """
erdos_renyi ErdosRenyi Each pair is joined with the same probability.
watts_strogatz WattsStrogatz A ring of neighbours with some long edges.
barabasi_albert BarabasiAlbert New nodes join those that have many edges.
random_regular RandomRegular Every node has the same degree.
random_tree RandomTree A labelled tree, each equally likely.
block_model BlockModel Groups, with their own probability inside and between.
degree_corrected DegreeCorrected Groups whose nodes have weights.
caveman Caveman Cliques, some of whose edges lead to others.
lfr LFR Degrees and groups of power laws.
bipartite Bipartite Two sides, with edges across.
random_geometric RandomGeometric Points of a square, joined where they are near.
rmat RMAT Edges that fall into quadrants, again and again.
grid Grid A shuffled lattice, some of whose edges are missing.
motifs Motifs A tree with houses, cycles, stars and cliques hung on it.
"""

_TIME_SERIES = """
kernel_synth KernelSynth Gaussian processes of kernels composed at random (Chronos).
arma ARMA Autoregression and moving average.
random_walk RandomWalk Steps with a drift.
ornstein_uhlenbeck OrnsteinUhlenbeck Mean reversion.
garch GARCH Returns whose variance follows them.
regimes Regimes A Markov chain of levels, seen through noise.
seasonal Seasonal A trend, a season and noise.
sinusoids Sinusoids A sum of sinusoids.
change_points ChangePoints A level that jumps.
waves Waves Square and sawtooth waves.
counts Counts Poisson counts with a season.
lorenz Lorenz The x of the Lorenz system.
logistic_map LogisticMap Chaos in one line.
"""

_TEXT = """
arithmetic Arithmetic Sums and products with brackets, and their value.
logic Logic Formulas and their truth.
programs Programs Assignments, and what the last line prints.
json Json Nested documents.
patterns Patterns A regular expression, a string, and whether it matches.
english English Verbs that agree with a subject far away, or do not.
ordering Ordering Who is older than whom, and who is the oldest?
dates Dates A date some days after another.
roman Roman Roman numerals.
number_words NumberWords Numbers in English words.
"""

_AUDIO = """
tones Tones A sine.
chirps Chirps A sweep from one frequency to another.
fm FM A sine whose phase another moves.
notes Notes A note of a flute, organ, clarinet or trumpet.
chords Chords Three notes: major, minor, diminished or augmented.
plucks Plucks A plucked string.
bells Bells A bell.
clicks Clicks A metronome.
dtmf Dtmf What was dialled?
morse Morse Letters in Morse code.
"""

_VIDEO = """
bouncing Bouncing A thing that bounces off four walls.
falling Falling A thing that falls and jumps up again.
thrown Thrown A thing on a parabola.
colliding Colliding One thing hits another, and stops.
pendulum Pendulum A thing that hangs and swings.
spring Spring A thing on a damped spring.
orbiting Orbiting A thing that circles the middle.
sliding Sliding A thing of constant velocity.
spinning Spinning A thing that turns in its place.
growing Growing A thing that grows or shrinks.
"""

_POINTS = """
solids Solids Points on the surfaces of twenty solids, with normals.
"""
_TABLES = """
regression Regression Rows of a linear model.
blobs Blobs Clusters around centres.
records Records Customers, whose columns depend on each other.
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
    *_read(_GRAPHS, "graphs", "graph"),
    *_read(_TIME_SERIES, "time_series", "time_series"),
    *_read(_TEXT, "text", "text"),
    *_read(_AUDIO, "audio", "audio"),
    *_read(_VIDEO, "video", "video"),
    *_read(_POINTS, "points", "points"),
    *_read(_TABLES, "tables", "table"),
]
