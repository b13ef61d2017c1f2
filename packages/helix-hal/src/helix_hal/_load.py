"""How busy others keep the host's cores."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

_SHORT, _LONG = 0.05, 2.0  # seconds that a reading is taken over
_LOCK = threading.Lock()


class _Clocks(NamedTuple):
    """Seconds: of the wall, of all cores, of those that were busy, and of ours."""

    wall: float
    all: float
    busy: float
    own: float


_last: _Clocks | None = None
_share = 0.0


def host_load() -> float:
    """Share of the cores that other processes keep busy, 0 to 1.

    Over the time since the last reading where that was 0.05 to 2 seconds ago, else over
    0.05 seconds that it waits for; a newer reading than that is given again.
    """
    global _last, _share
    with _LOCK:
        now = _clocks()
        past = _last
        if past is not None and now.wall - past.wall < _SHORT:
            return _share
        if past is None or now.wall - past.wall > _LONG:
            past = now
            time.sleep(_SHORT)
            now = _clocks()
        others = (now.busy - past.busy) - (now.own - past.own)
        _share = min(max(others / max(now.all - past.all, 1e-9), 0.0), 1.0)
        _last = now
        return _share


def _clocks() -> _Clocks:
    import psutil

    t = psutil.cpu_times()
    total = t.user + t.system + t.idle
    total += sum(
        getattr(t, k, 0.0) for k in ("nice", "iowait", "irq", "softirq", "steal")
    )
    idle = t.idle + getattr(t, "iowait", 0.0)
    return _Clocks(time.monotonic(), total, total - idle, time.process_time())
