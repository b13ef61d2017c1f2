"""What a finished run shows: a table, a loss curve, a sample."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from helix_core import files

from . import measures


def summary(tested: np.ndarray, bits: float, facts: dict[str, Any]) -> dict[str, Any]:
    """Everything the closing table says, as plain values; all on the same bytes."""
    return {
        "validation_bytes": len(tested),
        "bits_per_byte": bits,
        "compressors": measures.compressed_bits(tested),
        "order_1_entropy": measures.conditional_entropy(tested, 1),
        "order_2_entropy": measures.conditional_entropy(tested, 2),
        **facts,
    }


def table(values: dict[str, Any], title: str) -> None:
    """Print the summary as a table."""
    from rich.console import Console
    from rich.table import Table

    t = Table(title=title, title_justify="left")
    t.add_column("on the same bytes")
    t.add_column("bits per byte", justify="right")
    rows = [(f"this model, {values['step']} steps", values["bits_per_byte"])]
    rows += list(values["compressors"].items())
    rows += [
        ("order-1 conditional entropy", values["order_1_entropy"]),
        ("order-2 conditional entropy", values["order_2_entropy"]),
    ]
    for i, (name, bits) in enumerate(rows):
        t.add_row(name, f"{bits:.3f}", style="bold" if i == 0 else None)
    console = Console()
    console.print(t)
    facts = [
        f"on {values['validation_bytes']:,} bytes",
        f"peak memory {values['peak_memory_bytes'] / 2**20:,.0f} MiB",
    ]
    if "bytes_per_s" in values:
        facts.insert(1, f"trained at {values['bytes_per_s']:,.0f} bytes/s")
    console.print("  ".join(facts))


def read_metrics(run_dir: Path) -> list[dict[str, Any]]:
    """Rows of ``metrics.jsonl``."""
    path = run_dir / "metrics.jsonl"
    return list(files.read_jsonl(path)) if path.exists() else []


def median_rate(run_dir: Path) -> float:
    """Bytes per second of the median training step."""
    rates = [r["bytes_per_s"] for r in read_metrics(run_dir) if "bytes_per_s" in r]
    return float(np.median(rates)) if rates else 0.0


def plot_loss(run_dir: Path) -> Path | None:
    """Write ``loss.png``; None where matplotlib is missing or there is nothing yet."""
    rows = read_metrics(run_dir)
    train = [(r["step"], r["loss"] / math.log(2.0)) for r in rows if "loss" in r]
    val = [
        (r["step"], r["val_bits_per_byte"]) for r in rows if "val_bits_per_byte" in r
    ]
    if not train:
        return None
    try:
        import matplotlib
    except ImportError:
        return None
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    fig, ax = plt.subplots(figsize=(7, 4), dpi=120)
    ax.plot(*zip(*train, strict=True), lw=0.6, alpha=0.45, label="training batch")
    width = max(1, len(train) // 50)
    if width > 1:
        means = [
            (train[i + width - 1][0], sum(v for _, v in train[i : i + width]) / width)
            for i in range(0, len(train) - width + 1, width)
        ]
        ax.plot(*zip(*means, strict=True), lw=1.6, label=f"mean of {width} batches")
    if val:
        ax.plot(*zip(*val, strict=True), "o-", ms=4, label="validation")
    ax.set_xlabel("step")
    ax.set_ylabel("bits per byte")
    ax.set_title(run_dir.name)
    ax.grid(alpha=0.3)
    ax.legend()
    fig.tight_layout()
    temporary = run_dir / ".loss.png"
    fig.savefig(temporary, format="png")
    plt.close(fig)
    path = run_dir / "loss.png"
    temporary.replace(path)
    return path


def sample_text(model: Any, prompt: bytes, count: int, seed: int) -> str | None:
    """Text continued by the model, if it can generate; fit for any terminal."""
    generate = getattr(model, "generate", None)
    if generate is None:
        return None
    out = bytes(
        int(b) & 255
        for b in generate(list(prompt), count, temperature=0.8, top_p=0.95, seed=seed)
    )
    text = (prompt + out).decode("utf-8", "replace")
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)
