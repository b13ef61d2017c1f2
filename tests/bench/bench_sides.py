"""Factories of small work for the harness's own tests."""

from __future__ import annotations

import os
import time

import numpy as np

from benchmarks.case import Work


def _values(array: list[float]) -> Work:
    return Work(lambda: array, lambda out: {"y": np.array(out)})


def right(variant: str) -> Work:
    return _values([1.0, 2.0])


def nearly(variant: str) -> Work:
    return _values([1.0, 2.0 + 1e-6])


def wrong(variant: str) -> Work:
    return _values([1.0, 2.1])


def slow(variant: str) -> Work:
    def call() -> list[float]:
        time.sleep(0.02)
        return [1.0, 2.0]

    return Work(call, lambda out: {"y": np.array(out)})


def second_call_fails(variant: str) -> Work:
    calls = []

    def call() -> list[float]:
        calls.append(1)
        if len(calls) > 1:
            raise AssertionError("called again")
        time.sleep(0.02)
        return [1.0, 2.0]

    return Work(call, lambda out: {"y": np.array(out)})


def half_a_second(variant: str) -> Work:
    return Work(lambda: None, sample=lambda: 0.5, note=lambda: f"note on {variant}")


def raises(variant: str) -> Work:
    raise ValueError("no such peer")


def dies(variant: str) -> Work:
    return Work(lambda: os._exit(7))


def environment(variant: str) -> Work:
    return Work(lambda: dict(os.environ))


def _holds(mib: int) -> Work:
    def call() -> list[float]:
        np.ones(mib << 17)  # float64: 8 bytes each
        return [float(mib > 0)]

    return Work(call, lambda out: {"y": np.array(out)})


def holds_16_mib(variant: str) -> Work:
    return _holds(16)


def holds_64_mib(variant: str) -> Work:
    return _holds(64)
