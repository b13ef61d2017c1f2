"""``helix synth``: make data sets, read them back, make one sample again."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np
from helix_core import HelixError, plugins

from . import dataset, registry

_HELP = """Synthetic data that checks itself.

\b
Examples:
  helix synth list                           # generators, by modality
  helix synth list shapes                    # what its spec holds
  helix synth shapes -n 10000 --shards 8 --out shapes
  helix synth mqar -n 1000 --set pairs=16 --set length=128 --out recall
  helix synth verify shapes                  # every sample, read back
  helix synth replay shapes/manifest.json --sample 1234 -o sample.npz

A data set that was interrupted goes on when the same command is run again.
"""


def _fail(error: BaseException) -> click.ClickException:
    return click.ClickException(str(error))


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"expected NAME=VALUE; got {text!r}")
    try:
        return name.replace("-", "_"), json.loads(value)
    except ValueError:
        return name.replace("-", "_"), value


@contextmanager
def _progress(total: int, what: str, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar in a terminal, a line every ten seconds elsewhere, on standard error."""
    if quiet:
        yield lambda made: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn())
        with Progress(
            *columns, TimeRemainingColumn(), console=Console(stderr=True)
        ) as bar:
            task = bar.add_task(what, total=total)
            yield lambda made: bar.advance(task, made)
    else:
        done, told = 0, time.monotonic()

        def tell(made: int) -> None:
            nonlocal done, told
            done += made
            if time.monotonic() - told > 10:
                told = time.monotonic()
                click.echo(f"{what}: {done} of {total}", err=True)

        yield tell


def _make(name: str) -> click.Command:
    @click.command(name, help=_about(name))
    @click.option("-n", "count", type=click.IntRange(0), default=1000, help="[1000]")
    @click.option(
        "--out", type=click.Path(path_type=Path), required=True, help="Folder."
    )
    @click.option("--shards", type=click.IntRange(1), default=1, help="Files. [1]")
    @click.option(
        "--format",
        "sink",
        default="webdataset",
        help="webdataset, npz, parquet, arrow, huggingface. [webdataset]",
    )
    @click.option("--seed", type=click.IntRange(0), default=0, help="[0]")
    @click.option("--start", type=click.IntRange(0), default=0, help="First index. [0]")
    @click.option(
        "--set", "fields", multiple=True, help="A field of the spec: NAME=VALUE."
    )
    @click.option("--workers", type=click.IntRange(1), default=1, help="Processes. [1]")
    @click.option("--json", "as_json", is_flag=True, help="Print the manifest.")
    def make(
        count: int,
        out: Path,
        shards: int,
        sink: str,
        seed: int,
        start: int,
        fields: tuple[str, ...],
        workers: int,
        as_json: bool,
    ) -> None:
        begun = time.perf_counter()
        try:
            g = registry.generator(name, seed=seed, **dict(map(_option, fields)))
            with _progress(count, name, as_json) as tell:
                manifest = dataset.write(
                    g,
                    count,
                    out,
                    shards=shards,
                    sink=sink,
                    start=start,
                    workers=workers,
                    progress=tell,
                )
        except HelixError as e:
            raise _fail(e) from e
        if as_json:
            click.echo(json.dumps(manifest))
            return
        seconds = time.perf_counter() - begun
        click.echo(
            f"{count} samples of {name} in {shards} {sink} shard{'s' * (shards > 1)}, "
            f"all verified, in {seconds:.1f} s\nMerkle root {manifest['root']}\n"
            f"{out / dataset.MANIFEST}"
        )

    return make


def _about(name: str) -> str:
    """Help of a generator: its summary, its fields and an example."""
    g = plugins.load("generators", name)
    lines = [
        f"  {key}  {f}, {_shown(f.default)} by default: {f.meaning}"
        for key, f in g.fields.items()
    ]
    fields = "\n".join(lines) or "  (none)"
    first = next(iter(g.fields), None)
    more = f" --set {first}={_shown(g.fields[first].default)}" if first else ""
    return (
        f"{registry.generators()[name]}\n\n\b\nFields of the spec (--set):\n{fields}\n\n"
        f"\b\nExamples:\n  helix synth {name} -n 1000 --out data\n"
        f"  helix synth {name} -n 100000 --shards 8 --workers 2{more} --out data"
    )


