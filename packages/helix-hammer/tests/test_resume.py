"""A run in parts equals a run in one piece: weights, moments, metrics, byte for byte."""

import json

import helix_core as hx
import pytest
from hammer_kit import checkpoint, make_trainer, rows
from helix_hammer import Callback, EarlyStopping, RunDir, RunError


class StopAt(Callback):
    """Ends a run like a kill after a checkpoint, but for the process."""

    class Killed(BaseException):
        pass

    def __init__(self, step):
        self.step = step

    def on_step(self, trainer, row):
        if row["step"] == self.step:
            raise self.Killed


FEATURES = {
    "plain": {},
    "dropout": {"dropout": 0.5},
    "accumulate": {"accumulate": 3, "dropout": 0.2},
    "clip": {"clip": 0.1, "clip_value": 0.05},
    "ema": {"ema": 0.9},
    "everything": {"dropout": 0.3, "accumulate": 2, "clip": 0.5, "ema": 0.95},
}


def plateau():
    return hx.schedules.ReduceOnPlateau(factor=0.5, patience=0, threshold=0.02)


@pytest.mark.parametrize("features", FEATURES.values(), ids=FEATURES.keys())
@pytest.mark.parametrize("killed", [4, 9, 16])
def test_straight_equals_killed_and_resumed(tmp_path, features, killed):
    def trainer(name, **more):
        return make_trainer(
            steps=20,
            eval_every=3,
            save_every=4,
            keep_last=9,
            schedule=plateau(),
            run_dir=tmp_path / name,
            **features,
            **more,
        )

    straight = trainer("a").fit()
    with pytest.raises(StopAt.Killed):
        trainer("b", callbacks=[StopAt(killed)]).fit()
    hx.seed(99)  # another process knows nothing
    hx.random_uniform((5,))
    resumed = trainer("b").fit()
    assert resumed == straight
    assert rows(tmp_path / "a") == rows(tmp_path / "b")
    assert checkpoint(tmp_path / "a", 20) == checkpoint(tmp_path / "b", 20)


def test_a_run_may_be_killed_many_times(tmp_path):
    kept = {"steps": 12, "dropout": 0.5, "eval_every": 2, "save_every": 1}
    make_trainer(**kept, run_dir=tmp_path / "a").fit()
    for step in range(1, 13):
        with pytest.raises(StopAt.Killed):
            make_trainer(**kept, run_dir=tmp_path / "b", callbacks=[StopAt(step)]).fit()
    make_trainer(**kept, run_dir=tmp_path / "b").fit()
    assert rows(tmp_path / "a") == rows(tmp_path / "b")
    assert checkpoint(tmp_path / "a", 12) == checkpoint(tmp_path / "b", 12)


def test_what_a_kill_left_behind_goes_even_where_nothing_is_left_to_do(tmp_path):
    done = make_trainer(steps=4, save_every=2, run_dir=tmp_path / "a").fit()
    left = tmp_path / "a" / "ckpt" / ".tmp-0123456789abcdef"
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"half")
    again = make_trainer(steps=4, save_every=2, run_dir=tmp_path / "a").fit()
    assert again == done and not left.exists()


def test_before_the_first_checkpoint_it_starts_again(tmp_path):
    kept = {"steps": 6, "dropout": 0.5, "save_every": 5}
    make_trainer(**kept, run_dir=tmp_path / "a").fit()
    with pytest.raises(StopAt.Killed):
        make_trainer(**kept, run_dir=tmp_path / "b", callbacks=[StopAt(3)]).fit()
    make_trainer(**kept, run_dir=tmp_path / "b").fit()
    assert rows(tmp_path / "a") == rows(tmp_path / "b")


def test_an_iterable_that_cannot_seek_resumes_too(tmp_path):
    class Data:
        def __iter__(self):
            return (hx.full((2, 4), float(k)) for k in range(5))

    def trainer(name, **more):
        return make_trainer(
            steps=13,
            data=Data(),
            loss=lambda m, x: hx.tanh(x @ m.w1).sum(),
            save_every=4,
            run_dir=tmp_path / name,
            **more,
        )

    trainer("a").fit()
    with pytest.raises(StopAt.Killed):
        trainer("b", callbacks=[StopAt(10)]).fit()
    trainer("b").fit()
    assert rows(tmp_path / "a") == rows(tmp_path / "b")


@pytest.mark.parametrize("killed", [2, 3, 4, 5])
def test_early_stopping_goes_on_counting(tmp_path, killed):
    scores = [9.0, 5.0, 4.0, 4.5, 4.5, 4.5, 1.0, 0.5]

    def trainer(name, callbacks=()):
        t = make_trainer(steps=7, eval_every=1, save_every=1, run_dir=tmp_path / name)
        t.callbacks = [EarlyStopping(patience=3), *callbacks]
        t.evaluate = lambda model: {"loss": scores[t.global_step]}
        return t

    straight = trainer("a").fit()
    assert (
        straight["step"] == 5
        and "val_loss has not improved for 3" in straight["reason"]
    )
    with pytest.raises(StopAt.Killed):
        trainer("b", [StopAt(killed)]).fit()
    assert trainer("b").fit() == straight
    assert rows(tmp_path / "a") == rows(tmp_path / "b")


