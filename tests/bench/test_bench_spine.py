"""The suite's declarations, and what both sides of the model cases must share."""

import subprocess
import sys

import numpy as np
import pytest

from benchmarks.spine import CASES
from benchmarks.spine import mamba_model as mm
from benchmarks.worker import resolve

TARGETS = {  # case: (target, aim)
    "selective_scan": (90, 150),
    "selective_scan_jax": (8, 14),
    "causal_conv1d": (4, 8),
    "rms_norm": (10, 20),
    "layer_norm": (1.0, 1.3),
    "softmax": (1.0, 1.3),
    "linear_cross_entropy": (1.6, 2.2),
    "linear_cross_entropy_memory": (4, 8),
    "adamw": (0.9, 1.1),
    "small_add": (3, 1.5),
    "small_chain": (0.6, 1.0),
    "mamba_train": (9, 13),
    "mamba_train_hf": (400, 600),
    "mamba_train_memory": (4, 10),
    "mamba_decode": (8, 20),
    "import": (60, 40),
}


def test_every_figure_has_its_case_with_target_and_aim():
    assert {c.name: (c.target, c.aim) for c in CASES} == TARGETS


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_every_factory_exists(case):
    assert callable(resolve(case.ours))
    assert case.reference is None or callable(resolve(case.reference))


def test_whoever_is_compared_with_a_peer_declares_what_to_install():
    assert [c.name for c in CASES if c.peer_name and not c.needs] == []


def test_naming_the_factories_imports_no_side():
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "from benchmarks.spine import CASES\n"
        "from benchmarks.worker import resolve\n"
        "for c in CASES: resolve(c.ours); c.reference and resolve(c.reference)\n"
        "heavy = {'torch', 'jax', 'numba', 'helix_core', 'transformers'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    root = __file__.rsplit("tests", 1)[0]
    out = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout.strip() == "[]"


# --------------------------------------------------------------------- the one model
def test_our_model_has_the_shared_weights():
    named = dict(mm.helix_model().named_parameters())
    shared = mm.weights()
    assert {mm.helix_name(k) for k in shared} == set(named)
    for k, want in shared.items():
        got = np.asarray(named[mm.helix_name(k)].value)
        assert np.array_equal(got.reshape(want.shape), want), k


def test_mambapy_and_we_name_each_weight_once():
    names = list(mm.weights())
    for rename in (mm.helix_name, mm.mambapy_name):
        assert len({rename(n) for n in names}) == len(names)
    assert mm.mambapy_name("backbone.norm_f.weight") == "norm_f.weight"
    assert mm.mambapy_name("backbone.layers.0.mixer.D") == "mamba.layers.0.mixer.D"


def test_the_generating_model_does_not_repeat_one_byte():
    ids = mm.helix_model(lively=True).generate(
        mm.prompt(16).tolist(), 12, temperature=0
    )
    assert len(set(ids)) > 4


def test_batches_are_shifted_by_one():
    x, y = mm.batch()
    assert x.shape == y.shape == (mm.BATCH, mm.LENGTH)
    assert np.array_equal(x[:, 1:], y[:, :-1])
