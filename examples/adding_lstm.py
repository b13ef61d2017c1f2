"""Teach an LSTM to add two numbers that it saw long ago.

The adding problem (Hochreiter and Schmidhuber, 1997): a sequence of random numbers, two
of them marked; the target is the sum of the two. Guessing always 1 has an error of 0.167.

    python examples/adding_lstm.py
    python examples/adding_lstm.py --length 100 --steps 2000
"""

import argparse

import helix_core as hx
import numpy as np
from helix_layers import LSTM, Linear


class Adder(hx.Module):
    """(batch, time, 2) to (batch,)."""

    def __init__(self, hidden: int = 64) -> None:
        self.rnn = LSTM(2, hidden)
        self.out = Linear(hidden, 1)

    def forward(self, x):
        y, _ = self.rnn(x)
        return self.out(y[:, -1])[:, 0]


def draw(rng: np.random.Generator, batch: int, length: int):
    values = rng.random((batch, length))
    marks = np.zeros((batch, length))
    first = rng.integers(0, length // 2, batch)
    second = rng.integers(length // 2, length, batch)
    rows = np.arange(batch)
    marks[rows, first] = marks[rows, second] = 1.0
    target = values[rows, first] + values[rows, second]
    return np.stack([values, marks], -1).astype("float32"), target.astype("float32")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=40)
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--batch", type=int, default=64)
    args = parser.parse_args()

    hx.seed(0)
    model = Adder()
    opt = hx.optim.Adam(model.parameters(), lr=4e-3)
    rng = np.random.default_rng(0)
    for step in range(args.steps):
        x, y = map(hx.tensor, draw(rng, args.batch, args.length))
        loss = hx.losses.mse(model(x), y)
        loss.backward()
        hx.optim.clip_grad_norm(model.parameters(), 1.0)
        opt.step()
        if step % 100 == 0 or step == args.steps - 1:
            print(f"step {step:4d}  error {loss.item():.4f}")

    x, y = map(hx.tensor, draw(np.random.default_rng(1), 1000, args.length))
    with hx.no_grad():
        print(f"test error {hx.losses.mse(model(x), y).item():.4f}")


if __name__ == "__main__":
    main()
