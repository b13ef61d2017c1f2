import itertools

import helix_core as hx
import numpy as np
import pytest
from helix_layers import LayerError, MambaConfig, MambaLM, Sampler

LOGITS = np.log(np.array([0.5, 0.25, 0.15, 0.1]))


def test_greedy_takes_the_largest():
    assert Sampler(temperature=0.0)(LOGITS) == 0
    assert Sampler(temperature=0.0).probabilities(LOGITS).tolist() == [1, 0, 0, 0]


def test_temperature_divides_the_logits():
    p = np.array([0.5, 0.25, 0.15, 0.1]) ** 2
    got = Sampler(temperature=0.5).probabilities(LOGITS)
    np.testing.assert_allclose(got, p / p.sum())


def test_top_k_keeps_k():
    got = Sampler(top_k=2).probabilities(LOGITS)
    np.testing.assert_allclose(got, [2 / 3, 1 / 3, 0, 0])


@pytest.mark.parametrize(
    "top_p, kept", [(0.4, 1), (0.5, 1), (0.51, 2), (0.75, 2), (0.8, 3), (1.0, 4)]
)
def test_top_p_keeps_the_fewest_that_reach_it(top_p, kept):
    got = Sampler(top_p=top_p).probabilities(LOGITS)
    want = np.where(np.arange(4) < kept, [0.5, 0.25, 0.15, 0.1], 0)
    np.testing.assert_allclose(got, want / want.sum())


def test_draws_follow_the_distribution():
    s = Sampler(seed=3)
    counts = np.bincount([s(LOGITS) for _ in range(8000)], minlength=4) / 8000
    np.testing.assert_allclose(counts, [0.5, 0.25, 0.15, 0.1], atol=0.02)


def test_a_seed_repeats_and_another_differs():
    def run(seed):
        s = Sampler(seed=seed)
        return [s(LOGITS) for _ in range(600)]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_generate_is_the_start_of_the_stream():
    m = MambaLM(MambaConfig(d_model=16, n_layers=1), generator=hx.Generator(0))
    ids = m.generate(b"ab", 12, seed=4)
    assert ids == list(itertools.islice(m.stream(b"ab", seed=4), 12))
    assert len(ids) == 12 and m.generate(b"ab", 0) == []
    assert m.generate(b"ab", 12, seed=4, stop=ids[3])[-1] == ids[3]


@pytest.mark.parametrize(
    "call, word",
    [
        (lambda: Sampler(temperature=-1.0), "temperature"),
        (lambda: Sampler(temperature=float("nan")), "temperature"),
        (lambda: Sampler(top_k=0), "top_k"),
        (lambda: Sampler(top_p=0.0), "top_p"),
        (lambda: Sampler()(np.array([0.0, np.nan])), "finite logits"),
        (lambda: MambaLM(MambaConfig(d_model=8)).generate([], 3), "at least one"),
        (lambda: MambaLM(MambaConfig(d_model=8)).generate([300], 3), "300"),
    ],
)
def test_bad_settings(call, word):
    with pytest.raises(LayerError, match=word):
        call()
