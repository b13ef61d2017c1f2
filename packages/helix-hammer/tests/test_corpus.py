import numpy as np
import pytest
from helix_hammer import ByteWindows, DataError, corpus
from helix_hammer._shuffle import Permutation


@pytest.mark.parametrize("n", [1, 2, 3, 7, 64, 1000, 4097])
def test_a_permutation_takes_every_place_once(n):
    got = Permutation(n, seed=3, epoch=1)(np.arange(n))
    assert sorted(got.tolist()) == list(range(n))


def test_epochs_and_seeds_differ_and_repeat():
    a = Permutation(1000, 0, 0)(np.arange(1000))
    assert not np.array_equal(a, Permutation(1000, 0, 1)(np.arange(1000)))
    assert not np.array_equal(a, Permutation(1000, 1, 0)(np.arange(1000)))
    assert np.array_equal(a, Permutation(1000, 0, 0)(np.arange(1000)))


def test_a_permutation_is_entered_anywhere():
    p = Permutation(1000, 5, 2)
    whole = p(np.arange(1000))
    assert [int(p(np.array([i]))[0]) for i in (0, 17, 999)] == [
        whole[0],
        whole[17],
        whole[999],
    ]


def test_a_permutation_looks_random():
    p = Permutation(10_000, 0, 0)(np.arange(10_000))
    assert abs(np.corrcoef(np.arange(10_000), p)[0, 1]) < 0.04
    assert np.mean(np.abs(np.diff(p)) == 1) < 0.01


def test_windows_predict_every_byte_of_an_epoch_once():
    data = np.arange(101, dtype=np.uint8)
    w = ByteWindows(data, batch=2, length=10, seed=0)
    seen = np.concatenate([w[k][1].ravel() for k in range(5)])
    assert sorted(seen.tolist()) == list(range(1, 101))
    x, y = w[0]
    assert x.dtype == np.int32 and np.array_equal(x[:, 1:], y[:, :-1])


def test_batches_are_a_function_of_their_number():
    data = np.random.default_rng(0).integers(0, 256, 5000).astype(np.uint8)
    a, b = (ByteWindows(data, 4, 32, seed=7) for _ in range(2))
    a[0], a[100]
    assert np.array_equal(a[63][0], b[63][0])


def test_too_little_data_is_named():
    with pytest.raises(DataError, match="more than 32 training bytes; got 10"):
        ByteWindows(np.zeros(10, np.uint8), 1, 32, 0)


def test_a_folder_is_split_by_file_and_hashed(tmp_path):
    for i in range(60):
        (tmp_path / f"f{i}.txt").write_bytes(bytes([i]) * 100)
    (tmp_path / ".hidden").write_bytes(b"x" * 100)
    a, b = corpus.load(tmp_path), corpus.load(tmp_path)
    assert a.files == 60 and a.digest == b.digest
    assert len(a.train) + len(a.validation) == 6000
    assert not set(a.train.tolist()) & set(a.validation.tolist())
    (tmp_path / "f0.txt").write_bytes(b"y")
    assert corpus.load(tmp_path).digest != a.digest


def test_any_bytes_will_do(tmp_path):
    path = tmp_path / "noise.bin"
    path.write_bytes(bytes(range(256)) * 10)
    c = corpus.load(path)
    assert len(c.train) == 2432 and len(c.validation) == 128


@pytest.mark.parametrize("make", ["missing", "empty", "hollow"])
def test_data_that_is_not_there(tmp_path, make):
    path = tmp_path / make
    if make == "empty":
        path.mkdir()
    if make == "hollow":
        path.mkdir()
        (path / "a").write_bytes(b"")
    with pytest.raises(DataError, match=r"missing|empty"):
        corpus.load(path)


def test_conditional_entropies():
    alternating = np.tile(np.array([65, 66], np.uint8), 500)
    assert corpus.conditional_entropy(alternating, 0) == pytest.approx(1.0)
    assert corpus.conditional_entropy(alternating, 1) == pytest.approx(0.0, abs=1e-9)


def test_compressors_count_bits():
    bits = corpus.compressed_bits(np.zeros(10_000, np.uint8))
    assert set(bits) == {"zlib-9", "bz2-9", "xz-9e"} and max(bits.values()) < 0.2


def test_the_standard_library_is_a_corpus():
    c = corpus.load()
    assert c.files > 300 and len(c.train) > 5_000_000
    assert not any("/test/" in n for n in corpus._sources(corpus.standard_library()))
