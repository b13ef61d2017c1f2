"""Environments that several sessions share: one per need, kept until its inputs change."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock

from tools.workspace import ROOT

HOMES = ROOT / ".nox"


def python_of(home: Path) -> Path:
    """The interpreter of an environment."""
    return home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def ensure(
    name: str,
    install: Sequence[str],
    run: Callable[..., object],
    root: Path = ROOT,
    fresh: bool = False,
) -> Path:
    """Make ``.nox/NAME`` unless it was made from these very requirements.

    Parameters
    ----------
    install : sequence of str
        Arguments of ``pip install``, relative to ``root``.
    run : callable
        Runs a command given as separate arguments; raises when it fails.
    fresh : bool
        Make it anew in any case.

    Returns
    -------
    Path
        Its interpreter.
    """
    home = root / ".nox" / name
    python, made_from = python_of(home), home / "made-from"
    home.parent.mkdir(exist_ok=True)
    with FileLock(home.parent / f"{name}.lock"):
        state = inputs(install, root)
        if fresh or not made_from.exists() or made_from.read_text() != state:
            run(sys.executable, "-m", "virtualenv", "--quiet", "--clear", str(home))
            print(f"making .nox/{name}: a minute or two, once", flush=True)
            run(str(python), "-m", "pip", "install", "-qq", *install)
            made_from.write_text(state)
    return python


def inputs(install: Sequence[str], root: Path = ROOT) -> str:
    """A hash of all that decides what gets installed."""
    digest = hashlib.sha256(repr((sys.version, tuple(install))).encode())
    for file in sorted(_files(install, root)):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _files(install: Sequence[str], root: Path) -> set[Path]:
    """Requirement files, those they include, and the metadata of editable packages."""
    found: set[Path] = set()
    lines = [" ".join(install)]
    for line in lines:
        for flag, value in re.findall(r"(?:^|\s)(-r|-c|-e)\s+([^\s\[]+)", line):
            path = root / value
            if flag == "-e":
                found |= {path / "pyproject.toml", *path.glob("src/*/_version.py")}
            elif path not in found:
                found.add(path)
                lines += path.read_text(encoding="utf-8").splitlines()
    return found
