"""What the devices of this machine can do, asked without loading their libraries.

A device in use is asked directly. The backends of others are asked in a process of their
own: a driver may crash or hang. Their answers are kept for some days, so that a choice
costs a few milliseconds and imports the library of the device that is chosen alone.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from . import platform
from ._device import Device
from ._errors import HelixError
from ._profile import CALM as _CALM
from ._version import __version__

_DAYS = 7.0  # an answer is good for: a driver may be updated
_BUSY_DAYS = 1 / 24  # one that was measured while others computed
_TIMEOUT = 120.0  # seconds for a library to be imported and its devices measured
_ANSWERS: dict[str, list[Any]] = {}  # of this process, by key


@dataclass(frozen=True, slots=True)
class Found:
    """A device: what it was measured to do, or ``why`` it cannot be used."""

    name: str
    profile: Any = None
    dtypes: tuple[str, ...] = ()
    kernels: frozenset[str] = frozenset()
    on_host: bool = False
    why: str = ""

    def load(self) -> float | None:
        """Busy share, where its backend is loaded and can tell."""
        dev = Device._known.get(self.name)
        if dev is None or dev._backend is None:
            return None
        return dev._backend.load(dev)


def survey(names: Sequence[str] | None = None, fresh: bool = False) -> list[Found]:
    """Every device that this machine has, or those of these names.

    Parameters
    ----------
    names : sequence of str, optional
    fresh : bool
        Ask anew what is not in use.
    """
    from . import plugins

    wanted = None if names is None else [Device(n) for n in names]
    out: list[Found] = []
    seen: set[str] = set()
    for dev in wanted or list(Device._known.values()):
        if dev._backend is not None and dev.name not in seen:
            seen.add(dev.name)
            out.append(_in_use(dev))
    records = [r for r in plugins.records("backends") if r.spec is not None]
    for r in sorted(records, key=lambda r: (-r.spec.priority, r.name)):
        kinds = set(r.spec.kinds)
        if wanted is not None:
            kinds &= {d.kind for d in wanted if d.name not in seen}
        if not kinds:
            continue
        if not r.usable:
            default = f"{r.spec.kinds[0]}:0"
            out.append(Found(default, why=f"{r.name} is {r.state}: {r.reason}"))
            continue
        for f in _offered(r, fresh):
            if f.name in seen or (wanted and Device(f.name) not in wanted):
                continue
            if f.profile is not None or f.why:
                seen.add(f.name)
                out.append(f)
    lost = [] if wanted is None else [d.name for d in wanted if d.name not in seen]
    return out + [Found(n, why="this machine has no such device") for n in lost]


def _in_use(dev: Device) -> Found:
    dev._info = None  # it may have gone since
    try:
        info = dev.info
        return Found(
            dev.name,
            dev.profile,
            tuple(info.dtypes),
            frozenset(dev.kernels),
            info.unified_memory,
        )
    except Exception as e:
        return Found(dev.name, why=f"{type(e).__name__}: {e}")


def _offered(record: Any, fresh: bool) -> list[Found]:
    """The devices of a backend, or one row that says why there are none."""
    kinds = record.spec.kinds
    if record.name in _PLAIN:
        return [_in_use(d) for d in map(Device, kinds) if _mine(d, record)]
    if record.entry == "register()":
        return [_in_use(Device(f"{k}:0")) for k in kinds]
    key = _key(record)
    rows = None if fresh else _ANSWERS.get(key) or _read(key)
    if rows is None:
        rows = _ask(record)
        if not any(r["why"] for r in rows):
            _write(key, rows)
    _ANSWERS[key] = rows
    return [_found(r) for r in rows]


_PLAIN = ("numpy", "cpu")  # safe to load here: they are what everything else stands on


def _mine(dev: Device, record: Any) -> bool:
    try:
        return bool(dev.backend.name == record.name)
    except HelixError:
        return False


def _ask(record: Any) -> list[Any]:
    from .cli._probe import ProbeError, ask

    name = f"{record.distribution}:{record.name}"
    default = f"{record.spec.kinds[0]}:0"
    try:
        answer = ask("profiles", name, timeout=_TIMEOUT)
    except ProbeError as e:
        return [{"device": default, "why": str(e)}]
    if not answer["devices"]:
        why = answer["reason"] or "it has no device here"
        return [{"device": default, "why": why}]
    return list(answer["devices"])


def _found(row: dict[str, Any]) -> Found:
    from ._profile import from_dict

    if row["why"]:
        return Found(row["device"], why=row["why"])
    info = row["info"]
    return Found(
        row["device"],
        from_dict(row["profile"]),
        tuple(info["dtypes"]),
        frozenset(row["kernels"]),
        bool(info["unified_memory"]),
    )


# ------------------------------------------------------------------------- the cache
def _key(record: Any) -> str:
    parts = [
        __version__,
        sys.version,
        *(record.distribution, record.version, record.name),
        *(platform.cpu_name(), platform.cpu_count()),
    ]
    return sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _path(key: str) -> Any:
    return platform.cache_dir("devices") / f"{key}.json"


def _read(key: str) -> list[Any] | None:
    """The kept answer; None where there is none, or it is old or damaged."""
    try:
        stored = json.loads(_path(key).read_text(encoding="utf-8"))
        if not 0 <= time.time() - stored["time"] < stored["days"] * 86400:
            return None
        rows: list[Any] = stored["devices"]
        for row in rows:
            _found(row)
        return rows
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _write(key: str, rows: list[Any]) -> None:
    try:
        with platform.atomic_path(_path(key)) as temporary:
            calm = platform.load_average() < _CALM * platform.cpu_count()
            days = _DAYS if calm else _BUSY_DAYS
            stored = {"time": time.time(), "days": days, "devices": rows}
            temporary.write_text(json.dumps(stored), encoding="utf-8")
    except OSError:
        pass  # asked again the next time
