import helix_core as hx
import numpy as np
import pytest
from helix_hammer import Batches
from helix_hammer.stream import Shuffle, as_stream


def test_a_list_of_batches_is_repeated():
    s = as_stream(["a", "b", "c"])
    assert [s[k] for k in (0, 1, 2, 3, 7)] == ["a", "b", "c", "a", "b"]


def test_an_iterable_is_read_again_at_its_end():
    class Twice:
        def __iter__(self):
            return iter([10, 20, 30])

    s = as_stream(Twice())
    assert [s[k] for k in range(7)] == [10, 20, 30, 10, 20, 30, 10]
    assert s[1] == 20  # back


def test_an_iterable_is_entered_in_the_middle():
    class Data:
        def __iter__(self):
            return iter([10, 20, 30])

    assert as_stream(Data())[4] == 20


def test_a_generator_that_ends_is_named():
    s = as_stream(x for x in [1, 2])
    assert s[0] == 1 and s[1] == 2
    with pytest.raises(hx.HelixError, match="ended after 2 batches"):
        s[2]


@pytest.mark.parametrize("data", [[], iter(())], ids=["list", "iterator"])
def test_no_batches(data):
    with pytest.raises(hx.HelixError, match=r"ended after 0|at least one batch"):
        as_stream(data)[0]


@pytest.mark.parametrize("data", [5, {"a": 1}, None])
def test_what_is_no_data(data):
    with pytest.raises(hx.HelixError, match="__getitem__ or __iter__; got"):
        as_stream(data)


def test_an_endless_stream_is_itself():
    class Squares:
        def __getitem__(self, k):
            return k * k

    s = Squares()
    assert as_stream(s) is s


def test_a_shuffled_epoch_has_every_item_once():
    s = Shuffle(10, 4, seed=3)
    drawn = np.concatenate([s[k] for k in range(5)])  # two epochs
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == list(range(10))
    assert drawn[:10].tolist() != drawn[10:].tolist()


def test_rows_stay_together():
    data = Batches(np.arange(50), np.arange(50) + 100, batch=7, seed=0)
    for k in (0, 6, 10**9):
        x, y = data[k]
        assert (y == x + 100).all() and x.shape == (7,)


def test_arrays_of_different_length():
    with pytest.raises(hx.HelixError, match=r"one length; got \[2, 3\]"):
        Batches(np.zeros(2), np.zeros(3), batch=1)


def test_no_items_and_no_batch():
    with pytest.raises(hx.HelixError, match="at least one item"):
        Batches(np.zeros((0, 3)), batch=1)
    with pytest.raises(hx.HelixError, match="batches of at least one"):
        Batches(np.zeros((3, 3)), batch=0)
