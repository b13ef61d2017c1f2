"""Checkpoints in the layout of LongSafari's ``hyenadna-...-hf``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import helix_core as hx
import numpy as np
from helix_core import files

from .. import _files
from ._filter import positions, times
from ._lm import HyenaConfig, HyenaLM

_OP = "HyenaLM.from_transformers"
_BLOCK = {  # ours: theirs
    "norm": "norm1",
    "norm2": "norm2",
    "fc1": "mlp.fc1",
    "fc2": "mlp.fc2",
    "mixer.in_proj": "mixer.in_proj",
    "mixer.out_proj": "mixer.out_proj",
}
_MIXER = {
    "conv_weight": "short_filter.weight",
    "conv_bias": "short_filter.bias",
    "filter.bias": "filter_fn.bias",
    "filter.freq": "filter_fn.implicit_filter.1.freq",
    "filter.deltas": "filter_fn.modulation.deltas",
    "filter.z": "filter_fn.pos_emb.z",
}
_TOP = {
    "embedding.weight": "hyena.backbone.embeddings.word_embeddings.weight",
    "norm.weight": "hyena.backbone.ln_f.weight",
    "norm.bias": "hyena.backbone.ln_f.bias",
    "head": "lm_head.weight",
}
_ALIAS = re.compile(r"(.*\.filter_fn\.implicit_filter\.)(\d+)\.freq")
_POSITION = re.compile(
    r"hyena\.backbone\.layers\.\d+\.mixer\.filter_fn\.pos_emb\.([zt])"
)


def _theirs(name: str) -> str:
    """The checkpoint's name of one of our parameters."""
    if name in _TOP:
        return _TOP[name]
    _, index, rest = name.split(".", 2)
    start = f"hyena.backbone.layers.{index}."
    own = rest.removeprefix("mixer.")
    if own in _MIXER:
        return f"{start}mixer.{_MIXER[own]}"
    module, _, kind = rest.rpartition(".")
    layer = re.fullmatch(r"mixer\.filter\.layers\.(\d+)", module)
    if layer is not None:
        place = 2 * int(layer[1])
        return f"{start}mixer.filter_fn.implicit_filter.{place}.{kind}"
    return f"{start}{_BLOCK[module]}.{kind}"


