"""Find handwritten digits in cluttered pictures with a small U-Net.

Each picture holds three real digits (scikit-learn's) on noise and lines; the network
marks the pixels of the digits. Prints the overlap with the truth (intersection over
union), and writes ``segment_unet.png`` where matplotlib is installed.

    python examples/segment_unet.py
    python examples/segment_unet.py --steps 400 --plot out.png
"""

import argparse

import helix_core as hx
import numpy as np
from helix_layers import UNet, UNetConfig
from sklearn.datasets import load_digits

SIZE = 32


def draw(rng: np.random.Generator, digits: np.ndarray, batch: int):
    """Pictures (batch, 1, size, size) and their masks."""
    pictures = rng.normal(0.0, 0.3, (batch, SIZE, SIZE))
    masks = np.zeros((batch, SIZE, SIZE))
    for picture, mask in zip(pictures, masks, strict=True):
        for _ in range(4):  # bars of the same brightness as the digits
            row, column = rng.integers(0, SIZE, 2)
            picture[row, column:] += rng.uniform(0.3, 1.0)
            picture[row:, column] += rng.uniform(0.3, 1.0)
        for _ in range(3):
            digit = digits[rng.integers(len(digits))] / 16.0
            top, left = rng.integers(0, SIZE - 8, 2)
            picture[top : top + 8, left : left + 8] += digit
            mask[top : top + 8, left : left + 8] += digit > 0.3
    masks = np.minimum(masks, 1.0)
    return pictures[:, None].astype("float32"), masks[:, None].astype("float32")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--plot", default="segment_unet.png")
    args = parser.parse_args()

    digits = load_digits().images
    hx.seed(0)
    model = UNet(UNetConfig(in_channels=1, out_channels=1, widths=(16, 32, 64)))
    opt = hx.optim.AdamW(hx.optim.groups(model, weight_decay=0.01), lr=3e-3)
    schedule = hx.schedules.cosine(args.steps, warmup=args.steps // 15)
    rng = np.random.default_rng(0)
    for step in range(args.steps):
        x, y = map(hx.tensor, draw(rng, digits[:1400], args.batch))
        opt.lr = 3e-3 * schedule(step)
        loss = hx.losses.bce_with_logits(model(x), y)
        loss.backward()
        opt.step()
        if step % 50 == 0 or step == args.steps - 1:
            print(f"step {step:4d}  loss {loss.item():.3f}")

    model.eval()
    pictures, masks = draw(np.random.default_rng(1), digits[1400:], 64)
    with hx.no_grad():
        found = np.asarray(model(hx.tensor(pictures))) > 0
    truth = masks > 0.5
    print(f"overlap {np.sum(found & truth) / np.sum(found | truth):.3f}")
    show(args.plot, pictures, truth, found)


def show(path: str, *columns: np.ndarray) -> None:
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        return
    fig, axes = plt.subplots(3, 4, figsize=(8, 6))
    titles = ("picture", "truth", "found")
    for row, column, title in zip(axes, columns, titles, strict=True):
        for ax, image in zip(row, column, strict=False):
            ax.imshow(image[0], cmap="gray")
            ax.axis("off")
        row[0].set_title(title)
    fig.savefig(path, dpi=100, bbox_inches="tight")
    print(f"pictures: {path}")


if __name__ == "__main__":
    main()
