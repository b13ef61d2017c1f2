"""``nox -s full``: the long checks, in shards of at most ten minutes.

A shard that passed is not run again until a source or a test changes, so an interrupted
call goes on where it stopped. ``tests/full.json`` records when each last passed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tools.workspace import ROOT, Package, fingerprint, packages

LIMIT = 600.0  # seconds
RECORD = ROOT / "tests" / "full.json"
FIGURES = "HELIX_FULL_FIGURES"  # where a running shard writes what it measured
Records = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Shard:
    """A name, and the command that passes or fails."""

    name: str
    command: tuple[str, ...]


def shards(found: list[Package], root: Path = ROOT) -> list[Shard]:
    """Every slow test function, and every package from its sdist."""
    folders = [p.path / "tests" for p in found] + [root / "tests"]
    return [s for f in folders if f.exists() for s in slow_tests(f, root)] + [
        Shard(
            f"sdist {p.name}",
            (sys.executable, "-m", "nox", "-s", f"isolated({p.name})", "--", "--sdist"),
        )
        for p in found
    ]


def slow_tests(folder: Path, root: Path = ROOT) -> Iterator[Shard]:
    """One shard per test function that is marked ``slow``, its parameters together."""
    pytest = (sys.executable, "-m", "pytest")
    done = subprocess.run(
        [*pytest, "--collect-only", "-q", "-m", "slow", str(folder)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 5):  # 5: no test is slow
        raise SystemExit(f"full: {folder} cannot be collected\n{done.stdout}")
    functions = [t.partition("[")[0] for t in done.stdout.splitlines() if "::" in t]
    for name in dict.fromkeys(functions):
        yield Shard(name, (*pytest, "-q", "-m", "slow", str(root / name)))


def sources(found: list[Package], record: Path = RECORD) -> str:
    """What a pass holds for: the packages and the tests, without the record itself."""
    tests = [p for p in sorted((ROOT / "tests").rglob("*.py")) if p != record]
    tests += sorted((ROOT / "benchmarks" / "data").glob("*.py"))
    return fingerprint(*[p.path for p in found], *tests)[:16]


def due(all_shards: list[Shard], records: Records, state: str) -> list[Shard]:
    """Those that have not passed in this state, longest ago first."""
    stale = [s for s in all_shards if records.get(s.name, {}).get("sources") != state]
    return sorted(stale, key=lambda s: records.get(s.name, {}).get("passed", ""))


def note_figure(name: str, value: float) -> None:
    """For a running shard: a number that its record will keep, if it passes."""
    if path := os.environ.get(FIGURES):
        with open(path, "a", encoding="utf-8") as f:
            f.write(json.dumps({name: value}) + "\n")


def figure(name: str, record: Path = RECORD) -> tuple[float, str]:
    """A number that the long checks measured, and when.

    Raises
    ------
    LookupError
        If none is recorded, or it is of other sources than these.
    """
    records: Records = json.loads(record.read_text()) if record.exists() else {}
    found = [r for r in records.values() if name in r.get("figures", {})]
    if not found:
        raise LookupError(
            f"[full] expected a record of {name!r}; got none in {record.name}. "
            "Hint: nox -s full, or --fresh"
        )
    last = max(found, key=lambda r: r["passed"])
    if last["sources"] != sources(packages(), record):
        raise LookupError(
            f"[full] expected {name!r} of these sources; got that of commit "
            f"{last['commit']}, {last['passed']}. Hint: nox -s full, or --fresh"
        )
    return last["figures"][name], f"commit {last['commit']}, {last['passed']}"


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.strip() or "unknown"


def run(
    shard: Shard, limit: float = LIMIT, figures: Path | None = None
) -> tuple[bool, float]:
    """Run one: whether it passed within the limit, and its seconds."""
    start = time.monotonic()
    env = os.environ if figures is None else {**os.environ, FIGURES: str(figures)}
    try:
        done = subprocess.run(
            shard.command, cwd=ROOT, timeout=limit, check=False, env=env
        )
        passed = done.returncode == 0
    except subprocess.TimeoutExpired:
        print(f"full: {shard.name}: longer than {limit:.0f} s: split it")
        passed = False
    return passed, time.monotonic() - start


def work(
    todo: list[Shard],
    records: Records,
    state: str,
    seconds: float,
    record: Path = RECORD,
) -> list[str]:
    """Run shards until the time is up; each pass is written down at once.

    Returns
    -------
    list of str
        Names of those that failed.
    """
    failed = []
    end = time.monotonic() + seconds
    for n, shard in enumerate(todo, 1):
        if time.monotonic() > end:
            print(f"full: {len(todo) - n + 1} shards left; the next call goes on")
            break
        print(f"full: {n}/{len(todo)} {shard.name}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            noted = Path(folder, "figures")
            passed, took = run(shard, figures=noted)
            lines = noted.read_text().splitlines() if noted.exists() else []
        print(f"full: {'passed' if passed else 'FAILED'} in {took:.0f} s", flush=True)
        if not passed:
            failed.append(shard.name)
            continue
        now = datetime.now(UTC).isoformat(timespec="seconds")
        records[shard.name] = {
            "passed": now,
            "seconds": round(took, 1),
            "sources": state,
            "commit": _commit(),
        }
        if lines:
            figures = {k: v for line in lines for k, v in json.loads(line).items()}
            records[shard.name]["figures"] = figures
        record.write_text(json.dumps(records, indent=1, sort_keys=True) + "\n")
    return failed


def show(all_shards: list[Shard], records: Records, state: str) -> None:
    """A line per shard: when it last passed, and whether that still holds."""
    for shard in all_shards:
        row = records.get(shard.name, {})
        holds = "holds" if row.get("sources") == state else "due"
        print(f"{holds:6} {row.get('passed', 'never'):26} {shard.name}")


def main(args: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="nox -s full --", description=__doc__)
    parser.add_argument("names", nargs="*", help="only shards whose name contains this")
    parser.add_argument("--list", action="store_true", help="when each last passed")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    given = parser.parse_args(args)
    found = packages()
    state = sources(found)
    records: Records = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    chosen = [
        s
        for s in shards(found)
        if not given.names or any(n in s.name for n in given.names)
    ]
    if given.list:
        show(chosen, records, state)
        return 0
    todo = due(chosen, records, state)
    failed = work(todo, records, state, given.minutes * 60)
    print(f"full: {len(chosen) - len(todo)} of {len(chosen)} had passed before")
    for name in failed:
        print(f"full: failed: {name}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
