"""Read handwritten digits pixel by pixel: a state space model on sequences of 64.

The same digits as `digits_resnet.py`, but the model sees one pixel at a time: it has to
remember. ``--layer`` takes any sequence layer of `helix plugins`, yours included.

    python examples/digits_sequence.py
    python examples/digits_sequence.py --layer mamba
    python examples/digits_sequence.py --layer lstm --steps 600
"""

import argparse

import helix_core as hx
import numpy as np
from helix_layers import Linear, Stack
from sklearn.datasets import load_digits


class Reader(hx.Module):
    """Pixels (batch, 64, 1) to scores of ten digits."""

    def __init__(self, layer: str, d_model: int = 48) -> None:
        self.inputs = Linear(1, d_model)
        self.stack = Stack(f"{layer}*2", d_model)
        self.outputs = Linear(d_model, 10)

    def forward(self, x):
        y = self.stack(self.inputs(x))
        return self.outputs(hx.mean(y, axis=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layer", default="s4d")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=64)
    args = parser.parse_args()

    digits = load_digits()
    pixels = (digits.images.reshape(-1, 64, 1) / 8.0 - 1.0).astype("float32")
    labels = digits.target.astype("int32")
    order = np.random.default_rng(0).permutation(len(pixels))
    test, train = order[:360], order[360:]

    hx.seed(0)
    model = Reader(args.layer)
    opt = hx.optim.AdamW(hx.optim.groups(model, weight_decay=0.01), lr=5e-3)
    schedule = hx.schedules.cosine(args.steps, warmup=args.steps // 20)
    rng = np.random.default_rng(1)
    for step in range(args.steps):
        rows = rng.choice(train, args.batch)
        opt.lr = 5e-3 * schedule(step)
        loss = hx.losses.cross_entropy(
            model(hx.tensor(pixels[rows])), hx.tensor(labels[rows])
        )
        loss.backward()
        hx.optim.clip_grad_norm(model.parameters(), 1.0)
        opt.step()
        if step % 50 == 0 or step == args.steps - 1:
            print(f"step {step:4d}  loss {loss.item():.3f}")

    with hx.no_grad():
        guess = np.asarray(hx.argmax(model(hx.tensor(pixels[test])), axis=-1))
    print(f"accuracy {np.mean(guess == labels[test]):.3f}")


if __name__ == "__main__":
    main()