def test_a_run_that_stopped_early_stays_stopped(tmp_path):
    def trainer():
        return make_trainer(
            steps=9,
            eval_every=1,
            evaluate=lambda m: {"loss": 1.0},
            callbacks=[EarlyStopping(patience=2)],
            run_dir=tmp_path,
        )

    first = trainer().fit()
    assert first["step"] == 3
    assert trainer().fit() == first


def test_a_callback_may_stop_a_run_when_a_checkpoint_is_written(tmp_path):
    class Enough(Callback):
        def on_save(self, trainer, step):
            trainer.stop("enough")

    def trainer():
        return make_trainer(
            steps=9, save_every=2, run_dir=tmp_path, callbacks=[Enough()]
        )

    first = trainer().fit()
    assert (first["step"], first["reason"]) == (2, "enough")
    assert trainer().fit()["reason"] == "enough"


def test_a_finished_run_does_nothing_again(tmp_path):
    make_trainer(steps=3, run_dir=tmp_path).fit()
    before = rows(tmp_path), checkpoint(tmp_path, 3)
    assert make_trainer(steps=3, run_dir=tmp_path).fit()["step"] == 3
    assert (rows(tmp_path), checkpoint(tmp_path, 3)) == before


def test_more_steps_go_on_from_a_finished_run(tmp_path):
    make_trainer(steps=8, run_dir=tmp_path / "a").fit()
    make_trainer(steps=3, run_dir=tmp_path / "b", evaluate=None).fit()
    make_trainer(steps=8, run_dir=tmp_path / "b").fit()
    assert (
        checkpoint(tmp_path / "a", 8)["model.safetensors"]
        == (checkpoint(tmp_path / "b", 8)["model.safetensors"])
    )


def test_state_of_callbacks_with_infinities(tmp_path):
    class Holder(Callback):
        state = (float("-inf"), 1, {"a": float("nan")})

        def state_dict(self):
            return {"state": self.state}

        def load_state_dict(self, state):
            self.state = state["state"]

    make_trainer(steps=1, run_dir=tmp_path, callbacks=[Holder()]).fit()
    h = Holder()
    h.state = None
    make_trainer(steps=1, run_dir=tmp_path, callbacks=[h]).fit()
    assert h.state[0] == float("-inf") and h.state[1] == 1
    assert h.state[2]["a"] != h.state[2]["a"]
    text = (tmp_path / "ckpt" / "step_00000001" / "state.json").read_text()
    assert "Infinity" not in text and json.loads(text)["step"] == 1


def test_callbacks_of_one_class_keep_their_own_state(tmp_path):
    def callbacks():
        return [EarlyStopping("val_loss", 7), EarlyStopping("val_loss", 9)]

    first = callbacks()
    make_trainer(steps=2, eval_every=1, run_dir=tmp_path, callbacks=first).fit()
    first[0].bad, first[1].bad = 5, 6
    make_trainer(steps=3, run_dir=tmp_path, callbacks=first)
    again = callbacks()
    t = make_trainer(steps=2, run_dir=tmp_path, callbacks=again)
    t.resume()
    assert [c.best for c in again] == [c.best for c in first]


def test_another_configuration_is_refused_and_named(tmp_path):
    make_trainer(steps=2, run_dir=tmp_path, config={"lr": 0.1, "d": [1]}).fit()
    before = checkpoint(tmp_path, 2)
    t = make_trainer(steps=4, run_dir=tmp_path, config={"lr": 0.2, "d": [1]})
    with pytest.raises(RunError, match=r"lr was 0.1 and is 0.2. Hint"):
        t.fit()
    assert checkpoint(tmp_path, 2) == before and t.global_step == 0


def test_another_model_is_refused(tmp_path):
    make_trainer(steps=2, run_dir=tmp_path).fit()
    t = make_trainer(steps=4, run_dir=tmp_path)
    t.model.w1 = hx.Parameter(hx.zeros((4, 9)))
    with pytest.raises(hx.HelixError, match=r"w1: expected .*4, ?9.*got .*4, ?8"):
        t.fit()


def test_averages_are_needed_where_they_were_asked_for(tmp_path):
    make_trainer(steps=2, run_dir=tmp_path).fit()
    with pytest.raises(hx.HelixError, match="an averaged w1 of shape"):
        make_trainer(steps=4, run_dir=tmp_path, ema=0.9).fit()


def test_the_averaged_file_is_a_whole_state(tmp_path):
    t = make_trainer(steps=2, ema=0.9, run_dir=tmp_path)
    t.fit()
    arrays = RunDir(tmp_path).store.load().arrays
    assert set(arrays["ema"]) == set(arrays["model"]) == {"w1", "w2", "seen"}
    make_trainer().model.load_state_dict(arrays["ema"])
