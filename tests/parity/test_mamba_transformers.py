"""MambaLM against transformers' MambaForCausalLM, both ways, logits and gradients."""

import json

import helix_core as hx
import numpy as np
import pytest
import torch
from helix_layers import MambaLM
from helix_layers._mamba_files import transformers_name
from transformers import MambaConfig, MambaForCausalLM

SIZES = {
    "default": {},
    "untied with biases": {
        "tie_word_embeddings": False,
        "use_bias": True,
        "time_step_rank": 3,
    },
    "no convolution bias": {"use_conv_bias": False, "conv_kernel": 3, "expand": 3},
    "odd widths": {"hidden_size": 20, "state_size": 5, "layer_norm_epsilon": 1e-3},
}


def theirs(**changes):
    torch.manual_seed(0)
    values = {
        "vocab_size": 61,
        "hidden_size": 24,
        "num_hidden_layers": 3,
        "state_size": 8,
        "initializer_range": 0.3,
        **changes,
    }
    model = MambaForCausalLM(MambaConfig(**values))
    with torch.no_grad():  # biases are drawn as zeros: make every weight matter
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p))
    return model


def ids(batch=2, time=19, vocab=61):
    return np.random.default_rng(1).integers(0, vocab, (batch, time))


def close(got, want, share=1e-4):
    want = want.detach().numpy() if isinstance(want, torch.Tensor) else want
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= share * np.abs(want).max()


@pytest.mark.parametrize("device", ["cpu", "numpy"])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES.keys())
def test_logits_and_gradients(tmp_path, sizes, device):
    ref = theirs(**sizes)
    ref.save_pretrained(tmp_path)
    model = MambaLM.from_transformers(tmp_path, device=device)
    x = ids()
    inputs, labels = x[:, :-1], x[:, 1:]

    logits = ref.train()(torch.tensor(inputs)).logits
    close(model(hx.tensor(inputs, device=device)).numpy(), logits)

    flat = logits.reshape(-1, logits.shape[-1])
    loss = torch.nn.functional.cross_entropy(flat, torch.tensor(labels).reshape(-1))
    loss.backward()
    ours = model.loss(
        hx.tensor(inputs, device=device), hx.tensor(labels, device=device)
    )
    ours.backward()
    assert abs(ours.item() - loss.item()) <= 1e-4 * loss.item()
    grads = dict(ref.named_parameters())
    seen = set()
    for name, p in model.named_parameters():
        their = grads[transformers_name(name)]
        seen.add(transformers_name(name))
        close(p.grad.numpy().reshape(tuple(their.shape)), their.grad)
    assert seen == set(grads)


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES.keys())
def test_transformers_reads_what_we_save(tmp_path, sizes):
    ref = theirs(**sizes)
    ref.save_pretrained(tmp_path / "a")
    model = MambaLM.from_transformers(tmp_path / "a")
    model.save_transformers(tmp_path / "b")
    back, report = MambaForCausalLM.from_pretrained(
        tmp_path / "b", output_loading_info=True
    )
    assert not report["missing_keys"] and not report["unexpected_keys"]
    x = torch.tensor(ids())
    with torch.no_grad():
        assert torch.equal(back.eval()(x).logits, ref.eval()(x).logits)


def test_sharded_checkpoints_load(tmp_path):
    ref = theirs()
    ref.save_pretrained(tmp_path, max_shard_size="20KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    model = MambaLM.from_transformers(tmp_path)
    close(model(hx.tensor(ids())).numpy(), ref.eval()(torch.tensor(ids())).logits)


def test_the_original_repository_s_embedding_name_loads(tmp_path):
    from helix_core import files

    ref = theirs()
    ref.save_pretrained(tmp_path)
    arrays = files.load_tensors(tmp_path / "model.safetensors")
    arrays["backbone.embedding.weight"] = arrays.pop("backbone.embeddings.weight")
    files.save_tensors(tmp_path / "model.safetensors", arrays)
    model = MambaLM.from_transformers(tmp_path)
    close(model(hx.tensor(ids())).numpy(), ref.eval()(torch.tensor(ids())).logits)


@pytest.mark.parametrize("device", ["cpu", "numpy"])
def test_greedy_decoding_gives_the_same_ids(tmp_path, device):
    ref = theirs().eval()
    ref.save_pretrained(tmp_path)
    model = MambaLM.from_transformers(tmp_path, device=device)
    prompt = ids(1, 7)
    want = ref.generate(
        torch.tensor(prompt),
        max_new_tokens=24,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )[0, 7:]
    assert model.generate(prompt[0].tolist(), 24, temperature=0.0) == want.tolist()


def test_a_falcon_or_other_config_is_refused(tmp_path):
    theirs().save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    for field, value, word in [
        ("model_type", "falcon_mamba", "model_type"),
        ("hidden_act", "relu", "hidden_act"),
        ("intermediate_size", 25, "intermediate_size"),
    ]:
        old = json.loads(path.read_text())
        path.write_text(json.dumps({**old, field: value}))
        with pytest.raises(hx.HelixError, match=word):
            MambaLM.from_transformers(tmp_path)
        path.write_text(json.dumps(old))
