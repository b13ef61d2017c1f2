"""What importing the core costs after NumPy."""

from __future__ import annotations

import os
import subprocess
import sys

from ..case import Work

_CODE = """
import time, numpy
start = time.perf_counter()
import helix_core
print(time.perf_counter() - start)
"""


def _seconds() -> float:
    # an installed package has its bytecode: keep it here too, wherever it is written
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    out = subprocess.run(
        [sys.executable, "-c", _CODE],
        capture_output=True,
        text=True,
        check=True,
        env=env,
    )
    return float(out.stdout)


def ours(variant: str) -> Work:
    """Each sample is an interpreter of its own; the first one compiles the bytecode."""
    return Work(_seconds, sample=_seconds)
