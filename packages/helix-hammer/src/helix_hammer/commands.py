"""``helix train`` and ``helix eval``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
import helix_core as hx
from helix_core import files, platform

from . import config as configs
from . import language, report
from .corpus import load as load_corpus

_TRAIN_HELP = """Train a byte-level language model.

\b
Examples:
  helix train                                # five minutes on the standard library
  helix train --minutes 60 --name long
  helix train --data notes.txt --steps 500 --d-model 64
  helix train --resume runs/long             # after a kill: the same losses
"""


def _say(quiet: bool) -> Any:
    return (lambda text: None) if quiet else (lambda text: click.echo(text, err=True))


@click.command("train", help=_TRAIN_HELP)
@click.option("--data", type=click.Path(), help="A file or folder; any bytes will do.")
@click.option("--minutes", type=float, help="How long; turned into steps once. [5]")
@click.option("--steps", type=int, help="How many optimizer steps instead.")
@click.option("--name", help="Name of the run. [train]")
@click.option("--runs-dir", type=click.Path(path_type=Path), default=Path("runs"))
@click.option(
    "--resume", type=click.Path(path_type=Path), help="Run directory to go on."
)
@click.option("--device", help="cpu, numpy, ... [cpu]")
@click.option("--model", "model_name", help="A name from `helix plugins`. [mamba_lm]")
@click.option("--d-model", type=int, help="Width of the model.")
@click.option("--n-layers", type=int, help="Depth of the model.")
@click.option(
    "--set", "extra", multiple=True, metavar="KEY=VALUE", help="Model option."
)
@click.option("--batch", type=int)
@click.option("--length", type=int, help="Bytes in a training window.")
@click.option("--lr", type=float)
@click.option("--seed", type=int)
@click.option("--ema", type=float, help="Average the weights with this decay.")
@click.option("--eval-every", type=int)
@click.option("--save-every", type=int)
@click.option("--patience", type=int, help="Stop after this many bad evaluations.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def train(**options: Any) -> None:
    as_json = options["as_json"]
    say = _say(as_json)
    run, config = _run_and_config(options)
    trainer, corpus, config = language.start_run(config, run, say, not as_json)
    parameters = sum(p.aval.size for p in trainer.model.parameters())
    say(
        f"{config.model.name} with {parameters:,} parameters, {len(corpus.train):,} "
        f"training bytes of {corpus.files} files, {config.steps} steps, into {run}"
    )
    result = trainer.fit()
    trainer.model.eval()
    with hx.device(config.device):
        bits = language.bits_per_byte(
            trainer.model, corpus.validation, 4 * config.length, config.batch
        )
        sample = report.sample_text(trainer.model, b"def ", 400, config.seed)
    rates = [r["bytes_per_s"] for r in report.read_metrics(run) if "bytes_per_s" in r]
    trained = {
        "run": str(run),
        "step": result["step"],
        "reason": result["reason"],
        "parameters": parameters,
        "bytes_per_s": sorted(rates)[len(rates) // 2] if rates else 0.0,
        "sample": sample,
    }
    values = report.summary(corpus, bits, trained, platform.peak_rss())
    picture = report.plot_loss(run)
    files.write_json(run / "summary.json", values)
    if as_json:
        click.echo(json.dumps(values))
    else:
        if sample is not None:
            click.echo(f"\nSample:\n{sample}\n")
        report.table(values, f"Run {run}")
        click.echo(
            f"loss curve: {picture}"
            if picture
            else "no loss curve: pip install 'helix-hammer[plot]'"
        )
    if result["reason"].startswith("signal"):
        sys.exit(130)


def _run_and_config(options: dict[str, Any]) -> tuple[Path, configs.TrainConfig]:
    """The run directory, and its configuration: stored for a resume, else from options."""
    resume = options["resume"]
    if resume is not None:
        given = [k for k, v in options.items() if v not in (None, (), False)]
        extra = [k for k in given if k not in ("resume", "runs_dir", "as_json")]
        if extra:
            names = ", ".join("--" + k.replace("_", "-") for k in extra)
            raise configs.ConfigError(
                f"[resume] expected no other options, the run has its own; got {names}"
            )
        return resume, configs.read(resume)
    if options["minutes"] is not None and options["steps"] is not None:
        raise configs.ConfigError("[train] expected --minutes or --steps; got both")
    run = options["runs_dir"] / (options["name"] or "train")
    if (run / "config.json").exists():
        raise configs.ConfigError(
            f"[train] {run} exists. Hint: --resume {run} goes on with it, --name makes "
            "another"
        )
    model: dict[str, Any] = {}
    for key in ("d_model", "n_layers"):
        if options[key] is not None:
            model[key] = options[key]
    for item in options["extra"]:
        key, eq, text = item.partition("=")
        if not eq:
            raise configs.ConfigError(f"[train] expected --set KEY=VALUE; got {item!r}")
        try:
            model[key] = json.loads(text)
        except ValueError:
            model[key] = text
    values: dict[str, Any] = {
        k: options[k]
        for k in ("data", "minutes", "steps", "device", "batch", "length", "lr", "seed")
        if options[k] is not None
    }
    for k in ("ema", "eval_every", "save_every", "patience"):
        if options[k] is not None:
            values[k] = options[k]
    if "steps" in values:
        values["minutes"] = None
    if "data" in values:
        values["data"] = str(Path(values["data"]).resolve())
    values["model"] = {"name": options["model_name"] or "mamba_lm", "config": model}
    return run, configs.check(values)


@click.command("eval")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(), help="Other bytes than the run's own.")
@click.option("--which", default="latest", help="latest, best, or a step. [latest]")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def evaluate(run: Path, data: str | None, which: str, as_json: bool) -> None:
    """Bits per byte of a trained run, beside the compressors.

    \b
    Examples:
      helix eval runs/demo
      helix eval runs/demo --data notes.txt --which best --json
    """
    model, config, step = language.load_best(
        run, int(which) if which.isdigit() else which
    )
    corpus = load_corpus(data if data is not None else config.data)
    with hx.device(config.device):
        bits = language.bits_per_byte(
            model, corpus.validation, 4 * config.length, config.batch
        )
    facts = {"run": str(run), "step": step, "source": corpus.source}
    values = report.summary(corpus, bits, facts, platform.peak_rss())
    if as_json:
        click.echo(json.dumps(values))
    else:
        report.table(values, f"Run {run}, step {step}")
