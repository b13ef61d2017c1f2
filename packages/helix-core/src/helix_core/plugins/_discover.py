"""From installed distributions to records: metadata first, then the light module."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from ..contracts._specs import CONTRACTS, SPECS
from ._records import HelixPluginWarning, PluginError, Record


def _env_list(name: str) -> list[str] | None:
    value = os.environ.get(name)
    if value is None:
        return None
    return [_normal(v) for v in value.split(",") if v.strip()]


def _normal(name: str) -> str:
    return name.strip().lower().replace("_", "-")


def strict() -> bool:
    return os.environ.get("HELIX_PLUGIN_STRICT", "") not in ("", "0")


def say(text: str) -> None:
    """``HELIX_TRACE=plugins`` prints what is loaded, and when."""
    if "plugins" in os.environ.get("HELIX_TRACE", "").split(","):
        print(f"[plugins] {text}", file=sys.stderr)


def entry_points(kind: str) -> list[Any]:
    """Entry points of a kind, sorted; each distribution once (the first on sys.path)."""
    from importlib.metadata import entry_points as find

    seen: dict[tuple[str, str, str], Any] = {}
    for ep in find(group=f"helix.{kind}"):
        dist = ep.dist
        key = (dist.name if dist is not None else "?", ep.name, ep.value)
        seen.setdefault(key, ep)
    return [seen[k] for k in sorted(seen)]


def switched_off(dist: str) -> str | None:
    """Why the environment leaves a distribution out; None where it does not.

    ``HELIX_PLUGINS`` names the distributions that are allowed beside helix-core's own;
    empty allows none.
    """
    name = _normal(dist)
    off = _env_list("HELIX_DISABLE_PLUGINS")
    if off and name in off:
        return "HELIX_DISABLE_PLUGINS names it"
    only = _env_list("HELIX_PLUGINS")
    if only is not None and name not in only and name != "helix-core":
        return "HELIX_PLUGINS does not name it"
    return None


def unmet(dist: Any) -> str | None:
    """The first requirement on a helix package that is not satisfied."""
    from importlib.metadata import PackageNotFoundError, version

    for line in dist.requires or ():
        text, _, marker = line.partition(";")
        if "extra" in marker:
            continue
        name = text
        for stop in " <>=!~([":
            name = name.partition(stop)[0]
        if not _normal(name).startswith("helix-"):
            continue
        bounds = text[len(name) :].strip(" ()")
        try:
            have = version(name)
        except PackageNotFoundError:
            return f"requires {text.strip()}, which is not installed"
        if not all(_holds(have, b.strip()) for b in bounds.split(",") if b.strip()):
            return f"requires {text.strip()}; {name} {have} is installed"
    return None


def _numbers(version: str) -> list[int]:
    out = []
    for part in version.split("."):
        digits = ""
        for c in part:
            if not c.isdigit():
                break
            digits += c
        if not digits:
            break
        out.append(int(digits))
    while out and out[-1] == 0:
        out.pop()
    return out


def _holds(have: str, bound: str) -> bool:
    """A release number against one bound; enough for our own packages' bounds."""
    for sign in ("==", ">=", "<=", "~=", "!=", "<", ">"):
        if bound.startswith(sign):
            a, b = _numbers(have), _numbers(bound[len(sign) :].rstrip(".*"))
            if sign == "~=":
                parts = bound[len(sign) :].strip().split(".")
                return a >= b and a[: len(parts) - 1] == _numbers(".".join(parts[:-1]))
            return {
                "==": a == b,
                ">=": a >= b,
                "<=": a <= b,
                "!=": a != b,
                "<": a < b,
                ">": a > b,
            }[sign]
    return True


def contract_problem(kind: str, spec: Any) -> str | None:
    have, want = CONTRACTS[kind], getattr(spec, "contract", None)
    ok = (
        isinstance(want, tuple)
        and len(want) == 2
        and want[0] == have[0]
        and want[1] <= have[1]
    )
    if ok:
        return None
    found = ".".join(map(str, want)) if isinstance(want, tuple) else repr(want)
    return (
        f"it was written for version {found} of the {kind} contract; this helix-core "
        f"supports {have[0]}.0 to {have[0]}.{have[1]}"
    )


