"""Llama, Mistral, Qwen2 and Qwen3 checkpoints in transformers' layout."""

from __future__ import annotations

from typing import Any

from .._files import Weight, need
from .attention import heads
from .lm import TransformerConfig, resolved

_OP = "TransformerLM.from_transformers"
_ACTIVATIONS = {"silu": "swiglu", "gelu": "geglu", "gelu_pytorch_tanh": "geglu_tanh"}
_BLOCK = {  # ours: theirs
    "attention.norm": ("input_layernorm",),
    "attention.mixer.qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attention.mixer.out_proj": ("self_attn.o_proj",),
    "mlp.norm": ("post_attention_layernorm",),
    "mlp.mixer.gate": ("mlp.gate_proj",),
    "mlp.mixer.up": ("mlp.up_proj",),
    "mlp.mixer.down": ("mlp.down_proj",),
}


def weights(c: TransformerConfig) -> list[Weight]:
    """Every parameter; ours joins theirs for queries, keys and values."""
    c = resolved(c)
    h, g, d = heads("TransformerLM", c.d_model, c.n_heads, c.n_kv_heads, c.d_head)
    biased = {
        "attention.mixer.qkv": c.qkv_bias,
        "attention.mixer.out_proj": c.out_bias,
    }
    out = [
        Weight("embedding.weight", ("model.embed_tokens.weight",)),
        Weight("norm.weight", ("model.norm.weight",)),
    ]
    for i in range(c.n_layers):
        for ours, theirs in _BLOCK.items():
            rows = (h * d, g * d, g * d) if len(theirs) > 1 else ()
            kinds = ["weight"]
            if "norm" not in ours and biased.get(ours, c.mlp_bias):
                kinds.append("bias")
            for kind in kinds:
                names = tuple([f"model.layers.{i}.{n}.{kind}" for n in theirs])
                out.append(Weight(f"layers.{i}.{ours}.{kind}", names, rows))
        for name in ("q_norm", "k_norm") if c.qk_norm else ():
            there = f"model.layers.{i}.self_attn.{name}.weight"
            here = f"layers.{i}.attention.mixer.{name}.weight"
            out.append(Weight(here, (there,)))
    if not c.tie_embeddings:
        out.append(Weight("head", ("lm_head.weight",)))
    return out


def tidied(arrays: dict[str, Any], c: TransformerConfig) -> dict[str, Any]:
    """Without a second copy of the tied head, and the tables of old files."""
    return {
        name: a
        for name, a in arrays.items()
        if not name.endswith("rotary_emb.inv_freq")
        and not (c.tie_embeddings and name == "lm_head.weight")
    }


