"""Plugins by kind and name. pluggy validates; lookups are dicts.

Entry-point metadata is read first, the light module when a name of its kind is asked
for, the heavy object last. Whatever fails on the way is a record with a reason.
"""

from __future__ import annotations

import difflib
import threading
import traceback
from typing import Any

from .._kernels import resolve_dotted
from ..contracts._specs import CONTRACTS, SPECS
from ._discover import contract_problem, discover, say
from ._discover import strict as _strict
from ._records import STATES as STATES
from ._records import HelixPluginWarning as HelixPluginWarning
from ._records import PluginError as PluginError
from ._records import PluginUnavailable as PluginUnavailable
from ._records import Record as Record

_LOCK = threading.RLock()
_RECORDS: dict[str, list[Record]] = {}
_ADDED: dict[str, list[Record]] = {}
_LOADED: dict[tuple[str, str, str], Any] = {}


def __getattr__(name: str) -> Any:
    if name == "hookimpl":  # pluggy is imported when a plugin module is
        from ._markers import hookimpl

        return hookimpl
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def records(kind: str | None = None) -> list[Record]:
    """Every record of a kind, or of all kinds; imports light modules only.

    Raises
    ------
    PluginError
        For an unknown kind.
    """
    if kind is None:
        return [r for k in SPECS for r in records(k)]
    if kind not in CONTRACTS:
        raise PluginError(
            f"[plugins] expected a kind of {', '.join(CONTRACTS)}; got {kind!r}"
        )
    if kind not in SPECS:
        return []
    with _LOCK:
        if kind not in _RECORDS:
            _RECORDS[kind] = []  # a hook that asks for its own kind sees nothing
            try:
                _RECORDS[kind] = discover(kind)
            except BaseException:
                del _RECORDS[kind]
                raise
        return _RECORDS[kind] + _ADDED.get(kind, [])


def names(kind: str) -> list[str]:
    """Names that can be asked for, sorted."""
    return sorted({r.name for r in records(kind) if r.usable})


def get(kind: str, name: str) -> Record:
    """The record of a name, or of ``"distribution:name"``.

    Raises
    ------
    PluginUnavailable
        Missing, broken, incompatible, disabled or ambiguous; with the reason and what
        is usable instead.
    """
    dist, _, short = name.rpartition(":")
    found = [
        r
        for r in records(kind)
        if r.name == short and (not dist or r.distribution == dist)
    ]
    for r in found:
        if r.usable or (dist and r.state == "conflict"):
            return r
    usable = names(kind)
    have = f"usable {kind}: {', '.join(usable) or 'none'}"
    if found:
        r = found[0]
        raise PluginUnavailable(
            f"[plugins] {kind[:-1]} {name!r} of {r.distribution} {r.version} is "
            f"{r.state}: {r.reason}. {have}"
        )
    broken = [r for r in records(kind) if r.entry.partition(" = ")[0] == short]
    if broken:
        r = broken[0]
        raise PluginUnavailable(
            f"[plugins] {kind[:-1]} {name!r} of {r.distribution} {r.version} is "
            f"{r.state}: {r.reason}. {have}"
        )
    close = difflib.get_close_matches(short, usable, 1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise PluginUnavailable(f"[plugins] no {kind[:-1]} is named {name!r}.{hint} {have}")


def load(kind: str, name: str) -> Any:
    """The object behind a record's factory; imported once.

    Raises
    ------
    PluginUnavailable
        Also when the import fails, or the probe of a backend says no; the record keeps
        the reason and the traceback.
    """
    r = get(kind, name)
    key = (kind, r.distribution, r.name)
    if key in _LOADED:
        return _LOADED[key]
    with _LOCK:
        probe = getattr(r.spec, "probe", None)
        try:
            why: Any = True if probe is None else resolve_dotted(probe)()
            if why is True:
                say(f"loading {r.spec.factory} of {r.distribution}")
                obj = resolve_dotted(r.spec.factory)
        except (Exception, SystemExit) as e:
            reason = f"{type(e).__name__}: {e}"
            _replace(
                r,
                r.but(state="broken", reason=reason, traceback=traceback.format_exc()),
            )
            if _strict():
                raise PluginError(
                    f"[plugins] {r.name} of {r.distribution}: {reason}"
                ) from e
            raise PluginUnavailable(
                f"[plugins] {kind[:-1]} {name!r} of {r.distribution} {r.version} cannot be "
                f"loaded: {reason}. usable {kind}: {', '.join(names(kind)) or 'none'}"
            ) from e
        if why is not True:
            _replace(r, r.but(state="unsupported", reason=str(why)))
            raise PluginUnavailable(
                f"[plugins] {kind[:-1]} {name!r} of {r.distribution} is unsupported here: "
                f"{why}. usable {kind}: {', '.join(names(kind)) or 'none'}"
            )
        _LOADED[key] = obj
        if r.state == "available":
            _replace(r, r.but(state="loaded"))
    return obj


def _replace(old: Record, new: Record) -> None:
    for table in (_RECORDS, _ADDED):
        found = table.get(old.kind, [])
        if old in found:
            found[found.index(old)] = new


def providers(device_kind: str) -> list[Record]:
    """Backends that offer a device kind, best first."""
    found = [r for r in records("backends") if r.usable and device_kind in r.spec.kinds]
    return sorted(found, key=lambda r: (-r.spec.priority, r.name))


def register(spec: Any, kind: str, distribution: str = "this process") -> Record:
    """Add a record in this process: the same checks, no entry point.

    Raises
    ------
    PluginError
        Wrong type or contract, or the name is taken.
    """
    if not isinstance(spec, SPECS.get(kind, ())):
        raise PluginError(f"[plugins] expected a record of kind {kind!r}; got {spec!r}")
    problem = contract_problem(kind, spec)
    if problem:
        raise PluginError(f"[plugins] {spec.name}: {problem}")
    with _LOCK:
        if kind != "kernels" and spec.name in names(kind):
            raise PluginError(f"[plugins] a {kind[:-1]} named {spec.name!r} exists")
        r = Record(kind, spec.name, "available", distribution, "", "register()", spec)
        _ADDED.setdefault(kind, []).append(r)
    return r


def reset() -> None:
    """Forget everything that was discovered, loaded or registered."""
    with _LOCK:
        _RECORDS.clear()
        _ADDED.clear()
        _LOADED.clear()
