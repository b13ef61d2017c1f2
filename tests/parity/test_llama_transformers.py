"""TransformerLM against transformers' Llama, Mistral, Qwen2 and Qwen3, both ways."""

import json

import helix_core as hx
import numpy as np
import pytest
import torch
from helix_core import files
from helix_layers import TransformerConfig, TransformerLM
from helix_layers.transformer.files_llama import weights
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)
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

LLAMA = (LlamaConfig, LlamaForCausalLM)
MISTRAL = (MistralConfig, MistralForCausalLM)
QWEN2 = (Qwen2Config, Qwen2ForCausalLM)
QWEN3 = (Qwen3Config, Qwen3ForCausalLM)


def rope(kind, **settings):
    return {"rope_parameters": {"rope_theta": 500.0, "rope_type": kind, **settings}}


LLAMA3 = rope(
    "llama3",
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=16,
)
YARN = rope("yarn", factor=4.0, original_max_position_embeddings=32)
MODELS = {
    "grouped": (LLAMA, {}),
    "tied": (LLAMA, {"tie_word_embeddings": True, "num_key_value_heads": 4}),
    "biases": (LLAMA, {"attention_bias": True, "mlp_bias": True}),
    "one key head, large heads": (LLAMA, {"num_key_value_heads": 1, "head_dim": 10}),
    "llama3": (LLAMA, LLAMA3),
    "linear": (LLAMA, rope("linear", factor=3.0)),
    "dynamic": (LLAMA, {**rope("dynamic", factor=2.0), "max_position_embeddings": 12}),
    "yarn": (LLAMA, YARN),
    "gelu": (LLAMA, {"hidden_act": "gelu", "rms_norm_eps": 1e-3}),
    "mistral": (MISTRAL, {"sliding_window": 5}),
    "mistral without window": (MISTRAL, {"sliding_window": None}),
    "qwen2": (QWEN2, {}),
    "qwen3": (QWEN3, {"head_dim": 10}),
    "qwen3 with biases and windows": (
        QWEN3,
        {
            "head_dim": 8,
            "attention_bias": True,
            "use_sliding_window": True,
            "sliding_window": 6,
            "max_window_layers": 0,
        },
    ),
    "qwen2 with windows": (
        QWEN2,
        {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 0},
    ),
}
EACH = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())


def theirs(model, **changes):
    (config, kind), own = model
    torch.manual_seed(0)
    values = {
        "vocab_size": 61,
        "hidden_size": 32,
        "intermediate_size": 44,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "initializer_range": 0.3,
        **own,
        **changes,
    }
    return drawn(kind(config(**values)))


@pytest.mark.parametrize("device", DEVICES)
@EACH
def test_logits_and_gradients(tmp_path, model, device):
    ref = theirs(model)
    ref.save_pretrained(tmp_path)
    ours = TransformerLM.from_transformers(tmp_path, device=device)
    check_language_model(ours, ref, weights(ours.config), device)


@EACH
def test_transformers_reads_what_we_save(tmp_path, model):
    ref = theirs(model)
    ref.save_pretrained(tmp_path / "a")
    ours = TransformerLM.from_transformers(tmp_path / "a")
    check_saved(ours, ref, model[0][1], tmp_path / "b")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["grouped", "llama3", "mistral", "qwen2", "qwen3"])
def test_greedy_decoding_gives_the_same_ids(tmp_path, name, device):
    ref = theirs(MODELS[name])
    ref.save_pretrained(tmp_path)
    ours = TransformerLM.from_transformers(tmp_path, device=device)
    check_greedy(ours, ref)
    check_streaming(ours, device)


