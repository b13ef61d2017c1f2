"""Throw-away distributions, with plugin modules as a stranger would write them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from helix_core import plugins

HEAD = """
from helix_core.contracts import *
from helix_core.plugins import hookimpl
"""

# a backend that is NumPy's, under another name
BACKEND = """
from helix_core.reference.backend import NumpyBackend
class Backend(NumpyBackend):
    name = "fast"
"""

# a light module with one model
MODEL = (
    HEAD + "@hookimpl\ndef helix_models():\n"
    "    return [ModelSpec(name='m', factory='a.b:c')]\n"
)


def backend(name="fast", kinds=("fast",), factory="{package}.work:Backend", **more):
    """A light module with one backend."""
    extra = "".join(f", {k}={v!r}" for k, v in more.items())
    return HEAD + (
        "@hookimpl\n"
        "def helix_backends():\n"
        f"    return [BackendSpec(name={name!r}, kinds={kinds!r}, "
        f"factory={factory!r}.format(package=__package__){extra})]\n"
    )


class Site:
    """A folder on ``sys.path`` with distributions, as an installer would leave them."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(
        self,
        name: str,
        points: Mapping[str, Mapping[str, str]] | str,
        version: str = "1.0",
        requires: tuple[str, ...] = (),
        metadata: str | bytes | None = None,
        **modules: str,
    ) -> str:
        """Install a distribution; returns its package name.

        Parameters
        ----------
        points : dict or str
            Kind -> entry name -> module of the package (or a whole value with a dot or
            colon); or the text of ``entry_points.txt``.
        metadata : str or bytes, optional
            Instead of a proper METADATA; empty leaves it out.
        **modules
            Source by module name.
        """
        package = name.replace("-", "_")
        folder = self.root / package
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").touch()
        for module, source in modules.items():
            (folder / f"{module}.py").write_text(source)
        info = self.root / f"{package}-{version}.dist-info"
        info.mkdir()
        if metadata is None:
            lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
            metadata = "\n".join(
                [*lines, *(f"Requires-Dist: {r}" for r in requires), ""]
            )
        if metadata:
            raw = metadata.encode() if isinstance(metadata, str) else metadata
            (info / "METADATA").write_bytes(raw)
        if not isinstance(points, str):
            text = ""
            for kind, entries in points.items():
                text += f"[helix.{kind}]\n"
                for entry, value in entries.items():
                    full = (
                        value if "." in value or ":" in value else f"{package}.{value}"
                    )
                    text += f"{entry} = {full}\n"
            points = text
        (info / "entry_points.txt").write_text(points)
        plugins.reset()
        return package

    def run(
        self, *command: str, timeout: float = 60, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """``helix COMMAND`` in a fresh process that sees these distributions."""
        path = os.pathsep.join([str(self.root), os.environ.get("PYTHONPATH", "")])
        return subprocess.run(
            [sys.executable, "-m", "helix_core", *command],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, "PYTHONPATH": path.rstrip(os.pathsep), **env},
        )

    def records(self, kind: str) -> list[plugins.Record]:
        """Records of a kind that are from this folder."""
        here = {p.name.partition("-")[0] for p in self.root.glob("*.dist-info")}
        here.add("?")
        return [
            r for r in plugins.records(kind) if r.distribution.replace("-", "_") in here
        ]
