"""``python -m benchmarks.data.synth_process NAME SPEC``: half of a throughput.

Reads lines "first n" and makes those samples, without keeping them; answers each with a
line when it is done. The measuring process has one of these for each core.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any


class Makers:
    """Processes that make samples of one generator at the same time."""

    def __init__(self, name: str, spec: dict[str, Any], cores: int) -> None:
        command = [sys.executable, "-m", __name__, name, json.dumps(spec)]
        threads = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(threads, "1")}
        self._processes = [
            subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(cores)
        ]
        self.make(0, cores)  # they are there, and warm

    def make(self, first: int, n: int) -> None:
        """Make n samples, shared evenly."""
        share = -(-n // len(self._processes))
        for k, p in enumerate(self._processes):
            assert p.stdin is not None
            p.stdin.write(f"{first + k * share} {share}\n")
            p.stdin.flush()
        for p in self._processes:
            assert p.stdout is not None
            if not p.stdout.readline():
                raise RuntimeError(f"[synth_S4] a maker ended with code {p.wait()}")


def main(name: str, spec: str) -> None:
    """Serve until the input ends."""
    from helix_synth import registry

    g = registry.generator(name, seed=1, **json.loads(spec))
    for line in sys.stdin:
        first, n = map(int, line.split())
        for _ in g.blocks(n, start=first):
            pass
        print("made", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
