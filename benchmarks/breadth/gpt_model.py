"""One byte-level GPT with the same weights on both sides."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ..sides import normal

VOCAB, D_MODEL, LAYERS, HEADS = 256, 384, 6, 6
BATCH, LENGTH = 8, 256
LR, DECAY = 1e-3, 1e-2

CONFIG = {
    "architectures": ["GPT2LMHeadModel"],
    "model_type": "gpt2",
    "vocab_size": VOCAB,
    "n_positions": LENGTH,
    "n_ctx": LENGTH,
    "n_embd": D_MODEL,
    "n_layer": LAYERS,
    "n_head": HEADS,
    "n_inner": None,
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "tie_word_embeddings": True,
    "resid_pdrop": 0.0,
    "embd_pdrop": 0.0,
    "attn_pdrop": 0.0,
}


def weights() -> dict[str, np.ndarray]:
    """Weights by transformers' names; matrices are (in, out)."""
    rng = np.random.default_rng(0)
    d = D_MODEL
    out: dict[str, np.ndarray] = {
        "transformer.wte.weight": 0.02 * normal(rng, VOCAB, d),
        "transformer.wpe.weight": 0.02 * normal(rng, LENGTH, d),
    }
    small = (2 * LAYERS) ** -0.5
    for i in range(LAYERS):
        at = f"transformer.h.{i}"
        for norm in ("ln_1", "ln_2"):
            out[f"{at}.{norm}.weight"] = np.ones(d, np.float32)
            out[f"{at}.{norm}.bias"] = np.zeros(d, np.float32)
        for name, shape, scale in (
            ("attn.c_attn", (d, 3 * d), 1.0),
            ("attn.c_proj", (d, d), small),
            ("mlp.c_fc", (d, 4 * d), 1.0),
            ("mlp.c_proj", (4 * d, d), small),
        ):
            # wider than at the start of training: every gradient then matters
            w = normal(rng, *shape) * np.float32(shape[0] ** -0.5 * scale)
            out[f"{at}.{name}.weight"] = w
            out[f"{at}.{name}.bias"] = np.zeros(shape[1], np.float32)
    out["transformer.ln_f.weight"] = np.ones(d, np.float32)
    out["transformer.ln_f.bias"] = np.zeros(d, np.float32)
    return {k: np.ascontiguousarray(v, np.float32) for k, v in out.items()}


def batch() -> tuple[np.ndarray, np.ndarray]:
    """Bytes and what follows each, (batch, time)."""
    rng = np.random.default_rng(1)
    text = rng.integers(0, VOCAB, (BATCH, LENGTH + 1))
    return text[:, :-1], text[:, 1:]


def helix_model() -> Any:
    """Ours, read from a folder as transformers writes them."""
    from helix_core.files import save_tensors
    from helix_layers import TransformerLM

    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
        save_tensors(folder / "model.safetensors", weights())
        return TransformerLM.from_transformers(folder)


def helix_names() -> dict[str, str]:
    """Our name of each weight, by transformers'."""
    kinds = {
        "attn.c_attn": "attention.mixer.qkv",
        "attn.c_proj": "attention.mixer.out_proj",
        "mlp.c_fc": "mlp.mixer.up",
        "mlp.c_proj": "mlp.mixer.down",
        "ln_1": "attention.norm",
        "ln_2": "mlp.norm",
        "wte": "embedding",
        "wpe": "positions",
        "ln_f": "norm",
    }
    out = {}
    for name in weights():
        path, _, end = name.removeprefix("transformer.").rpartition(".")
        if path.startswith("h."):
            _, i, rest = path.split(".", 2)
            out[name] = f"layers.{i}.{kinds[rest]}.{end}"
        else:
            out[name] = f"{kinds[path]}.{end}"
    return out


def torch_model() -> Any:
    """A GPT as one writes it in torch: fused attention, linear layers, tied head."""
    import torch
    from torch import nn

    F = nn.functional

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ln_1, self.ln_2 = nn.LayerNorm(D_MODEL), nn.LayerNorm(D_MODEL)
            self.attn = nn.ModuleDict(
                {
                    "c_attn": nn.Linear(D_MODEL, 3 * D_MODEL),
                    "c_proj": nn.Linear(D_MODEL, D_MODEL),
                }
            )
            self.mlp = nn.ModuleDict(
                {
                    "c_fc": nn.Linear(D_MODEL, 4 * D_MODEL),
                    "c_proj": nn.Linear(4 * D_MODEL, D_MODEL),
                }
            )

        def forward(self, x: Any) -> Any:
            b, t, d = x.shape
            q, k, v = (
                a.view(b, t, HEADS, d // HEADS).transpose(1, 2)
                for a in self.attn["c_attn"](self.ln_1(x)).split(d, dim=2)
            )
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.attn["c_proj"](y.transpose(1, 2).reshape(b, t, d))
            h = F.gelu(self.mlp["c_fc"](self.ln_2(x)), approximate="tanh")
            return x + self.mlp["c_proj"](h)

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wte = nn.Embedding(VOCAB, D_MODEL)
            self.wpe = nn.Embedding(LENGTH, D_MODEL)
            self.h = nn.ModuleList([Layer() for _ in range(LAYERS)])
            self.ln_f = nn.LayerNorm(D_MODEL)

        def forward(self, ids: Any) -> Any:
            x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
            for layer in self.h:
                x = layer(x)
            return F.linear(self.ln_f(x), self.wte.weight)

    model = GPT()
    values = {torch_name(k): torch.tensor(turned(k, v)) for k, v in weights().items()}
    model.load_state_dict(values)
    return model


def torch_name(name: str) -> str:
    """The name in `torch_model` of a weight that transformers names so."""
    return name.removeprefix("transformer.")


def turned(name: str, array: np.ndarray) -> np.ndarray:
    """Matrices (in, out) to (out, in), or back; everything else as it is."""
    return np.ascontiguousarray(array.T) if ".c_" in name and array.ndim == 2 else array
