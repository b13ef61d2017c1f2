"""TransformerLM against transformers' GPT2LMHeadModel, both ways."""

import json

import helix_core as hx
import pytest
import torch
from helix_core import files
from helix_layers import TransformerLM
from helix_layers.transformer.files_gpt2 import weights
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Model
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
    "untied": {"tie_word_embeddings": False, "layer_norm_epsilon": 1e-3},
    "other widths": {"n_inner": 40, "n_head": 2, "activation_function": "gelu"},
}


def theirs(**changes):
    torch.manual_seed(0)
    values = {
        "vocab_size": 61,
        "n_embd": 24,
        "n_layer": 3,
        "n_head": 3,
        "n_positions": 40,
        "initializer_range": 0.3,
        **changes,
    }
    return drawn(GPT2LMHeadModel(GPT2Config(**values)))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES.keys())
def test_logits_and_gradients(tmp_path, sizes, device):
    ref = theirs(**sizes)
    ref.save_pretrained(tmp_path)
    model = TransformerLM.from_transformers(tmp_path, device=device).eval()
    check_language_model(model, ref, weights(model.config), device)


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES.keys())
def test_transformers_reads_what_we_save(tmp_path, sizes):
    ref = theirs(**sizes)
    ref.save_pretrained(tmp_path / "a")
    model = TransformerLM.from_transformers(tmp_path / "a")
    check_saved(model, ref, GPT2LMHeadModel, tmp_path / "b")


@pytest.mark.parametrize("device", DEVICES)
def test_greedy_decoding_gives_the_same_ids(tmp_path, device):
    ref = theirs()
    ref.save_pretrained(tmp_path)
    model = TransformerLM.from_transformers(tmp_path, device=device).eval()
    check_greedy(model, ref)
    check_streaming(model, device)


def test_sharded_checkpoints_load(tmp_path):
    ref = theirs()
    ref.save_pretrained(tmp_path, max_shard_size="20KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    model = TransformerLM.from_transformers(tmp_path).eval()
    close(model(hx.tensor(ids())), ref(torch.tensor(ids())).logits)


def test_names_without_their_prefix_and_old_masks_load(tmp_path):
    ref = theirs()
    GPT2Model.save_pretrained(ref.transformer, tmp_path)
    arrays = files.load_tensors(tmp_path / "model.safetensors")
    assert "wte.weight" in arrays
    arrays["h.0.attn.bias"] = arrays["wpe.weight"]
    files.save_tensors(tmp_path / "model.safetensors", arrays)
    model = TransformerLM.from_transformers(tmp_path).eval()
    close(model(hx.tensor(ids())), ref(torch.tensor(ids())).logits)


def test_all_keys_that_do_not_fit_are_named_at_once(tmp_path):
    theirs().save_pretrained(tmp_path)
    arrays = files.load_tensors(tmp_path / "model.safetensors")
    arrays["transformer.ln_f.bias"] = arrays["transformer.ln_f.bias"][:3]
    arrays["transformer.h.0.attn.c_attn.weight"] = arrays[
        "transformer.h.0.attn.c_attn.weight"
    ].T
    del arrays["transformer.h.1.mlp.c_fc.weight"], arrays["transformer.wpe.weight"]
    arrays["transformer.h.7.strange"] = arrays["transformer.wte.weight"]
    files.save_tensors(tmp_path / "model.safetensors", arrays)
    with pytest.raises(hx.StateDictError) as e:
        TransformerLM.from_transformers(tmp_path)
    for part in (
        "transformer.ln_f.bias: expected (24,), got (3,)",
        "transformer.h.0.attn.c_attn.weight: expected (24, 72), got (72, 24)",
        "missing: transformer.wpe.weight, transformer.h.1.mlp.c_fc.weight",
        "unexpected: transformer.h.7.strange",
    ):
        assert part in str(e.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model_type", "gpt_neo"),
        ("activation_function", "quick_gelu"),
        ("scale_attn_weights", False),
        ("scale_attn_by_inverse_layer_idx", True),
        ("add_cross_attention", True),
        ("embd_pdrop", 0.2),
    ],
)
def test_what_we_do_not_compute_is_refused(tmp_path, field, value):
    theirs().save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    with pytest.raises(files.FileError, match=field):
        TransformerLM.from_transformers(tmp_path)


def test_a_position_beyond_the_last_is_refused_in_both(tmp_path):
    ref = theirs()
    ref.save_pretrained(tmp_path)
    model = TransformerLM.from_transformers(tmp_path).eval()
    x = ids(1, 41)
    with pytest.raises(hx.HelixError, match="max_positions=40; got position 40"):
        model(hx.tensor(x))
    _, state = model.prefill(hx.tensor(x[:, :40]))
    with pytest.raises(hx.HelixError, match="max_positions=40; got position 40"):
        model.step(hx.tensor(x[:, 40]), state)
    with pytest.raises(IndexError):
        ref(torch.tensor(x))
