"""What ``helix doctor`` and ``helix devices`` run in a process of its own.

``python -m helix_core.cli._child TASK ...`` prints one JSON value; whatever plugins print
goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict
from typing import Any


def records(kind: str = "") -> list[dict[str, Any]]:
    """Every plugin of a kind, or of all; imports light modules."""
    from .. import plugins

    out = []
    for r in plugins.records(kind or None):
        extra = {
            "kinds": list(getattr(r.spec, "kinds", ())),
            "priority": getattr(r.spec, "priority", 0),
            "usable": r.usable,
        }
        out.append({**r.as_dict(), **extra})
    return out


def devices(name: str) -> dict[str, Any]:
    """What a backend, ``distribution:name``, offers here; or why it does not work."""
    from .. import plugins

    try:
        backend = plugins.load("backends", name)()
    except plugins.PluginUnavailable:
        dist, _, short = name.rpartition(":")
        found = plugins.records("backends", dist)
        r = next(r for r in found if r.name == short)
        return {"state": r.state, "reason": r.reason, "devices": []}
    infos = [asdict(d) for d in backend.devices()]
    return {"state": "loaded", "reason": "", "devices": infos}


def profiles(name: str) -> dict[str, Any]:
    """As `devices`, and for each what it was measured to do."""
    from .. import _device, plugins

    answer = devices(name)
    if not answer["devices"]:
        return answer
    backend = plugins.load("backends", name)()
    dist, _, short = name.rpartition(":")
    found = plugins.records("backends", dist)
    kinds = next(r for r in found if r.name == short).spec.kinds
    rows = []
    for info in answer["devices"]:
        for kind in [info["kind"]] if info["kind"] else kinds:
            dev = _device.Device(f"{kind}:{info['index']}")
            dev._backend, dev._kernels = backend, None
            row = {"device": dev.name, "info": info, "profile": None, "why": ""}
            try:
                row["profile"] = asdict(dev.profile)
                row["kernels"] = sorted(dev.kernels)
            except Exception as e:
                row["why"] = f"{type(e).__name__}: {e}"
            rows.append(row)
    return answer | {"devices": rows}


def check(name: str, device: str) -> str:
    """Run a small program on a device of a backend, and compare."""
    import numpy as np

    from .. import _create, _device, plugins

    backend = plugins.load("backends", name)()
    dev = _device.Device(device)
    dev._backend, dev._kernels = backend, {}
    x = _create.tensor(np.arange(6, dtype=np.float32).reshape(2, 3), device=dev)
    y = _create.tensor(np.ones((3, 2), np.float32), device=dev)
    got = np.asarray((x @ y).exp().log())
    if not np.allclose(got, [[3, 3], [12, 12]], atol=1e-4):
        raise ArithmeticError(f"log(exp(x @ y)) is {got.tolist()}")
    return "a matrix product came out right"


TASKS: dict[str, Callable[..., Any]] = {
    "records": records,
    "devices": devices,
    "profiles": profiles,
    "check": check,
}


def main(task: str, *args: str) -> None:
    """Answer on what was stdout when the process started."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        value: dict[str, Any] = {"value": TASKS[task](*args)}
    except (Exception, SystemExit) as e:
        traceback.print_exc()
        value = {"error": str(e), "type": type(e).__name__}
    json.dump(value, answer)
    answer.flush()
    sys.stderr.flush()
    os._exit(0)  # native libraries may not take over the exit


if __name__ == "__main__":
    main(*sys.argv[1:])
