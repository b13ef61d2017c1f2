"""GPT-NeoX checkpoints, such as Pythia's, in transformers' layout."""

from __future__ import annotations

from typing import Any

from .._files import Weight, need
from .files_gpt2 import ACTIVATIONS
from .files_llama import rope
from .lm import TransformerConfig, resolved

_OP = "TransformerLM.from_transformers"
_BLOCK = {  # ours: theirs
    "attention.norm": "input_layernorm",
    "attention.mixer.qkv": "attention.query_key_value",
    "attention.mixer.out_proj": "attention.dense",
    "mlp.norm": "post_attention_layernorm",
    "mlp.mixer.up": "mlp.dense_h_to_4h",
    "mlp.mixer.down": "mlp.dense_4h_to_h",
}


def weights(c: TransformerConfig) -> list[Weight]:
    """Every parameter."""
    c = resolved(c)
    out = [
        Weight("embedding.weight", ("gpt_neox.embed_in.weight",)),
        Weight("norm.weight", ("gpt_neox.final_layer_norm.weight",)),
        Weight("norm.bias", ("gpt_neox.final_layer_norm.bias",)),
    ]
    for i in range(c.n_layers):
        for ours, theirs in _BLOCK.items():
            here, there = f"layers.{i}.{ours}", f"gpt_neox.layers.{i}.{theirs}"
            by_head = c.n_heads if ours.endswith("qkv") else 0
            plain = "attention.mixer" in ours and not c.qkv_bias
            for kind in ("weight",) if plain else ("weight", "bias"):
                names = (f"{there}.{kind}",)
                out.append(Weight(f"{here}.{kind}", names, by_head=by_head))
    if not c.tie_embeddings:
        out.append(Weight("head", ("embed_out.weight",)))
    return out


def tidied(arrays: dict[str, Any], c: TransformerConfig) -> dict[str, Any]:
    """Without a second copy of the tied head, and the tables and masks of old files."""
    old = (".rotary_emb.inv_freq", ".attention.bias", ".attention.masked_bias")
    return {
        name: a
        for name, a in arrays.items()
        if not name.endswith(old)
        and not (c.tie_embeddings and name == "embed_out.weight")
    }


def read_config(values: dict[str, Any]) -> TransformerConfig:
    """Our configuration of a ``config.json``; what we do not compute is refused."""
    v = values
    act = v.get("hidden_act", "gelu")
    need(_OP, act in ACTIVATIONS, "hidden_act", f"of {', '.join(ACTIVATIONS)}", act)
    d, h = int(v.get("hidden_size", 6144)), int(v.get("num_attention_heads", 64))
    theta, share, scaling = rope(v, "rotary_emb_base", "rotary_pct")
    biased = bool(v.get("attention_bias", True))
    return TransformerConfig(
        vocab_size=int(v.get("vocab_size", 50432)),
        d_model=d,
        n_layers=int(v.get("num_hidden_layers", 44)),
        n_heads=h,
        d_ff=int(v.get("intermediate_size", 24576)),
        mlp=ACTIVATIONS[act],
        norm="layer_norm",
        norm_eps=float(v.get("layer_norm_eps", 1e-5)),
        positions="rotary",
        max_positions=int(v.get("max_position_embeddings", 2048)),
        rope_theta=theta,
        rope_dim=int(d // h * (0.25 if share is None else share)),
        rope_scaling=scaling,
        qkv_bias=biased,
        out_bias=biased,
        mlp_bias=True,
        parallel=bool(v.get("use_parallel_residual", True)),
        tie_embeddings=bool(v.get("tie_word_embeddings", False)),
        dropout=float(v.get("hidden_dropout", 0.0)),
        std=float(v.get("initializer_range", 0.02)),
    )


def write_config(c: TransformerConfig) -> dict[str, Any]:
    """A ``config.json`` of a resolved configuration."""
    act = {ours: theirs for theirs, ours in reversed(ACTIVATIONS.items())}
    d_head = c.d_model // c.n_heads
    turn = {
        "rope_theta": c.rope_theta,
        "partial_rotary_factor": (c.rope_dim or d_head) / d_head,
        **(c.rope_scaling or {"rope_type": "default"}),
    }
    return {
        "architectures": ["GPTNeoXForCausalLM"],
        "model_type": "gpt_neox",
        "vocab_size": c.vocab_size,
        "hidden_size": c.d_model,
        "num_hidden_layers": c.n_layers,
        "num_attention_heads": c.n_heads,
        "intermediate_size": c.d_ff,
        "hidden_act": act.get(c.mlp, "gelu"),
        "layer_norm_eps": c.norm_eps,
        "max_position_embeddings": c.max_positions,
        "rope_parameters": turn,
        "attention_bias": c.qkv_bias,
        "use_parallel_residual": c.parallel,
        "tie_word_embeddings": c.tie_embeddings,
        "initializer_range": c.std,
        "hidden_dropout": c.dropout,
        "attention_dropout": 0.0,
        "bos_token_id": None,
        "eos_token_id": None,
        "dtype": "float32",
    }
