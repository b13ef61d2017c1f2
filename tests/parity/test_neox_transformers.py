"""TransformerLM against transformers' GPTNeoXForCausalLM (Pythia), both ways."""

import json

import helix_core as hx
import pytest
import torch
from helix_core import files
from helix_layers import TransformerLM, from_transformers
from helix_layers.transformer.files_neox import weights
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM
from transformers_peer import (
    DEVICES,
    check_greedy,
    check_language_model,
    check_saved,
    check_streaming,
    close,
    drawn,
    ids,
)

SIZES = {
    "default": {},
    "one branch after the other": {"use_parallel_residual": False},
    "all of each head turns, tied": {
        "rope_parameters": {
            "rope_type": "linear",
            "factor": 2.0,
            "rope_theta": 500.0,
            "partial_rotary_factor": 1.0,
        },
        "tie_word_embeddings": True,
    },
    "no attention bias": {"attention_bias": False, "hidden_act": "gelu_new"},
}
EACH = pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES.keys())


def theirs(**changes):
    torch.manual_seed(0)
    values = {
        "vocab_size": 61,
        "hidden_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "intermediate_size": 40,
        "initializer_range": 0.3,
        **changes,
    }
    return drawn(GPTNeoXForCausalLM(GPTNeoXConfig(**values)))


@pytest.mark.parametrize("device", DEVICES)
@EACH
def test_logits_and_gradients(tmp_path, sizes, device):
    ref = theirs(**sizes)
    ref.save_pretrained(tmp_path)
    model = TransformerLM.from_transformers(tmp_path, device=device)
    here = {"head": ("lm_head.weight",)}  # embed_out is its name in files alone
    named = [
        w._replace(theirs=here.get(w.ours, w.theirs)) for w in weights(model.config)
    ]
    check_language_model(model, ref, named, device)


@EACH
def test_transformers_reads_what_we_save(tmp_path, sizes):
    ref = theirs(**sizes)
    ref.save_pretrained(tmp_path / "a")
    model = TransformerLM.from_transformers(tmp_path / "a")
    check_saved(model, ref, GPTNeoXForCausalLM, tmp_path / "b")


@pytest.mark.parametrize("device", DEVICES)
def test_greedy_decoding_gives_the_same_ids(tmp_path, device):
    ref = theirs()
    ref.save_pretrained(tmp_path)
    model = TransformerLM.from_transformers(tmp_path, device=device)
    check_greedy(model, ref)
    check_streaming(model, device)


def test_the_fields_and_tables_of_pythias_files_load(tmp_path):
    ref = theirs()
    ref.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    values = json.loads(path.read_text())
    del values["rope_parameters"]
    values |= {"rotary_pct": 0.25, "rotary_emb_base": 10000}
    path.write_text(json.dumps(values))
    arrays = files.load_tensors(tmp_path / "model.safetensors")
    for name in ("bias", "masked_bias", "rotary_emb.inv_freq"):
        arrays[f"gpt_neox.layers.0.attention.{name}"] = arrays["embed_out.weight"]
    files.save_tensors(tmp_path / "model.safetensors", arrays)
    model = from_transformers(tmp_path)
    close(model(hx.tensor(ids())), ref(torch.tensor(ids())).logits)