def read_config(values: dict[str, Any]) -> HyenaConfig:
    """Our configuration of a ``config.json``; what we do not compute is refused."""
    v = values
    kind, order = v.get("model_type"), int(v.get("hyena_order", 2))
    _files.need(_OP, kind == "hyenadna", "model_type", "'hyenadna'", kind)
    _files.need(_OP, order == 2, "hyena_order", "2", order)
    _files.need(
        _OP, bool(v.get("use_bias", True)), "use_bias", "true", v.get("use_bias")
    )
    eps = float(v.get("layer_norm_epsilon", 1e-5))
    _files.need(_OP, eps == 1e-5, "layer_norm_epsilon", "1e-5, as its blocks have", eps)
    d = int(v.get("d_model", 256))
    size, multiple = (
        int(v.get("vocab_size", 12)),
        int(v.get("pad_vocab_size_multiple", 8)),
    )
    inner = v.get("d_inner")
    return HyenaConfig(
        vocab_size=-(-size // multiple) * multiple,
        d_model=d,
        n_layers=int(v.get("n_layer", 8)),
        l_max=int(v.get("max_seq_len", 1024)),
        d_inner=4 * d if inner is None else int(inner),
        order=order,
        d_conv=int(v.get("short_filter_order", 3)),
        filter_width=int(v.get("filter_order", 64)),
        emb_dim=int(v.get("emb_dim", 3)),
        inner_layers=int(v.get("num_inner_mlps", 2)),
        freq=float(v.get("activation_freq", 1)),
        shift=0.05,
        dropout=float(v.get("hyena_dropout", 0.0)),
        norm_eps=eps,
        tie_embeddings=bool(v.get("tie_word_embeddings", False)),
        init_std=float(v.get("initializer_range", 0.02)),
    )


def write_config(c: HyenaConfig) -> dict[str, Any]:
    """A ``config.json`` of our configuration."""
    return {
        "architectures": ["HyenaDNAForCausalLM"],
        "model_type": "hyenadna",
        "vocab_size": c.vocab_size,
        "pad_vocab_size_multiple": 1,
        "d_model": c.d_model,
        "d_inner": 4 * c.d_model if c.d_inner is None else c.d_inner,
        "n_layer": c.n_layers,
        "max_seq_len": c.l_max,
        "hyena_order": c.order,
        "short_filter_order": c.d_conv,
        "filter_order": c.filter_width,
        "emb_dim": c.emb_dim,
        "num_inner_mlps": c.inner_layers,
        "activation_freq": c.freq,
        "train_freq": True,
        "use_bias": True,
        "hyena_dropout": c.dropout,
        "hyena_filter_dropout": 0.0,
        "embed_dropout": 0.0,
        "layer_norm_epsilon": c.norm_eps,
        "initializer_range": c.init_std,
        "tie_word_embeddings": c.tie_embeddings,
        "torch_dtype": "float32",
    }


def _without_aliases(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Layers share one ``freq``: torch's file has it under one, or several, names."""
    out = {}
    for name, a in arrays.items():
        alias = _ALIAS.fullmatch(name)
        if alias is not None and alias[2] != "1":
            first = f"{alias[1]}1.freq"
            if not np.array_equal(a, arrays.get(first, a)):
                raise files.FileError(
                    f"[{_OP}] expected {name} to equal {first}: "
                    "filters share one frequency; got different values"
                )
            name = first
        out[name] = a
    return out


def _learned(arrays: dict[str, np.ndarray], c: HyenaConfig) -> bool:
    """Whether any position is not where it began."""
    z = positions(c.l_max, c.l_max, c.emb_dim)
    for name, a in arrays.items():
        hit = _POSITION.fullmatch(name)
        fits = hit is not None and hit[1] == "z" and a.shape == (1, *z.shape)
        if fits and np.abs(a[0] - z).max() > 2e-5:
            return True
    return False


def load(folder: str | Path, device: Any = None) -> HyenaLM:
    """See `HyenaLM.from_transformers`."""
    folder = Path(folder)
    c = read_config(_files.read_config(_OP, folder))
    arrays = _without_aliases(_files.read_weights(_OP, folder))
    if c.tie_embeddings:
        arrays.pop("lm_head.weight", None)
    if _learned(arrays, c):
        c = HyenaConfig(**{**c.to_dict(), "learned_positions": True})
    model = HyenaLM(c, device=device)
    cells = dict(model.named_parameters())
    ours = {_theirs(name): name for name in cells}
    if not c.learned_positions:  # they are a function of the configuration
        arrays = {n: a for n, a in arrays.items() if not _POSITION.fullmatch(n)}
    else:
        arrays = {n: a for n, a in arrays.items() if not n.endswith("pos_emb.t")}
    problems = {
        "missing": [n for n in ours if n not in arrays],
        "unexpected": [n for n in arrays if n not in ours],
        "wrong shape": [],
    }
    state = {}
    for name, a in arrays.items():
        if name in ours:
            want = cells[ours[name]].shape
            if a.size == np.prod(want) and tuple(n for n in a.shape if n > 1) == tuple(
                n for n in want if n > 1
            ):
                state[ours[name]] = a.reshape(want)
            else:
                problems["wrong shape"].append(f"{name} {a.shape}, expected {want}")
    if any(problems.values()):
        said = [f"{k}: {', '.join(v)}" for k, v in problems.items() if v]
        raise hx.StateDictError(
            f"[{_OP}] expected the weights that config.json describes; got "
            f" {' | '.join(said)}"
        )
    model.load_state_dict(state)
    return model


def save(model: HyenaLM, folder: str | Path) -> None:
    """See `HyenaLM.save_transformers`."""
    c = model.config
    same = c.order == 2 and c.shift == 0.05 and c.norm_eps == 1e-5 and c.d_inner != 0
    if not same:
        raise files.FileError(
            f"[HyenaLM.save_transformers] expected order 2, shift 0.05, norm_eps 1e-5 and "
            f"a d_inner, as that layout has; got {c.order}, {c.shift}, {c.norm_eps}, "
            f"{c.d_inner}"
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for name, p in model.named_parameters():
        a = np.asarray(p.value)
        if name.endswith("conv_weight"):
            a = a[:, None]
        elif name.endswith("deltas"):
            a = a[None, None]
        elif name.endswith(".z"):
            a = a[None]
        arrays[_theirs(name)] = a
    z = positions(c.l_max, c.l_max, c.emb_dim)[None].astype(np.float32)
    t = times(c.l_max, c.l_max)[None, :, None].astype(np.float32)
    for i in range(c.n_layers):
        start = f"hyena.backbone.layers.{i}.mixer.filter_fn.pos_emb"
        arrays.setdefault(f"{start}.z", z)
        arrays[f"{start}.t"] = t
    files.save_tensors(folder / "model.safetensors", arrays, {"format": "pt"})
    files.write_json(folder / "config.json", write_config(c))
