"""The demo in fp32 and in bf16: the same bits per byte, over paired seeds."""

import helix_core as hx
import numpy as np
import pytest
from helix_hammer import language
from helix_hammer.config import TrainConfig

SEEDS, STEPS = 5, 200


def final_bits(corpus, precision, seed):
    """Of the demo's model and data after a short run, on one part of the validation."""
    config = TrainConfig(
        minutes=None, steps=STEPS, precision=precision, seed=seed, warmup=20
    )
    with hx.device(config.device):
        trainer = language.make_trainer(config, corpus)
        trainer.evaluate = None
        trainer.fit()
        bits, _ = language.bits_per_byte(
            trainer.model, corpus.validation, 512, 8, limit=262_144
        )
    return bits


@pytest.mark.slow
def test_bits_per_byte_of_paired_runs_agree():
    """Less than 0.5 % apart on average."""
    corpus, _ = language.read_data(TrainConfig())
    apart = []
    for seed in range(SEEDS):
        full, mixed = (final_bits(corpus, p, seed) for p in ("fp32", "bf16"))
        assert 1.0 < full < 5.0
        assert mixed != full
        apart.append(mixed / full - 1)
        print(f"seed {seed}: fp32 {full:.4f}, bf16 {mixed:.4f} bits per byte")
    assert abs(np.mean(apart)) < 0.005
