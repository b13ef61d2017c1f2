"""``helix plugins`` and ``helix devices``."""

from __future__ import annotations

import json
from typing import Any

import click

from .. import plugins
from ..contracts import BackendSpec
from ._table import show

# device kinds that no package here serves yet: what would bring them
MISSING = {
    "opencl": "an OpenCL backend",
    "cuda": "a CUDA backend",
    "vulkan": "a WebGPU backend",
    "torch": "a torch backend",
    "xla": "a JAX backend",
}


@click.command("plugins")
@click.option("--kind", help="Only this kind: backends, models, ...")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def plugins_command(kind: str | None, as_json: bool) -> None:
    """Every plugin: kind, name, state, distribution.

    \b
    Examples:
      helix plugins
      helix plugins --kind backends --json
      HELIX_TRACE=plugins helix plugins       # what is imported, and when
    """
    found = plugins.records(kind)
    if as_json:
        click.echo(json.dumps([r.as_dict() for r in found], indent=2))
        return
    show(
        ("kind", "name", "state", "distribution", "about"),
        [
            (
                r.kind,
                r.name,
                r.state,
                f"{r.distribution} {r.version}",
                r.reason or getattr(r.spec, "summary", ""),
            )
            for r in found
        ],
    )


def device_rows() -> list[dict[str, Any]]:
    """One row per device, or per backend that offers none, with the reason."""
    rows: list[dict[str, Any]] = []
    served: set[str] = set()
    for r in plugins.records("backends"):
        kinds = r.spec.kinds if isinstance(r.spec, BackendSpec) else ()
        row = {
            "backend": r.name,
            "distribution": r.distribution,
            "device": "",
            "memory": 0,
        }
        try:
            backend = plugins.load("backends", r.name)() if r.usable else None
            infos = backend.devices() if backend is not None else []
        except Exception as e:
            rows.append({**row, "state": "broken", "about": f"{type(e).__name__}: {e}"})
            continue
        if backend is None:
            rows.append({**row, "state": r.state, "about": r.reason})
        for kind in kinds if infos else ():
            served.add(kind)
            for info in infos:
                name = kind if kind in ("cpu", "numpy") else f"{kind}:{info.index}"
                best = plugins.providers(kind)[0].name == r.name
                rows.append(
                    {
                        **row,
                        "device": name,
                        "memory": info.memory,
                        "state": "ready" if best else "shadowed",
                        "about": f"{info.name}; {info.driver}",
                    }
                )
    for kind, what in MISSING.items():
        if kind not in served:
            rows.append(
                {
                    "backend": "-",
                    "distribution": "-",
                    "device": f"{kind}:0",
                    "memory": 0,
                    "state": "missing",
                    "about": f"no installed package offers {what}",
                }
            )
    return rows


@click.command("devices")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def devices_command(as_json: bool) -> None:
    """The devices of this machine; and why each missing one is missing.

    \b
    Examples:
      helix devices
      helix devices --json
    """
    rows = device_rows()
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    show(
        ("device", "backend", "state", "memory", "about"),
        [
            (
                r["device"] or "-",
                r["backend"],
                r["state"],
                f"{r['memory'] / 2**30:.1f} GiB" if r["memory"] else "-",
                r["about"],
            )
            for r in rows
        ],
    )
