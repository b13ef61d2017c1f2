import re

import helix_core as hx
import pytest
from hammer_kit import make_trainer
from helix_core.contracts import CallbackSpec
from helix_hammer import Callback, EarlyStopping, plugin


class Diary(Callback):
    def __init__(self):
        self.said = []

    def on_start(self, trainer):
        self.said.append(("start", trainer.global_step, trainer.model.training))

    def on_step(self, trainer, row):
        self.said.append(("step", row["step"]))

    def on_evaluate(self, trainer, row):
        self.said.append(("evaluate", row["step"], trainer.model.training))

    def on_save(self, trainer, step):
        self.said.append(("save", step))

    def on_end(self, trainer, reason):
        self.said.append(("end", reason))


def test_events_in_their_order(tmp_path):
    d = Diary()
    make_trainer(
        steps=3, eval_every=2, save_every=9, run_dir=tmp_path, callbacks=[d]
    ).fit()
    assert d.said == [
        ("start", 0, True),
        ("step", 1),
        ("step", 2),
        ("evaluate", 2, True),
        ("save", 2),  # the best so far
        ("step", 3),
        ("evaluate", 3, True),
        ("save", 3),
        ("end", "done"),
    ]


def test_a_resumed_run_starts_where_it_was(tmp_path):
    make_trainer(steps=3, run_dir=tmp_path).fit()
    d = Diary()
    make_trainer(steps=4, run_dir=tmp_path, callbacks=[d]).fit()
    assert d.said[:2] == [("start", 3, True), ("step", 4)]


def test_a_callback_may_freeze_parts_when_training_starts():
    class Freeze:
        def on_start(self, trainer):
            trainer.model.training = False

    t = make_trainer(steps=2, dropout=0.9, callbacks=[Freeze()])
    t.fit()
    assert t.model.training is False


def test_stop_ends_after_the_step_with_evaluation_and_checkpoint(tmp_path):
    class Enough:
        def on_step(self, trainer, row):
            if row["step"] == 2:
                trainer.stop("seen enough")

    t = make_trainer(steps=9, run_dir=tmp_path, callbacks=[Enough()])
    result = t.fit()
    assert (result["step"], result["reason"]) == (2, "seen enough")
    assert "val_loss" in result and t.run.store.steps() == [2]


def stopped_at(scores, **kw):
    t = make_trainer(steps=len(scores), eval_every=1, callbacks=[EarlyStopping(**kw)])
    t.evaluate = lambda m: {"loss": scores[t.global_step - 1]}
    return t.fit()["step"]


@pytest.mark.parametrize(
    ("scores", "kw", "step"),
    [
        ([5, 4, 3, 2, 1], {"patience": 1}, 5),
        ([5, 5, 5, 5, 5], {"patience": 2}, 3),
        ([5, 6, 4, 6, 6], {"patience": 2}, 5),
        ([5, 4.9, 4.8, 4.7], {"patience": 1, "min_delta": 0.15}, 2),
        ([5, 4.9, 4.8, 4.7], {"patience": 2, "min_delta": 0.15}, 4),
        ([1, 2, 3, 2.5, 2], {"patience": 2, "mode": "max"}, 5),
    ],
)
def test_early_stopping(scores, kw, step):
    assert stopped_at([float(s) for s in scores], **kw) == step


def test_early_stopping_on_a_value_that_is_not_finite():
    row = {"step": 1, "val_x": None}
    t, e = make_trainer(), EarlyStopping("val_x", patience=2)
    e.on_evaluate(t, row)
    e.on_evaluate(t, row)
    assert t.stopped is not None and "best None" in t.stopped


def test_early_stopping_on_a_metric_that_is_not_there():
    t = make_trainer(steps=1, callbacks=[EarlyStopping("val_accuracy")])
    message = "metric of step, val_loss; got 'val_accuracy'"
    with pytest.raises(hx.HelixError, match=re.escape(message)):
        t.fit()


@pytest.mark.parametrize("kw", [{"patience": 0}, {"min_delta": -1}, {"mode": "least"}])
def test_early_stopping_with_wrong_settings(kw):
    with pytest.raises(hx.HelixError, match=r"\[early_stopping\] expected"):
        EarlyStopping(**kw)


def test_early_stopping_is_a_plugin_like_any_other():
    (spec,) = plugin.helix_callbacks()
    assert isinstance(spec, CallbackSpec) and spec.name == "early_stopping"
    module, _, name = spec.factory.partition(":")
    import importlib

    made = getattr(importlib.import_module(module), name)()
    assert isinstance(made, EarlyStopping)
