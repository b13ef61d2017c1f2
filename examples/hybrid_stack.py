"""Train a hybrid of state spaces and attention on Python's own sources.

A `Stack` is a line of layer names; the trainer reads bytes. Prints bits per byte of
held-out text beside what xz needs.

    python examples/hybrid_stack.py
    python examples/hybrid_stack.py --pattern "mamba*3 attention mamba*3" --steps 2000
"""

import argparse
import lzma

import helix_core as hx
from helix_hammer import ByteWindows, Trainer
from helix_hammer.corpus import load
from helix_hammer.language import bits_per_byte
from helix_layers import StackConfig, StackLM


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pattern", default="mamba attention mamba")
    parser.add_argument("--d-model", type=int, default=96)
    parser.add_argument("--steps", type=int, default=400)
    args = parser.parse_args()

    corpus = load(None)  # the standard library
    hx.seed(0)
    model = StackLM(StackConfig(pattern=args.pattern, d_model=args.d_model))
    opt = hx.optim.AdamW(hx.optim.groups(model, weight_decay=0.1), lr=4e-3)
    trainer = Trainer(
        model,
        opt,
        ByteWindows(corpus.train, batch=8, length=256, seed=0),
        steps=args.steps,
        schedule=hx.schedules.cosine(args.steps, warmup=args.steps // 20),
        clip=1.0,
    )
    trainer.fit()

    text = corpus.validation[:100_000]
    bits, _ = bits_per_byte(model.eval(), text, 512, 8)
    packed = 8 * len(lzma.compress(bytes(text))) / len(text)
    print(f"bits per byte {bits:.2f}, xz {packed:.2f}")
    print(
        bytes(model.generate(b"def ", 200, temperature=0.7)).decode("utf-8", "replace")
    )


if __name__ == "__main__":
    main()
