"""GPT-2 checkpoints in the layout of transformers' ``GPT2LMHeadModel``."""

from __future__ import annotations

from typing import Any

from .._files import Weight, need
from .lm import TransformerConfig

_OP = "TransformerLM.from_transformers"
ACTIVATIONS = {
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu": "gelu",
    "relu": "relu",
    "silu": "silu",
}
_BLOCK = {  # ours: theirs
    "attention.norm": "ln_1",
    "attention.mixer.qkv": "attn.c_attn",
    "attention.mixer.out_proj": "attn.c_proj",
    "mlp.norm": "ln_2",
    "mlp.mixer.up": "mlp.c_fc",
    "mlp.mixer.down": "mlp.c_proj",
}


def weights(c: TransformerConfig) -> list[Weight]:
    """Every parameter; their ``Conv1D`` keeps (in, out)."""
    out = [
        Weight("embedding.weight", ("transformer.wte.weight",)),
        Weight("positions.weight", ("transformer.wpe.weight",)),
        Weight("norm.weight", ("transformer.ln_f.weight",)),
        Weight("norm.bias", ("transformer.ln_f.bias",)),
    ]
    for i in range(c.n_layers):
        for ours, theirs in _BLOCK.items():
            here, there = f"layers.{i}.{ours}", f"transformer.h.{i}.{theirs}"
            turned = "norm" not in ours
            out.append(Weight(f"{here}.weight", (f"{there}.weight",), (), turned))
            out.append(Weight(f"{here}.bias", (f"{there}.bias",)))
    if not c.tie_embeddings:
        out.append(Weight("head", ("lm_head.weight",)))
    return out


def tidied(arrays: dict[str, Any], c: TransformerConfig) -> dict[str, Any]:
    """With the prefix that ``GPT2Model`` leaves out, without the masks of old files."""
    out = {}
    for name, a in arrays.items():
        if name.endswith((".attn.bias", ".attn.masked_bias")):
            continue
        full = name.startswith(("transformer.", "lm_head."))
        out[name if full else f"transformer.{name}"] = a
    if c.tie_embeddings:
        out.pop("lm_head.weight", None)
    return out


def read_config(values: dict[str, Any]) -> TransformerConfig:
    """Our configuration of a ``config.json``; what we do not compute is refused."""
    v = values
    act = v.get("activation_function", "gelu_new")
    known = ", ".join(ACTIVATIONS)
    need(_OP, act in ACTIVATIONS, "activation_function", f"of {known}", act)
    for field, want in [
        ("scale_attn_weights", True),
        ("scale_attn_by_inverse_layer_idx", False),
        ("add_cross_attention", False),
    ]:
        got = bool(v.get(field, want))
        need(_OP, got is want, field, str(want).lower(), got)
    drop, embd = v.get("resid_pdrop", 0.1), v.get("embd_pdrop", 0.1)
    need(_OP, drop == embd, "embd_pdrop", f"{drop}, as resid_pdrop", embd)
    d, inner = int(v.get("n_embd", 768)), v.get("n_inner")
    return TransformerConfig(
        vocab_size=int(v.get("vocab_size", 50257)),
        d_model=d,
        n_layers=int(v.get("n_layer", 12)),
        n_heads=int(v.get("n_head", 12)),
        d_ff=4 * d if inner is None else int(inner),
        mlp=ACTIVATIONS[act],
        norm="layer_norm",
        norm_eps=float(v.get("layer_norm_epsilon", 1e-5)),
        positions="learned",
        max_positions=int(v.get("n_positions", 1024)),
        bias=True,
        tie_embeddings=bool(v.get("tie_word_embeddings", True)),
        dropout=float(drop),
        std=float(v.get("initializer_range", 0.02)),
    )


def write_config(c: TransformerConfig) -> dict[str, Any]:
    """A ``config.json`` of our configuration."""
    act = {ours: theirs for theirs, ours in reversed(ACTIVATIONS.items())}
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": c.vocab_size,
        "n_embd": c.d_model,
        "n_layer": c.n_layers,
        "n_head": c.n_heads,
        "n_inner": c.d_ff,
        "n_positions": c.max_positions,
        "activation_function": act.get(c.mlp, "gelu_new"),
        "layer_norm_epsilon": c.norm_eps,
        "tie_word_embeddings": c.tie_embeddings,
        "initializer_range": c.std,
        "resid_pdrop": c.dropout,
        "embd_pdrop": c.dropout,
        "attn_pdrop": 0.0,
        "bos_token_id": None,
        "eos_token_id": None,
        "dtype": "float32",
    }
