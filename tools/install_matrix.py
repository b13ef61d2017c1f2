"""Useful subsets of the packages, each in an environment of its own from wheels, running
the first example of every README in it.

``python -m tools.install_matrix [SUBSET ...]``; a subset is names joined by ``+``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools import wheelhouse
from tools.environment import python_of
from tools.workspace import ROOT, packages

SUBSETS = (
    "helix-core",
    "helix-core+helix-hal",
    "helix-core+helix-layers",
    "helix-core+helix-hammer",
    "helix-core+helix-hal+helix-layers",
    "helix-core+helix-multimodal",
    "helix-core+helix-synth",
    "helix-core+helix-multimodal+helix-synth",
    "helix-core+helix-hal+helix-hammer+helix-layers",
    "helix-core+helix-hal+helix-hammer+helix-layers+helix-multimodal+helix-synth",
)
FENCE = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)


def example(package: str) -> str:
    """The first example of a package's README."""
    readme = ROOT / "packages" / package / "README.md"
    found = FENCE.search(readme.read_text(encoding="utf-8"))
    return found[1] if found else ""


def check(subset: str) -> list[str]:
    """What went wrong with a subset; nothing if it installs and its examples run."""
    names = subset.split("+")
    known = {p.name: p for p in packages()}
    unknown = [n for n in names if n not in known]
    if unknown:
        return [f"{subset}: no package {', '.join(unknown)}"]
    needed = {
        requirement.name
        for name in names
        for extra, requirement in known[name].requirements()
        if not extra and requirement.name in known
    }
    if needed - set(names):
        return [f"{subset}: also needs {', '.join(sorted(needed - set(names)))}"]
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "env"
        run = [sys.executable, "-m", "virtualenv", "--quiet", str(home)]
        subprocess.run(run, check=True)
        python = str(python_of(home))
        install = ["install", "-qq", f"--find-links={wheelhouse.HOUSE}"]
        install += ["-c", str(wheelhouse.constraints()), *names]
        subprocess.run([python, "-m", "pip", *install], check=True)
        for name in names:
            script = Path(folder) / "example.py"
            script.write_text(example(name), encoding="utf-8")
            done = subprocess.run(
                [python, str(script)],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                wrong.append(f"{subset}: the example of {name}: {done.stderr[-1500:]}")
    return wrong


def main(argv: Sequence[str] | None = None) -> int:
    wrong = []
    for subset in (sys.argv[1:] if argv is None else argv) or SUBSETS:
        found = check(subset)
        print(f"{'FAILED' if found else 'ok':8}{subset.replace('+', ' ')}", flush=True)
        wrong += found
    print("\n".join(wrong), end="\n" if wrong else "")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