def test_sharded_checkpoints_load(tmp_path):
    ref = theirs(MODELS["grouped"])
    ref.save_pretrained(tmp_path, max_shard_size="20KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    ours = TransformerLM.from_transformers(tmp_path)
    close(ours(hx.tensor(ids())), ref(torch.tensor(ids())).logits)


def test_checkpoints_in_bfloat16_load(tmp_path):
    theirs(MODELS["grouped"]).bfloat16().save_pretrained(tmp_path)
    ref = LlamaForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    ours = TransformerLM.from_transformers(tmp_path)
    assert ours.head.value.dtype == hx.float32
    close(ours(hx.tensor(ids())), ref(torch.tensor(ids())).logits)


def test_the_rope_fields_of_older_configs_load(tmp_path):
    ref = theirs(MODELS["llama3"])
    ref.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    values = json.loads(path.read_text())
    scaling = values.pop("rope_parameters")
    values["rope_theta"] = scaling.pop("rope_theta")
    scaling["type"] = scaling.pop("rope_type")
    path.write_text(json.dumps({**values, "rope_scaling": scaling}))
    ours = TransformerLM.from_transformers(tmp_path)
    close(ours(hx.tensor(ids())), ref(torch.tensor(ids())).logits)


def test_all_keys_that_do_not_fit_are_named_at_once(tmp_path):
    theirs(MODELS["grouped"]).save_pretrained(tmp_path)
    arrays = files.load_tensors(tmp_path / "model.safetensors")
    layer = "model.layers.1."
    arrays[f"{layer}self_attn.k_proj.weight"] = np.ones((3, 32), "float32")
    del arrays[f"{layer}self_attn.q_proj.weight"], arrays["lm_head.weight"]
    arrays[f"{layer}self_attn.q_proj.bias"] = np.ones(32, "float32")
    files.save_tensors(tmp_path / "model.safetensors", arrays)
    with pytest.raises(hx.StateDictError) as e:
        TransformerLM.from_transformers(tmp_path)
    for part in (
        f"{layer}self_attn.k_proj.weight: expected (16, 32), got (3, 32)",
        f"missing: {layer}self_attn.q_proj.weight, lm_head.weight",
        f"unexpected: {layer}self_attn.q_proj.bias",
    ):
        assert part in str(e.value)


@pytest.mark.parametrize(
    ("name", "changes", "field"),
    [
        ("grouped", {"model_type": "gemma"}, "model_type"),
        ("grouped", {"hidden_act": "relu"}, "hidden_act"),
        (
            "grouped",
            {"rope_parameters": {"rope_theta": 1e4, "rope_type": "longrope"}},
            "rope_type",
        ),
        (
            "grouped",
            {
                "rope_parameters": {
                    "rope_theta": 1e4,
                    "rope_type": "default",
                    "partial_rotary_factor": 0.5,
                }
            },
            "partial_rotary_factor",
        ),
        ("qwen2 with windows", {"max_window_layers": 1}, "max_window_layers"),
        (
            "mistral",
            {"layer_types": ["sliding_attention", "full_attention"]},
            "layer_types",
        ),
    ],
)
def test_what_we_do_not_compute_is_refused(tmp_path, name, changes, field):
    theirs(MODELS[name]).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(files.FileError, match=field):
        TransformerLM.from_transformers(tmp_path)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"positions": "alibi"}, "positions='alibi'"),
        ({"parallel": True, "qk_norm": True}, "parallel=True"),
        ({"mlp": "relu2"}, "mlp='relu2'"),
        ({"norm": "layer_norm"}, "mlp='swiglu'"),
        ({"norm": "layer_norm", "positions": "learned"}, "mlp='swiglu'"),
        ({"window": 8, "bias": True}, "out_bias=True"),
        ({"rope_interleaved": True}, "rope_interleaved=True"),
    ],
)
def test_a_model_that_transformers_has_not_is_not_saved(tmp_path, changes, named):
    model = TransformerLM(TransformerConfig(d_model=16, n_layers=1, **changes))
    with pytest.raises(files.FileError, match=named):
        model.save_transformers(tmp_path / "x")
    assert not (tmp_path / "x").exists()
