"""From an entry point to records: metadata first, then the light module and its hooks."""

from __future__ import annotations

import difflib
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from .._version import __version__
from ..contracts._specs import CONTRACTS, SPECS
from ._environment import say, strict, switched_off
from ._installed import Entry, unmet
from ._records import HelixPluginWarning, PluginError, Record, one


def records_of(entry: Entry) -> list[Record]:
    """What an entry point yields; a failure is a record too."""
    name = entry.name or entry.value
    label = f"{name} = {entry.value}" if entry.value else name
    base = Record(entry.kind, name, "broken", entry.distribution, entry.version, label)
    why = switched_off(entry.distribution, name)
    if why:
        return [base.but(state="disabled", reason=why)]
    if entry.kind not in SPECS:
        return [_without_hook(base)]
    if entry.problem:
        return [_left_out(base.but(reason=entry.problem))]
    why = unmet(entry)
    if why:
        return [_left_out(base.but(state="incompatible", reason=why))]
    say(f"importing {entry.value} of {base.origin}")
    start = time.perf_counter()
    try:
        hooks = _hooks(entry.kind, _load_light(entry))
    except (Exception, SystemExit) as e:
        return [_left_out(_failed(base, "", e), e)]
    out: list[Record] = []
    for function in hooks:
        out += _ask(base, function, {r.name for r in out})
    seconds = time.perf_counter() - start
    say(f"{entry.value} of {base.origin} took {seconds:.3f} s, {len(out)} records")
    return [r.but(seconds=seconds) for r in out]


def _load_light(entry: Entry) -> Any:
    from importlib.metadata import EntryPoint

    point = EntryPoint(entry.name, entry.value, f"helix.{entry.kind}")
    if not point.pattern.match(entry.value):
        raise PluginError(f"expected 'package.module[:object]'; got {entry.value!r}")
    return point.load()


def _hooks(kind: str, plugin: Any) -> list[Any]:
    """The hookimpls of a kind, by name; all of the module's were validated."""
    from pluggy import PluginManager, PluginValidationError

    pm = PluginManager("helix")
    for k in SPECS:
        pm.add_hookspecs(import_module(f"helix_core.hookspecs.{k}"))
    pm.register(plugin)
    try:
        pm.check_pending()
    except PluginValidationError as e:
        known = [f"helix_{k}" for k in SPECS]
        unknown = [h for h in vars(pm.hook) if h not in known]
        close = difflib.get_close_matches(unknown[0], known, 1) if unknown else []
        hint = f", did you mean {close[0]!r}?" if close else ""
        raise PluginError(f"{str(e).partition(' in plugin')[0]}{hint}") from e
    impls = getattr(pm.hook, f"helix_{kind}").get_hookimpls()
    if not impls:
        raise PluginError(
            f"expected a function helix_{kind} decorated with @hookimpl; "
            f"{getattr(plugin, '__name__', plugin)!r} has none"
        )
    return sorted((i.function for i in impls), key=lambda f: str(f.__name__))


def _ask(base: Record, function: Any, taken: set[str]) -> Iterator[Record]:
    """Records of one hookimpl; if it raises, only its own are lost."""
    want: Any = SPECS[base.kind]
    try:
        found = function()
        specs = [found] if isinstance(found, want) else list(found or ())
    except (Exception, SystemExit) as e:
        yield _left_out(_failed(base, f"{function.__name__}() raised ", e), e)
        return
    for spec in specs:
        try:
            why = wrong(base.kind, spec)
        except Exception as e:  # of a record with properties
            why = f"{type(e).__name__}: {e}"
        if why:
            yield _left_out(base.but(reason=f"{function.__name__}(): {why}"))
            continue
        if base.kind != "kernels" and spec.name in taken:
            why = f"{function.__name__}(): {spec.name!r} is its second record of this name"
            yield _left_out(base.but(reason=why))
            continue
        taken.add(spec.name)
        record = base.but(name=spec.name, spec=spec, state="available")
        why = contract_problem(base.kind, spec)
        if why:
            newer = spec.contract > CONTRACTS[base.kind]
            package = "helix-core" if newer else base.distribution
            record = record.but(state="incompatible", reason=why)
            record = _left_out(record, package=package)
        yield record


