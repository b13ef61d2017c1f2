"""S3: the same bits after SIGKILL at any moment, on any number of shards, in any order."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from helix_synth import dataset, registry
from helix_synth._catalogue import ENTRIES
from helix_synth._digest import MerkleTree, sample_digest

N, SHARDS = 200, 3
REPLACED = 2 * SHARDS + 2  # the plan; each shard and its digests; the manifest
kills = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills by signal")

# writes OUT, and kills itself before or after its n-th rename, or at its n-th block
_WRITER = """
import os, signal, sys
from helix_core import platform
from helix_synth import dataset, registry

out, when, at, workers = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

def die():
    os.kill(os.getpid(), signal.SIGKILL)

renames = blocks = 0
rename = os.replace

def replace(source, target):
    global renames
    renames += 1
    if when == "before" and renames == at:
        die()
    rename(source, target)
    if when == "after" and renames == at:
        die()

def made(n):
    global blocks
    blocks += 1
    if when == "block" and blocks == at:
        die()

def main():
    g = registry.generator("mqar", seed=4, length=32, pairs=4, vocab=64)
    g.chunk = 16
    platform.os.replace = replace
    dataset.write(g, 200, out, shards=3, workers=workers, progress=made)

if __name__ == "__main__":
    main()
"""


def mqar():
    return registry.generator("mqar", seed=4, length=32, pairs=4, vocab=64)


def files(folder):
    """Bytes of every file by name; the lock means nothing."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "lock"
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "x"
    manifest = dataset.write(mqar(), N, out, shards=SHARDS)
    assert manifest["root"] == MerkleTree(map(sample_digest, mqar().stream(N))).root()
    return files(out)


@pytest.fixture
def writer(tmp_path):
    script = tmp_path / "writer.py"
    script.write_text(_WRITER)

    def start(out, when, at=0, workers=1):
        command = [sys.executable, str(script), str(out), when, str(at), str(workers)]
        return subprocess.Popen(command)

    return start


def assert_resumes(out, undisturbed):
    dataset.write(mqar(), N, out, shards=SHARDS)
    assert files(out) == undisturbed
    assert dataset.verify(out) == []


@kills
@pytest.mark.parametrize(
    "when, at",
    [("before", 1), ("after", 1),  # the plan
     ("before", 2), ("after", 2), ("before", 3), ("after", 3),  # shard, its digests
     ("before", 6), ("after", 7), ("before", REPLACED), ("after", REPLACED),
     ("block", 1), ("block", 4), ("block", 9)],
)  # fmt: skip
def test_a_writer_killed_at_any_moment_goes_on(tmp_path, writer, undisturbed, when, at):
    out = tmp_path / "x"
    assert writer(out, when, at).wait(60) == -signal.SIGKILL
    if (when, at) != ("after", REPLACED):
        assert files(out) != undisturbed
    assert_resumes(out, undisturbed)


@kills
def test_a_writer_killed_again_and_again_goes_on(tmp_path, writer, undisturbed):
    out = tmp_path / "x"
    for when, at in [("block", 2), ("before", 2), ("after", 1), ("block", 3)]:
        assert writer(out, when, at).wait(60) == -signal.SIGKILL
    assert writer(out, "never").wait(60) == 0
    assert files(out) == undisturbed


@kills
def test_a_writer_with_workers_that_is_killed_goes_on(tmp_path, writer, undisturbed):
    out = tmp_path / "x"
    # told after the first shard; the other worker may be in the middle of its own
    assert writer(out, "block", 1, workers=2).wait(60) == -signal.SIGKILL
    dataset.write(mqar(), N, out, shards=SHARDS)
    end = time.monotonic() + 30
    while list(out.rglob(".*.tmp")) and time.monotonic() < end:
        time.sleep(0.05)  # an orphan's temporary goes with it
    assert files(out) == undisturbed
    assert dataset.verify(out) == []


# ------------------------------------------------------------------- shards and order
ONE_OF_EACH = {
    "mqar": dict(length=32, pairs=4, vocab=64),
    "shapes": dict(side=16),
    "scenes": dict(side=32, smallest=0.1),
    "barabasi_albert": dict(nodes=30, m=2),
    "kernel_synth": dict(length=64),
    "json": {},
    "clicks": dict(rate=8000, seconds=0.5),
    "sliding": dict(side=24, frames=4),
    "solids": dict(points=32),
    "records": dict(rows_count=5),
}


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_the_root_is_that_of_every_number_of_shards(tmp_path, name):
    g = registry.generator(name, seed=6, **ONE_OF_EACH[name])
    start = 10**12 - 30
    roots = {
        dataset.write(g, 67, tmp_path / str(k), shards=k, start=start)["root"]
        for k in (1, 2, 7, 64)
    }
    leaves = [sample_digest(g.sample(i)) for i in range(start, start + 67)]
    assert roots == {MerkleTree(leaves).root()}


@pytest.mark.parametrize("name", ["mqar", "json"])
def test_a_thousand_far_samples_in_any_order(name):
    g = registry.generator(name, seed=8, **ONE_OF_EACH[name])
    luck = random.Random(2)
    far = [luck.randrange(10**12) for _ in range(1000)]
    together = dict(zip(far, map(sample_digest, g.at(far).samples()), strict=True))
    luck.shuffle(far)
    again = registry.generator(name, seed=8, **ONE_OF_EACH[name])
    assert [sample_digest(again.sample(i)) for i in far] == [together[i] for i in far]
    if name == "mqar":  # small documents come twice
        assert len(set(together.values())) == len(far)


_FAR = """
import sys
from random import Random
from helix_synth import registry
from helix_synth._digest import MerkleTree, sample_digest

for name in sys.argv[1:]:
    g = registry.generator(name, seed=3)
    far = sorted(Random(name).randrange(10**12) for _ in range(5))
    print(MerkleTree(sample_digest(g.sample(i)) for i in far).root())
"""


def test_another_process_makes_the_same_far_samples():
    names = [e.name for e in ENTRIES]
    environment = os.environ | {"PYTHONHASHSEED": "12345"}
    told = subprocess.run(
        [sys.executable, "-c", _FAR, *names],
        env=environment, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    for name, root in zip(names, told, strict=True):
        far = sorted(random.Random(name).randrange(10**12) for _ in range(5))
        block = registry.generator(name, seed=3).at(far[::-1])
        leaves = [sample_digest(s) for s in block.samples()][::-1]
        assert MerkleTree(leaves).root() == root, name
