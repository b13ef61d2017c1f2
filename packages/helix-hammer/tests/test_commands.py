"""``helix train`` and ``helix eval``, in this process, with a tiny model."""

import json
import subprocess
import sys
from pathlib import Path

import helix_core as hx
import numpy as np
import pytest
from hammer_kit import checkpoint, rows
from helix_core import platform, plugins
from helix_core._auto import AutoTable, Candidate
from helix_hammer import RunDir, commands, config, corpus, language, measures

TINY = ("--model", "tiny_lm", "--device", "numpy", "--batch", 4, "--length", 16)


@pytest.fixture
def train(helix, text, tmp_path):
    """``train("--steps", 5)``: with the tiny model on the text, into ``tmp_path/runs``."""

    def run(*args, data=text):
        where = ("--runs-dir", tmp_path / "runs")
        return helix("train", *TINY, "--data", data, *where, *args)

    return run


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


# ------------------------------------------------------------------------- training
def test_a_run_has_its_files_and_ends_with_a_table(train, runs):
    code, out, err = train("--steps", 20, "--name", "one")
    assert code == 0
    for row in ("this model, 20 steps", "zlib-9", "bz2-9", "xz-9e"):
        assert row in out
    for row in ("order-1 conditional entropy", "order-2 conditional entropy"):
        assert row in out
    assert "bytes/s" in out and "peak memory" in out and "Sample:\ndef " in out
    assert "bits per byte" in err and "step 20/20" in err
    files = {p.name for p in (runs / "one").iterdir()}
    assert {"config.json", "metrics.jsonl", "summary.json", "ckpt"} <= files
    found = rows(runs / "one")
    assert [r["step"] for r in found if "loss" in r] == list(range(1, 21))
    assert found[-1]["step"] == 20 and "val_bits_per_byte" in found[-1]


def test_json_is_the_only_output(train, runs):
    code, out, err = train("--steps", 6, "--json", "--ema", 0.9)
    assert code == 0 and err == ""
    values = json.loads(out)
    assert values["step"] == 6 and values["reason"] == "done"
    assert values["run"] == str(runs / "train")
    assert values["bytes_per_s"] > 0 and values["peak_memory_bytes"] > 0
    assert values["sample"].startswith("def ")
    assert set(values["compressors"]) == {"zlib-9", "bz2-9", "xz-9e"}
    assert json.loads((runs / "train" / "summary.json").read_text()) == values


def test_the_summary_is_on_all_validation_bytes(train, text, runs):
    train("--steps", 3, "--json")
    values = json.loads((runs / "train" / "summary.json").read_text())
    validation = corpus.load(text).validation
    assert values["validation_bytes"] == len(validation) == 200
    assert values["compressors"] == measures.compressed_bits(validation)


def test_training_learns_the_text(train, runs):
    train("--steps", 300, "--lr", 0.05, "--json")
    values = json.loads((runs / "train" / "summary.json").read_text())
    assert values["bits_per_byte"] < values["order_1_entropy"] + 0.5 < 8.0


def test_without_a_name_the_next_free_one_is_taken(train, runs):
    for _ in range(3):
        assert train("--steps", 1, "--json")[0] == 0
    assert {p.name for p in runs.iterdir()} == {"train", "train-2", "train-3"}


def test_plugins_by_name(train, runs, tiny):
    from tiny_pkg.parts import Witness

    Witness.seen.clear()
    names = ("--callback", "witness", "--logger", "third", "--schedule", "staircase")
    assert train("--steps", 4, "--lr", 0.1, "--json", *names)[0] == 0
    assert Witness.seen == [1, 2, 3, 4]
    assert (runs / "train" / "third.txt").read_text().split().count("4") == 2
    rates = [r["lr"] for r in rows(runs / "train") if "lr" in r]
    assert rates == [0.1, 0.1, pytest.approx(0.075), pytest.approx(0.075)]


def test_model_settings(train, runs):
    args = ("--d-model", 5, "--set", "dropout=0.25", "--seed", 3)
    assert train("--steps", 1, "--json", *args)[0] == 0
    stored = json.loads((runs / "train" / "config.json").read_text())
    assert stored["model"] == {
        "name": "tiny_lm",
        "config": {"d_model": 5, "dropout": 0.25},
    }
    assert stored["seed"] == 3
    assert RunDir(runs / "train").store.load().arrays["model"]["head"].shape == (5, 256)


