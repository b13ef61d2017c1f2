"""``python -m benchmarks SUITE [--case NAME] [--json FILE] [--rounds N]``."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console

from . import environment, harness, results
from .case import Case
from .worker import Worker, WorkerError

SUITES = ("spine", "breadth", "backends", "data")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a suite; 1 if an output is wrong or a case fails, 2 for bad usage, else 0."""
    args = _parser().parse_args(argv)
    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False)
    if args.fresh:
        os.environ[environment.FRESH] = "1"  # the processes of both sides inherit it
    suite = importlib.import_module(f"benchmarks.{args.suite}")
    cases: dict[str, Case] = {c.name: c for c in suite.CASES}
    try:
        chosen = _choose(cases, args.case)
        _require(chosen)
        return _run(args, cases, chosen, console)
    except (LookupError, results.ResultsError) as e:
        console.print(str(e.args[0]), markup=False, soft_wrap=True)
        return 2


def _parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="benchmarks",
        description="Measure beside peers: outputs first, then both sides in turn.",
        epilog="example: python -m benchmarks spine --case adamw --json spine.json",
    )
    p.add_argument("suite", choices=SUITES)
    p.add_argument("--case", action="append", metavar="NAME", help="only this case")
    p.add_argument("--json", type=Path, metavar="FILE", help="write {machine, rows}")
    p.add_argument(
        "--fresh",
        action="store_true",
        help="run long pieces instead of reading the last record of nox -s full",
    )
    p.add_argument(
        "--rounds",
        type=_rounds,
        metavar="N",
        help=f"rounds a case (default {harness.ROUNDS})",
    )
    return p


def _rounds(text: str) -> int:
    n = int(text) if text.isdecimal() else 0
    if n < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number >= 1; got {text!r}")
    return n


def _choose(cases: dict[str, Case], names: list[str] | None) -> list[Case]:
    unknown = [n for n in names or () if n not in cases]
    if unknown:
        raise LookupError(
            f"[bench] expected cases of {', '.join(cases)}; got {', '.join(unknown)}"
        )
    return [c for n, c in cases.items() if not names or n in names]


def _require(cases: Sequence[Case]) -> None:
    """Peers that are not installed are an error, never a skipped case."""
    missing = []
    for d in sorted({d for c in cases for d in c.needs}):
        try:
            metadata.version(d)
        except metadata.PackageNotFoundError:
            missing.append(d)
    if missing:
        raise LookupError(
            f"[bench] expected the peers to be installed; missing {', '.join(missing)}. "
            "Hint: python -m pip install -r benchmarks/requirements.txt"
        )


def _run(
    args: Any, cases: dict[str, Case], chosen: list[Case], console: Console
) -> int:
    def say(line: str) -> None:
        console.print(line, markup=False, soft_wrap=True)

    with environment.timed(os.environ) as removed:
        if removed:
            say(f"removed from the environment of both sides: {', '.join(removed)}")
        with Worker("benchmarks.environment:machine", "") as worker:
            machine = worker.result()
        for key, value in machine.items():
            say(f"{key}: {_flat(value)}")
        # a whole run replaces the file in the end; until then nothing is lost
        whole = len(chosen) == len(cases)
        rows = _earlier(args.json, machine, whole)
        say(f"about {sum(c.minutes for c in chosen):.2g} minutes on two cores")
        mine: list[harness.Row] = []
        good = True
        for case in chosen:
            new, right = _case(args, case, say)
            good = good and right
            mine += new
            rows = results.merge(rows, new, args.suite, case.name)
            rows = results.ordered(rows, list(cases))
            if args.json is not None:
                results.write(args.json, machine, rows)
        if args.json is not None and whole:
            results.write(args.json, machine, results.ordered(mine, list(cases)))
        for table in results.tables(results.ordered(mine, list(cases))):
            console.print(table)
    return 0 if good else 1


def _earlier(path: Path | None, machine: Any, whole: bool) -> list[harness.Row]:
    if path is None:
        return []
    try:
        return results.read(path, machine)
    except results.ResultsError:
        if not whole:
            raise
        return []


def _case(args: Any, case: Case, say: harness.Say) -> tuple[list[harness.Row], bool]:
    rows: list[harness.Row] = []
    right = True
    for variant in case.variants:
        start = time.perf_counter()
        say(f"{case.name} {variant}")
        try:
            with environment.fresh_cache(os.environ):
                found = harness.measure(args.suite, case, variant, args.rounds, say)
        except WorkerError as e:
            say(str(e))
            right = False
            continue
        right = right and found.right
        rows += found.rows
        say(f"  {_line(found.rows[0])}, {time.perf_counter() - start:.0f} s")
    return rows, right


def _line(row: harness.Row) -> str:
    n = results.number
    if row["ours"] is None:
        return "not measured"
    text = f"{n(row['ours'])} {row['unit']}"
    if row["peer_name"]:
        text += f", {row['peer_name']} {n(row['peer'])}: {n(row['ratio'])}x"
    return f"{text} (target {n(row['target'])})"


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value)


if __name__ == "__main__":
    sys.exit(main())
