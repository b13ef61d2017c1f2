"""Train a small GPT in bfloat16 products on Python's own sources.

Weights, gradients and everything between products stay float32. Run it with both
precisions and compare: the losses hardly differ, the seconds do.

    python examples/gpt_bf16.py
    python examples/gpt_bf16.py --precision fp32
"""

import argparse
import time

import helix_core as hx
from helix_hammer import ByteWindows, Trainer
from helix_hammer.corpus import load
from helix_hammer.language import bits_per_byte
from helix_layers import TransformerConfig, TransformerLM


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    parser.add_argument("--d-model", type=int, default=192)
    parser.add_argument("--steps", type=int, default=300)
    args = parser.parse_args()

    corpus = load(None)  # the standard library
    hx.seed(0)
    model = TransformerLM(
        TransformerConfig(
            d_model=args.d_model,
            n_layers=4,
            n_heads=4,
            norm="rms_norm",
            mlp="swiglu",
            positions="rotary",
        )
    )
    trainer = Trainer(
        model,
        hx.optim.AdamW(hx.optim.groups(model, weight_decay=0.1), lr=2e-3),
        ByteWindows(corpus.train, batch=8, length=256, seed=0),
        steps=args.steps,
        schedule=hx.schedules.cosine(args.steps, warmup=args.steps // 6),
        clip=1.0,
        precision=args.precision,
    )
    start = time.perf_counter()
    trainer.fit()
    seconds = time.perf_counter() - start

    bits, _ = bits_per_byte(model.eval(), corpus.validation[:100_000], 512, 8)
    print(f"{seconds:.0f} seconds, bits per byte {bits:.3f}")


if __name__ == "__main__":
    main()
