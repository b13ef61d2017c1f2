"""Hyena beside torch: a HyenaDNA through torch.fft, its file, and all its gradients."""

import json
import math

import helix_core as hx
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helix_core import files
from helix_layers import HyenaLM, HyenaMixer
from torch import nn


class Sine(nn.Module):
    def __init__(self, width, w):
        super().__init__()
        self.freq = nn.Parameter(w * torch.ones(1, width))

    def forward(self, x):
        return torch.sin(self.freq * x)


class Positions(nn.Module):
    def __init__(self, length, emb):
        super().__init__()
        t = torch.linspace(0, 1, length)[None, :, None]
        w = 2 * math.pi * torch.arange(length)[None, :, None] / length
        f = torch.linspace(1e-4, (emb - 1) // 2 - 1, (emb - 1) // 2)
        z = torch.cat([t, torch.cos(-f * w), torch.sin(-f * w)], -1)
        self.z = nn.Parameter(z)
        self.register_buffer("t", t)


class Window(nn.Module):
    def __init__(self, rows, shift):
        super().__init__()
        low, high = math.log(1e-2) / 1.5, math.log(1e-2) / 0.3
        self.register_buffer("deltas", torch.linspace(low, high, rows)[None, None])
        self.shift = shift

    def forward(self, t, h):
        return h * (torch.exp(-t * self.deltas.abs()) + self.shift)


class Filter(nn.Module):
    def __init__(self, d, length, order, width, emb, w, shift):
        super().__init__()
        rows, act = d * (order - 1), Sine(width, w)
        self.bias = nn.Parameter(torch.randn(rows))
        self.pos_emb = Positions(length, emb)
        hidden = [m for _ in range(2) for m in (nn.Linear(width, width), act)]
        self.implicit_filter = nn.Sequential(
            nn.Linear(emb, width), act, *hidden, nn.Linear(width, rows, bias=False)
        )
        self.modulation = Window(rows, shift)

    def forward(self, n):
        h = self.implicit_filter(self.pos_emb.z[:, :n])
        return self.modulation(self.pos_emb.t[:, :n], h)[0]


class Operator(nn.Module):
    def __init__(
        self, d, length, order=2, width=8, emb=5, w=10.0, shift=0.05, vo=False
    ):
        super().__init__()
        inner = d * (order + 1)
        self.in_proj, self.out_proj = nn.Linear(d, inner), nn.Linear(d, d)
        self.short_filter = nn.Conv1d(inner, inner, 3, padding=2, groups=inner)
        self.filter_fn = Filter(d, length, order, width, emb, w, shift)
        self.order, self.vo, self.d = order, vo, d

    def forward(self, x):
        n = x.shape[1]
        u = self.short_filter(self.in_proj(x).transpose(1, 2))[..., :n]
        *gates, v = u.split(self.d, 1)
        shape = (self.d, self.order - 1) if self.vo else (self.order - 1, self.d)
        k, bias = (
            self.filter_fn(n).reshape(n, *shape),
            self.filter_fn.bias.reshape(shape),
        )
        if self.vo:
            k, bias = k.transpose(1, 2), bias.T
        for o, gate in enumerate(gates[:0:-1]):
            v = v * gate
            product = torch.fft.rfft(v, 2 * n) * torch.fft.rfft(k[:, o].T, 2 * n)
            v = torch.fft.irfft(product, 2 * n)[..., :n] + v * bias[o][:, None]
        return self.out_proj((v * gates[0]).transpose(1, 2))


class Layer(nn.Module):
    def __init__(self, d, length):
        super().__init__()
        self.mixer = Operator(d, length)
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.mlp = nn.ModuleDict(
            {"fc1": nn.Linear(d, 3 * d), "fc2": nn.Linear(3 * d, d)}
        )

    def forward(self, x):
        x = x + self.mixer(self.norm1(x))
        h = F.gelu(self.mlp["fc1"](self.norm2(x)), approximate="tanh")
        return x + self.mlp["fc2"](h)


class Model(nn.Module):
    def __init__(self, d=12, length=50, n_layer=2):
        super().__init__()
        self.hyena, self.hyena.backbone = nn.Module(), nn.Module()
        b = self.hyena.backbone
        b.embeddings = nn.Module()
        b.embeddings.word_embeddings = nn.Embedding(16, d)
        b.layers = nn.ModuleList([Layer(d, length) for _ in range(n_layer)])
        b.ln_f = nn.LayerNorm(d)
        self.lm_head = nn.Linear(d, 16, bias=False)

    def forward(self, ids):
        b = self.hyena.backbone
        x = b.embeddings.word_embeddings(ids)
        for layer in b.layers:
            x = layer(x)
        return self.lm_head(b.ln_f(x))


CONFIG = {
    **{"model_type": "hyenadna", "vocab_size": 12, "pad_vocab_size_multiple": 8},
    **{"d_model": 12, "d_inner": 36, "n_layer": 2, "max_seq_len": 50, "emb_dim": 5},
    **{"filter_order": 8, "num_inner_mlps": 2, "hyena_order": 2, "use_bias": True},
    **{"short_filter_order": 3, "activation_freq": 10, "layer_norm_epsilon": 1e-5},
    **{"tie_word_embeddings": False, "train_freq": True},
}


def saved(model, folder):
    """What torch's safetensors writes: of shared tensors the first name only."""
    arrays = {n: t.detach().numpy() for n, t in model.state_dict().items()}
    kept = {
        n: a
        for n, a in arrays.items()
        if not n.endswith((".3.freq", ".5.freq", ".7.freq"))
    }
    files.save_tensors(folder / "model.safetensors", kept)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return kept


def close(mine, theirs, tolerance=1e-4):
    mine, theirs = np.asarray(mine), theirs.detach().numpy()
    assert mine.size == theirs.size
    error = np.abs(mine.reshape(-1) - theirs.reshape(-1)).max()
    assert error <= tolerance * np.abs(theirs).max()


@pytest.mark.parametrize("device", ["cpu", "numpy"])
@pytest.mark.parametrize("moved", [False, True])
def test_a_saved_model_loads_and_agrees(moved, device, tmp_path):
    torch.manual_seed(0)
    model = Model()
    if moved:  # positions learn too
        for layer in model.hyena.backbone.layers:
            layer.mixer.filter_fn.pos_emb.z.data += 0.01 * torch.randn(1, 50, 5)
    stored = saved(model, tmp_path)
    ours = HyenaLM.from_transformers(tmp_path, device=device)
    ids = np.random.default_rng(0).integers(0, 12, (2, 33))
    labels = np.random.default_rng(1).integers(0, 12, (2, 33))
    model = model.double()
    logits = model(torch.tensor(ids))
    F.cross_entropy(logits.reshape(-1, 16), torch.tensor(labels).reshape(-1)).backward()
    close(ours(hx.tensor(ids, device=device)), logits, 1e-5)
    ours.loss(*(hx.tensor(a, device=device) for a in (ids, labels))).backward()
    from helix_layers.hyena._files import _theirs

    wanted = dict(model.named_parameters())
    seen = 0
    for name, p in ours.named_parameters():
        theirs = _theirs(name)
        if theirs in wanted and p.trainable:
            close(p.grad, wanted[theirs].grad)
            seen += 1
    fixed = 0 if moved else 2  # positions
    assert seen == len(wanted) - fixed

    ours.save_transformers(tmp_path / "again")
    again = dict(files.load_tensors(tmp_path / "again" / "model.safetensors"))
    assert again.keys() == stored.keys()
    for name, a in stored.items():
        assert again[name].shape == a.shape, name
        np.testing.assert_allclose(again[name], a, atol=2e-6, err_msg=name)
    fresh = Model()
    shared = {
        n: torch.tensor(
            again[n.replace(".3.freq", ".1.freq").replace(".5.freq", ".1.freq")]
        )
        for n in fresh.state_dict()
    }
    fresh.load_state_dict(shared)
    close(ours(hx.tensor(ids, device=device)), fresh.double()(torch.tensor(ids)), 1e-5)


@pytest.mark.parametrize("device", ["cpu", "numpy"])
@pytest.mark.parametrize("length", [1, 31, 300])
@pytest.mark.parametrize(("order", "vo"), [(2, False), (3, False), (3, True)])
def test_an_operator_and_all_gradients(order, vo, length, device):
    compare(20, order, vo, length, device, 0.0)


@pytest.mark.parametrize("shift", [0.0, 0.05])
@pytest.mark.parametrize("length", [1, 31, 300])
@pytest.mark.parametrize("group", [1, 1 << 22])
def test_an_operator_in_groups_of_channels(group, length, shift, monkeypatch):
    monkeypatch.setattr("helix_hal.cpu.kernels.hyena._BYTES", group)
    monkeypatch.setattr("helix_layers.hyena._op._GROUP_BYTES", group)
    monkeypatch.setattr("helix_hal.cpu.kernels.hyena._ROWS", 100)
    compare(80, 2, False, length, "cpu", shift)
    compare(36, 2, False, length, "cpu", shift)  # not whole vectors


def compare(d, order, vo, length, device, shift):
    torch.manual_seed(1)
    theirs = Operator(d, 300, order, emb=3, w=1.0, shift=shift, vo=vo).double()
    mixer = HyenaMixer(
        *(d, 300, order),
        **{"filter_width": 8, "layout": "vo" if vo else "od", "shift": shift},
        device=device,
    )
    mixer.filter.deltas.freeze(False)
    names = {"conv_weight": "short_filter.weight", "conv_bias": "short_filter.bias"}
    names |= {f"filter.{n}": f"filter_fn.{n}" for n in ("bias",)}
    names["filter.freq"] = "filter_fn.implicit_filter.1.freq"
    for i in range(4):
        for kind in ("weight", "bias"):
            name = f"filter_fn.implicit_filter.{2 * i}.{kind}"
            names[f"filter.layers.{i}.{kind}"] = name
    window = theirs.filter_fn.modulation
    window.deltas.requires_grad_()
    names["filter.deltas"] = "deltas"
    wanted = {**dict(theirs.named_parameters()), "deltas": window.deltas}
    ours = dict(mixer.named_parameters())
    for name, p in ours.items():
        a = wanted[names.get(name, name)].detach().numpy()
        p.value = hx.tensor(a.reshape(p.shape).astype("f4"), device=device)
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal((2, length, d)).astype("f4") for _ in range(2))
    u = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    want = theirs(u)
    want.backward(torch.tensor(dy, dtype=torch.float64))
    y, pull = hx.vjp(mixer, hx.tensor(x, device=device))
    close(y, want, 3e-5)
    dx = pull(hx.tensor(dy, device=device))
    close(dx[0] if isinstance(dx, tuple) else dx, u.grad, 3e-5)
    hx.sum(mixer(hx.tensor(x, device=device)) * hx.tensor(dy, device=device)).backward()
    for name, p in ours.items():
        close(p.grad, wanted[names.get(name, name)].grad)