def wrong(kind: str, spec: Any) -> str | None:
    """What is wrong with the fields of a record; None where nothing is."""
    want: Any = SPECS[kind]
    if not isinstance(spec, want):
        return f"expected {want.__name__} records; got {spec!r}"
    contract = spec.contract
    if not (
        isinstance(contract, tuple)
        and len(contract) == 2
        and all(type(v) is int for v in contract)
    ):
        return f"expected contract=(major, minor); got {contract!r}"
    if type(spec.priority) is not int:
        return f"expected an int as priority; got {spec.priority!r}"
    if kind == "kernels":
        if not (isinstance(spec.op, str) and isinstance(spec.backend, str)):
            return f"expected op and backend by name; got {spec.op!r}, {spec.backend!r}"
        return _dotted("forward", spec.forward) or _dotted("supports", spec.supports)
    if (
        not isinstance(spec.name, str)
        or not spec.name
        or set(spec.name) & set(": \t\n")
    ):
        return f"expected a name without colon or space; got {spec.name!r}"
    if kind == "backends":
        kinds = spec.kinds
        if not (isinstance(kinds, tuple) and all(isinstance(k, str) for k in kinds)):
            return f"expected a tuple of device kinds; got {kinds!r}"
        if spec.probe is not None and _dotted("probe", spec.probe):
            return _dotted("probe", spec.probe)
    return None if callable(spec.factory) else _dotted("factory", spec.factory)


def _dotted(field: str, value: Any) -> str | None:
    """None for a callable, None, or a dotted path; else what was expected."""
    if value is None or callable(value):
        return None
    module, _, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    if module and name:
        return None
    return f"expected {field}='package.module:name'; got {value!r}"


def contract_problem(kind: str, spec: Any) -> str | None:
    """Why a record's contract version does not fit ours."""
    (major, minor), (its_major, its_minor) = CONTRACTS[kind], spec.contract
    if its_major == major and its_minor <= minor:
        return None
    upto = f" to {major}.{minor}" if minor else ""
    return (
        f"it was written for version {its_major}.{its_minor} of the {kind} contract; "
        f"helix-core {__version__} supports {major}.0{upto}"
    )


def conflicts(records: list[Record]) -> list[Record]:
    """The same records, those that share a name marked."""
    owners: dict[str, list[Record]] = {}
    for r in records:
        if r.usable and r.kind != "kernels":  # kernels of one op compete by priority
            owners.setdefault(r.name, []).append(r)
    out = []
    for r in records:
        same = owners.get(r.name, []) if r.usable else []
        if len(same) > 1:
            names = " and ".join(c.origin for c in same)
            others = ", ".join(c.distribution for c in same if c is not r)
            r = r.but(
                state="conflict",
                reason=f"{r.name!r} is offered by {names}",
                hint=f"ask for '{r.distribution}:{r.name}', or set "
                f"HELIX_DISABLE_PLUGINS={others}",
            )
        out.append(r)
    return out


# ------------------------------------------------------------------------ what is left out
def _failed(base: Record, where: str, error: BaseException) -> Record:
    text = "".join(traceback.format_exception(error))
    return base.but(reason=f"{where}{type(error).__name__}: {error}", traceback=text)


def _without_hook(base: Record) -> Record:
    if base.kind in CONTRACTS:
        why = f"helix-core {__version__} has no hook for {base.kind}"
        return base.but(
            state="unsupported", reason=why, hint="pip install -U helix-core"
        )
    close = difflib.get_close_matches(base.kind, CONTRACTS, 1)
    hint = f"did you mean helix.{close[0]}?" if close else ""
    return base.but(reason=f"no kind of plugin is named {base.kind!r}", hint=hint)


def _left_out(
    r: Record, cause: BaseException | None = None, package: str = ""
) -> Record:
    """The record with its ways out, after the one warning; an error where strict."""
    r = r.but(
        hint=f"pip install -U {package or r.distribution}, or "
        f"HELIX_DISABLE_PLUGINS={r.distribution}"
    )
    text = (
        f"[plugins] expected a usable {one(r.kind)}; got {r.entry!r} of {r.origin}, "
        f"which is {r.state}: {r.reason}. Everything else works. Hint: {r.hint}"
    )
    fell_back(text, cause)
    return r


def fell_back(text: str, cause: BaseException | None = None) -> None:
    """Say that something was left out; an error where ``HELIX_PLUGIN_STRICT`` is set."""
    if strict():
        raise PluginError(text) from cause
    warnings.warn(text, HelixPluginWarning, stacklevel=_outside())


def _outside() -> int:
    """The stack level, for the caller of this function, of the first caller outside."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] != "helix_core":
            break
        level, frame = level + 1, frame.f_back
    return level
