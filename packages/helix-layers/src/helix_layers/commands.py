"""``helix generate``."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import click
import helix_core as hx
from helix_core import files, plugins

from ._check import LayerError
from ._pretrained import from_transformers


def load_run(path: Path, which: str = "latest", device: str | None = None) -> Any:
    """The model of a run directory, or of a folder that transformers saved.

    Raises
    ------
    LayerError
        If it is neither.
    """
    config = path / "config.json"
    values = files.read_json(config) if config.is_file() else {}
    if "model_type" in values:
        return from_transformers(path, device=device)
    model = values.get("model")
    if not isinstance(model, dict) or "name" not in model:
        raise LayerError(
            f"[generate] expected a run directory of `helix train`, or a folder saved by "
            f"transformers; got {str(path)!r}"
        )
    with hx.device(device or values.get("device", "cpu")):
        built = plugins.load("models", model["name"])(model.get("config", {}))
    store = files.CheckpointStore(path / "ckpt", metric="bits_per_byte", mode="min")
    ckpt = store.load(int(which) if which.isdigit() else which)
    built.load_state_dict(ckpt.arrays.get("ema") or ckpt.arrays["model"])
    return built.eval()


@click.command("generate")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--prompt", default="def ", help="Text to continue. ['def ']")
@click.option("-n", "--count", default=400, help="Bytes to make. [400]")
@click.option("--temperature", default=0.8, help="0 is greedy. [0.8]")
@click.option("--top-k", type=int, help="Only the k most probable bytes.")
@click.option("--top-p", type=float, help="Only the most probable bytes of this share.")
@click.option("--seed", default=0, help="The same seed gives the same text. [0]")
@click.option("--which", default="latest", help="latest, best, or a step. [latest]")
@click.option("--device", help="Default the one that the run was trained on.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON, at the end.")
def generate(run: Path, **o: Any) -> None:
    """Continue a prompt with a trained byte-level model.

    \b
    Examples:
      helix generate runs/demo
      helix generate runs/demo --prompt "class " -n 200 --temperature 0
      helix generate runs/demo --top-p 0.9 --seed 7 --json
    """
    if o["count"] < 1:
        raise LayerError(f"[generate] expected --count >= 1; got {o['count']}")
    model = load_run(run, o["which"], o["device"])
    if not hasattr(model, "stream"):
        raise LayerError(
            f"[generate] expected a language model; got {type(model).__name__}"
        )
    prompt = o["prompt"].encode()
    size = getattr(getattr(model, "config", None), "vocab_size", 256)
    if size > 256:
        raise LayerError(
            f"[generate] expected a byte-level model (vocab_size <= 256); got {size}"
        )
    ids = model.stream(prompt, o["temperature"], o["top_k"], o["top_p"], o["seed"])
    start = time.perf_counter()
    out = bytearray()
    if not o["as_json"]:
        write(prompt)
    for i in ids:
        out.append(i)
        if not o["as_json"]:
            write(bytes([i]))
        if len(out) == o["count"]:
            break
    seconds = time.perf_counter() - start
    rate = len(out) / seconds
    if o["as_json"]:
        text = (prompt + bytes(out)).decode("utf-8", "replace")
        values = {"prompt": o["prompt"], "text": text, "bytes_per_s": rate}
        click.echo(json.dumps(values))
    else:
        click.echo()
        click.echo(f"{rate:,.0f} bytes/s", err=True)


def write(data: bytes) -> None:
    """Raw bytes to the terminal at once: a model's text need not be UTF-8."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
