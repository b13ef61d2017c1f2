"""Synthetic data beside SciPy, networkx, scikit-learn and datasketch."""

import numpy as np
import pytest

pytest.importorskip("helix_synth", reason="its data are compared")
pytest.importorskip("scipy", reason="its distributions and transforms are the oracle")

from helix_synth import dedup, faults, registry
from helix_synth._catalogue import ENTRIES

from benchmarks.data import synth_recorded, synth_statistics


def test_distributions_pass_scipys_tests():
    values = synth_statistics.distributions()
    assert len(values) >= 20
    assert synth_statistics.rejected(values) == []


def test_a_wrong_distribution_is_rejected():
    rng = np.random.default_rng(0)
    from scipy import stats

    slightly = rng.normal(0.02, 1, synth_statistics.DRAWS)
    values = {"normal": float(stats.kstest(slightly, "norm").pvalue)}
    values |= {f"good {i}": 0.5 for i in range(22)}
    assert synth_statistics.rejected(values)


def test_graphs_are_distributed_like_networkxs():
    pytest.importorskip("networkx", reason="its graphs are the oracle")
    assert synth_statistics.rejected(synth_statistics.graphs(), 0.01) == []


def test_graphs_have_the_means_of_their_models():
    assert synth_statistics.rejected(synth_statistics.theory()) == []


def test_minhash_estimates_what_datasketch_estimates():
    pytest.importorskip("datasketch", reason="its MinHash is the oracle")
    from benchmarks.data.synth_near import beside_datasketch

    assert beside_datasketch(300) <= 128**-0.5


def test_a_perceptual_hash_is_the_signs_of_scipys_transform():
    from scipy.fft import dctn

    image = np.random.default_rng(1).integers(0, 256, (64, 96)).astype(np.uint8)
    small = image.reshape(32, 2, 32, 3).mean((1, 3))
    low = dctn(small)[:8, :8].ravel()
    bits = low > np.median(low[1:])
    want = int.from_bytes(np.packbits(bits).tobytes(), "big")
    assert dedup.perceptual_hash(image) == want


@pytest.mark.slow
def test_ten_thousand_samples_of_each_family_pass():
    families: dict[str, list[str]] = {}
    for e in ENTRIES:
        families.setdefault(e.modality, []).append(e.name)
    wrong = {}
    for names in families.values():
        for name in names:
            g = registry.generator(name, seed=40)
            if bad := faults.false_rejects(g, -(-10_000 // len(names))):
                wrong[name] = bad[:5]
    assert wrong == {}


@pytest.mark.slow
def test_gaussian_processes_have_scikit_learns_covariances():
    pytest.importorskip("sklearn", reason="its kernels are the oracle")
    assert synth_statistics.rejected(synth_statistics.covariances()) == []


# ------------------------------------- figures that the suite data reads; its rows judge
@pytest.mark.slow
def test_drawn_digits_teach_to_read():
    assert synth_recorded.note("digits") < 50  # chance is 90


@pytest.mark.slow
def test_attention_recalls():
    assert synth_recorded.note("attention") > 10  # chance is 1


@pytest.mark.slow
def test_a_convolution_recalls_something():
    assert 0 <= synth_recorded.note("convolution") <= 100


@pytest.mark.slow
def test_no_sample_of_a_million_is_repeated():
    assert synth_recorded.note("repeated") == 0


@pytest.mark.slow
def test_planted_duplicates_are_found():
    assert synth_recorded.note("planted") < 20
    assert synth_recorded.note("unplanted") < 20


@pytest.mark.slow
def test_minhash_beside_datasketch_on_ten_thousand_pairs():
    pytest.importorskip("datasketch", reason="its MinHash is the oracle")
    assert synth_recorded.note("datasketch") <= 128**-0.5


@pytest.mark.slow
def test_memory_is_flat_to_ten_million_samples():
    assert synth_recorded.note("memory") < 20
