"""What the trainer adds to a step: lines of Python, and no more."""

import time

import helix_core as hx
from helix_hammer import Trainer

STEPS = 1500


class Empty(hx.Module):
    """A model that costs nothing: one number, whose loss is known."""

    def __init__(self):
        self.w = hx.Parameter(hx.zeros(()))

    def loss(self, x):
        return self.w * 1.0


class Silent:
    def on_step(self, trainer, row):
        pass


def microseconds(run) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) / STEPS * 1e6


def bare() -> float:
    model = Empty()
    opt = hx.optim.SGD(model.parameters(), lr=0.1)
    x = hx.zeros(())

    def run():
        for _ in range(STEPS):
            loss = model.loss(x)
            loss.backward()
            loss.item()
            opt.step()

    return microseconds(run)


def trained(run_dir) -> float:
    model = Empty()
    t = Trainer(
        model,
        hx.optim.SGD(model.parameters(), lr=0.1),
        [(hx.zeros(()),)],
        steps=STEPS,
        schedule=lambda step: 1.0,
        callbacks=[Silent()],
        run_dir=run_dir,
        progress=False,
    )
    return microseconds(t.fit)


def test_a_step_costs_little_more_than_its_parts(tmp_path, record_property):
    """Fastest against fastest of a few rounds: the machine may be busy."""
    rounds = [(bare(), trained(tmp_path / str(k))) for k in range(5)]
    alone, whole = (min(times) for times in zip(*rounds, strict=True))
    added = whole - alone
    record_property("trainer_overhead_us", round(added, 1))
    print(f"the trainer adds {added:.1f} us to a step of {alone:.1f} us")
    assert added < 150.0  # 50 on an idle machine
