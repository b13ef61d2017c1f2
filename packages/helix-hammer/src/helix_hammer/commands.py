"""``helix train`` and ``helix eval``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import helix_core as hx
from click.core import ParameterSource
from helix_core import files, platform

from . import config as configs
from . import corpus as corpora
from . import language, report
from ._evaluation import evaluating
from .rundir import RunDir

Say = Callable[[str], None]
_EXIT = {"SIGINT": 130, "SIGTERM": 143}  # what shells report for them

_TRAIN_HELP = """Train a byte-level language model.

\b
Examples:
  helix train                                # five minutes on the standard library
  helix train --minutes 60 --name long
  helix train --data notes.txt --steps 500 --d-model 64
  helix train --device auto                  # where a step takes least, and why
  helix train --model stack_lm --set pattern="mamba*3 attention mamba*3"
  helix train --resume runs/long             # after a kill: the same losses

A run that was killed goes on from its newest valid checkpoint with the losses that it
would have had, bit for bit; before its first checkpoint it starts again from its stored
configuration.
"""

_NUMBERS: list[tuple[str, type, str]] = [
    ("--batch", int, "Windows in a batch."),
    ("--length", int, "Bytes in a training window."),
    ("--accumulate", int, "Batches to an optimizer step."),
    ("--lr", float, "Peak learning rate."),
    ("--warmup", int, "Steps of warm-up."),
    ("--weight-decay", float, "Of matrices; norms and biases have none."),
    ("--clip", float, "Largest global norm of the gradient."),
    ("--clip-value", float, "Largest magnitude of a gradient's element."),
    ("--ema", float, "Average the weights with this decay, such as 0.999."),
    ("--seed", int, "Of weights, batches and dropout."),
    ("--eval-every", int, "Steps between evaluations."),
    ("--save-every", int, "Steps between checkpoints."),
    ("--keep-last", int, "Checkpoints that stay, beside the best."),
    ("--patience", int, "Stop after so many evaluations without improvement."),
]


def _number_options(command: Any) -> Any:
    for flag, kind, text in reversed(_NUMBERS):
        field = configs.TrainConfig.model_fields[flag[2:].replace("-", "_")]
        shown = f" [{field.default}]" if field.default else ""
        command = click.option(flag, type=kind, help=text + shown)(command)
    return command


@click.command("train", help=_TRAIN_HELP)
@click.option("--data", type=click.Path(), help="A file or folder; any bytes will do.")
@click.option("--minutes", type=float, help="How long; turned into steps once. [5]")
@click.option("--steps", type=int, help="How many optimizer steps instead.")
@click.option("--name", help="Name of the run. [train, train-2, ...]")
@click.option(
    "--runs-dir",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    help="Where runs are. [runs]",
)
@click.option("--resume", type=click.Path(path_type=Path), help="Go on with this run.")
@click.option("--device", help="cpu, opencl:0, ... of `helix devices`, or auto. [cpu]")
@click.option("--model", help="A model of `helix plugins`. [mamba_lm]")
@click.option("--d-model", type=int, help="Width of the model.")
@click.option("--n-layers", type=int, help="Depth of the model.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Setting of the model; of others with schedule.KEY=VALUE, optimizer.KEY=VALUE.",
)
@_number_options
@click.option("--optimizer", help="adamw, sgd, ...: see `helix plugins`. [adamw]")
@click.option(
    "--schedule",
    help="constant, cosine, wsd, ...: see `helix plugins`. [cosine]",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16"]),
    help="What products are computed in; all else is float32. [fp32]",
)
@click.option("--callback", "callbacks", multiple=True, help="A callback by name.")
@click.option("--logger", "loggers", multiple=True, help="A metrics logger by name.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_context
def train(ctx: click.Context, /, **options: Any) -> None:
    given = {
        k: v
        for k, v in options.items()
        if ctx.get_parameter_source(k) is ParameterSource.COMMANDLINE
    }
    as_json = bool(given.pop("as_json", False))
    done = _train(given, options["runs_dir"], as_json)
    if done["reason"].startswith("signal "):
        ctx.exit(_EXIT[done["reason"].split()[1]])


def _train(given: dict[str, Any], runs_dir: Path, as_json: bool) -> dict[str, Any]:
    """Train as the options say; everything that may be wrong with them comes first."""

    def say(text: str) -> None:
        if not as_json:
            click.echo(text, err=True)

    path, config = _run_and_config(given, runs_dir)
    if config.device != "auto":
        hx.Device(config.device).backend  # noqa: B018  (an error lists the usable)
    say(f"reading {config.data or 'the Python standard library'}")
    corpus, config = language.read_data(config)
    config = language.choose_device(config, corpus, say)
    with hx.device(config.device):
        language.make_trainer(config, corpus)
        run = RunDir(
            path,
            keep_last=config.keep_last,
            keep_best=config.keep_best,
            metric=language.METRIC,
        )
        with run.lock():
            if "resume" not in given:
                _expect_new(path)
                configs.write(path, config)
            if not config.planned:
                config = _planned(run, config, corpus, say)
            trainer = language.make_trainer(config, corpus, run, progress=not as_json)
            parameters = sum(p.aval.size for p in trainer.model.parameters())
            say(
                f"{config.model.name} with {parameters:,} parameters, "
                f"{len(corpus.train):,} training bytes of {corpus.files} files, "
                f"{config.steps} steps, into {path}"
            )
            result = trainer.fit()
            facts = {k: result[k] for k in ("step", "reason")}
            facts = {"run": str(path), **facts, "parameters": parameters}
            if result["reason"].startswith("signal "):
                return _interrupted(facts, as_json)
            with evaluating(trainer.model, trainer.ema):
                return _finish(trainer.model, config, corpus, facts, as_json)


def _run_and_config(
    given: dict[str, Any], runs_dir: Path
) -> tuple[Path, configs.TrainConfig]:
    """The run directory, and its configuration: stored for a resume, else from options."""
    if "resume" in given:
        extra = [k for k in given if k not in ("resume", "runs_dir")]
        if extra:
            flags = {p.name: p.opts[0] for p in train.params}
            names = ", ".join(flags[k] for k in extra)
            raise configs.ConfigError(
                f"[resume] expected no other options, the run has its own; got {names}"
            )
        return given["resume"], configs.read(given["resume"])
    if "minutes" in given and "steps" in given:
        raise configs.ConfigError("[train] expected --minutes or --steps; got both")
    values = {k: v for k, v in given.items() if k in configs.TrainConfig.model_fields}
    if "steps" in values:
        values["minutes"] = None
    if "data" in values:
        values["data"] = str(Path(values["data"]).resolve())
    for kind in ("callbacks", "loggers"):
        values[kind] = list(given.get(kind, ()))
    settings: dict[str, Any] = dict(map(_setting, given.get("settings", ())))
    for kind, usual in (("schedule", "cosine"), ("optimizer", "adamw")):
        own = {k: settings.pop(k) for k in list(settings) if k.startswith(f"{kind}.")}
        own = {k.removeprefix(f"{kind}."): v for k, v in own.items()}
        values[kind] = {"name": given.get(kind, usual), "config": own}
    settings |= {k: given[k] for k in ("d_model", "n_layers") if k in given}
    values["model"] = {"name": given.get("model", "mamba_lm"), "config": settings}
    config = configs.check(values)
    path = _path(given.get("name"), runs_dir)
    _expect_new(path)
    return path, config


def _setting(text: str) -> tuple[str, Any]:
    key, eq, value = text.partition("=")
    if not eq:
        raise configs.ConfigError(f"[train] expected --set KEY=VALUE; got {text!r}")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _path(name: str | None, runs_dir: Path) -> Path:
    """``runs_dir/name``; without a name, the first of train, train-2, ... that is free."""
    if name is not None:
        if name in ("", ".", "..") or Path(name).name != name:
            raise configs.ConfigError(
                f"[train] expected a --name without folders; got {name!r}. Hint: "
                "--runs-dir chooses the folder"
            )
        return runs_dir / name
    free, k = runs_dir / "train", 2
    while free.exists():
        free, k = runs_dir / f"train-{k}", k + 1
    return free


def _expect_new(path: Path) -> None:
    if (path / "config.json").exists():
        raise configs.ConfigError(
            f"[train] {str(path)!r} exists. Hint: --resume {path} goes on with it, "
            "--name makes another"
        )


def _planned(
    run: RunDir, config: configs.TrainConfig, corpus: corpora.Corpus, say: Say
) -> configs.TrainConfig:
    """The configuration with nothing left to choose, on the disk before the first step."""
    if run.store.steps():
        raise configs.ConfigError(
            f"[resume] expected the steps, eval_every and save_every that the run began "
            f"with; {str(run.path / 'config.json')!r} was changed. Hint: each checkpoint "
            "holds a copy, in state.json"
        )
    config = language.plan(config, corpus, say)
    configs.write(run.path, config)
    return config


def _interrupted(facts: dict[str, Any], as_json: bool) -> dict[str, Any]:
    if as_json:
        click.echo(json.dumps(facts))
    else:
        name = facts["reason"].split()[1]
        click.echo(
            f"stopped by {name} after step {facts['step']}; go on with: helix train "
            f"--resume {facts['run']}",
            err=True,
        )
    return facts


def _finish(
    model: Any,
    config: configs.TrainConfig,
    corpus: corpora.Corpus,
    facts: dict[str, Any],
    as_json: bool,
) -> dict[str, Any]:
    """Evaluate, sample, and write summary and loss curve."""
    path = Path(facts["run"])
    bits, count = language.bits_per_byte(
        model,
        corpus.validation,
        4 * config.length,
        config.batch,
        seconds=max(60.0, 6.0 * (config.minutes or 0.0)),
    )
    facts["sample"] = report.sample_text(model, b"def ", 400, config.seed)
    facts["bytes_per_s"] = report.median_rate(path)
    values = report.summary(corpus.validation[: count + 1], bits, facts)
    values["peak_memory_bytes"] = platform.peak_rss()
    files.write_json(path / "summary.json", values)
    picture = report.plot_loss(path)
    if as_json:
        click.echo(json.dumps(values))
        return values
    if facts["sample"] is not None:
        code = sys.stdout.encoding or "utf-8"  # an old terminal may lack some letters
        click.echo(
            f"\nSample:\n{facts['sample']}\n".encode(code, "replace").decode(code)
        )
    report.table(values, f"Run {path}")
    if picture is None:
        click.echo("no loss curve. Hint: pip install 'helix-hammer[plot]'")
    else:
        click.echo(f"loss curve: {picture}")
    return values


@click.command("eval")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(), help="Other bytes than the run's own.")
@click.option("--which", default="latest", help="latest, best, or a step. [latest]")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many bytes.")
@click.option("--device", help="Default the one that the run was trained on.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def evaluate(
    run: Path,
    data: str | None,
    which: str,
    limit: int | None,
    device: str | None,
    as_json: bool,
) -> None:
    """Bits per byte of a trained run, beside the compressors.

    Without --data on the run's validation bytes, with it on all bytes of that file or
    folder.

    \b
    Examples:
      helix eval runs/train
      helix eval runs/train --data notes.txt --which best --json
    """
    step = int(which) if which.isdigit() else which
    model, config, found = language.load_model(run, step, device)
    if data is None:
        corpus, _ = language.read_data(config)
        tested = corpus.validation
    else:
        corpus = corpora.load(data)
        tested = corpora.joined(corpus)
    tested = tested if limit is None else tested[: limit + 1]
    bits, _ = language.bits_per_byte(model, tested, 4 * config.length, config.batch)
    facts = {"run": str(run), "step": found, "source": corpus.source}
    values = report.summary(tested, bits, facts)
    values["peak_memory_bytes"] = platform.peak_rss()
    if as_json:
        click.echo(json.dumps(values))
    else:
        report.table(values, f"Run {run}, step {found}")
