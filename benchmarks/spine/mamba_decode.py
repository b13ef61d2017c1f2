"""Greedy generation of bytes, prompt included: the ids must be the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..case import Work
from ..sides import helix, pytorch
from . import mamba_model as mm

PROMPT, NEW = 64, 128


def ours(variant: str) -> Work:
    helix()
    model = mm.helix_model(lively=True)
    model.eval()
    prompt = mm.prompt(PROMPT).tolist()
    return Work(
        lambda: model.generate(prompt, NEW, temperature=0.0),
        lambda ids: {"ids": np.asarray(ids)},
    )


def peer(variant: str) -> Work:
    torch = pytorch()
    model = mm.transformers_model(lively=True).eval()
    prompt = torch.tensor(mm.prompt(PROMPT))[None]
    mask = torch.ones_like(prompt)

    def call() -> Any:
        return model.generate(
            prompt,
            attention_mask=mask,
            max_new_tokens=NEW,
            min_new_tokens=NEW,
            do_sample=False,
        )

    return Work(call, lambda ids: {"ids": ids[0, PROMPT:].numpy()})
