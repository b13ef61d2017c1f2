"""S8: ten million samples take no more memory than ten thousand.

What a writer does to each sample is done but for the file: made, verified, hashed into
the Merkle tree. In a process of its own: ``python -m benchmarks.data.synth_memory LAST``.
"""

from __future__ import annotations

import subprocess
import sys

FIRST, LAST = 10_000, 10_000_000
_SPEC = {"length": 16}


def growth(last: int = LAST) -> float:
    """Percent by which the peak grows from ten thousand samples to ``last``."""
    command = [sys.executable, "-m", __name__, str(last)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    early, late = map(int, done.stdout.split())
    return 100 * (late / early - 1)


def main(last: int) -> None:
    """Print the peak in bytes after the first ten thousand samples, and after all."""
    from helix_synth import registry
    from helix_synth._digest import MerkleTree, sample_digest

    from ..memory import peak

    g = registry.generator("parity", seed=1, **_SPEC)
    check, tree = registry.verifier(g.name), MerkleTree()
    early = 0
    for block in g.blocks(last):
        for index, sample in zip(block.indices.tolist(), block.samples(), strict=True):
            registry.reject(g, index, check(g.spec, sample))
            tree.add(sample_digest(sample))
        if not early and tree.count >= FIRST:
            early = peak()
    print(early, peak())


if __name__ == "__main__":
    main(int(sys.argv[1]))
