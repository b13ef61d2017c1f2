"""Data sets: the same samples however they are cut, interrupted or stored."""

import io
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helix_synth import ManifestError, SynthError, VerificationError, dataset, registry
from helix_synth._digest import MerkleTree, sample_digest

SMALL = dict(length=32, pairs=4, vocab=64)


def mqar(seed=0):
    return registry.generator("mqar", seed=seed, **SMALL)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    out = tmp_path_factory.mktemp("one") / "data"
    return dataset.write(mqar(), 300, out)["root"]


@pytest.mark.parametrize(
    "shards, sink", [(2, "npz"), (7, "webdataset"), (64, "webdataset")]
)
def test_the_root_does_not_depend_on_shards_or_format(tmp_path, root, shards, sink):
    manifest = dataset.write(mqar(), 300, tmp_path / "x", shards=shards, sink=sink)
    assert manifest["root"] == root
    assert sum(s["n"] for s in manifest["shards"]) == 300
    assert dataset.verify(tmp_path / "x") == []
    want = MerkleTree(map(sample_digest, mqar().stream(300))).root()
    assert root == want


def test_two_workers_write_the_same_files(tmp_path, root):
    a = dataset.write(mqar(), 300, tmp_path / "a", shards=3)
    b = dataset.write(mqar(), 300, tmp_path / "b", shards=3, workers=2)
    assert a == b and a["root"] == root
    for shard in a["shards"]:
        one, two = (tmp_path / d / shard["file"] for d in "ab")
        assert one.read_bytes() == two.read_bytes()


def test_merkle_roots_know_order_and_number():
    a, b, c = (bytes([i]) * 32 for i in range(3))
    roots = [
        MerkleTree(x).root() for x in ([], [a], [a, b], [b, a], [a, b, c], [a, b, c, c])
    ]
    assert len(set(roots)) == 6


@pytest.mark.parametrize("name", ["webdataset", "npz"])
@pytest.mark.parametrize("kind", ["shapes", "needle", "in_context_regression"])
def test_what_is_read_is_what_was_made(tmp_path, name, kind):
    g = registry.generator(kind, seed=5)
    dataset.write(g, 9, tmp_path / "x", shards=2, sink=name, start=10**12)
    back = dict(dataset.read(tmp_path / "x"))
    assert list(back) == list(range(10**12, 10**12 + 9))
    for i, sample in back.items():
        assert sample_digest(sample) == sample_digest(g.sample(i))


def test_tar_shards_are_tar_files(tmp_path):
    import tarfile

    dataset.write(mqar(), 2, tmp_path / "x")
    (path,) = (tmp_path / "x").glob("*.tar")
    with tarfile.open(path) as tar:
        names = tar.getnames()
        assert names == [
            f"{i:012d}.{f}.npy" for i in range(2) for f in ("inputs", "targets")
        ]
        array = np.load(io.BytesIO(tar.extractfile(names[2]).read()))
    np.testing.assert_array_equal(array, mqar().sample(1)["inputs"])


def test_npz_shards_hold_columns(tmp_path):
    dataset.write(mqar(), 5, tmp_path / "x", sink="npz")
    (path,) = (tmp_path / "x").glob("*.npz")
    with np.load(path) as z:
        np.testing.assert_array_equal(z["inputs"], mqar().block(0, 5)["inputs"])
        assert z["index"].tolist() == [0, 1, 2, 3, 4]


def test_no_samples_and_more_shards_than_samples(tmp_path):
    for n, shards, sink in [(0, 1, "webdataset"), (0, 2, "npz"), (2, 5, "webdataset")]:
        out = tmp_path / f"{n}-{shards}"
        manifest = dataset.write(mqar(), n, out, shards=shards, sink=sink)
        assert manifest["n"] == n and dataset.verify(out) == []


def test_a_damaged_shard_is_found(tmp_path):
    dataset.write(mqar(), 20, tmp_path / "x")
    (path,) = (tmp_path / "x").glob("*.tar")
    data = bytearray(path.read_bytes())
    at = data.index(b"000000000003.targets.npy") + 512 + 128 + 100
    data[at] ^= 1
    path.write_bytes(data)
    found = dataset.verify(tmp_path / "x")
    assert {f.index for f in found} == {3, -1}
    path.write_bytes(data[:5000])
    with pytest.raises(ManifestError, match="expected"):
        dataset.verify(tmp_path / "x")


def test_nothing_unverified_leaves(tmp_path, monkeypatch):
    good = registry.verifier("mqar")
    bad = mqar().sample(7)["inputs"]

    def check(spec, sample):
        again = np.array_equal(sample["inputs"], bad)
        return ["it is the seventh"] if again else good(spec, sample)

    monkeypatch.setattr("helix_synth.verify.sequences.mqar", check)
    monkeypatch.setattr(registry, "verifier", lambda name: check)
    with pytest.raises(VerificationError, match=r"sample 7 .*it is the seventh") as e:
        dataset.write(mqar(), 20, tmp_path / "x")
    assert e.value.index == 7 and e.value.problems == ["it is the seventh"]
    assert not list((tmp_path / "x").glob("*.tar"))
    with pytest.raises(ManifestError, match="interrupted"):
        dataset.verify(tmp_path / "x")


def test_another_data_set_is_not_overwritten(tmp_path):
    dataset.write(mqar(), 3, tmp_path / "x")
    with pytest.raises(ManifestError, match="seed is 0, not 1"):
        dataset.write(mqar(1), 3, tmp_path / "x")
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "mine.txt").write_text("mine")
    with pytest.raises(ManifestError, match=r"to be empty; got 'mine\.txt'"):
        dataset.write(mqar(), 3, tmp_path / "y")
    (tmp_path / "z").write_text("a file")
    with pytest.raises(SynthError, match="expected a folder"):
        dataset.write(mqar(), 3, tmp_path / "z")
    with pytest.raises(ManifestError, match="expected a manifest"):
        dataset.verify(tmp_path / "none")


def test_replay_compares_with_what_was_written(tmp_path):
    dataset.write(mqar(), 30, tmp_path / "x", shards=4, start=100)
    sample = dataset.replay(tmp_path / "x" / "manifest.json", 117)
    np.testing.assert_array_equal(sample["inputs"], mqar().sample(117)["inputs"])
    with pytest.raises(SynthError, match=r"expected a sample in \[100, 130\); got 99"):
        dataset.replay(tmp_path / "x", 99)
    digests = tmp_path / "x" / "digests" / "00000.blake2b"
    digests.write_bytes(bytes(digests.stat().st_size))
    with pytest.raises(VerificationError, match="bits that were written"):
        dataset.replay(tmp_path / "x", 101)


_RUN = """
import sys
from helix_synth import dataset, registry
g = registry.generator("mqar", length=32, pairs=4, vocab=64)
g.chunk = type(g).chunk = 16
dataset.write(g, 3000, sys.argv[1], shards=20)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills by signal")
def test_a_killed_run_goes_on_to_the_same_root(tmp_path):
    want = MerkleTree(map(sample_digest, mqar().stream(3000))).root()
    out, kills = tmp_path / "x", 0
    for wait in (3, 9, 14):
        child = subprocess.Popen([sys.executable, "-c", _RUN, str(out)])
        while child.poll() is None and len(list(out.glob("*.tar"))) < wait:
            time.sleep(0.002)
        if child.poll() is None:
            os.kill(child.pid, signal.SIGKILL)
            kills += 1
        child.wait()
    assert kills >= 1
    manifest = dataset.write(mqar(), 3000, out, shards=20)
    assert manifest["root"] == want and dataset.verify(out) == []
    assert not list(out.glob(".*"))
