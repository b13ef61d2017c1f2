"""Plugins by kind and name: lookups in records, and what is loaded behind them."""

from __future__ import annotations

import difflib
import threading
import traceback
from typing import Any

from .._kernels import resolve_dotted
from ..contracts._specs import CONTRACTS, SPECS
from . import _installed
from ._discover import conflicts, contract_problem, records_of, wrong
from ._environment import normal, say
from ._records import PluginError, PluginUnavailable, Record, one


class _Slot:
    """A result that one thread makes while others wait, each slot for itself."""

    __slots__ = ("lock", "value")

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.value: Any = None


_LOCK = threading.Lock()
_LIGHT: dict[_installed.Entry, _Slot] = {}  # records of an entry point
_HEAVY: dict[tuple[str, ...], _Slot] = {}  # (object,) behind a record's factory
_LATER: dict[tuple[str, ...], Record] = {}  # records that loading has changed
_ADDED: dict[str, list[Record]] = {}


def _records_of(entry: _installed.Entry) -> list[Record]:
    with _LOCK:
        slot = _LIGHT.setdefault(entry, _Slot())
    with slot.lock:
        if slot.value is None:
            slot.value = []  # a hook that asks for its own kind sees nothing
            try:
                slot.value = records_of(entry)
            except BaseException:
                slot.value = None
                raise
        return [_LATER.get(r.key, r) for r in slot.value]


def records(kind: str | None = None, distribution: str = "") -> list[Record]:
    """Records of a kind, or of all kinds; imports light modules only.

    The order is that of distribution, entry point and hook names.

    Parameters
    ----------
    kind : str, optional
    distribution : str, optional
        Only this one: no other distribution's modules are imported, and no name is in
        conflict.

    Raises
    ------
    PluginError
        For an unknown kind.
    """
    if kind is None:
        strange = {e.kind for e in _installed.entries()} - set(CONTRACTS)
        kinds = [*CONTRACTS, *sorted(strange)]
        return [r for k in kinds for r in _of_kind(k, distribution)]
    if kind not in CONTRACTS:
        raise PluginError(
            f"[plugins] expected a kind of {', '.join(CONTRACTS)}; got {kind!r}"
        )
    return _of_kind(kind, distribution)


def _of_kind(kind: str, distribution: str) -> list[Record]:
    def asked(r: Any) -> bool:
        return not distribution or normal(r.distribution) == normal(distribution)

    found = [r for e in _installed.entries(kind) if asked(e) for r in _records_of(e)]
    found += [_LATER.get(r.key, r) for r in _ADDED.get(kind, ()) if asked(r)]
    return found if distribution else conflicts(found)


def names(kind: str, distribution: str = "") -> list[str]:
    """Names that can be asked for, sorted."""
    return sorted({r.name for r in records(kind, distribution) if r.usable})


def get(kind: str, name: str) -> Record:
    """The record of a name, or of ``"distribution:name"``.

    The second form imports no other distribution's modules, and chooses where two have
    the same name.

    Raises
    ------
    PluginUnavailable
        Missing, broken, incompatible, disabled or ambiguous; with the reason and what
        is usable instead.
    """
    dist, _, short = name.rpartition(":")
    found = [r for r in records(kind, dist) if r.name == short]
    for r in found:
        if r.usable:
            return r
    raise _unavailable(found[0], name) if found else _unknown(kind, name, short)


def _unavailable(r: Record, name: str) -> PluginUnavailable:
    hint = f" Hint: {r.hint}" if r.hint else ""
    return PluginUnavailable(
        f"[plugins] expected a usable {one(r.kind)}; got {name!r} of {r.origin}, which "
        f"is {r.state}: {r.reason}. Usable {_listed(r.kind)}.{hint}"
    )


def _unknown(kind: str, name: str, short: str) -> PluginUnavailable:
    close = difflib.get_close_matches(short, names(kind), 1)
    hint = f" Hint: did you mean {close[0]!r}?" if close else ""
    lost = [r for r in records(kind) if not r.usable and r.spec is None]
    why = "".join(f" {r.entry!r} of {r.origin} is {r.state}: {r.reason}." for r in lost)
    return PluginUnavailable(
        f"[plugins] expected a {one(kind)} that is installed; got {name!r}. "
        f"Usable {_listed(kind)}.{why}{hint}"
    )


def _listed(kind: str) -> str:
    return f"{kind}: {', '.join(names(kind)) or 'none'}"


def load(kind: str, name: str) -> Any:
    """The object behind a record's factory; imported once.

    Raises
    ------
    PluginUnavailable
        Also when the import fails, or the probe of a backend says no; the record keeps
        the reason and the traceback.
    """
    r = get(kind, name)
    with _LOCK:
        slot = _HEAVY.setdefault(r.key, _Slot())
    with slot.lock:
        if slot.value is None:
            slot.value = (_load(r, name),)
        return slot.value[0]


def _load(r: Record, name: str) -> Any:
    probe = getattr(r.spec, "probe", None)
    try:
        why: Any = True if probe is None else resolve_dotted(probe)()
        if why is True:
            say(f"loading {r.spec.factory} of {r.origin}")
            obj = resolve_dotted(r.spec.factory)
    except (Exception, SystemExit) as e:
        bad = r.but(
            state="broken",
            reason=f"{type(e).__name__}: {e}",
            hint=f"pip install -U {r.distribution}, or "
            f"HELIX_DISABLE_PLUGINS={r.distribution}",
            traceback=traceback.format_exc(),
        )
        _LATER[r.key] = bad
        raise _unavailable(bad, name) from e
    if why is not True:
        reason = why if isinstance(why, str) and why else f"its probe returned {why!r}"
        _LATER[r.key] = bad = r.but(state="unsupported", reason=reason)
        raise _unavailable(bad, name)
    _LATER[r.key] = r.but(state="loaded")
    return obj


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
    if kind not in SPECS:
        raise PluginError(
            f"[plugins] expected a kind of {', '.join(SPECS)}; got {kind!r}"
        )
    problem = wrong(kind, spec) or contract_problem(kind, spec)
    if problem:
        raise PluginError(f"[plugins] {problem}, in a record of kind {kind!r}")
    taken = names(kind) if kind != "kernels" else []
    with _LOCK:
        added = _ADDED.setdefault(kind, [])
        if spec.name in taken or (
            kind != "kernels" and any(r.name == spec.name for r in added)
        ):
            raise PluginError(
                f"[plugins] expected a new name for a {one(kind)}; got {spec.name!r}, "
                "which exists"
            )
        r = Record(kind, spec.name, "available", distribution, "", "register()", spec)
        added.append(r)
    return r


def reset() -> None:
    """Forget everything that was discovered, loaded or registered."""
    with _LOCK:
        for table in (_LIGHT, _HEAVY, _LATER, _ADDED):
            table.clear()
        _installed.forget()
