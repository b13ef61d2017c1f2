import math

import helix_core as hx
import numpy as np
import pytest
from hammer_kit import Net, make_trainer, regression, rows
from helix_hammer import Trainer, TrainingError, mean_loss


def weights(trainer):
    return {k: np.asarray(v) for k, v in trainer.model.state_dict().items()}


def test_training_learns():
    t = make_trainer(steps=60, lr=0.05)
    before = t.run_evaluation()["val_loss"]
    result = t.fit()
    assert result["step"] == 60 and result["reason"] == "done"
    assert result["val_loss"] < 0.3 * before


def test_fit_is_a_loop_of_steps():
    a, b = make_trainer(steps=5), make_trainer(steps=5)
    a.fit()
    b = make_trainer(steps=5)
    losses = [b.step()["loss"] for _ in range(5)]
    assert b.global_step == 5 and len(set(losses)) == 5
    for k, v in weights(a).items():
        assert np.array_equal(v, weights(b)[k])


def test_a_step_is_forward_backward_update():
    t = make_trainer(steps=3)
    model = Net()
    model.load_state_dict(t.model.state_dict())
    opt = hx.optim.AdamW(model.parameters(), lr=0.02)
    for k in range(3):
        x, y = t.data[k]
        loss = model.loss(hx.tensor(x), hx.tensor(y))
        loss.backward()
        opt.step()
        assert t.step()["loss"] == loss.item()


def test_accumulation_is_the_mean_over_items_not_over_batches():
    x, y = regression(12)
    parts = [(x[:2], y[:2]), (x[2:9], y[2:9]), (x[9:], y[9:])]
    whole = make_trainer(steps=1, data=[(x, y)])
    some = make_trainer(steps=1, data=parts, accumulate=3)
    assert some.step()["loss"] == pytest.approx(whole.step()["loss"], rel=1e-6)
    for name in ("w1", "w2"):
        assert np.allclose(weights(some)[name], weights(whole)[name], atol=1e-6)
    means = [Net.loss(make_trainer().model, *map(hx.tensor, p)).item() for p in parts]
    assert some.last["loss"] != pytest.approx(np.mean(means), rel=1e-3)


def test_items_may_be_counted():
    x, y = regression(12)
    parts = [(x[:2], y[:2]), (x[2:], y[2:])]
    t = make_trainer(steps=1, data=parts, accumulate=2, count=lambda batch: 1.0)
    means = [Net.loss(make_trainer().model, *map(hx.tensor, p)).item() for p in parts]
    assert t.step()["loss"] == pytest.approx(np.mean(means), rel=1e-6)


def test_batches_without_items():
    t = make_trainer(steps=1, accumulate=2, count=lambda batch: 0.0)
    with pytest.raises(hx.HelixError, match=r"batches with items; got \[0.0, 0.0\]"):
        t.step()


def test_clipping_by_norm_bounds_the_update():
    t = make_trainer(steps=1, clip=0.01)
    sgd = hx.optim.SGD(t.model.parameters(), lr=1.0)
    t.optimizer = sgd
    before = weights(t)
    row = t.step()
    after = weights(t)
    moved = sum(((after[k] - before[k]) ** 2).sum() for k in ("w1", "w2")) ** 0.5
    assert row["grad_norm"] > 0.01
    assert moved == pytest.approx(0.01, rel=1e-3)


def test_clipping_by_value_bounds_each_element():
    t = make_trainer(steps=1, clip_value=1e-3)
    t.optimizer = hx.optim.SGD(t.model.parameters(), lr=1.0)
    before = weights(t)
    t.step()
    for k in ("w1", "w2"):
        assert np.abs(weights(t)[k] - before[k]).max() == pytest.approx(1e-3, rel=1e-3)


def test_without_clip_no_norm_is_taken():
    assert "grad_norm" not in make_trainer().step()


def test_the_schedule_multiplies_the_learning_rate(tmp_path):
    t = make_trainer(
        steps=4, lr=0.5, schedule=lambda i: 1.0 / (i + 1), run_dir=tmp_path
    )
    t.fit()
    got = [r["lr"] for r in rows(tmp_path) if "lr" in r]
    assert got == [0.5, 0.25, pytest.approx(0.5 / 3), 0.125]


def test_plateau_is_shown_each_evaluation():
    seen = []

    class Plateau(hx.schedules.ReduceOnPlateau):
        def observe(self, metric):
            seen.append(metric)
            return super().observe(metric)

    schedule = Plateau(factor=0.5, patience=0)
    t = make_trainer(
        steps=6,
        eval_every=2,
        schedule=schedule,
        evaluate=lambda m: {"loss": 1.0},
        lr=0.08,
    )
    t.fit()
    assert seen == [1.0, 1.0, 1.0]
    assert t.optimizer.lr == pytest.approx(0.04)  # of the fifth and sixth step