def read_config(values: dict[str, Any]) -> TransformerConfig:
    """Our configuration of a ``config.json``; what we do not compute is refused."""
    v = values
    kind = v["model_type"]
    act = v.get("hidden_act", "silu")
    need(_OP, act in _ACTIVATIONS, "hidden_act", f"of {', '.join(_ACTIVATIONS)}", act)
    d, h = int(v.get("hidden_size", 4096)), int(v.get("num_attention_heads", 32))
    kv = v.get("num_key_value_heads", 8 if kind == "mistral" else None)
    bias = kind in ("llama", "qwen3") and bool(v.get("attention_bias", False))
    theta, partial, scaling = rope(v)
    ok = partial in (None, 1.0)
    need(_OP, ok, "partial_rotary_factor", "1.0", partial)
    return TransformerConfig(
        vocab_size=int(v.get("vocab_size", 151936 if "qwen" in kind else 32000)),
        d_model=d,
        n_layers=int(v.get("num_hidden_layers", 32)),
        n_heads=h,
        n_kv_heads=h if kv is None else int(kv),
        d_head=int(v.get("head_dim") or (128 if kind == "qwen3" else d // h)),
        d_ff=int(v.get("intermediate_size", 14336 if kind == "mistral" else 11008)),
        mlp=_ACTIVATIONS[act],
        norm="rms_norm",
        norm_eps=float(v.get("rms_norm_eps", 1e-6)),
        positions="rotary",
        max_positions=int(v.get("max_position_embeddings", 2048)),
        window=_window(v, kind),
        rope_theta=theta,
        rope_scaling=scaling,
        qkv_bias=bias or kind == "qwen2",
        out_bias=bias,
        qk_norm=kind == "qwen3",
        mlp_bias=kind == "llama" and bool(v.get("mlp_bias", False)),
        tie_embeddings=bool(v.get("tie_word_embeddings", False)),
        std=float(v.get("initializer_range", 0.02)),
    )


def rope(
    v: dict[str, Any], theta: str = "rope_theta", partial: str = "partial_rotary_factor"
) -> tuple[float, float | None, dict[str, Any] | None]:
    """Theta, share of a head and scaling, of the new field or of older ones."""
    field = "rope_parameters" if v.get("rope_parameters") else "rope_scaling"
    given = dict(v.get(field) or {})
    turn = float(given.pop("rope_theta", v.get(theta, 10_000.0)))
    share = given.pop("partial_rotary_factor", v.get(partial))
    kind = given.pop("type", "default")
    kind = given.pop("rope_type", kind)
    known = ("default", "linear", "dynamic", "llama3", "yarn")
    need(_OP, kind in known, f"{field}.rope_type", f"of {', '.join(known)}", kind)
    if kind == "default":
        return turn, share, None
    if kind == "dynamic":
        given.pop("original_max_position_embeddings", None)  # theirs does not read it
    return turn, share, {"rope_type": kind, **given}


def _window(v: dict[str, Any], kind: str) -> int | None:
    if kind == "llama":
        return None
    window = v.get("sliding_window", 4096 if kind == "mistral" else None)
    if "qwen" in kind:
        on = bool(v.get("use_sliding_window", False)) and window is not None
        first, n = int(v.get("max_window_layers", 28)), int(v["num_hidden_layers"])
        want = f"0, or at least {n}: one window for all layers"
        mixed = on and 0 < first < n
        need(_OP, not mixed, "max_window_layers", want, first)
        window = window if on and first == 0 else None
    kinds = set(v.get("layer_types") or ())
    same = "sliding_attention" if window else "full_attention"
    need(_OP, kinds <= {same}, "layer_types", f"of {same} alone", sorted(kinds))
    return None if window is None else int(window)


def write_config(c: TransformerConfig) -> dict[str, Any]:
    """A ``config.json`` of a resolved configuration: the kind that has what it asks."""
    kind, name = "llama", "LlamaForCausalLM"
    if c.window is not None:
        kind, name = "mistral", "MistralForCausalLM"
    if c.qkv_bias and not c.out_bias:
        kind, name = "qwen2", "Qwen2ForCausalLM"
    if c.qk_norm:
        kind, name = "qwen3", "Qwen3ForCausalLM"
    act = {ours: theirs for theirs, ours in _ACTIVATIONS.items()}
    turn = {"rope_theta": c.rope_theta, **(c.rope_scaling or {"rope_type": "default"})}
    own: dict[str, Any] = {"head_dim": c.d_head}
    if kind == "llama":
        own |= {"attention_bias": c.out_bias, "mlp_bias": c.mlp_bias}
    elif kind == "mistral":
        own["sliding_window"] = c.window
    elif kind == "qwen3":
        own["attention_bias"] = c.out_bias
    if c.window is not None and "qwen" in kind:
        own |= {
            "use_sliding_window": True,
            "sliding_window": c.window,
            "max_window_layers": 0,
        }
    return {
        "architectures": [name],
        "model_type": kind,
        "vocab_size": c.vocab_size,
        "hidden_size": c.d_model,
        "num_hidden_layers": c.n_layers,
        "num_attention_heads": c.n_heads,
        "num_key_value_heads": c.n_kv_heads,
        "intermediate_size": c.d_ff,
        "hidden_act": act.get(c.mlp, "silu"),
        "rms_norm_eps": c.norm_eps,
        "max_position_embeddings": c.max_positions,
        "rope_parameters": turn,
        "tie_word_embeddings": c.tie_embeddings,
        "initializer_range": c.std,
        "bos_token_id": None,
        "eos_token_id": None,
        "dtype": "float32",
        **own,
    }
