"""Any checkpoint that transformers wrote and that we compute."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from helix_core.files import FileError

from ._files import read_config

OP = "from_transformers"
# by config.json's model_type: where the class is
READERS = {
    "mamba": "_mamba_lm:MambaLM",
    "hyenadna": "hyena:HyenaLM",
    **dict.fromkeys(
        ("gpt2", "gpt_neox", "llama", "mistral", "qwen2", "qwen3"),
        "transformer:TransformerLM",
    ),
    "bert": "transformer:Encoder",
}


def from_transformers(folder: str | Path, *, device: Any = None) -> Any:
    """Read a folder that transformers saved, whatever model it holds.

    Parameters
    ----------
    folder : path
        With ``config.json`` and ``model.safetensors``, or the files of its index.
    device : Device or str, optional

    Returns
    -------
    MambaLM, HyenaLM, TransformerLM or Encoder
        By the configuration's ``model_type``.

    Raises
    ------
    FileError
        For a model that none of them computes.
    StateDictError
        Naming all that is missing, unexpected, or of another shape.
    """
    kind = read_config(OP, Path(folder)).get("model_type")
    if kind not in READERS:
        raise FileError(
            f"[{OP}] expected config.json with a model_type of {', '.join(READERS)}; got "
            f"{kind!r}"
        )
    module, _, name = READERS[kind].partition(":")
    model = getattr(import_module(f"{__package__}.{module}"), name)
    return model.from_transformers(folder, device=device)
