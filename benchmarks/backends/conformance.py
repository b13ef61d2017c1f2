"""Share of the conformance kit that each backend passes."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tools.backends import DEVICES, examine

from ..case import Case, Work

# what a device may decline: the kit's reason for a skip, and why there is no way
LACKS = {
    "webgpu": {
        "dtype float64": "WGSL has no 64-bit floats (W3C, WebGPU Shading Language, 6.2)",
        "dtype complex128": "pairs of float64",
    },
}

CASES = (
    Case(
        name="conformance",
        variants=tuple(DEVICES.values()),
        ours="benchmarks.backends.conformance:ours",
        target=1.0,
        aim=1.0,
        metric="share",
        unit="share",
        scale=1.0,
        better="higher",
        minutes=12,
    ),
)


def ours(variant: str) -> Work:
    """Run the kit, profile ``ci``, in a process of its own."""
    backend = next(b for b, d in DEVICES.items() if d == variant)
    found: list[dict[str, Any]] = []

    def call() -> None:
        with TemporaryDirectory() as folder:
            row = examine(backend, "ci", Path(folder))
            report = Path(folder) / f"{backend}.json"
            if not report.exists():
                raise AssertionError(f"{variant} did not run: {row['about']}")
            found.append(json.loads(report.read_text(encoding="utf-8")))

    def one_over() -> float:
        """The case's unit is one over what is measured."""
        return 1.0 / max(share(found[-1]), 1e-9)

    return Work(call, sample=one_over, note=lambda: told(found[-1]))


def share(record: dict[str, Any]) -> float:
    """Of all cases, those that pass; less what the device provably lacks."""
    lacks = LACKS.get(record["backend"], {})
    asked = [c for c in record["cases"] if c["reason"] not in lacks]
    return sum(c["outcome"] == "passed" for c in asked) / len(asked)


def told(record: dict[str, Any]) -> str:
    """What passed, and what did not for which reason."""
    lacks, counts = LACKS.get(record["backend"], {}), dict[str, int]()
    for c in record["cases"]:
        if c["outcome"] != "passed":
            counts[c["reason"]] = counts.get(c["reason"], 0) + 1
    lines = [f"{record['totals']['passed']} of {len(record['cases'])} cases passed"]
    lines += [f"{n}: {why} ({lacks.get(why, 'no')})" for why, n in counts.items()]
    return "\n  ".join(lines)
