"""The command: ``python -m helix_hal.testing --backend NAME``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

EPILOG = """
exit status: 0 all passed or were skipped; 1 a case failed, or an entry of the xfails
file passes or names no case; 2 there is nothing to test, or the arguments are wrong.
"""


def _parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m helix_hal.testing",
        description="Run the conformance kit on a backend.",
        epilog=EPILOG,
    )
    p.add_argument("--backend", metavar="NAME", help="as `helix plugins` lists it")
    p.add_argument("--device", metavar="DEVICE", default="", help="default: its first")
    p.add_argument("--profile", choices=("ci", "full"), default="ci")
    p.add_argument("--xfails", metavar="FILE", help="known failures: `id # reason`")
    p.add_argument("--json", metavar="OUT", help="write every outcome to a file")
    p.add_argument(
        "-k", metavar="EXPR", default="", help="'gather or scan and not int'"
    )
    p.add_argument("--list", action="store_true", help="print the cases and stop")
    p.add_argument("-x", action="store_true", help="stop at the first failure")
    p.add_argument("-v", action="store_true", help="a line per case, all failures")
    return p


class _Stop(Exception):
    pass


class _Progress:
    """One line that counts, on a terminal; a line per case with ``-v``."""

    def __init__(self, total: int, verbose: bool, stop: bool) -> None:
        self.total, self.verbose, self.stop = total, verbose, stop
        self.done = self.bad = 0
        self.live = sys.stderr.isatty() and not verbose

    def __call__(self, o: Any) -> None:
        self.done += 1
        self.bad += o.bad
        if self.verbose:
            print(f"{o.status:<8} {o.seconds:7.3f} {o.case.id}  {o.reason}", flush=True)
        elif self.live:
            text = f"\r{self.done}/{self.total}, {self.bad} failed: {o.case.id}"
            print(f"{text:<79.79}", end="", file=sys.stderr, flush=True)
        if o.bad and self.stop:
            raise _Stop(o)

    def close(self) -> None:
        if self.live:
            print(f"\r{'':<79}\r", end="", file=sys.stderr, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status, as the help says."""
    parser = _parser()
    args = parser.parse_args(argv)
    from . import _report, _runner, _xfails
    from ._target import Unavailable, resolve

    cases = _runner.chosen(_runner.all_cases(args.profile), args.k)
    if args.list:
        print("\n".join(c.id for c in cases))
        return 0
    if not args.backend:
        parser.error("expected --backend NAME")
    if not cases:
        parser.error(f"no case matches -k {args.k!r}")
    try:
        known = _xfails.read(args.xfails) if args.xfails else {}
        target = resolve(args.backend, args.device)
    except (Unavailable, ValueError, OSError) as e:
        print(e, file=sys.stderr)
        return 2
    print("\n".join(_report.head(target)))
    progress = _Progress(len(cases), args.v, args.x)
    try:
        report = _runner.run(target, args.profile, args.k, known, progress)
    except Unavailable as e:
        print(e, file=sys.stderr)
        return 2
    except _Stop as e:
        progress.close()
        print(f"FAILED {e.args[0].case.id}\n    {e.args[0].reason}")
        return 1
    progress.close()
    for lines in (
        _report.failures(report, args.v),
        _report.skips(report),
        _report.table(report),
    ):
        for line in lines:
            print(line)
    if args.json:
        _report.write_json(report, args.json)
    return 0 if report.ok else 1
