"""Norms and softmax over the rows of a matrix, forward and backward."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ..case import Work
from ..sides import helix, helix_gradients, normal, pytorch, torch_gradients

EPS = 1e-5


def _problem(variant: str, *weights: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    n, d = map(int, re.findall(r"\d+", variant)[:2])
    rng = np.random.default_rng(0)
    inputs = {"x": normal(rng, n, d), **{w: normal(rng, d) for w in weights}}
    return inputs, normal(rng, n, d)


def _ours(
    op: Callable[[Any], Callable[..., Any]], *weights: str
) -> Callable[[str], Work]:
    return lambda v: helix_gradients(op(helix()), *_problem(v, *weights))


def _peer(
    op: Callable[[Any], Callable[..., Any]], *weights: str
) -> Callable[[str], Work]:
    return lambda v: torch_gradients(
        op(pytorch().nn.functional), *_problem(v, *weights)
    )


rms_norm = _ours(lambda hx: lambda x, w: hx.rms_norm(x, w, EPS), "weight")
rms_norm_peer = _peer(lambda F: lambda x, w: F.rms_norm(x, w.shape, w, EPS), "weight")

layer_norm = _ours(
    lambda hx: lambda x, w, b: hx.layer_norm(x, w, b, EPS), "weight", "bias"
)
layer_norm_peer = _peer(
    lambda F: lambda x, w, b: F.layer_norm(x, w.shape, w, b, EPS), "weight", "bias"
)

softmax = _ours(lambda hx: hx.softmax)
softmax_peer = _peer(lambda F: lambda x: F.softmax(x, -1))
