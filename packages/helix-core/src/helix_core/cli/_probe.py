"""Questions to plugins, asked in a subprocess: a crash or a hang is an answer too."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from typing import Any

from .. import platform
from .._device import Device
from .._errors import DeviceError

_TRACE = re.compile(r"\[plugins\] (importing|loading) (\S+) of (\S+)(?: (\S+))?")
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')


class ProbeError(Exception):
    """No answer: ``str`` says how it ended, ``detail`` is the end of stderr."""

    def __init__(self, how: str, stderr: str) -> None:
        super().__init__(how)
        self.detail = stderr[-2000:]
        self.stderr = stderr


def ask(*task: str, timeout: float = 60.0, env: Mapping[str, str] | None = None) -> Any:
    """The answer of ``helix_core.cli._child``.

    Raises
    ------
    ProbeError
        The process raised, died, hung, or ended without an answer.
    """
    full = {**os.environ, "PYTHONFAULTHANDLER": "1", **(env or {})}
    full.pop("HELIX_PLUGIN_STRICT", None)
    command = [sys.executable, "-m", "helix_core.cli._child", *task]
    done = platform.run_bounded(command, timeout, full)
    if done.how:
        where = _FRAME.search(done.stderr) if "died" in done.how else None
        at = f" in {where[1]}, line {where[2]}" if where else ""
        raise ProbeError(done.how + at, done.stderr)
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise ProbeError("the process ended without an answer", done.stderr) from None
    if "error" in answer:
        text = str(answer["error"])
        known = text.startswith("[")  # our own errors say all themselves
        raise ProbeError(text if known else f"{answer['type']}: {text}", done.stderr)
    return answer["value"]


def device_name(kind: str, index: str) -> str:
    """A device as people name it: "cpu", "opencl:1"."""
    try:
        return Device(f"{kind}:{index}").name
    except DeviceError:
        return f"{kind}:{index}"


def survey(
    kind: str = "", timeout: float = 60.0
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Every plugin of a kind, and one row for each light module that took Python down.

    A distribution whose light module kills the process or hangs is found by the trace,
    and left out of the next try.
    """
    bad: list[dict[str, Any]] = []
    off = os.environ.get("HELIX_DISABLE_PLUGINS", "")
    while True:
        env = {"HELIX_TRACE": "plugins", "HELIX_DISABLE_PLUGINS": off}
        try:
            found = ask("records", kind, timeout=timeout, env=env)
        except ProbeError as e:
            steps = _TRACE.findall(e.stderr)
            culprit = steps[-1] if steps else None
            if culprit is None or culprit[2] in [b["distribution"] for b in bad]:
                raise
            _, value, distribution, version = culprit
            off = f"{off},{distribution}"
            bad.append(
                {
                    "value": value,
                    "distribution": distribution,
                    "version": version,
                    "reason": f"importing {value}: {e}",
                    "detail": e.detail,
                }
            )
        else:
            named = {b["distribution"] for b in bad}
            return [r for r in found if r["distribution"] not in named], bad
