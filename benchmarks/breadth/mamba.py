"""The Mamba's training step in bfloat16 products, beside float32 and autocast."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from ..case import Work
from ..sides import pytorch
from ..spine import mamba_model as mm
from ..spine import mamba_train as mt


def ours(variant: str) -> Work:
    return mt.ours(variant, "bfloat16")


def peer(variant: str) -> Work:
    """mambapy in float32, or in bfloat16 autocast, as the variant says."""
    torch = pytorch()
    model = mm.mambapy_model()
    autocast = "autocast" in variant

    def logits(x: Any) -> Any:
        with torch.autocast("cpu", torch.bfloat16) if autocast else nullcontext():
            return model(x).float()

    return mt.torch_work(model, logits, mm.mambapy_name)
