"""BERT and MiniLM checkpoints in the layout of transformers' ``BertModel``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from helix_core.files import FileError

from .. import _files
from .._files import Weight, need
from .encoder import Encoder, EncoderConfig

_OP = "Encoder.from_transformers"
_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
}
_TOP = {  # ours: theirs
    "embedding.weight": "embeddings.word_embeddings.weight",
    "types.weight": "embeddings.token_type_embeddings.weight",
    "positions.weight": "embeddings.position_embeddings.weight",
    "norm.weight": "embeddings.LayerNorm.weight",
    "norm.bias": "embeddings.LayerNorm.bias",
}
_SELF = "attention.self"
_BLOCK = {
    "attention.mixer.qkv": (f"{_SELF}.query", f"{_SELF}.key", f"{_SELF}.value"),
    "attention.mixer.out_proj": ("attention.output.dense",),
    "attention.norm": ("attention.output.LayerNorm",),
    "mlp.mixer.up": ("intermediate.dense",),
    "mlp.mixer.down": ("output.dense",),
    "mlp.norm": ("output.LayerNorm",),
}


def weights(c: EncoderConfig) -> list[Weight]:
    """Every parameter; ours joins theirs for queries, keys and values."""
    out = [Weight(ours, (theirs,)) for ours, theirs in _TOP.items()]
    for i in range(c.n_layers):
        for ours, theirs in _BLOCK.items():
            rows = (c.d_model,) * 3 if len(theirs) > 1 else ()
            for kind in ("weight", "bias"):
                names = tuple([f"encoder.layer.{i}.{n}.{kind}" for n in theirs])
                out.append(Weight(f"layers.{i}.{ours}.{kind}", names, rows))
    if c.pooler:
        for kind in ("weight", "bias"):
            out.append(Weight(f"pooler.{kind}", (f"pooler.dense.{kind}",)))
    return out


def read_config(values: dict[str, Any], pooler: bool) -> EncoderConfig:
    """Our configuration of a ``config.json``; what we do not compute is refused."""
    v = values
    kind = v.get("model_type")
    need(_OP, kind == "bert", "model_type", "'bert'", kind)
    act = v.get("hidden_act", "gelu")
    need(_OP, act in _ACTIVATIONS, "hidden_act", f"of {', '.join(_ACTIVATIONS)}", act)
    for field in ("is_decoder", "add_cross_attention"):
        need(_OP, not v.get(field), field, "false", v.get(field))
    places = v.get("position_embedding_type", "absolute")
    ok = places in (None, "absolute")
    need(_OP, ok, "position_embedding_type", "'absolute'", places)
    return EncoderConfig(
        vocab_size=int(v.get("vocab_size", 30522)),
        d_model=int(v.get("hidden_size", 768)),
        n_layers=int(v.get("num_hidden_layers", 12)),
        n_heads=int(v.get("num_attention_heads", 12)),
        d_ff=int(v.get("intermediate_size", 3072)),
        mlp=_ACTIVATIONS[act],
        max_positions=int(v.get("max_position_embeddings", 512)),
        n_types=int(v.get("type_vocab_size", 2)),
        norm_eps=float(v.get("layer_norm_eps", 1e-12)),
        pooler=pooler,
        dropout=float(v.get("hidden_dropout_prob", 0.1)),
        std=float(v.get("initializer_range", 0.02)),
    )


def write_config(c: EncoderConfig) -> dict[str, Any]:
    """A ``config.json`` of our configuration."""
    act = {ours: theirs for theirs, ours in reversed(_ACTIVATIONS.items())}
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": c.vocab_size,
        "hidden_size": c.d_model,
        "num_hidden_layers": c.n_layers,
        "num_attention_heads": c.n_heads,
        "intermediate_size": c.d_ff,
        "hidden_act": act[c.mlp],
        "max_position_embeddings": c.max_positions,
        "type_vocab_size": c.n_types,
        "layer_norm_eps": c.norm_eps,
        "hidden_dropout_prob": c.dropout,
        "attention_probs_dropout_prob": 0.0,
        "initializer_range": c.std,
        "dtype": "float32",
    }


def load(folder: str | Path, device: Any = None) -> Encoder:
    """See `Encoder.from_transformers`."""
    folder = Path(folder)
    values = _files.read_config(_OP, folder)
    arrays = {}
    for name, a in _files.read_weights(_OP, folder).items():
        name = name.removeprefix("bert.")
        if name != "embeddings.position_ids" and not name.startswith("cls."):
            arrays[name] = a
    config = read_config(values, any(n.startswith("pooler.") for n in arrays))
    model = Encoder(config, device=device)
    _files.fill(_OP, model, weights(config), arrays)
    return model


def save(model: Encoder, folder: str | Path) -> None:
    """See `Encoder.save_transformers`."""
    c = model.config
    if c.mlp not in _ACTIVATIONS.values():
        raise FileError(
            "[Encoder.save_transformers] expected an mlp of "
            f"{', '.join(dict.fromkeys(_ACTIVATIONS.values()))}; got {c.mlp!r}"
        )
    _files.write_folder(folder, model, weights(c), write_config(c))
