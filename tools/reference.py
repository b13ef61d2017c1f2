"""The API reference: one page a topic, made from what the packages re-export.

``docs/conf.py`` calls `write` before a build. A public name that stands on no page, or
has no docstring, is an error: a name is public when its user can read what it does.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from tools.workspace import ROOT, packages

# of the names that helix_core re-exports: title, the private files they come from
CORE = (
    ("Tensors", "_tensor _create _dtypes _device _errors _dlpack"),
    ("Choosing a device", "_auto _profile _cost _fallback _survey"),
    ("Elementwise functions", "_ops _elementary"),
    ("Activations", "activations"),
    ("Moving elements", "_shape _pad _indexing _arrange linalg"),
    ("Reductions and scans", "_reduce"),
    ("Sorting, searching, sets", "_sort _sets"),
    ("Products", "_contract"),
    ("Convolution and windows", "_conv"),
    ("Composites", "_composites _composite _precision"),
    ("Gradients", "_grad _tape _state"),
    ("Tracing and control flow", "_traced _control _graph _primitive _kernels _aval"),
    ("Random numbers", "_random"),
    ("Modules and parameters", "_module _cell _tree"),
    ("Threads", "_threads"),
)
NAMESPACES = (
    "fft linalg losses optim schedules init array_api files plugins contracts"
).split()
# modules of the other packages that users import by themselves
MODULES = {
    "helix_multimodal": (
        "tensors.image tensors.presets tensors.resize tensors.audio tensors.stft "
        "tensors.mel tensors.whisper tensors.resample tensors.video tensors.points "
        "tensors.neighbours tensors.text tensors.pack align fusion"
    ).split(),
    "helix_synth": "distributions dataset".split(),
}
# an axis written *batch is not emphasis; what stands in backticks stays as it is
STAR = re.compile(r"(``.*?``|`.*?`)|(?<=[\s(,\[])\*(?=[a-z])")


class Page(NamedTuple):
    """One page: where it lies under ``docs/api``, its title, and what stands on it."""

    path: str
    title: str
    intro: str
    names: tuple[str, ...]


class DocsError(Exception):
    """The reference has a hole."""


def exports(module: Any) -> dict[str, str]:
    """Public names of a module, and the module each comes from."""
    where = Path(inspect.getfile(module))
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(where.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.asname and not alias.asname.startswith("_"):
                    found[alias.asname] = node.module or alias.name
    listed = getattr(module, "__all__", None)
    if listed is not None:
        found = {n: found.get(n, "") for n in listed}
    elif not found:
        found = {
            n: ""
            for n, v in vars(module).items()
            if not n.startswith("_") and getattr(v, "__module__", "") == module.__name__
        }
    return {n: m for n, m in found.items() if not n.startswith("_")}


def pages() -> list[Page]:
    """Every page, in reading order; each object stands on the first that has it."""
    out = [*_core()]
    for name in NAMESPACES:
        module = _namespace(name)
        if module is not None:
            full = f"helix_core.{name}"
            out.append(_page(f"core/{name}", full, module, full))
    for p in packages():
        if p.module != "helix_core":
            module = importlib.import_module(p.module)
            short = p.module.removeprefix("helix_")
            out.append(_page(short, p.name, module, p.module))
            for name in MODULES.get(p.module, ()):
                full = f"{p.module}.{name}"
                path = f"{short}/{name.replace('.', '-')}"
                out.append(_page(path, full, importlib.import_module(full), full))
    seen: set[int] = set()
    kept = []
    for page in out:
        names = [n for n in page.names if _once(resolve(n), seen)]
        kept.append(page._replace(names=tuple(names)))
    return [p for p in kept if p.names]


def _once(obj: Any, seen: set[int]) -> bool:
    """Whether it is no module and not seen before (a constant may be: 1 is 1)."""
    if inspect.ismodule(obj):
        return False
    shared = inspect.isclass(obj) or inspect.isroutine(obj)
    new = not shared or id(obj) not in seen
    seen.add(id(obj))
    return new


def _core() -> list[Page]:
    import helix_core

    names = exports(helix_core)
    left = {
        n: m for n, m in names.items() if not inspect.ismodule(getattr(helix_core, n))
    }
    out = []
    for title, files in CORE:
        mine = [n for n, m in left.items() if m.split(".")[0] in files.split()]
        path = "core/" + title.lower().replace(",", "").replace(" ", "-")
        for n in mine:
            del left[n]
        full = tuple(f"helix_core.{n}" for n in sorted(mine, key=str.lower))
        out.append(Page(path, title, "", full))
    if left:
        raise DocsError(
            f"[docs] expected a page for every public name; none has "
            f"{', '.join(f'{n} (of {m})' for n, m in left.items())}. Hint: name the file "
            "in CORE of tools/reference.py"
        )
    return out


def _namespace(name: str) -> Any:
    import helix_core

    return getattr(helix_core, name, None)


def _page(path: str, title: str, module: Any, prefix: str) -> Page:
    names = sorted(exports(module), key=str.lower)
    return Page(
        path,
        title,
        inspect.getdoc(module) or "",
        tuple(f"{prefix}.{n}" for n in names),
    )


def resolve(name: str) -> Any:
    """The object of a dotted public name."""
    first, *rest = name.split(".")
    found = importlib.import_module(first)
    for part in rest:
        found = getattr(found, part)
    return found


def holes() -> list[str]:
    """Public names without a docstring."""
    return [
        name
        for page in pages()
        for name in page.names
        if not (inspect.getdoc(resolve(name)) or "").strip()
    ]


def write(folder: Path = ROOT / "docs" / "api") -> None:
    """Write the pages anew."""
    missing = holes()
    if missing:
        raise DocsError(
            f"[docs] expected a docstring of every public name; {', '.join(missing)} "
            "have none"
        )
    shutil.rmtree(folder, ignore_errors=True)
    found = pages()
    for page in found:
        to = folder / f"{page.path}.rst"
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(_text(page), encoding="utf-8")
    tree = ["API reference", "=============", "", ".. toctree::", "   :maxdepth: 1", ""]
    tree += [f"   {page.title} <{page.path}>" for page in found]
    (folder / "index.rst").write_text("\n".join([*tree, ""]), encoding="utf-8")


def _text(page: Page) -> str:
    lines = [page.title, "=" * len(page.title), ""]
    if page.intro:
        lines += [escape_stars(line) for line in page.intro.splitlines()] + [""]
    for name in page.names:
        obj = resolve(name)
        lines += [f".. {_directive(obj)}:: {name}"]
        if inspect.isclass(obj):
            lines += ["   :members:"]
        lines += [""]
    return "\n".join(lines)


def escape_stars(line: str) -> str:
    """A line of a docstring without accidental emphasis."""
    if line.lstrip().startswith((">>>", "...")):
        return line
    return STAR.sub(lambda m: m.group(1) or r"\*", line)


def _directive(obj: Any) -> str:
    if inspect.isclass(obj):
        return "autoexception" if issubclass(obj, BaseException) else "autoclass"
    return "autofunction" if inspect.isroutine(obj) else "autodata"