def test_precision_is_stored_and_changes_the_losses(train, runs):
    for precision in ("fp32", "bf16"):
        args = ("--precision", precision, "--name", precision)
        assert train("--steps", 3, "--json", *args)[0] == 0
        stored = json.loads((runs / precision / "config.json").read_text())
        assert stored["precision"] == precision
    assert rows(runs / "fp32") != rows(runs / "bf16")


def test_the_device_that_is_soonest_is_taken_and_stored(train, runs, monkeypatch):
    def explain(graph, **more):
        devices = [hx.Device("numpy"), hx.Device("cpu")]
        taken = {d.name: more["run"](d) for d in devices}
        assert all(0 < t < 10 for t in taken.values()) and len(graph) > 3
        return AutoTable(devices[0], "the soonest", (Candidate("numpy", 0.5, 0.25),))

    monkeypatch.setattr(hx, "explain_auto", explain)
    code, _, err = train("--steps", 3, "--name", "one", "--device", "auto")
    assert code == 0
    assert "a step is soonest on numpy, 250 ms measured: the soonest\n" in err
    assert json.loads((runs / "one" / "config.json").read_text())["device"] == "numpy"


def test_early_stopping(train, runs):
    code, out, _ = train(
        *("--steps", 40, "--lr", 1e-9, "--eval-every", 1, "--patience", 2, "--json")
    )
    values = json.loads(out)
    assert code == 0 and values["step"] < 40
    assert "val_bits_per_byte has not improved for 2 evaluations" in values["reason"]


def test_any_bytes_will_do(train, tmp_path):
    noise = tmp_path / "noise.bin"
    noise.write_bytes(np.random.default_rng(0).bytes(3000))
    assert train("--steps", 2, "--json", data=noise)[0] == 0


@pytest.mark.parametrize("name", ["constant", "cosine", "one_cycle", "plateau", "wsd"])
def test_schedules_by_name(name, train, runs):
    assert train("--steps", 20, "--schedule", name, "--lr", 0.5, "--json")[0] == 0
    rates = [r["lr"] for r in rows(runs / "train") if "lr" in r]
    assert len(rates) == 20 and max(rates) == pytest.approx(0.5)
    flat = name in ("constant", "plateau")
    assert (len(set(rates)) == 1) == flat and (rates[-1] < 0.5) != flat


def test_a_schedule_takes_its_own_settings(train, runs):
    options = ("--schedule", "exponential", "--set", "schedule.gamma=0.5", "--lr", 1.0)
    assert train("--steps", 3, *options, "--json")[0] == 0
    rates = [r["lr"] for r in rows(runs / "train") if "lr" in r]
    assert rates == [1.0, 0.5, 0.25]


def test_settings_that_a_schedule_does_not_take(tiny):
    schedule = {"name": "staircase", "config": {"width": 3}}
    asked = config.check({"schedule": schedule, "steps": 4})
    message = r"\[schedule\] expected settings of 'staircase': steps, tread; got"
    with pytest.raises(config.ConfigError, match=message):
        language.make_schedule(asked)


# -------------------------------------------------------------------------- minutes
def test_minutes_become_steps_once(train, runs, helix, monkeypatch):
    monkeypatch.setattr(language, "calibrate", lambda *a: (0.5, 1e6))
    assert train("--minutes", 0.1, "--json")[0] == 0
    stored = json.loads((runs / "train" / "config.json").read_text())
    assert (stored["minutes"], stored["steps"]) == (0.1, 10)
    monkeypatch.setattr(language, "calibrate", lambda *a: 1 / 0)
    code, out, _ = helix("train", "--resume", runs / "train", "--json")
    assert code == 0 and json.loads(out)["step"] == 10


