"""S1 what is there, S2 what verifiers catch and reject, S3 the same bits.

All three are exact for their seeds, so they are counted once and not once a round.
"""

from __future__ import annotations

import ast
import importlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np

from ..case import Work

SOUND = 300  # samples of each generator that S2 verifies: under 60 s on one core
EACH = 12  # samples of each generator that S2 puts faults into
SEVERITIES = np.geomspace(1e-6, 1e-2, 12)  # to where nearly everything is caught
_TABLES = {"images.py: images._font"}  # the strokes of characters: data of the spec
_LEAST = {
    "sequence": 15,
    "image": 2,
    "scenes": 1,
    "graph": 12,
    "time_series": 11,
    "text": 8,
    "audio": 8,
    "video": 6,
    "points": 20,
}


def once(measure: Callable[[], tuple[float, str]]) -> Work:
    """A figure that is counted by the first call."""
    found: list[tuple[float, str]] = []

    def value() -> float:
        if not found:
            found.append(measure())
        return found[0][0]

    return Work(value, sample=value, note=lambda: found[0][1])


def names() -> list[str]:
    """Every generator of the package."""
    from helix_synth._catalogue import ENTRIES

    return [e.name for e in ENTRIES]


# ----------------------------------------------------------------------- S1: what is there
def families(variant: str) -> Work:
    """How many of nine families have fewer members than they should."""

    def count() -> tuple[float, str]:
        from helix_synth import registry
        from helix_synth.points import Solids

        have: Counter[str] = Counter()
        for name in names():
            g = registry.generator(name)
            complete = callable(registry.verifier(name)) and all(
                f.meaning for f in g.fields.values()
            )
            have["scenes" if name == "scenes" else g.modality] += complete
        labels = {int(x) for x in Solids().block(0, 2000)["label"]}
        have["points"] *= len(labels)  # one generator of many shapes
        short = [f for f, least in _LEAST.items() if have[f] < least]
        return float(len(short)), ", ".join(f"{f} {have[f]}" for f in _LEAST)

    return once(count)


