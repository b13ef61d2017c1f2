"""Which of transformers' layouts a folder or a `TransformerLM` has."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from helix_core.files import FileError

from .. import _files
from . import files_gpt2, files_llama, files_neox
from .lm import TransformerLM, resolved

OP = "TransformerLM.from_transformers"
KINDS: dict[str, ModuleType] = {
    "gpt2": files_gpt2,
    "llama": files_llama,
    "mistral": files_llama,
    "qwen2": files_llama,
    "qwen3": files_llama,
    "gpt_neox": files_neox,
}


def load(folder: str | Path, device: Any = None) -> TransformerLM:
    """See `TransformerLM.from_transformers`."""
    folder = Path(folder)
    values = _files.read_config(OP, folder)
    kind = str(values.get("model_type"))
    _files.need(OP, kind in KINDS, "model_type", f"one of {', '.join(KINDS)}", kind)
    layout = KINDS[kind]
    model = TransformerLM(layout.read_config(values), device=device)
    arrays = layout.tidied(_files.read_weights(OP, folder), model.config)
    _files.fill(OP, model, layout.weights(model.config), arrays)
    return model


def save(model: TransformerLM, folder: str | Path) -> None:
    """See `TransformerLM.save_transformers`."""
    c = resolved(model.config)
    layout: ModuleType = files_llama
    if c.norm == "layer_norm":
        layout = files_gpt2 if c.positions == "learned" else files_neox
    values = layout.write_config(c)
    back = resolved(layout.read_config(values)).to_dict()
    ours = c.to_dict()
    differs = [k for k in ours if k != "dropout" and ours[k] != back[k]]
    if differs:
        what = ", ".join(f"{k}={ours[k]!r}" for k in differs)
        raise FileError(
            "[TransformerLM.save_transformers] expected a configuration like those of "
            f"{', '.join(KINDS)}; got {what}, which {values['model_type']!r} has not"
        )
    _files.write_folder(folder, model, layout.weights(c), values)
