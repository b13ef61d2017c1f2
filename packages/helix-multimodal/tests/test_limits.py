import pickle

import pytest
from helix_multimodal import Corrupt, LimitExceeded, Limits, MissingExtra, Timeout
from helix_multimodal.limits import MIB, Meter


def test_a_header_beyond_a_limit_is_refused_before_anything_is_allocated():
    meter = Meter(Limits(pixels=100), 10, "png")
    with pytest.raises(
        LimitExceeded, match=r"\[png\] expected at most 100 pixels; got 121"
    ):
        meter.image(11, 11, 3)
    assert meter.decoded == 0


def test_bytes_add_up():
    meter = Meter(Limits(decoded_bytes=10), 10, "wav")
    meter.charge(6)
    with pytest.raises(LimitExceeded, match="got 12") as caught:
        meter.charge(6)
    assert caught.value.limit == "decoded_bytes"
    assert meter.decoded == 6


def test_a_ratio_counts_once_much_is_decoded():
    meter = Meter(Limits(ratio=10), 100, "png")
    meter.charge(16 * MIB)
    with pytest.raises(LimitExceeded, match=r"each of the input's 100"):
        meter.charge(1)


def test_none_lifts_a_limit():
    Meter(Limits(pixels=None, decoded_bytes=None, ratio=None), 1).image(10**5, 10**5, 3)


@pytest.mark.parametrize("size", [(0, 5, 1), (5, -1, 1), (5, 5, 0)])
def test_an_empty_image_is_corrupt(size):
    height, width, frames = size
    with pytest.raises(Corrupt, match="from 1 x 1"):
        Meter(Limits(), 10).image(height, width, 3, frames)


def test_time_ends():
    with pytest.raises(Timeout, match="within 0 s"):
        Meter(Limits(wall=0.0), 10).charge(1)


@pytest.mark.parametrize("value", [-1, "many"])
def test_a_limit_is_a_number_from_0(value):
    with pytest.raises(ValueError, match=r"\[Limits\] expected pixels"):
        Limits(pixels=value)


@pytest.mark.parametrize(
    "error", [LimitExceeded("m", "pixels"), MissingExtra("m", "image"), Corrupt("m")]
)
def test_errors_travel_between_processes(error):
    got = pickle.loads(pickle.dumps(error))
    assert type(got) is type(error) and str(got) == "m"
    assert vars(got) == vars(error)
