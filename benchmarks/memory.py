"""Resident memory of this process."""

from __future__ import annotations

from pathlib import Path

import psutil

_PROC = Path("/proc/self")  # absent off Linux


def resident() -> int:
    """Bytes resident now."""
    return int(psutil.Process().memory_info().rss)


def forget_peak() -> None:
    """Start the peak anew, where the system can: importing may have reached higher."""
    try:
        (_PROC / "clear_refs").write_text("5")
    except OSError:
        return


def peak() -> int:
    """Most bytes ever resident (since `forget_peak`)."""
    try:
        for line in (_PROC / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    from helix_core.platform import peak_rss

    return peak_rss()
