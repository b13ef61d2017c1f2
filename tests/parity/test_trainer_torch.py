"""The trainer's loop beside the same loop in torch, in float64."""

import helix_core as hx
import numpy as np
import pytest
import torch
from helix_hammer import Trainer

STEPS, WARMUP, LR, DECAY, CLIP = 40, 5, 0.05, 0.1, 0.7
RNG = np.random.default_rng(0)
W1, W2 = RNG.normal(size=(6, 16)), RNG.normal(size=(16, 1))
SIZES = [3, 9, 4]  # of the batches: a mean over items is not a mean over batches
BATCHES = [(RNG.normal(size=(n, 6)), RNG.normal(size=(n, 1))) for n in SIZES * 4]


class Net(hx.Module):
    def __init__(self):
        self.w1 = hx.Parameter(hx.tensor(W1, dtype="float64"))
        self.w2 = hx.Parameter(hx.tensor(W2, dtype="float64"))

    def loss(self, x, y):
        return hx.square(hx.tanh(x @ self.w1) @ self.w2 - y).mean()


def helix(accumulate, **kw):
    model = Net()
    losses = []
    t = Trainer(
        model,
        hx.optim.AdamW(model.parameters(), lr=LR, weight_decay=DECAY),
        BATCHES,
        steps=STEPS,
        schedule=hx.schedules.cosine(STEPS, warmup=WARMUP),
        accumulate=accumulate,
        loggers=[lambda row: losses.append(row["loss"])],
        progress=False,
        **kw,
    )
    t.fit()
    return losses, np.asarray(model.w1.value), t


def peer(accumulate, clip=None, clip_value=None, ema=None):
    w = [torch.tensor(a, requires_grad=True) for a in (W1, W2)]
    opt = torch.optim.AdamW(w, lr=LR, weight_decay=DECAY)
    schedule = hx.schedules.cosine(STEPS, warmup=WARMUP)
    average = w[0].detach().clone()
    losses = []
    for step in range(STEPS):
        first = step * accumulate
        some = [BATCHES[(first + i) % len(BATCHES)] for i in range(accumulate)]
        x, y = (torch.tensor(np.concatenate(part)) for part in zip(*some, strict=True))
        opt.zero_grad()
        loss = ((torch.tanh(x @ w[0]) @ w[1] - y) ** 2).mean()  # all items at once
        loss.backward()
        if clip_value is not None:
            torch.nn.utils.clip_grad_value_(w, clip_value)
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(w, clip)
        opt.param_groups[0]["lr"] = LR * schedule(step)
        opt.step()
        if ema is not None:
            average.lerp_(w[0].detach(), 1 - min(ema, (2 + step) / (11 + step)))
        losses.append(loss.item())
    return losses, w[0].detach().numpy(), average.numpy()


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize(
    "limits",
    [{}, {"clip": CLIP}, {"clip_value": 0.02}, {"clip": 0.5, "clip_value": 0.1}],
)
def test_losses_and_weights_are_those_of_torch(accumulate, limits):
    ours, w, _ = helix(accumulate, **limits)
    theirs, v, _ = peer(accumulate, **limits)
    assert np.allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    assert np.allclose(w, v, rtol=1e-9, atol=1e-12)


def test_averaged_weights_are_those_of_torch():
    _, _, t = helix(1, ema=0.8)
    _, _, average = peer(1, ema=0.8)
    assert np.allclose(np.asarray(t.ema.state_dict()["w1"]), average, rtol=1e-9)
