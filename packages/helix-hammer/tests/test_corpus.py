import os
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from helix_hammer import ByteWindows, DataError, corpus, measures
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


def test_a_batch_may_span_epochs():
    data = np.arange(101, dtype=np.uint8)
    w = ByteWindows(data, batch=25, length=10, seed=0)  # two epochs and a half
    starts = w[0][0][:, 0].tolist()
    assert sorted(starts[:10]) == sorted(starts[10:20]) == list(range(0, 100, 10))
    assert starts[:10] != starts[10:20] and len(set(starts[20:])) == 5


def test_a_far_batch_costs_as_much_as_a_near_one():
    data = np.zeros(1_000_001, np.uint8)
    w = ByteWindows(data, batch=8, length=10, seed=0)
    assert w[10**12][0].shape == (8, 10)  # replaying would never end


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
    assert measures.conditional_entropy(alternating, 0) == pytest.approx(1.0)
    assert measures.conditional_entropy(alternating, 1) == pytest.approx(0.0, abs=1e-9)


def test_compressors_count_bits():
    bits = measures.compressed_bits(np.zeros(10_000, np.uint8))
    assert set(bits) == {"zlib-9", "bz2-9", "xz-9e"} and max(bits.values()) < 0.2


def test_the_standard_library_is_a_corpus():
    c = corpus.load()
    assert c.files > 300 and len(c.train) > 5_000_000
    assert 0.02 < len(c.validation) / len(c.train) < 0.12
    text = c.train.tobytes()
    assert b"class TestCase" in text and b"class TestLongMessage" not in text
    assert corpus.load().digest == c.digest


def test_folders_of_tests_are_left_out_of_the_standard_library_only(tmp_path):
    for folder in ("test", "tests", "idle_test", "site-packages", "email"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.py").write_bytes(folder.encode() * 10)
    (tmp_path / "_sysconfigdata_x.py").write_bytes(b"machine" * 10)
    kept = set(corpus._walk(tmp_path, corpus._TESTS | corpus._INSTALLED))
    assert {n for n in kept if corpus._is_source(n)} == {"email/a.py"}
    mine = corpus.joined(corpus.load(tmp_path)).tobytes()
    assert b"idle_test" in mine and b"site-packages" in mine


def test_links_and_special_files_are_not_read(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret" * 10)
    root = tmp_path / "root"
    root.mkdir()
    (root / "a").write_bytes(b"plain" * 10)
    (root / "file").symlink_to(outside / "secret")
    (root / "folder").symlink_to(outside)
    (root / "dangling").symlink_to(root / "nothing")
    os.mkfifo(root / "pipe")  # reading it would wait for ever
    c = corpus.load(root)
    assert c.files == 1 and b"secret" not in corpus.joined(c).tobytes()


def test_a_link_to_the_data_itself_is_followed(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"plain" * 10)
    (tmp_path / "link").symlink_to(tmp_path / "a.txt")
    assert (
        corpus.load(tmp_path / "link").digest == corpus.load(tmp_path / "a.txt").digest
    )


def test_order_and_split_depend_on_names_alone(tmp_path):
    names = [f"{i % 7}/{i}.txt" for i in range(60)]
    for where, order in (("a", names), ("b", names[::-1])):
        for n in order:
            (tmp_path / where / n).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / where / n).write_bytes(n.encode() * 10)
    a, b = corpus.load(tmp_path / "a"), corpus.load(tmp_path / "b")
    assert a.digest == b.digest
    assert np.array_equal(a.train, b.train)
    assert np.array_equal(a.validation, b.validation)


def test_a_folder_whose_files_would_all_validate_is_cut(tmp_path):
    name = next(
        f"f{i}" for i in range(999) if sha256(f"f{i}".encode()).digest()[0] % 20 == 0
    )
    (tmp_path / name).write_bytes(bytes(100))
    c = corpus.load(tmp_path)
    assert (len(c.train), len(c.validation)) == (95, 5)


def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "locked.txt").write_bytes(b"x" * 100)

    def deny(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", deny)
    with pytest.raises(DataError, match=r"readable files; 'locked.txt': Permission"):
        corpus.load(tmp_path)


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    (tmp_path / "locked").mkdir()

    def walk(root, onerror):
        onerror(PermissionError(13, "Permission denied", str(tmp_path / "locked")))
        return iter(())

    monkeypatch.setattr(os, "walk", walk)
    with pytest.raises(DataError, match=r"readable folders; .*locked"):
        corpus.load(tmp_path)


def test_more_than_fits_in_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    (tmp_path / "big").write_bytes(b"x" * 100)
    monkeypatch.setattr(corpus.platform, "total_memory", lambda: 200)
    with pytest.raises(DataError, match="at most a quarter of the memory"):
        corpus.load(tmp_path)


def test_a_device_is_no_data():
    with pytest.raises(DataError, match="neither"):
        corpus.load(os.devnull)


def test_tiny_data_is_named(tmp_path):
    (tmp_path / "a").write_bytes(b"1234567")
    with pytest.raises(DataError, match=r"at least 8 bytes; .* has 7"):
        corpus.load(tmp_path / "a")
