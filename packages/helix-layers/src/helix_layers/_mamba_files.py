"""Mamba checkpoints in the layout of transformers' ``MambaForCausalLM``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from helix_core import files

from . import _files
from ._files import need
from ._mamba_lm import MambaConfig, MambaLM

_OP = "MambaLM.from_transformers"

_BLOCK = {  # ours: theirs
    "norm.weight": "norm.weight",
    "mixer.in_proj.weight": "mixer.in_proj.weight",
    "mixer.in_proj.bias": "mixer.in_proj.bias",
    "mixer.conv_weight": "mixer.conv1d.weight",
    "mixer.conv_bias": "mixer.conv1d.bias",
    "mixer.x_proj.weight": "mixer.x_proj.weight",
    "mixer.dt_proj.weight": "mixer.dt_proj.weight",
    "mixer.dt_proj.bias": "mixer.dt_proj.bias",
    "mixer.A_log": "mixer.A_log",
    "mixer.D": "mixer.D",
    "mixer.out_proj.weight": "mixer.out_proj.weight",
    "mixer.out_proj.bias": "mixer.out_proj.bias",
}
_TOP = {
    "embedding.weight": "backbone.embeddings.weight",
    "norm.weight": "backbone.norm_f.weight",
    "head": "lm_head.weight",
}


def transformers_name(name: str) -> str:
    """The name in transformers of one of our parameters."""
    if name in _TOP:
        return _TOP[name]
    _, index, rest = name.split(".", 2)
    return f"backbone.layers.{index}.{_BLOCK[rest]}"


def read_config(values: dict[str, Any]) -> MambaConfig:
    """Our configuration of a ``config.json``; what we do not compute is refused."""
    v = values
    kind = v.get("model_type")
    need(_OP, kind == "mamba", "model_type", "'mamba'", kind)
    act = v.get("hidden_act", "silu")
    need(_OP, act in ("silu", "swish"), "hidden_act", "'silu'", act)
    d = int(v.get("hidden_size", 768))
    inner = int(v.get("intermediate_size", v.get("expand", 2) * d))
    need(_OP, inner % d == 0, "intermediate_size", f"a multiple of {d}", inner)
    rank = v.get("time_step_rank", "auto")
    return MambaConfig(
        vocab_size=int(v.get("vocab_size", 50280)),
        d_model=d,
        n_layers=int(v.get("num_hidden_layers", v.get("n_layer", 32))),
        d_state=int(v.get("state_size", 16)),
        d_conv=int(v.get("conv_kernel", 4)),
        expand=inner // d,
        dt_rank=math.ceil(d / 16) if rank == "auto" else int(rank),
        bias=bool(v.get("use_bias", False)),
        conv_bias=bool(v.get("use_conv_bias", True)),
        norm_eps=float(v.get("layer_norm_epsilon", 1e-5)),
        tie_embeddings=bool(v.get("tie_word_embeddings", True)),
        embedding_std=float(v.get("initializer_range", 0.1)),
        dt_min=float(v.get("time_step_min", 1e-3)),
        dt_max=float(v.get("time_step_max", 1e-1)),
        dt_floor=float(v.get("time_step_floor", 1e-4)),
        dt_scale=float(v.get("time_step_scale", 1.0)),
    )


def write_config(c: MambaConfig) -> dict[str, Any]:
    """A ``config.json`` of our configuration."""
    rank = math.ceil(c.d_model / 16) if c.dt_rank is None else c.dt_rank
    return {
        "architectures": ["MambaForCausalLM"],
        "model_type": "mamba",
        "vocab_size": c.vocab_size,
        "hidden_size": c.d_model,
        "num_hidden_layers": c.n_layers,
        "state_size": c.d_state,
        "conv_kernel": c.d_conv,
        "expand": c.expand,
        "intermediate_size": c.expand * c.d_model,
        "time_step_rank": rank,
        "use_bias": c.bias,
        "use_conv_bias": c.conv_bias,
        "hidden_act": "silu",
        "layer_norm_epsilon": c.norm_eps,
        "tie_word_embeddings": c.tie_embeddings,
        "initializer_range": c.embedding_std,
        "time_step_min": c.dt_min,
        "time_step_max": c.dt_max,
        "time_step_floor": c.dt_floor,
        "time_step_scale": c.dt_scale,
        "residual_in_fp32": True,
        "torch_dtype": "float32",
    }


def load(folder: str | Path, device: Any = None) -> MambaLM:
    """See `MambaLM.from_transformers`."""
    folder = Path(folder)
    values = _files.read_config(_OP, folder)
    model = MambaLM(read_config(values), device=device)
    arrays = _files.read_weights(_OP, folder)
    old = "backbone.embedding.weight"  # the original repository's name
    if old in arrays:
        arrays["backbone.embeddings.weight"] = arrays.pop(old)
    if model.config.tie_embeddings:
        arrays.pop("lm_head.weight", None)
    cells = dict(model.named_parameters())
    state = {}
    theirs = {transformers_name(name): name for name in cells}
    for name, a in arrays.items():
        ours = theirs.get(name, name)
        if name.endswith("conv1d.weight") and a.ndim == 3:
            a = a[:, 0]
        state[ours] = a
    model.load_state_dict(state)
    return model


def save(model: MambaLM, folder: str | Path) -> None:
    """See `MambaLM.save_transformers`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for name, p in model.named_parameters():
        a = np.asarray(p.value)
        if name.endswith("conv_weight"):
            a = a[:, None]
        arrays[transformers_name(name)] = a
    files.save_tensors(folder / "model.safetensors", arrays, {"format": "pt"})
    files.write_json(folder / "config.json", write_config(model.config))