def discover(kind: str) -> list[Record]:
    """Records of every entry point of a kind; failures are records too."""
    out: list[Record] = []
    for ep in entry_points(kind):
        dist = ep.dist
        name, version = (dist.name, dist.version) if dist is not None else ("?", "?")
        base = Record(kind, ep.name, "broken", name, version, f"{ep.name} = {ep.value}")
        why = switched_off(name)
        if why:
            out.append(base.but(state="disabled", reason=why))
            continue
        why = unmet(dist) if dist is not None else None
        if why:
            out.append(base.but(state="incompatible", reason=why))
            _warn(out[-1])
            continue
        out += _from_module(base, ep.value)
    return _conflicts(out)


def _from_module(base: Record, value: str) -> list[Record]:
    """Import the light module and ask its hook."""
    say(f"importing {value} of {base.distribution} {base.version}")
    try:
        module = import_module(value.partition(":")[0])
        specs = list(_ask(base.kind, module))
    except (Exception, SystemExit) as e:
        if strict():
            raise PluginError(
                f"[plugins] {base.distribution} {base.version} ({base.entry}): "
                f"{type(e).__name__}: {e}"
            ) from e
        bad = base.but(
            reason=f"{type(e).__name__}: {e}", traceback=traceback.format_exc()
        )
        _warn(bad)
        return [bad]
    out = []
    for spec in specs:
        rec = base.but(name=spec.name, spec=spec, state="available")
        problem = contract_problem(base.kind, spec)
        if problem:
            if strict():
                raise PluginError(
                    f"[plugins] {spec.name} of {base.distribution}: {problem}"
                )
            rec = rec.but(state="incompatible", reason=problem)
            _warn(rec)
        out.append(rec)
    return out


def _ask(kind: str, module: Any) -> Iterator[Any]:
    """Validate the module's hookimpls through pluggy, and call the one of this kind."""
    from pluggy import PluginManager, PluginValidationError

    pm = PluginManager("helix")
    for k in SPECS:
        pm.add_hookspecs(import_module(f"helix_core.hookspecs.{k}"))
    pm.register(module)
    pm.check_pending()  # a hook of an unknown name
    impls = getattr(pm.hook, f"helix_{kind}").get_hookimpls()
    if not impls:
        raise PluginValidationError(
            module, f"expected a hookimpl helix_{kind}; {module.__name__} has none"
        )
    want = SPECS[kind]
    for impl in impls:
        found = impl.function()
        for spec in found if isinstance(found, (list, tuple)) else [found]:
            if not isinstance(spec, want):
                raise TypeError(
                    f"helix_{kind} expected {want.__name__} records; got {spec!r}"
                )
            yield spec


def _conflicts(records: list[Record]) -> list[Record]:
    owners: dict[str, list[Record]] = {}
    for r in records:
        if r.usable and r.kind != "kernels":  # kernels of one op compete by priority
            owners.setdefault(r.name, []).append(r)
    clash = {n: rs for n, rs in owners.items() if len(rs) > 1}
    out = []
    for r in records:
        if r.usable and r.name in clash:
            names = " and ".join(f"{c.distribution} {c.version}" for c in clash[r.name])
            r = r.but(
                state="conflict",
                reason=f"{r.name!r} is offered by {names}. Choose one as "
                f"'{r.distribution}:{r.name}', or set HELIX_DISABLE_PLUGINS",
            )
        out.append(r)
    return out


def _warn(r: Record) -> None:
    warnings.warn(
        f"plugin {r.entry!r} of {r.distribution} {r.version} is {r.state}: {r.reason}. "
        f"Everything else works. Ways out: pip install -U {r.distribution}, or "
        f"HELIX_DISABLE_PLUGINS={r.distribution}",
        HelixPluginWarning,
        stacklevel=2,
    )
