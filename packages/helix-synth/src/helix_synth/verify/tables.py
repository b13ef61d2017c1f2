"""Verifiers of tables: rules row by row, and columns against their laws."""

from __future__ import annotations

import math

import numpy as np

from ._checks import Problems, Sample, Spec


def _normal(p: Problems, z: np.ndarray, what: str) -> None:
    n = z.size
    p.unless(np.abs(z) < 7, f"{what}: {np.abs(z).max():.1f} deviations")
    if n >= 12:
        p.unless(abs(z.mean()) * math.sqrt(n) < 5.5, f"{what}: mean {z.mean():.3f}")
        ratio = math.log(max(float((z * z).mean()), 1e-300))
        slack = 5.5 * math.sqrt(2 / n) + 12 / n
        p.unless(abs(ratio) < slack, f"{what}: variance {math.exp(ratio):.3f}")


def regression(spec: Spec, sample: Sample) -> list[str]:
    n, f, noise = spec["rows_count"], spec["features"], spec["noise"]
    p = Problems()
    good = p.names(sample, "x", "y", "weights", "bias")
    good &= p.array(sample, "x", "float64", (n, f))
    good &= p.array(sample, "y", "float64", (n,))
    good &= p.array(sample, "weights", "float64", (f,), -3, 3)
    good &= p.number(sample, "bias", -2, 2)
    if not good:
        return p
    size = np.abs(sample["weights"])
    want = min(spec["informative"], f)
    p.unless(int((size >= 0.5).sum()) == want, f"weights: not {want} that matter")
    p.unless((size == 0) | (size >= 0.5), "weights: one between 0 and 0.5")
    _normal(p, sample["x"].reshape(-1), "x")
    error = sample["y"] - sample["x"] @ sample["weights"] - sample["bias"]
    if noise > 1e-6:
        _normal(p, error / noise, "noise")
    else:
        p.unless(np.abs(error) < 1e-9 + 7 * noise, "y: not of the model")
    return p


def blobs(spec: Spec, sample: Sample) -> list[str]:
    n, f, k = spec["rows_count"], spec["features"], spec["centres_count"]
    p = Problems()
    good = p.names(sample, "x", "labels", "centres")
    good &= p.array(sample, "x", "float64", (n, f))
    good &= p.array(sample, "labels", "int32", (n,), 0, k - 1)
    good &= p.array(sample, "centres", "float64", (k, f), -5, 5)
    if not good:
        return p
    away = (sample["x"] - sample["centres"][sample["labels"]]) / spec["spread"]
    _normal(p, away.reshape(-1), "x")
    for c in range(k):
        own = away[sample["labels"] == c]
        if len(own) >= 4:
            z = np.abs(own.mean(0)) * math.sqrt(len(own))
            p.unless(z < 6, f"cluster {c}: not around its centre")
    return p


def records(spec: Spec, sample: Sample) -> list[str]:
    n = spec["rows_count"]
    p = Problems()
    good = p.names(sample, "age", "plan", "income", "orders", "total", "active")
    good &= p.array(sample, "age", "int32", (n,), 18, 89)
    good &= p.array(sample, "plan", "int32", (n,), 0, 2)
    good &= p.array(sample, "income", "float64", (n,), 0)
    good &= p.array(sample, "orders", "int32", (n,), 0, 60)
    good &= p.array(sample, "total", "float64", (n,), 0)
    good &= p.array(sample, "active", "bool", (n,))
    if not good:
        return p
    age, plan, orders, total = (sample[c] for c in ("age", "plan", "orders", "total"))
    p.unless(~((age < 25) & (plan == 2)), "plan: 2 below the age of 25")
    p.unless(
        (total >= 10 * orders) & (total <= 30 * orders), "total: not of its orders"
    )
    p.unless(~sample["active"] | (orders > 0), "active: without orders")
    p.unless(sample["income"] > 0, "income: not positive")
    _normal(
        p,
        (np.log(np.maximum(sample["income"], 1e-300)) - 3 - age / 100) / 0.3,
        "income",
    )
    rate = 1 + 2 * plan
    slack = 6 * math.sqrt(rate.sum()) + 6
    p.unless(abs(orders.sum() - rate.sum()) < slack, "orders: not of their plans")
    p.unless(orders <= rate + 8 * np.sqrt(rate) + 6, "orders: far above their rate")
    mean = abs(age.mean() - 53.5) * math.sqrt(n) / 20.8
    p.unless(mean < 5.5, f"age: mean {age.mean():.1f}")
    return p