def _shown(value: object) -> str:
    return json.dumps(list(value)) if isinstance(value, tuple) else str(value)


class _Synth(click.Group):
    """Its own commands, and one for each generator."""

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        found = super().get_command(ctx, name)
        if found is None:
            try:
                plugins.get("generators", name)
                found = _make(name)
            except HelixError as e:
                raise _fail(e) from e
        return found


@click.group("synth", cls=_Synth, help=_HELP)
def synth() -> None:
    pass


@synth.command("list")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_command(name: str | None, as_json: bool) -> None:
    """Generators by modality; with a NAME, the fields of its spec.

    \b
    Examples:
      helix synth list
      helix synth list mqar --json
    """
    try:
        if name:
            fields = plugins.load("generators", name).fields
            rows = {
                key: {"type": str(f), "default": f.default, "meaning": f.meaning}
                for key, f in fields.items()
            }
            click.echo(
                json.dumps(rows) if as_json else _about(name).replace("\b\n", "")
            )
            return
    except HelixError as e:
        raise _fail(e) from e
    found = [r for r in plugins.records("generators") if r.usable]
    if as_json:
        keys = [{"name": r.name, "modality": r.spec.modality, "summary": r.spec.summary}
                for r in found if r.spec]  # fmt: skip
        click.echo(json.dumps(keys))
        return
    by: dict[str, list[Any]] = {}
    for r in found:
        by.setdefault(r.spec.modality, []).append(r)
    for modality, records in by.items():
        click.echo(f"{modality} ({len(records)})")
        for r in records:
            click.echo(f"  {r.name:24}{r.spec.summary}")


@synth.command("verify")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def verify_command(folder: Path, as_json: bool) -> None:
    """Read a data set back: digests, Merkle root, and every sample by its verifier.

    Exits with 1 if something is wrong.

    \b
    Examples:
      helix synth verify shapes
    """
    try:
        manifest = dataset.read_manifest(folder)
        with _progress(manifest["n"], "verify", as_json) as tell:
            found = dataset.verify(folder, tell)
    except (HelixError, OSError) as e:
        raise _fail(e) from e
    if as_json:
        problems = [{"index": f.index, "problem": f.problem} for f in found]
        click.echo(json.dumps({"n": manifest["n"], "problems": problems}))
    else:
        for f in found[:20]:
            click.echo(f"sample {f.index}: {f.problem}" if f.index >= 0 else f.problem)
        click.echo(
            f"{len(found)} problems in {manifest['n']} samples"
            if found
            else f"{manifest['n']} samples as their spec promises\n"
            f"Merkle root {manifest['root']}"
        )
    if found:
        sys.exit(1)


@synth.command("replay")
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option("--sample", "index", type=click.IntRange(0), required=True, help="Index.")
@click.option("-o", "output", type=click.Path(path_type=Path), help="Write it as .npz.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def replay_command(
    manifest: Path, index: int, output: Path | None, as_json: bool
) -> None:
    """Make one sample again, and compare it with what was written.

    \b
    Examples:
      helix synth replay shapes/manifest.json --sample 1234
      helix synth replay shapes --sample 1234 -o sample.npz
    """
    try:
        sample = dataset.replay(manifest, index)
    except (HelixError, OSError) as e:
        raise _fail(e) from e
    if output:
        arrays: dict[str, Any] = {k: np.asarray(v) for k, v in sample.items()}
        np.savez(output, **arrays)
    shown = {k: _described(v) for k, v in sample.items()}
    if as_json:
        click.echo(json.dumps({"index": index, "fields": shown}))
        return
    click.echo(f"sample {index}: the bits that were written")
    for key, text in shown.items():
        click.echo(f"  {key}: {text}")


def _described(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    return value
