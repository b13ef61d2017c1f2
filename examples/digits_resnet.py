"""Read handwritten digits with a small residual network.

1,797 real 8 x 8 images that scikit-learn ships (UCI, Alpaydin and Kaynak). Prints the
share of held-out digits that it reads right.

    python examples/digits_resnet.py
    python examples/digits_resnet.py --steps 300
"""

import argparse

import helix_core as hx
import numpy as np
from helix_layers import ResNet, ResNetConfig
from sklearn.datasets import load_digits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--batch", type=int, default=64)
    args = parser.parse_args()

    digits = load_digits()
    images = (digits.images[:, None] / 8.0 - 1.0).astype("float32")
    labels = digits.target.astype("int32")
    order = np.random.default_rng(0).permutation(len(images))
    test, train = order[:360], order[360:]

    hx.seed(0)
    model = ResNet(
        ResNetConfig(
            depths=(1, 1), widths=(16, 32), stem="small", in_channels=1, num_classes=10
        )
    )
    opt = hx.optim.AdamW(hx.optim.groups(model, weight_decay=0.05), lr=3e-3)
    schedule = hx.schedules.cosine(args.steps, warmup=args.steps // 15)
    rng = np.random.default_rng(1)
    for step in range(args.steps):
        rows = rng.choice(train, args.batch)
        opt.lr = 3e-3 * schedule(step)
        loss = hx.losses.cross_entropy(
            model(hx.tensor(images[rows])), hx.tensor(labels[rows])
        )
        loss.backward()
        opt.step()
        if step % 25 == 0 or step == args.steps - 1:
            print(f"step {step:4d}  loss {loss.item():.3f}")

    model.eval()
    with hx.no_grad():
        guess = np.asarray(hx.argmax(model(hx.tensor(images[test])), axis=-1))
    print(f"accuracy {np.mean(guess == labels[test]):.3f}")


if __name__ == "__main__":
    main()