def shared_code(variant: str) -> Work:
    """How many modules verifiers import that are not NumPy's, Python's or their own."""

    def count() -> tuple[float, str]:
        folder = Path(
            importlib.import_module("helix_synth.verify._checks").__file__ or ""
        )
        foreign = set()
        for path in sorted(folder.parent.glob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and (
                    node.level > 1 or (node.module or "").startswith("helix")
                ):
                    foreign.add(f"{path.name}: {node.module}")
                elif isinstance(node, ast.Import):
                    foreign |= {
                        f"{path.name}: {a.name}"
                        for a in node.names
                        if a.name.startswith("helix")
                    }
        code = sorted(foreign - _TABLES)
        return float(len(code)), "; ".join(
            [*code, f"tables: {len(foreign) - len(code)}"]
        )

    return once(count)


# ---------------------------------------------------------------------- S2: the verifiers
def missed_faults(variant: str) -> Work:
    """Percent of the faults put into samples that no verifier finds."""

    def percent() -> tuple[float, str]:
        from helix_synth import faults, registry

        injected: Counter[str] = Counter()
        caught: Counter[str] = Counter()
        for name in names():
            g = registry.generator(name, seed=2026)
            for kind, c in faults.catch_rates(g, EACH, start=10**6).items():
                injected[kind] += c.injected
                caught[kind] += c.caught
        total = sum(injected.values())
        kinds = sum(n >= 10 for n in injected.values())
        worst = min(injected, key=lambda k: caught[k] / max(1, injected[k]))
        said = (
            f"{total} faults of {kinds} kinds; least found: {worst}, {caught[worst]} of "
            f"{injected[worst]}"
        )
        return 100 * (1 - sum(caught.values()) / total), said

    return once(percent)


def false_rejects(variant: str) -> Work:
    """Percent of sound samples that verifiers reject."""

    def percent() -> tuple[float, str]:
        from helix_synth import faults, registry

        all_names = names()
        wrong = {
            name: bad
            for name in all_names
            if (bad := faults.false_rejects(registry.generator(name, seed=7), SOUND))
        }
        n = SOUND * len(all_names)
        said = f"of {n} samples, {SOUND} of each generator" + "".join(
            f"; {k}: {v[:3]}" for k, v in wrong.items()
        )
        return 100 * sum(map(len, wrong.values())) / n, said

    return once(percent)


def disorder(variant: str) -> Work:
    """1 - Spearman's rank correlation of severity and the share that is caught."""

    def value() -> tuple[float, str]:
        from scipy.stats import spearmanr

        curves = dict(_curves())
        shares = np.mean(list(curves.values()), 0)
        falls = [k for k, v in curves.items() if (np.diff(v) < -0.1).any()]
        said = (
            f"the mean share over {len(curves)} graded pairs of generator and fault, "
            f"from {shares[0]:.2f} to {shares[-1]:.2f}"
        )
        rank = float(spearmanr(SEVERITIES, shares)[0])
        return 1 - rank, f"{said}; falling somewhere: {', '.join(falls) or 'none'}"

    return once(value)


def _curves() -> Iterator[tuple[str, np.ndarray]]:
    """Shares caught, by severity, of every generator and graded kind."""
    from helix_synth import faults, registry

    for name in names():
        g = registry.generator(name, seed=31)
        kinds = [k for k in faults.FAULTS if k.graded and k.fits(name, g.modality)]
        if not kinds:
            continue
        check, samples = registry.verifier(name), list(g.block(0, EACH + 1).samples())
        for kind in kinds:
            shares = []
            for severity in SEVERITIES.tolist():
                luck, hits, n = Random(5), 0, 0
                for sample, other in pairwise(samples):
                    bad = faults.inject(kind, sample, other, luck, severity)
                    if bad is not None:
                        n += 1
                        hits += bool(check(g.spec, bad))
                shares.append(hits / n if n else 0.0)
            yield f"{name}/{kind.name}", np.array(shares)


# ----------------------------------------------------------------------- S3: the same bits
def differing(variant: str) -> Work:
    """How many generators, samples or files differ, where none may."""
    return once({"shards": _shards, "indices": _indices, "kill": _kill}[variant])


def _shards() -> tuple[float, str]:
    from helix_synth import registry
    from helix_synth._digest import MerkleTree, sample_digest

    n, differ = 70, []
    for name in names():
        g = registry.generator(name, seed=5)
        roots = set()
        for shards in (1, 2, 7, 64):
            order = list(range(shards))
            Random(shards).shuffle(order)  # shards are made in any order
            made = {
                k: [sample_digest(s) for s in g.stream(n, shard=(k, shards))]
                for k in order
            }
            roots.add(MerkleTree(x for k in range(shards) for x in made[k]).root())
        differ += [name] * (len(roots) > 1)
    said = f"of {len(names())} generators, {n} samples each"
    return float(len(differ)), "; ".join([said, *differ])


def _indices() -> tuple[float, str]:
    from helix_synth import registry
    from helix_synth._digest import sample_digest

    luck, wrong, per = Random(11), 0, 1 + 1000 // len(names())
    for name in names():
        far = [luck.randrange(10**12) for _ in range(per)]
        g, again = (registry.generator(name, seed=9) for _ in range(2))
        want = dict(zip(far, map(sample_digest, g.at(far).samples()), strict=True))
        luck.shuffle(far)
        wrong += sum(sample_digest(again.sample(i)) != want[i] for i in far)
    return float(wrong), f"of {per * len(names())} indices below 1e12"


_WRITER = """
import sys
from helix_synth import dataset, registry
g = registry.generator("mqar", length=64, pairs=4, vocab=64)
dataset.write(g, 6000, sys.argv[1], shards=24)
"""


def _kill() -> tuple[float, str]:
    with tempfile.TemporaryDirectory() as temporary:
        whole, cut = Path(temporary, "whole"), Path(temporary, "cut")
        subprocess.run([sys.executable, "-c", _WRITER, str(whole)], check=True)
        kills = 0
        for wait in (1, 5, 11, 17, 23):
            child = subprocess.Popen([sys.executable, "-c", _WRITER, str(cut)])
            while child.poll() is None and len(list(cut.glob("*.tar"))) < wait:
                time.sleep(0.001)
            if child.poll() is None:
                os.kill(child.pid, signal.SIGKILL)
                kills += 1
            child.wait()
        subprocess.run([sys.executable, "-c", _WRITER, str(cut)], check=True)
        a, b = _files(whole), _files(cut)
        differ = [k for k in a.keys() | b.keys() if a.get(k) != b.get(k)]
    if not kills:
        raise RuntimeError("[synth_S3] expected to kill a writer; all were too quick")
    return float(len(differ)), f"of {len(a)} files, after {kills} kills"


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.name != "lock"
    }
