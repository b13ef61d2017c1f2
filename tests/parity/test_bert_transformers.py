"""Encoder against transformers' BertModel, both ways."""

import json

import helix_core as hx
import numpy as np
import pytest
import torch
from helix_core import files
from helix_layers import Encoder
from helix_layers.transformer.files_bert import weights
from transformers import BertConfig, BertForMaskedLM, BertModel
from transformers_peer import DEVICES, check_saved, close, close_gradients, drawn, ids

LENGTHS = np.array([19, 11, 1])
SIZES = {
    "default": {},
    "other widths": {"num_attention_heads": 2, "layer_norm_eps": 1e-3},
    "gelu_new": {"hidden_act": "gelu_new", "type_vocab_size": 3},
}


def theirs(kind=BertModel, **changes):
    torch.manual_seed(0)
    values = {
        "vocab_size": 61,
        "hidden_size": 24,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "intermediate_size": 40,
        "max_position_embeddings": 20,
        "initializer_range": 0.3,
        **changes,
    }
    return drawn(kind(BertConfig(**values)))


def batch():
    """Ids, which tokens are live, and types."""
    live = np.arange(19) < LENGTHS[:, None]
    x = np.where(live, ids(3), 0)
    types = (np.arange(19) > 6).astype("int64")[None].repeat(3, 0)
    return x, live, types


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES.keys())
def test_features_and_gradients(tmp_path, sizes, device):
    ref = theirs(**sizes)
    ref.save_pretrained(tmp_path)
    model = Encoder.from_transformers(tmp_path, device=device).eval()
    x, live, types = batch()
    out = ref(torch.tensor(x), torch.tensor(live), torch.tensor(types))
    here = {"device": device}
    h = model(
        hx.tensor(x, **here), hx.tensor(LENGTHS, **here), hx.tensor(types, **here)
    )
    mask = live[..., None].astype("float32")
    close(h.numpy() * mask, out[0] * torch.tensor(mask))
    close(model.pooled(h), out[1])

    rng = np.random.default_rng(3)
    by, to = rng.normal(size=(3, 19, 24)), rng.normal(size=(3, 24))
    by = (by * mask).astype("float32")
    to = to.astype("float32")
    ((out[0] * torch.tensor(by)).sum() + (out[1] * torch.tensor(to)).sum()).backward()
    ours = hx.sum(h * hx.tensor(by, **here))
    (ours + hx.sum(model.pooled(h) * hx.tensor(to, **here))).backward()
    close_gradients(model, weights(model.config), ref)


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES.keys())
def test_transformers_reads_what_we_save(tmp_path, sizes):
    ref = theirs(**sizes)
    ref.save_pretrained(tmp_path / "a")
    check_saved(
        Encoder.from_transformers(tmp_path / "a"), ref, BertModel, tmp_path / "b"
    )


def test_sharded_checkpoints_load(tmp_path):
    ref = theirs()
    ref.save_pretrained(tmp_path, max_shard_size="20KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    model = Encoder.from_transformers(tmp_path).eval()
    close(model(hx.tensor(ids())), ref(torch.tensor(ids()))[0])


def test_the_body_of_a_model_with_a_head_loads(tmp_path):
    ref = theirs(BertForMaskedLM)
    ref.save_pretrained(tmp_path)
    model = Encoder.from_transformers(tmp_path).eval()
    assert model.pooler is None
    close(model(hx.tensor(ids())), ref.bert(torch.tensor(ids()))[0])


def test_all_keys_that_do_not_fit_are_named_at_once(tmp_path):
    theirs().save_pretrained(tmp_path)
    arrays = files.load_tensors(tmp_path / "model.safetensors")
    layer = "encoder.layer.2."
    arrays[f"{layer}output.dense.weight"] = arrays[f"{layer}output.dense.weight"].T
    del arrays[f"{layer}attention.self.value.bias"], arrays["pooler.dense.bias"]
    arrays["encoder.strange"] = np.ones(1, "float32")
    files.save_tensors(tmp_path / "model.safetensors", arrays)
    with pytest.raises(hx.StateDictError) as e:
        Encoder.from_transformers(tmp_path)
    for part in (
        f"{layer}output.dense.weight: expected (24, 40), got (40, 24)",
        f"missing: {layer}attention.self.value.bias, pooler.dense.bias",
        "unexpected: encoder.strange",
    ):
        assert part in str(e.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model_type", "roberta"),
        ("hidden_act", "quick_gelu"),
        ("is_decoder", True),
        ("add_cross_attention", True),
        ("position_embedding_type", "relative_key"),
    ],
)
def test_what_we_do_not_compute_is_refused(tmp_path, field, value):
    theirs().save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    with pytest.raises(files.FileError, match=field):
        Encoder.from_transformers(tmp_path)
