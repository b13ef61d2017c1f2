"""S6: recall of many pairs tells attention from a gated convolution of equal size.

The effect of Arora et al. 2023 ("Zoology"), which a benchmark of recall has to show. Both
models learn from the same sequences of 4 to 64 pairs and are asked about 64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

LENGTH, VOCAB, D_MODEL, BATCH = 256, 256, 64, 64
PAIRS = (4, 8, 16, 32, 64)
STEPS = 2500


def model_of(kind: str) -> Any:
    """Two layers: "attention" or "convolution" (Hyena), each with an MLP."""
    import helix_core as hx
    from helix_layers import HyenaConfig, HyenaLM, TransformerConfig, TransformerLM

    generator = hx.Generator(0)
    if kind == "attention":
        config = TransformerConfig(
            vocab_size=VOCAB, d_model=D_MODEL, n_layers=2, n_heads=2, d_ff=3 * D_MODEL
        )
        return TransformerLM(config, generator=generator)
    settings = HyenaConfig(
        vocab_size=VOCAB, d_model=D_MODEL, n_layers=2, l_max=LENGTH,
        filter_width=32, d_inner=4 * D_MODEL,
    )  # fmt: skip
    return HyenaLM(settings, generator=generator)


def size(model: Any) -> int:
    """How many weights a model has."""
    return sum(int(np.prod(p.shape)) for p in model.parameters())


def recalled(kind: str, steps: int = STEPS, tests: int = 256, pairs: int = 64) -> float:
    """Percent of the values of 64 keys that a trained model names.

    Parameters
    ----------
    kind : {"attention", "convolution"}
    steps : int
        Batches that it learns from.
    tests : int
        Sequences that it is asked about, none of which it has seen.
    pairs : int
        In each of those.
    """
    import helix_core as hx
    from helix_synth import registry

    model = model_of(kind)
    optimizer = hx.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.1)
    sources = [
        registry.generator("mqar", seed=1, length=LENGTH, vocab=VOCAB, pairs=p)
        for p in PAIRS
    ]
    model.train()
    for step in range(steps):
        block = sources[step % len(PAIRS)].block(step * BATCH, BATCH)
        optimizer.lr = 2e-3 * min(1.0, (step + 1) / 100, 2 * (1 - step / steps))
        model.loss(hx.tensor(block["inputs"]), hx.tensor(block["targets"])).backward()
        optimizer.step()
    model.eval()
    unseen = registry.generator("mqar", seed=2, length=LENGTH, vocab=VOCAB, pairs=pairs)
    right = asked = 0
    with hx.no_grad():
        for block in unseen.blocks(tests):
            said = np.asarray(model(hx.tensor(block["inputs"]))).argmax(-1)
            wanted = np.asarray(block["targets"])
            right += int((said == wanted).sum())
            asked += int((wanted >= 0).sum())
    return 100 * right / asked
