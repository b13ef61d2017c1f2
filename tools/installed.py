"""Is a package alone in this environment, from its wheel, and whole?

Runs inside the environment of ``nox -s isolated``, which holds nothing but the package
and what it declares: so this file uses the standard library only.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import pkgutil
import re
import sys
from importlib.metadata import PackageNotFoundError, distribution


def origin(name: str) -> str:
    """The URL a distribution was installed from; empty where an index served it."""
    try:
        text = distribution(name).read_text("direct_url.json")
    except PackageNotFoundError:
        return ""
    return str(json.loads(text)["url"]) if text else ""


def check_origins(names: list[str], house: str) -> list[str]:
    """Each of these distributions came from the wheelhouse."""
    return [
        f"{name} came from {origin(name) or 'an index'}; expected {house}"
        for name in names
        if not origin(name).startswith(house)
    ]


def check_absent(modules: list[str]) -> list[str]:
    """None of these can be imported: the package does not declare them."""
    return [
        f"{module} can be imported, and is not declared"
        for module in modules
        if importlib.util.find_spec(module) is not None
    ]


def optional(module: str) -> frozenset[str]:
    """What the extras of a module's distribution bring, as names of modules."""
    try:
        requires = distribution(module.replace("_", "-")).requires or []
    except PackageNotFoundError:
        return frozenset()
    names = [re.split(r"[^\w.-]", r)[0] for r in requires if "extra ==" in r]
    return frozenset(n.replace("-", "_").lower() for n in names)


def import_all(
    name: str, extras: frozenset[str] = frozenset()
) -> tuple[list[str], list[str]]:
    """Import a module and every module in it: their names, and what went wrong.

    A module that needs one of the absent ``extras`` is left out.
    """
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as e:
        if e.name is not None and e.name.split(".")[0] in extras:
            return [], []
        return [name], [f"import {name}: {type(e).__name__}: {e}"]
    except (Exception, SystemExit) as e:
        return [name], [f"import {name}: {type(e).__name__}: {e}"]
    names, wrong = [name], []
    for found in pkgutil.iter_modules(getattr(module, "__path__", []), f"{name}."):
        if not found.name.endswith(".__main__"):  # would run it
            more, failed = import_all(found.name, extras)
            names += more
            wrong += failed
    return names, wrong


def main(args: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module")
    parser.add_argument("--house", required=True, help="URL of the wheelhouse")
    parser.add_argument("--origin", nargs="*", default=[], help="distributions")
    parser.add_argument("--absent", nargs="*", default=[], help="modules")
    given = parser.parse_args(args)
    wrong = check_origins(given.origin, given.house) + check_absent(given.absent)
    names, failed = import_all(given.module, optional(given.module))
    for line in wrong + failed:
        print(f"isolated: {line}")
    print(f"isolated: {given.module}: {len(names) - len(failed)} modules imported")
    return bool(wrong or failed)


if __name__ == "__main__":
    sys.exit(main())