def test_averaged_weights_follow_the_equation():
    t = make_trainer(steps=30, ema=0.7)
    average = weights(t)["w1"].astype(np.float64)
    for step in range(1, 31):
        t.step()
        d = min(0.7, (1 + step) / (10 + step))
        average = d * average + (1 - d) * weights(t)["w1"]
    got = np.asarray(t.ema.state_dict()["w1"])
    assert np.allclose(got, average, atol=1e-6)
    assert not np.allclose(got, weights(t)["w1"], atol=1e-3)


def test_evaluation_sees_averaged_weights_and_leaves_everything_alone():
    seen = {}

    def evaluate(model):
        seen["w1"] = np.asarray(model.w1.value).copy()
        seen["training"] = model.training
        hx.random_uniform((3,))
        return {"loss": 0.0}

    t = make_trainer(steps=5, ema=0.9, evaluate=evaluate, dropout=0.3)
    for _ in range(5):
        t.step()
    own, random = weights(t)["w1"].copy(), hx.default_generator().state_dict()
    t.run_evaluation()
    assert np.array_equal(seen["w1"], np.asarray(t.ema.state_dict()["w1"]))
    assert not np.array_equal(seen["w1"], own) and seen["training"] is False
    assert np.array_equal(weights(t)["w1"], own) and t.model.training is True
    assert hx.default_generator().state_dict() == random


def test_how_often_it_evaluates_does_not_change_the_training(tmp_path):
    for name, every in (("a", 0), ("b", 1)):
        make_trainer(
            steps=6, dropout=0.5, eval_every=every, run_dir=tmp_path / name
        ).fit()
    losses = [[r["loss"] for r in rows(tmp_path / n) if "loss" in r] for n in "ab"]
    assert losses[0] == losses[1] and len(losses[0]) == 6


def test_rows_of_metrics(tmp_path):
    make_trainer(steps=4, eval_every=2, clip=1.0, run_dir=tmp_path).fit()
    found = rows(tmp_path)
    assert [r["step"] for r in found] == [1, 2, 2, 3, 4, 4]
    assert set(found[0]) == {"step", "loss", "lr", "grad_norm"}
    assert set(found[2]) == {"step", "val_loss"}


def test_the_last_step_is_evaluated_and_saved(tmp_path):
    t = make_trainer(steps=5, eval_every=3, save_every=4, run_dir=tmp_path)
    assert "val_loss" in t.fit()
    assert [r["step"] for r in rows(tmp_path) if "val_loss" in r] == [3, 5]
    assert 5 in t.run.store.steps()


def test_the_best_and_the_last_checkpoints_stay(tmp_path):
    scores = iter([3.0, 1.0, 2.0, 4.0, 5.0])
    t = make_trainer(
        steps=10,
        eval_every=2,
        save_every=1,
        keep_last=2,
        evaluate=lambda m: {"loss": next(scores)},
        run_dir=tmp_path,
    )
    t.fit()
    assert t.run.store.steps() == [4, 9, 10]
    assert t.run.store.load("best").step == 4
    assert t.best == 1.0


def test_a_best_evaluation_is_saved_between_checkpoints(tmp_path):
    scores = iter([3.0, 1.0, 2.0])
    t = make_trainer(
        steps=6,
        eval_every=2,
        save_every=0,
        keep_last=1,
        evaluate=lambda m: {"loss": next(scores)},
        run_dir=tmp_path,
    )
    t.fit()
    assert t.run.store.steps() == [4, 6]


def test_a_metric_belongs_to_the_weights_it_was_measured_on(tmp_path):
    t = make_trainer(steps=4, eval_every=3, save_every=1, keep_last=9, run_dir=tmp_path)
    t.fit()
    metrics = [t.run.store.load(s).meta["metric"] for s in (1, 2, 3, 4)]
    assert metrics[:2] == [None, None] and None not in metrics[2:]


def test_mode_max(tmp_path):
    scores = iter([0.1, 0.9, 0.5])
    t = make_trainer(
        steps=3,
        eval_every=1,
        keep_last=1,
        metric="accuracy",
        mode="max",
        evaluate=lambda m: {"accuracy": next(scores)},
        run_dir=tmp_path,
    )
    t.fit()
    assert t.run.store.steps() == [2, 3] and t.best == 0.9


def test_without_a_run_directory_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_trainer(steps=2, eval_every=1).fit()
    assert list(tmp_path.iterdir()) == []