def test_calibration_measures(train, runs):
    assert train("--minutes", 0.02, "--json")[0] == 0
    stored = json.loads((runs / "train" / "config.json").read_text())
    assert stored["steps"] > 1 and 0 < stored["eval_every"] <= stored["steps"]
    seconds = [
        json.loads(line).get("seconds", 0.0)
        for line in (runs / "train" / "metrics.jsonl").read_text().splitlines()
    ]
    assert sum(seconds) < 6.0  # 1.2 were asked for


def test_killed_before_calibration_ended(train, runs, helix, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as m:
        m.setattr(language, "calibrate", interrupt)
        assert train("--minutes", 0.1)[0] == 1
    stored = json.loads((runs / "train" / "config.json").read_text())
    assert stored["steps"] is None and stored["data_sha256"]
    monkeypatch.setattr(language, "calibrate", lambda *a: (0.5, 1e6))
    code, out, _ = helix("train", "--resume", runs / "train", "--json")
    assert code == 0 and json.loads(out)["step"] == 10


@pytest.mark.parametrize("rate", [1e9, 20.0])
def test_evaluations_take_a_tenth_of_the_time(rate, text, monkeypatch):
    monkeypatch.setattr(language, "calibrate", lambda *a: (0.1, rate))
    asked = config.check({"minutes": 5.0, "length": 16})
    planned = language.plan(asked, corpus.load(text), lambda text: None)
    assert planned.eval_bytes == (65536 if rate == 1e9 else 60)
    evaluations = 10 * planned.eval_bytes / rate
    assert evaluations <= 30.0
    assert planned.steps * 0.1 + evaluations == pytest.approx(300.0, rel=0.05)


# ----------------------------------------------------------------- bits per byte
class Uniform:
    """Predicts every byte with probability 1/256, and remembers what it was shown."""

    def __init__(self):
        self.p = hx.Parameter(hx.zeros(()))
        self.shown = []

    def parameters(self):
        yield self.p

    def loss(self, ids, labels):
        self.shown += [np.asarray(row).tolist() for row in np.asarray(labels)]
        return hx.full((), float(np.log(256.0)))


def test_every_byte_but_the_first_counts_once():
    m = Uniform()
    bits, count = language.bits_per_byte(m, np.arange(101, dtype=np.uint8), 16, 4)
    assert bits == pytest.approx(8.0, rel=1e-6) and count == 100
    assert sorted(b for window in m.shown for b in window) == list(range(1, 101))


def test_a_limit_takes_windows_from_all_over():
    m = Uniform()
    data = np.arange(201, dtype=np.uint8)
    _, count = language.bits_per_byte(m, data, 10, 4, limit=50)
    assert count == 50 and [w[0] for w in m.shown] == [1, 41, 81, 121, 161]


def test_a_deadline_takes_bytes_from_the_start():
    m = Uniform()
    _, count = language.bits_per_byte(
        m, np.arange(201, dtype=np.uint8), 10, 2, seconds=0
    )
    assert count == 20 and m.shown[0][0] == 1


def test_windows_longer_than_the_data():
    m = Uniform()
    assert language.bits_per_byte(m, np.arange(5, dtype=np.uint8), 100, 4)[1] == 4
    with pytest.raises(corpus.DataError, match="at least 2 bytes to evaluate; got 1"):
        language.bits_per_byte(m, np.zeros(1, np.uint8), 100, 4)


def test_bits_per_byte_of_a_model_against_numpy(tiny):
    from tiny_pkg.parts import TinyLM

    m = TinyLM(d_model=4)
    data = np.random.default_rng(1).integers(0, 256, 300).astype(np.uint8)
    e, h = (np.asarray(p.value, np.float64) for p in (m.embedding, m.head))
    logits = e[data[:-1]] @ h
    log_z = np.log(np.exp(logits).sum(axis=1))
    nats = log_z - logits[np.arange(299), data[1:]]
    with hx.device("numpy"):
        bits, _ = language.bits_per_byte(m.eval(), data, 32, 3)
    assert bits == pytest.approx(nats.mean() / np.log(2), rel=1e-5)


# ------------------------------------------------------------------------------ eval
def test_eval_repeats_the_summary(train, runs, helix):
    train("--steps", 5, "--json", "--ema", 0.5)
    summary = json.loads((runs / "train" / "summary.json").read_text())
    code, out, _ = helix("eval", runs / "train", "--json")
    values = json.loads(out)
    assert code == 0 and values["step"] == 5
    assert values["bits_per_byte"] == pytest.approx(summary["bits_per_byte"], rel=1e-6)
    assert values["compressors"] == summary["compressors"]


def test_eval_of_other_bytes_is_on_all_of_them(train, runs, helix, tmp_path):
    train("--steps", 5, "--json")
    other = tmp_path / "other"
    other.write_bytes(b"ab cd efg\n" * 50)
    code, out, _ = helix("eval", runs / "train", "--data", other, "--json")
    assert code == 0 and json.loads(out)["validation_bytes"] == 500
    _, out, _ = helix("eval", runs / "train", "--data", other, "--limit", 99, "--json")
    assert json.loads(out)["validation_bytes"] == 100


def test_eval_of_a_checkpoint(train, runs, helix):
    train("--steps", 6, "--save-every", 2, "--keep-last", 9, "--json")
    code, out, _ = helix("eval", runs / "train", "--which", 4)
    assert code == 0 and "step 4" in out and "zlib-9" in out
    code, _, err = helix("eval", runs / "train", "--which", 7)
    assert code == 1 and "step 7 is missing; there are:" in err
    code, _, err = helix("eval", runs / "train", "--which", "worst")
    assert code == 1 and "expected 'latest', 'best' or a step; got 'worst'" in err


# ------------------------------------------------------------------------- bad input
BAD = [
    (("--steps", 0), "steps: Input should be greater than 0, got 0"),
    (("--steps", 5, "--minutes", 1), "--minutes or --steps; got both"),
    (("--minutes", "nan"), "minutes"),
    (("--minutes", "inf"), "minutes: Input should be a finite number"),
    (("--steps", 5, "--lr", -1), "lr: Input should be greater than 0"),
    (("--steps", 5, "--ema", 2), "ema: Input should be less than 1"),
    (("--steps", 5, "--model", "nothing"), "'nothing'. Usable models: "),
    (("--steps", 5, "--model", "tiny_ln"), "id you mean 'tiny_lm'?"),
    (("--steps", 5, "--d-model", 0), "[tiny_lm] expected d_model >= 1; got 0"),
    (("--steps", 5, "--set", "depth=3"), "[tiny_lm] expected d_model, dropout"),
    (("--steps", 5, "--set", "depth"), "--set KEY=VALUE; got 'depth'"),
    (("--steps", 5, "--callback", "nobody"), "'nobody'. Usable callbacks: "),
    (("--steps", 5, "--logger", "nobody"), "'nobody'. Usable loggers: "),
    (("--steps", 5, "--schedule", "zigzag"), "'zigzag'. Usable schedules: "),
    (("--steps", 5, "--schedule", "math"), "'math'. Usable schedules: "),
    (("--steps", 5, "--device", "abacus"), "a usable backend for 'abacus:0'"),
    (("--steps", 5, "--device", "C P U"), "expected a name such as 'cpu'"),
    (("--steps", 5, "--length", 5000), "more than 5000 training bytes; got 3800"),
    (("--steps", 5, "--name", "a/b"), "--name without folders; got 'a/b'"),
    (("--steps", 5, "--name", ".."), "--name without folders"),
]


@pytest.mark.parametrize(("args", "message"), BAD, ids=[m for _, m in BAD])
def test_bad_options_are_named_and_nothing_is_written(train, runs, args, message):
    code, out, err = train(*args)
    assert code == 1 and message in err and out == ""
    assert err.splitlines()[-1].startswith("error: ") and "Traceback" not in err
    assert not runs.exists()


def test_an_unknown_option_is_a_usage_error(train, runs):
    code, _, err = train("--bogus")
    assert code == 2 and "--bogus" in err and not runs.exists()


@pytest.mark.parametrize("make", ["missing", "empty", "hidden only", "tiny"])
def test_bad_data_is_named_and_nothing_is_written(train, runs, tmp_path, make):
    path = tmp_path / "data"
    message = "missing"
    if make != "missing":
        path.mkdir()
        message = "is empty"
    if make == "hidden only":
        (path / ".hidden").write_bytes(b"x" * 999)
    if make == "tiny":
        (path / "a").write_bytes(b"xyz")
        message = "at least 8 bytes"
    code, _, err = train("--steps", 5, data=path)
    assert code == 1 and "error: [data] expected" in err and message in err
    assert not runs.exists()


def test_a_model_package_that_is_not_installed(tiny, text, monkeypatch):
    monkeypatch.setenv("HELIX_PLUGINS", "")  # as if nothing but core was installed
    plugins.reset()
    asked = config.check({"data": str(text), "steps": 1, "device": "numpy"})
    with pytest.raises(plugins.PluginUnavailable, match="pip install helix-layers"):
        language.build_model(asked)


def test_a_name_that_exists(train, runs):
    train("--steps", 2, "--name", "x", "--json")
    before = rows(runs / "x")
    code, _, err = train("--steps", 2, "--name", "x")
    assert code == 1 and "exists. Hint: --resume" in err
    assert rows(runs / "x") == before


def test_a_loss_that_is_no_number(train, runs, helix):
    args = ("--model", "broken_lm", "--steps", 30, "--save-every", 4)
    code, out, err = train(*args)
    assert code == 1 and out == ""
    assert "expected a finite loss; got nan after" in err and "Hint: a lower" in err
    run = RunDir(runs / "train")
    assert max(run.store.steps()) <= 12
    assert all(np.isfinite(a).all() for a in run.store.load().arrays["model"].values())


def test_a_full_disk_while_saving(train, runs, helix, monkeypatch):
    args = ("--steps", 12, "--eval-every", 4, "--save-every", 2)
    assert train(*args, "--name", "straight", "--json")[0] == 0
    real, left = platform.sync_dir, [30]

    def sync(path):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        real(path)

    with monkeypatch.context() as m:
        m.setattr("helix_core.files._checkpoint.sync_dir", sync)
        m.setattr(platform, "sync_dir", sync)
        code, out, err = train(*args, "--name", "full")
    assert code == 1 and "No space left on device" in err and out == ""
    kept = RunDir(runs / "full").store.steps()
    assert kept and max(kept) < 12
    assert helix("train", "--resume", runs / "full", "--json")[0] == 0
    assert rows(runs / "full") == rows(runs / "straight")


def test_two_processes(train, runs, helix):
    train("--steps", 2, "--json")
    before = rows(runs / "train")
    with RunDir(runs / "train").lock():
        code, _, err = helix("train", "--resume", runs / "train")
    assert code == 1 and "is using it. Hint: wait, or stop that process" in err
    assert rows(runs / "train") == before


# --------------------------------------------------------------------------- resume
@pytest.fixture
def stopped(train, runs, monkeypatch):
    """A run of 12 steps that was killed after step 7, with checkpoints of 2, 4, 6."""
    from helix_hammer import Trainer

    real = Trainer.step

    def step(self):
        if self.global_step == 7 and self.run is not None:
            raise KeyboardInterrupt
        return real(self)

    args = ("--steps", 12, "--save-every", 2, "--eval-every", 3, "--keep-last", 3)
    assert train(*args, "--name", "straight", "--json")[0] == 0
    with monkeypatch.context() as m:
        m.setattr(Trainer, "step", step)
        assert train(*args, "--name", "killed")[0] == 1
    assert max(r["step"] for r in rows(runs / "killed")) == 7
    return runs / "killed"


def test_resume(stopped, helix, runs):
    code, out, _ = helix("train", "--resume", stopped)
    assert code == 0 and "this model, 12 steps" in out
    assert rows(stopped) == rows(runs / "straight")
    assert checkpoint(stopped, 12) == checkpoint(runs / "straight", 12)


def test_resume_takes_no_other_options(stopped, helix):
    more = ("--lr", 1, "--callback", "x", "--steps", 3, "--set", "a=1")
    code, _, err = helix("train", "--resume", stopped, *more)
    assert code == 1 and "expected no other options" in err
    flags = err.partition("got ")[2].strip().split(", ")
    assert sorted(flags) == ["--callback", "--lr", "--set", "--steps"]


def test_resume_of_what_is_no_run(helix, tmp_path):
    for path in (tmp_path / "missing", tmp_path):
        code, _, err = helix("train", "--resume", path)
        assert code == 1 and "a run directory with config.json" in err
    assert not (tmp_path / "missing").exists() and not (tmp_path / "lock").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is damaged"),
        ("", "is damaged"),
        ("[]", "valid dictionary"),
        ('{"bogus": 1}', "bogus: Extra inputs are not permitted"),
    ],
)
def test_a_damaged_configuration(stopped, helix, content, message):
    before = rows(stopped)
    (stopped / "config.json").write_text(content)
    code, _, err = helix("train", "--resume", stopped)
    assert code == 1 and message in err and "Traceback" not in err
    assert rows(stopped) == before


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("lr", 0.5, "lr was 0.004 and is 0.5"),
        ("steps", 99, "steps was 12 and is 99"),
        ("steps", None, "the steps, eval_every and save_every that the run began with"),
        ("seed", 1, "seed was 0 and is 1"),
        ("model", {"name": "tiny_lm", "config": {"d_model": 9}}, "model was"),
    ],
)
def test_a_changed_configuration(stopped, helix, key, value, message):
    before = rows(stopped), RunDir(stopped).store.steps()
    values = json.loads((stopped / "config.json").read_text())
    values[key] = value
    (stopped / "config.json").write_text(json.dumps(values))
    code, _, err = helix("train", "--resume", stopped)
    assert code == 1 and message in err and "Hint:" in err
    assert (rows(stopped), RunDir(stopped).store.steps()) == before


