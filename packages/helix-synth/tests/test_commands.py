"""``helix synth``."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from helix_synth import registry
from helix_synth.commands import synth


def run(*args, ok=True):
    result = CliRunner().invoke(synth, [str(a) for a in args])
    assert (result.exit_code == 0) == ok, result.output
    return result.output


def test_make_verify_replay(tmp_path):
    out = tmp_path / "shapes"
    text = run("shapes", "-n", 20, "--shards", 3, "--out", out, "--set", "side=32")
    assert "20 samples of shapes in 3 webdataset shards, all verified" in text
    assert "20 samples as their spec promises" in run("verify", out)
    one = tmp_path / "one.npz"
    text = run("replay", out / "manifest.json", "--sample", 13, "-o", one)
    assert "image: uint8[32, 32, 3]" in text
    want = registry.generator("shapes", side=32).sample(13)
    with np.load(one) as z:
        np.testing.assert_array_equal(z["image"], want["image"])


def test_json(tmp_path):
    made = json.loads(run("parity", "-n", 5, "--out", tmp_path / "x", "--json"))
    assert made["n"] == 5 and made["generator"] == "parity"
    assert json.loads(run("verify", tmp_path / "x", "--json")) == {
        "n": 5,
        "problems": [],
    }
    names = [row["name"] for row in json.loads(run("list", "--json"))]
    assert {"shapes", "mqar"} <= set(names)
    fields = json.loads(run("list", "mqar", "--json"))
    assert fields["pairs"]["default"] == 32


def test_help_shows_fields_and_examples():
    text = run("mqar", "--help")
    assert "pairs  int in [1, 65536], 32 by default" in text and "Examples:" in text
    assert "helix synth shapes -n 10000 --shards 8" in run("--help")
    assert "sequence (" in run("list")


@pytest.mark.parametrize(
    "args, says",
    [
        (["nonesuch", "-n", 3, "--out", "x"], "nonesuch"),
        (["mqar", "--out", "x", "--set", "pears=3"], "got pears"),
        (
            ["mqar", "--out", "x", "--set", "pairs=0"],
            "expected pairs: int in [1, 65536]",
        ),
        (["mqar", "--out", "x", "--set", "pairs"], "expected NAME=VALUE"),
        (["mqar", "--out", "x", "--format", "floppy"], "floppy"),
        (["verify", "nowhere"], "expected a manifest"),
        (["replay", "nowhere", "--sample", 3], "expected a manifest"),
    ],
)
def test_bad_input_says_what_was_expected(tmp_path, monkeypatch, args, says):
    monkeypatch.chdir(tmp_path)
    assert says in run(*args, ok=False)
