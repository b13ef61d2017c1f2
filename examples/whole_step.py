"""One graph for a whole training step: forward, backward and update.

A traced step runs without Python between its operations; the graph can be printed,
saved and looked at. The losses are those of the ordinary loop.

    python examples/whole_step.py
"""

import argparse

import helix_core as hx
import numpy as np
from helix_layers import Linear


class Net(hx.Module):
    """Two layers with a SiLU between."""

    def __init__(self) -> None:
        self.up = Linear(8, 32)
        self.down = Linear(32, 1)

    def forward(self, x):
        return self.down(hx.silu(self.up(x)))


def make(seed: int):
    hx.seed(seed)
    model = Net()
    opt = hx.optim.AdamW(model.parameters(), lr=1e-2)

    def step(x, y):
        loss = hx.losses.mse(model(x), y)
        loss.backward()
        opt.step()
        return loss

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200)
    args = parser.parse_args()

    rng = np.random.default_rng(0)
    features = rng.normal(size=(64, 8)).astype("float32")
    x = hx.tensor(features)
    y = hx.tensor(np.sin(features.sum(1, keepdims=True)).astype("float32"))

    eager, traced = make(0), hx.trace(make(0))
    graph = traced.graph(x, y)
    print(f"the step is {len(graph.equations)} equations")
    worst = 0.0
    for _ in range(args.steps):
        a, b = eager(x, y).item(), traced(x, y).item()
        worst = max(worst, abs(a - b))
    print(f"loss {b:.4f}, at most {worst:.1e} from the ordinary loop")


if __name__ == "__main__":
    main()