def test_how_many_checkpoints_stay_may_change(stopped, helix, runs):
    values = json.loads((stopped / "config.json").read_text())
    values["keep_last"] = 1
    (stopped / "config.json").write_text(json.dumps(values))
    assert helix("train", "--resume", stopped, "--json")[0] == 0
    assert rows(stopped) == rows(runs / "straight")


def test_changed_data(stopped, helix, text):
    before = rows(stopped)
    text.write_bytes(text.read_bytes() + b"!")
    code, _, err = helix("train", "--resume", stopped)
    assert code == 1 and "the data that the run began with" in err and "Hint:" in err
    code, _, err = helix("eval", stopped)
    assert code == 1 and "the data that the run began with" in err
    assert rows(stopped) == before


def test_missing_data(stopped, helix, text):
    text.rename(text.with_suffix(".away"))
    code, _, err = helix("train", "--resume", stopped)
    assert code == 1 and "is missing" in err
    text.with_suffix(".away").rename(text)
    assert helix("train", "--resume", stopped, "--json")[0] == 0


def test_a_damaged_checkpoint_is_said_aloud(stopped, helix, runs):
    path = stopped / "ckpt" / "step_00000006" / "optim.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    code, _, err = helix("train", "--resume", stopped)
    assert code == 0
    assert "warning: [checkpoint] going back to step 4: " in err and "optim" in err
    assert rows(stopped) == rows(runs / "straight")


def test_all_checkpoints_damaged(stopped, helix):
    for path in stopped.glob("ckpt/*/model.safetensors"):
        path.write_bytes(b"")
    before = rows(stopped)
    code, _, err = helix("train", "--resume", stopped)
    assert code == 1 and "expected a valid checkpoint" in err
    assert "Hint: restore one from a backup, or delete" in err
    assert rows(stopped) == before


# ------------------------------------------------------------------------ packaging
@pytest.mark.parametrize("name", ["train", "eval"])
def test_help_shows_examples(helix, name):
    code, out, _ = helix(name, "--help")
    assert code == 0 and "Examples:" in out and f"helix {name} " in out
    assert "--json" in out


def test_neither_hal_nor_layers_is_imported_here():
    for path in Path(commands.__file__).parent.rglob("*.py"):
        text = path.read_text()
        assert "import helix_hal" not in text and "from helix_hal" not in text
        assert "import helix_layers" not in text and "from helix_layers" not in text


def test_light_imports():
    heavy = "pydantic rich matplotlib helix_hammer.trainer helix_hal helix_layers"
    code = (
        "import sys, helix_hammer, helix_hammer.plugin\n"
        f"print([m for m in '{heavy}'.split() if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
