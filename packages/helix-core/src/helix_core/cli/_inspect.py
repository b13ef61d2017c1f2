"""``helix plugins`` and ``helix devices``."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import click

from .. import plugins
from ..plugins._environment import listed
from ._probe import ProbeError, ask, device_name, survey
from ._table import show

# device kinds of helix-hal, for where it is not installed: the extras that bring them
EXTRAS = {
    "opencl": "opencl",
    "cuda": "cuda",
    "vulkan": "webgpu",
    "torch": "torch",
    "xla": "xla",
}


@click.command("plugins")
@click.option("--kind", help="Only this kind: backends, models, ...")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON, with tracebacks.")
def plugins_command(kind: str | None, as_json: bool) -> None:
    """Every plugin: kind, name, state, distribution.

    \b
    Examples:
      helix plugins
      helix plugins --kind backends --json
      HELIX_TRACE=plugins helix plugins       # what is imported, and when
      HELIX_PLUGINS= helix plugins            # helix-core's own only
      HELIX_DISABLE_PLUGINS=a,b helix plugins # all but these
    """
    # what plugins print is no part of the answer; what is warned about is in it
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore", plugins.HelixPluginWarning)
        try:
            found = plugins.records(kind)
        except plugins.PluginUnavailable:
            raise
        except plugins.PluginError as e:
            if kind is None or not str(e).startswith("[plugins] expected a kind"):
                raise
            raise click.BadParameter(str(e), param_hint="--kind") from None
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
                r.origin,
                (r.reason + (f". Hint: {r.hint}" if r.hint else ""))
                or getattr(r.spec, "summary", ""),
            )
            for r in found
        ],
    )
    if "plugins" in (listed("HELIX_TRACE") or ()):
        for r in found:
            if r.traceback:
                click.echo(f"\n{r.entry} of {r.origin}:\n{r.traceback}", err=True)


def device_rows(timeout: float = 30.0) -> list[dict[str, Any]]:
    """One row per device, and one per kind that is missing, with the reason."""
    found, bad = survey("backends", timeout=timeout)
    rows = [
        _device_row("-", b["distribution"], state="broken", about=b["reason"])
        for b in bad
    ]
    with ThreadPoolExecutor(max_workers=4) as pool:
        answers = list(pool.map(lambda r: _offers(r, timeout), found))
    best: dict[str, tuple[int, str]] = {}
    for r, answer in zip(found, answers, strict=True):
        for kind in _there(r, answer):
            rank = (-r["priority"], r["name"])
            best[kind] = min(best.get(kind, rank), rank)
    for r, answer in zip(found, answers, strict=True):
        rows += _rows_of(r, answer, best)
    known = {kind for r in found for kind in r["kinds"]}
    for kind, extra in EXTRAS.items():
        if kind not in known:
            about = "no package in use offers it"
            about += f". Hint: pip install 'helix-hal[{extra}]'"
            device = f"{kind}:0"
            row = _device_row("-", "-", device=device, state="missing", about=about)
            rows.append(row)
    return rows


def _there(r: dict[str, Any], answer: dict[str, Any]) -> set[str]:
    """The kinds that a backend has devices of."""
    kinds = [[d["kind"]] if d["kind"] else r["kinds"] for d in answer["devices"]]
    return {k for ks in kinds for k in ks}


def _device_row(backend: str, distribution: str, **facts: Any) -> dict[str, Any]:
    row = {"backend": backend, "distribution": distribution, "device": "", "memory": 0}
    return row | facts


def _offers(r: dict[str, Any], timeout: float) -> dict[str, Any]:
    """What a backend answers: its devices, else a state and the reason."""
    answer: dict[str, Any] = {"devices": []}
    if not r["usable"]:
        return answer | {"state": r["state"], "reason": r["reason"]}
    try:
        answer = ask("devices", f"{r['distribution']}:{r['name']}", timeout=timeout)
    except ProbeError as e:
        return answer | {"state": "broken", "reason": str(e)}
    if not answer["devices"] and not answer["reason"]:
        answer |= {"state": "unsupported", "reason": "it has no device here"}
    return answer


def _rows_of(
    r: dict[str, Any], answer: dict[str, Any], best: dict[str, tuple[int, str]]
) -> list[dict[str, Any]]:
    """Rows of one backend: its devices, or why there are none."""
    own = (r["name"], r["distribution"])
    if not answer["devices"]:
        lost = next((k for k in r["kinds"] if k not in best), "")
        name = device_name(lost, "0") if lost else ""
        state, about = answer["state"], answer["reason"]
        return [_device_row(*own, device=name, state=state, about=about)]
    return [
        _device_row(
            *own,
            device=device_name(kind, info["index"]),
            memory=info["memory"],
            state="ready" if best[kind][1] == r["name"] else "shadowed",
            about="; ".join(t for t in (info["name"], info["driver"]) if t),
        )
        for kind in r["kinds"]
        for info in answer["devices"]
        if info["kind"] in ("", kind)
    ]


@click.command("devices")
@click.option("--profile", is_flag=True, help="What each was measured to do.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def devices_command(profile: bool, as_json: bool) -> None:
    """The devices of this machine; and why each missing one is missing.

    \b
    Examples:
      helix devices
      helix devices --profile   # FLOP/s, bytes/s; measured the first time
      helix devices --json
    """
    if profile:
        _profiles(as_json)
        return
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


def _profiles(as_json: bool) -> None:
    """What each device was measured to do, or why it cannot be used."""
    from .._survey import survey as measured

    with contextlib.redirect_stdout(sys.stderr):
        found = measured()
    if as_json:
        rows = [
            {
                "device": f.name,
                "profile": f.profile and asdict(f.profile),
                "about": f.why,
            }
            for f in found
        ]
        click.echo(json.dumps(_finite(rows), indent=2))
        return
    show(
        ("device", *(title for title, _ in _FIGURES), "about"),
        [
            (
                f.name,
                *(_figure(get(f.profile)) if f.profile else "-" for _, get in _FIGURES),
                f.why,
            )
            for f in found
        ],
    )


_FIGURES: tuple[tuple[str, Callable[[Any], float | None]], ...] = (
    ("float32 GFLOP/s", lambda p: _billions(p.flops.get("float32"))),
    ("bfloat16", lambda p: _billions(p.flops.get("bfloat16"))),
    ("float64", lambda p: _billions(p.flops.get("float64"))),
    ("GB/s", lambda p: _billions(p.bandwidth)),
    ("op us", lambda p: p.launch * 1e6),
    ("compiled op us", lambda p: p.replay * 1e6 if p.replay >= 0 else None),
    ("link us", lambda p: p.link_latency * 1e6),
    ("link GB/s", lambda p: _billions(p.link_bandwidth)),
)


def _billions(value: float | None) -> float | None:
    return None if value is None else value / 1e9


def _figure(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.3g}"


def _finite(value: Any) -> Any:
    """For JSON, which has no infinity."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
