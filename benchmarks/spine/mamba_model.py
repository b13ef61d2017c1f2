"""One byte-level Mamba with the same weights on every side."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ..sides import normal

VOCAB, D_MODEL, LAYERS, D_STATE, D_CONV, EXPAND = 256, 256, 4, 16, 4, 2
D_INNER, RANK = EXPAND * D_MODEL, D_MODEL // 16
BATCH, LENGTH = 4, 512
EMBEDDING = "backbone.embeddings.weight"
LR, DECAY = 1e-3, 1e-2

CONFIG = {
    "architectures": ["MambaForCausalLM"],
    "model_type": "mamba",
    "vocab_size": VOCAB,
    "hidden_size": D_MODEL,
    "num_hidden_layers": LAYERS,
    "state_size": D_STATE,
    "conv_kernel": D_CONV,
    "expand": EXPAND,
    "intermediate_size": D_INNER,
    "time_step_rank": RANK,
    "layer_norm_epsilon": 1e-5,
    "tie_word_embeddings": True,
    "use_mambapy": False,  # the eager path: a loop over time
    "eos_token_id": None,
    "bos_token_id": None,
    "pad_token_id": 0,
}


# a fresh model repeats one byte for ever; with these factors it does not
LIVELY = {"in_proj.weight": 2.0, "x_proj.weight": 4.0, "out_proj.weight": 4.0}


def weights(lively: bool = False) -> dict[str, np.ndarray]:
    """Weights by transformers' names, drawn as the paper's code draws them.

    ``lively`` enlarges some, so that greedy generation visits many bytes.
    """
    rng = np.random.default_rng(0)

    def uniform(bound: float, *shape: int) -> np.ndarray:
        return rng.uniform(-bound, bound, shape)

    out: dict[str, Any] = {EMBEDDING: 0.02 * normal(rng, VOCAB, D_MODEL)}
    for i in range(LAYERS):
        at = f"backbone.layers.{i}"
        dt = np.exp(rng.uniform(np.log(1e-3), np.log(1e-1), D_INNER))
        out[f"{at}.norm.weight"] = np.ones(D_MODEL)
        out |= {
            f"{at}.mixer.{name}": value
            for name, value in {
                "in_proj.weight": uniform(D_MODEL**-0.5, 2 * D_INNER, D_MODEL),
                "conv1d.weight": uniform(D_CONV**-0.5, D_INNER, 1, D_CONV),
                "conv1d.bias": uniform(D_CONV**-0.5, D_INNER),
                "x_proj.weight": uniform(D_INNER**-0.5, RANK + 2 * D_STATE, D_INNER),
                "dt_proj.weight": uniform(RANK**-0.5, D_INNER, RANK),
                "dt_proj.bias": dt + np.log(-np.expm1(-dt)),
                "A_log": np.log(np.tile(np.arange(1.0, D_STATE + 1), (D_INNER, 1))),
                "D": np.ones(D_INNER),
                "out_proj.weight": uniform(D_INNER**-0.5, D_MODEL, D_INNER)
                / LAYERS**0.5,
            }.items()
        }
    out["backbone.norm_f.weight"] = np.ones(D_MODEL)
    for name in out if lively else ():
        out[name] = out[name] * LIVELY.get(".".join(name.split(".")[-2:]), 1.0)
    return {k: np.ascontiguousarray(v, np.float32) for k, v in out.items()}


def batch() -> tuple[np.ndarray, np.ndarray]:
    """Bytes and what follows each, (batch, time)."""
    rng = np.random.default_rng(1)
    text = rng.integers(0, VOCAB, (BATCH, LENGTH + 1))
    return text[:, :-1], text[:, 1:]


def prompt(length: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, VOCAB, length)


# ------------------------------------------------------------------------- the models
def helix_model(lively: bool = False) -> Any:
    """Ours, read from a folder as transformers writes them."""
    from helix_core.files import save_tensors
    from helix_layers import MambaLM

    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
        save_tensors(folder / "model.safetensors", weights(lively))
        return MambaLM.from_transformers(folder)


def transformers_model(lively: bool = False) -> Any:
    """transformers' model on its eager path, which runs where no kernels are installed."""
    import torch
    from transformers import MambaConfig, MambaForCausalLM

    found = [k for k in ("mamba_ssm", "causal_conv1d") if find_spec(k)]
    if found:
        raise RuntimeError(
            f"[bench] expected transformers without kernels; found {', '.join(found)}"
        )
    model = MambaForCausalLM(MambaConfig(**CONFIG))
    values = {k: torch.tensor(v) for k, v in weights(lively).items()}
    model.load_state_dict({**values, "lm_head.weight": values[EMBEDDING]})
    return model


def mambapy_model() -> Any:
    """mambapy's Mamba between an embedding and its transpose.

    Its own ``LM`` is these modules in this order, but importing it needs ``mamba_ssm``.
    """
    import torch
    from mambapy.mamba import Mamba, MambaConfig, RMSNorm
    from torch import nn

    config = MambaConfig(
        d_model=D_MODEL,
        n_layers=LAYERS,
        d_state=D_STATE,
        expand_factor=EXPAND,
        d_conv=D_CONV,
        rms_norm_eps=1e-5,
    )

    class LM(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(VOCAB, D_MODEL)
            self.mamba = Mamba(config)
            self.norm_f = RMSNorm(D_MODEL, config.rms_norm_eps)
            self.lm_head = nn.Linear(D_MODEL, VOCAB, bias=False)
            self.lm_head.weight = self.embedding.weight

        def forward(self, ids: Any) -> Any:
            return self.lm_head(self.norm_f(self.mamba(self.embedding(ids))))

    model = LM()
    values = {mambapy_name(k): torch.tensor(v) for k, v in weights().items()}
    model.load_state_dict({**values, "lm_head.weight": values["embedding.weight"]})
    return model


def helix_name(name: str) -> str:
    """Our name of a weight that transformers names so."""
    name = name.removeprefix("backbone.").replace("conv1d.", "conv_")
    return name.replace("embeddings", "embedding").replace("norm_f", "norm")


def mambapy_name(name: str) -> str:
    """mambapy's name of a weight that transformers names so."""
    name = name.removeprefix("backbone.")
    if name.startswith("layers."):
        return f"mamba.{name}"
    return name.replace("embeddings", "embedding")
