"""What holds for every generator of this package."""

import numpy as np
import pytest
from helix_synth import registry
from helix_synth._catalogue import ENTRIES
from helix_synth._digest import sample_digest

NAMES = [e.name for e in ENTRIES]
FAR = 10**12 + 7


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_those_of_blocks_of_any_size(name):
    g = registry.generator(name, seed=3)
    block = g.block(FAR, 6)
    want = [sample_digest(s) for s in block.samples()]
    assert want[4] == sample_digest(g.sample(FAR + 4))
    mixed = g.at([FAR + 5, 0, FAR + 2, FAR + 2])
    got = [sample_digest(s) for s in mixed.samples()]
    assert got == [want[5], sample_digest(g.sample(0)), want[2], want[2]]
    again = registry.generator(name, seed=3)
    assert [sample_digest(s) for s in again.stream(6, start=FAR)] == want


@pytest.mark.parametrize("name", NAMES)
def test_samples_differ_by_index_and_seed(name):
    g = registry.generator(name, seed=3)
    digests = [sample_digest(s) for s in g.stream(20)]
    digests += [sample_digest(s) for s in registry.generator(name, seed=4).stream(2)]
    assert len(set(digests)) >= len(digests) - 1  # one of 4000 numerals may come twice


@pytest.mark.parametrize("name", NAMES)
def test_its_verifier_accepts_its_samples(name):
    g = registry.generator(name, seed=11)
    check = registry.verifier(name)
    for i, sample in enumerate(g.stream(48)):
        assert list(check(g.spec, sample)) == [], f"sample {i}"


@pytest.mark.parametrize("name", NAMES)
def test_samples_hold_arrays_strings_and_plain_numbers(name):
    sample = registry.generator(name).sample(0)
    for key, value in sample.items():
        assert isinstance(value, np.ndarray | str | int | float), key
        if isinstance(value, np.ndarray):
            assert value.dtype.kind in "biuf", key


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_makes(name):
    g = registry.generator(name)
    assert g.name == name and type(g).__doc__
    assert registry.generators()[name].endswith((".", "?", ")."))
    assert all(f.meaning for f in g.fields.values())
