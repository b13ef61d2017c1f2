"""The arguments of ``nox -s demo``: those of ``helix train``, with a name that is free."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path


def arguments(
    given: Sequence[str], folder: Path | None = None
) -> tuple[list[str], str]:
    """What to give ``helix train``, and what to tell the user about it.

    A run is called ``demo``, or ``demo-2``, ``demo-3``, ... where that exists: a second
    call trains again and overwrites nothing. ``--name`` and ``--resume`` are left alone.

    Parameters
    ----------
    given : sequence of str
        The user's own arguments.
    folder : Path, optional
        Where a relative ``--runs-dir`` starts; default the current folder.
    """
    args = list(given)
    if any(
        _is(a, "--name") or _is(a, "--resume") or a in ("-h", "--help") for a in args
    ):
        return args, ""
    runs = (folder or Path.cwd()) / _value(args, "--runs-dir", "runs")
    if not (runs / "demo").exists():
        return ["--name", "demo", *args], ""
    name = next(f"demo-{n}" for n in count(2) if not (runs / f"demo-{n}").exists())
    note = (
        f"{runs / 'demo'} exists: this run is called {name}. "
        f"To go on with the first one: nox -s demo -- --resume {runs / 'demo'}"
    )
    return ["--name", name, *args], note


def _is(arg: str, option: str) -> bool:
    return arg == option or arg.startswith(f"{option}=")


def _value(args: list[str], option: str, default: str) -> str:
    for i, arg in enumerate(args):
        if arg.startswith(f"{option}="):
            return arg.partition("=")[2]
        if arg == option and i + 1 < len(args):
            return args[i + 1]
    return default
