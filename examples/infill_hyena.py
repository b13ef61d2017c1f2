"""Fill in words that both sides hint at, with a Hyena.

Each line is a sum, such as ``27+38=65``; the model learns to write one of the three
numbers from the rest, whichever is missing. Prints how many of the sums it completes
without a mistake; guessing the digits would get one in a hundred.

    python examples/infill_hyena.py
    python examples/infill_hyena.py --steps 4000
"""

import argparse

import helix_core as hx
import numpy as np
from helix_layers import HyenaConfig, HyenaLM, infill_pair

MARKS = (256, 257, 258)


def draw(rng: np.random.Generator) -> tuple[bytes, int, int]:
    """A line of 8 bytes, and where the hidden number starts and ends."""
    a = int(rng.integers(10, 90))
    b = int(rng.integers(10, 100 - a))
    start = int(rng.choice([0, 3, 6]))
    return b"%d+%d=%d" % (a, b, a + b), start, start + 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=64)
    args = parser.parse_args()

    hx.seed(0)
    model = HyenaLM(
        HyenaConfig(vocab_size=259, d_model=96, n_layers=3, l_max=16, infill_ids=MARKS)
    )
    opt = hx.optim.AdamW(hx.optim.groups(model, weight_decay=0.05), lr=4e-3)
    schedule = hx.schedules.cosine(args.steps, warmup=args.steps // 25)
    rng = np.random.default_rng(0)
    for step in range(args.steps):
        pairs = [
            infill_pair(*draw(rng), MARKS, only_span=True) for _ in range(args.batch)
        ]
        ids, labels = (
            hx.tensor(np.stack(a).astype("int32")) for a in zip(*pairs, strict=True)
        )
        opt.lr = 4e-3 * schedule(step)
        loss = model.loss(ids, labels)
        loss.backward()
        hx.optim.clip_grad_norm(model.parameters(), 1.0)
        opt.step()
        if step % 200 == 0 or step == args.steps - 1:
            print(f"step {step:4d}  loss {loss.item():.3f}")

    rng = np.random.default_rng(1)
    right = 0
    for i in range(100):
        line, start, stop = draw(rng)
        found = bytes(model.infill(line[:start], line[stop:], 2, temperature=0))
        right += found == line[start:stop]
        if i < 3:
            hidden = line[:start] + b"__" + line[stop:]
            print(f"{hidden.decode()}  ->  {found.decode('utf-8', 'replace')}")
    print(f"completed {right} of 100")


if __name__ == "__main__":
    main()