def test_any_iterable_and_any_loss():
    class Data:
        def __iter__(self):
            return iter([{"x": hx.ones((2,))}, {"x": hx.full((2,), 3.0)}])

    class Scale(hx.Module):
        def __init__(self):
            self.w = hx.Parameter(hx.tensor([1.0, 1.0]))

    t = Trainer(
        model := Scale(),
        hx.optim.SGD(model.parameters(), lr=0.1),
        Data(),
        steps=3,
        loss=lambda m, batch: (m.w * batch["x"]).sum(),
        progress=False,
    )
    t.fit()
    assert np.allclose(np.asarray(model.w.value), 1.0 - 0.1 * (1 + 3 + 1))


def test_loggers_get_every_row():
    got = []
    make_trainer(steps=2, eval_every=2, loggers=[got.append]).fit()
    assert [sorted(r)[0] for r in got] == [
        "batches_per_s",
        "batches_per_s",
        "step",
    ]


# ------------------------------------------------------------------------ NaN
def diverging(k: int):
    class Diverges(Net):
        calls = 0

        def loss(self, x, y):
            loss = super().loss(x, y)
            if self.training:
                self.calls += 1
            return loss * math.nan if self.calls >= k else loss

    return Diverges()


def test_a_loss_that_is_not_finite_ends_the_run_and_saves_nothing(tmp_path):
    t = make_trainer(steps=9, save_every=2, run_dir=tmp_path)
    model = diverging(6)
    t = Trainer(
        model,
        hx.optim.SGD(model.parameters(), lr=0.1),
        t.data,
        steps=9,
        save_every=2,
        run_dir=tmp_path,
        progress=False,
    )
    with pytest.raises(
        TrainingError, match=r"finite loss; got nan after 5 steps.*of step 4"
    ):
        t.fit()
    assert t.run.store.steps() == [2, 4]
    assert [r["step"] for r in rows(tmp_path)] == [1, 2, 3, 4, 5]
    assert np.isfinite(np.asarray(model.w1.value)).all()
    assert model.w1.grad is None  # nothing of it in a next step


def test_a_gradient_that_is_not_finite_ends_the_run_before_the_update(tmp_path):
    class Root(hx.Module):
        def __init__(self):
            self.w = hx.Parameter(hx.tensor([0.0]))

        def loss(self, x):
            return hx.sqrt(self.w).sum()  # value 0, slope infinity

    t = Trainer(
        model := Root(),
        hx.optim.SGD(model.parameters(), lr=0.1),
        [np.zeros(1)],
        steps=2,
        clip=1.0,
        progress=False,
    )
    with pytest.raises(TrainingError, match="finite gradient norm; got"):
        t.fit()
    assert model.w.value.tolist() == [0.0]


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    class Root(hx.Module):
        def __init__(self):
            self.w = hx.Parameter(hx.tensor([0.0]))

        def loss(self, x):
            return hx.sqrt(self.w).sum()

    t = Trainer(
        model := Root(),
        hx.optim.SGD(model.parameters(), lr=0.1),
        [np.zeros(1)],
        steps=1,
        run_dir=tmp_path,
        progress=False,
    )
    with pytest.raises(TrainingError, match="finite weights; got NaN or infinity in w"):
        t.fit()
    assert t.run.store.steps() == []


def test_a_validation_that_is_not_finite(tmp_path):
    t = make_trainer(
        steps=2, eval_every=1, evaluate=lambda m: {"loss": math.inf}, run_dir=tmp_path
    )
    with pytest.raises(TrainingError, match="finite validation loss; got inf"):
        t.fit()
    assert t.run.store.steps() == []


def test_another_metric_may_be_infinite(tmp_path):
    found = {"loss": 1.0, "perplexity": math.inf}
    make_trainer(steps=1, evaluate=lambda m: found, run_dir=tmp_path).fit()
    assert rows(tmp_path)[-1] == {"step": 1, "val_loss": 1.0, "val_perplexity": None}


# ------------------------------------------------------------------- wrong arguments
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": -1}, "steps, eval_every, save_every >= 0"),
        ({"accumulate": 0}, "accumulate >= 1"),
        ({"eval_every": -2}, "eval_every"),
        ({"ema": 1.0}, "0 < ema < 1"),
        ({"data": 3}, "__getitem__ or __iter__"),
        ({"mode": "least", "run_dir": "x"}, "'min' or 'max'"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    with pytest.raises(hx.HelixError, match=message):
        make_trainer(**change)


def test_an_evaluation_without_the_metric():
    t = make_trainer(steps=1, metric="accuracy")
    with pytest.raises(hx.HelixError, match=r"metric 'accuracy'; got \['loss'\]"):
        t.fit()


def test_mean_loss_of_nothing():
    with pytest.raises(hx.HelixError, match="at least one batch"):
        mean_loss([])(Net())


def test_mean_loss_is_over_items():
    x, y = regression(10)
    model = Net().eval()
    parts = mean_loss([(x[:3], y[:3]), (x[3:], y[3:])])(model)["loss"]
    assert parts == pytest.approx(mean_loss([(x, y)])(model)["loss"], rel=1e-6)
