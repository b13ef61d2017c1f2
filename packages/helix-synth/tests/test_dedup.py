"""Duplicates that were planted are found, and nothing else."""

from random import Random

import numpy as np
import pytest
from helix_synth import SynthError, dedup, registry


def test_shingles_are_the_runs_of_a_text():
    assert len(dedup.shingles("abcdefg", 5)) == 3
    assert len(dedup.shingles("aaaaaaa", 5)) == 1
    a, b = dedup.shingles("the cat sat"), dedup.shingles("the cat sits")
    assert dedup.jaccard(a, b) == 5 / 10  # runs up to "cat s" of 7 and 8
    tokens = np.array([3, -1, 70_000, 3, -1], np.int32)
    assert len(dedup.shingles(tokens, 2)) == 3
    assert np.array_equal(dedup.shingles(tokens), dedup.shingles(tokens.astype("i8")))
    assert len(np.unique([dedup.shingles(t)[0] for t in ("ab", "ba", "abc")])) == 3


def test_nothing_and_little():
    empty = dedup.shingles("")
    assert len(empty) == 0 and dedup.jaccard(empty, empty) == 1
    signatures = dedup.minhash([empty, empty, dedup.shingles("x")])
    assert (signatures[0] == signatures[1]).all()
    assert (signatures[0] != signatures[2]).any()
    assert dedup.near_sets([]).shape == (0, 2)
    assert dedup.near_hashes([]).shape == (0, 2)
    assert dedup.near_sets([empty, empty]).tolist() == [[0, 1]]
    assert dedup.simhash("") == 0


def test_minhash_estimates_the_share_without_bias():
    rng = np.random.default_rng(0)
    errors = []
    for share in np.linspace(0.05, 0.95, 60):
        common = rng.integers(2**63, size=int(400 * share), dtype=np.uint64)
        own = rng.integers(2**63, size=(2, 400 - len(common)), dtype=np.uint64)
        a, b = (np.unique(np.concatenate([common, x])) for x in own)
        x, y = dedup.minhash([a, b], seed=int(share * 1000))
        errors.append((x == y).mean() - dedup.jaccard(a, b))
    # 60 estimates, each of a deviation of at most 0.044
    assert abs(np.mean(errors)) < 3 * 0.044 / np.sqrt(60)
    assert np.std(errors) < 0.055


def planted(n=300):
    """Texts, every third of them again with a word changed."""
    luck = Random(4)
    words = ["".join(luck.choices("abcdefghij", k=6)) for _ in range(2000)]
    texts, pairs = [], []
    for i in range(n):
        text = luck.choices(words, k=80)
        texts.append(" ".join(text))
        if i % 3 == 0:
            again = list(text)
            again[luck.randrange(80)] = "changed"
            pairs.append([len(texts) - 1, len(texts)])
            texts.append(" ".join(again))
    return texts, pairs


def test_near_texts_are_found_and_others_are_not():
    texts, pairs = planted()
    sets = [dedup.shingles(t) for t in texts]
    assert dedup.near_sets(sets).tolist() == pairs
    for i, j in pairs[:20]:
        near = dedup.distance(dedup.simhash(texts[i]), dedup.simhash(texts[j]))
        far = dedup.distance(dedup.simhash(texts[i]), dedup.simhash(texts[i - 5]))
        assert near <= 12 < far


def test_near_images_are_found_and_others_are_not():
    g = registry.generator("scenes", seed=2, side=64, least=4)
    rng = np.random.default_rng(1)
    images = [s["image"] for s in g.stream(60)]
    again = [
        np.clip(im + rng.normal(0, 2, im.shape), 0, 255).astype(np.uint8)
        for im in images[:30]
    ]
    hashes = [dedup.perceptual_hash(im) for im in images + again]
    found = {tuple(p) for p in dedup.near_hashes(hashes).tolist()}
    assert {p for p in found if p[1] < 60} == set()
    assert len(found & {(i, 60 + i) for i in range(30)}) >= 29
    assert found <= {(i, 60 + i) for i in range(30)}
    large = np.kron(images[0], np.ones((3, 3, 1), np.uint8))
    assert dedup.distance(dedup.perceptual_hash(large), hashes[0]) <= 1


def test_every_pair_of_near_hashes_is_found():
    luck = Random(3)
    base = [luck.getrandbits(64) for _ in range(50)]
    hashes, near = list(base), set()
    for i, h in enumerate(base):
        bits = luck.sample(range(64), i % 7)
        hashes.append(h ^ sum(1 << b for b in bits))
        if len(bits) <= 4:
            near.add((i, 50 + i))
    assert {tuple(p) for p in dedup.near_hashes(hashes, 4).tolist()} == near


def test_repeated_samples_are_counted():
    g = registry.generator("mqar", length=32, pairs=4, vocab=64)
    a = list(g.stream(50))
    assert dedup.repeated(a, 50) == 0
    assert dedup.repeated(a + a[3:10], 57) == 7
    assert dedup.repeated(iter(()), 10) == 0


def test_hashes_are_frozen():
    assert dedup.shingles("synthetic", 8).tolist() == FROZEN_SHINGLES
    assert dedup.minhash([dedup.shingles("synthetic")])[0, :3].tolist() == FROZEN_MIN
    assert dedup.simhash("synthetic data") == FROZEN_SIM


FROZEN_SHINGLES = [2477567674803785397, 5766214040457303892]
FROZEN_MIN = [1107045726, 832947277, 324522581]
FROZEN_SIM = 2309081467104057568


@pytest.mark.parametrize(
    "call, says",
    [(lambda: dedup.shingles("abc", 0), "width >= 1; got 0"),
     (lambda: dedup.shingles(np.zeros(3)), "vector of integers; got float64"),
     (lambda: dedup.shingles(np.zeros((2, 2), int)), "shape"),
     (lambda: dedup.perceptual_hash(np.zeros(4)), "got shape"),
     (lambda: dedup.perceptual_hash(np.zeros((0, 4))), "got shape"),
     (lambda: dedup.near_sets([], 0.0), "threshold"),
     (lambda: dedup.near_hashes([], 32), "most")],
)  # fmt: skip
def test_bad_input_says_what_was_expected(call, says):
    with pytest.raises(SynthError, match=says):
        call()
