"""Checkpoints: committed whole, verified, pruned, and fallen back from aloud."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from helix_core import files
from helix_core.files import _manifest

GOLDEN = Path(__file__).parent / "golden"


def content(step):
    return {
        "model": {"w": np.full((2, 3), step, np.float32), "b": np.zeros(0)},
        "state": {"step": step, "note": "ß"},
    }


def store_with(root, *steps, metrics=None, **options):
    store = files.CheckpointStore(root, **options)
    for i, step in enumerate(steps):
        store.save(step, content(step), metric=metrics[i] if metrics else None)
    return store


def quiet(store, which="latest"):
    """Load, and fail on any warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return store.load(which)


# ----------------------------------------------------------------------- round trips
def test_what_was_saved_comes_back(tmp_path):
    store = files.CheckpointStore(tmp_path / "ckpt")
    path = store.save(12, content(12), metric=0.5)
    assert path == tmp_path / "ckpt" / "step_00000012"
    assert sorted(os.listdir(path)) == [
        "MANIFEST.json",
        "model.safetensors",
        "state.json",
    ]
    found = quiet(store)
    assert found.step == 12 and found.path == path
    assert found.meta == {"metric": 0.5, "state": {"step": 12, "note": "ß"}}
    np.testing.assert_array_equal(found.arrays["model"]["w"], np.full((2, 3), 12.0))
    assert found.arrays["model"]["b"].shape == (0,)
    assert (tmp_path / "ckpt" / "LATEST").read_text() == "step_00000012\n"


def test_the_manifest_names_sizes_and_hashes(tmp_path):
    import hashlib

    path = store_with(tmp_path, 1).path(1)
    manifest = json.loads((path / "MANIFEST.json").read_text())
    assert manifest["schema"] == 1 and manifest["step"] == 1
    for name in ("model.safetensors", "state.json"):
        raw = (path / name).read_bytes()
        facts = {"size": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
        assert manifest["files"][name] == facts


def test_a_step_can_be_asked_for(tmp_path):
    store = store_with(tmp_path, 1, 2)
    assert quiet(store, 1).meta["state"]["step"] == 1
    with pytest.raises(
        files.CheckpointError, match="step 7 is missing; there are: 1, 2"
    ):
        store.load(7)
    with pytest.raises(files.CheckpointError, match=r"'latest', 'best' or a step; got"):
        store.load("newest")


def test_an_empty_store_says_so(tmp_path):
    store = files.CheckpointStore(tmp_path / "none")
    assert store.steps() == []
    with pytest.raises(
        files.CheckpointError, match=r"valid checkpoint in .*there is none"
    ):
        store.load()


def test_saving_a_step_again_replaces_it(tmp_path):
    store = store_with(tmp_path, 5)
    store.save(5, {"state": {"second": True}})
    assert quiet(store).meta["state"] == {"second": True}
    assert sorted(os.listdir(tmp_path)) == ["LATEST", "step_00000005"]


def test_the_golden_checkpoint_of_format_1_still_loads(tmp_path):
    shutil.copytree(GOLDEN, tmp_path / "ckpt")
    found = quiet(files.CheckpointStore(tmp_path / "ckpt"))
    assert found.step == 3 and found.meta == {"metric": 0.25, "state": {"seed": [1, 2]}}
    np.testing.assert_array_equal(found.arrays["model"]["w"], [[1.5, -2.0]])


# ------------------------------------------------------------------- what stays on disk
def test_the_newest_and_the_best_stay(tmp_path):
    store = store_with(
        tmp_path,
        *range(1, 8),
        metrics=[5.0, 1.0, 3.0, 2.0, 4.0, 6.0, 7.0],
        keep_last=2,
        keep_best=2,
    )
    assert store.steps() == [2, 4, 6, 7]
    assert quiet(store, "best").step == 2
    assert quiet(store).step == 7


def test_max_is_best_when_asked(tmp_path):
    scores = [1.0, 3.0, 2.0]
    store = store_with(tmp_path, 1, 2, 3, metrics=scores, keep_last=1, mode="max")
    assert store.steps() == [2, 3]
    assert quiet(store, "best").step == 2


def test_of_equal_metrics_the_later_is_best(tmp_path):
    store = store_with(tmp_path, 1, 2, 3, metrics=[1.0, 1.0, 2.0])
    assert quiet(store, "best").step == 2


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None])
def test_a_metric_that_is_not_finite_is_none(tmp_path, bad):
    store = store_with(tmp_path, 1, 2, metrics=[3.0, bad])
    assert quiet(store).meta["metric"] is None
    assert quiet(store, "best").step == 1


def test_going_back_drops_the_later_steps(tmp_path):
    store = store_with(tmp_path, 10, 20, 30)
    store.save(15, content(15))
    assert store.steps() == [10, 15]
    assert quiet(store).step == 15


@pytest.mark.parametrize(
    "options", [{"keep_last": 0}, {"keep_best": -1}, {"mode": "least"}]
)
def test_options_are_checked(tmp_path, options):
    with pytest.raises(files.CheckpointError, match="expected keep_last >= 1"):
        files.CheckpointStore(tmp_path, **options)


@pytest.mark.parametrize("step", [-1, 1.0, True, "1"])
def test_steps_are_counted(tmp_path, step):
    with pytest.raises(files.CheckpointError, match="expected a step >= 0"):
        files.CheckpointStore(tmp_path).save(step, {})


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "", ".hidden", "MANIFEST", "metric", "ü"]
)
def test_content_names_are_plain(tmp_path, name):
    store = store_with(tmp_path, 1)
    with pytest.raises(files.CheckpointError, match="expected a file name"):
        store.save(2, {name: {}})
    assert store.steps() == [1]
    assert sorted(os.listdir(tmp_path)) == ["LATEST", "step_00000001"]


@pytest.mark.parametrize(
    "value", [{"lr": float("nan")}, {"a": np.zeros(1), "b": 1}, np.zeros(1)]
)
def test_content_that_cannot_be_stored_leaves_the_last_one(tmp_path, value):
    store = store_with(tmp_path, 1)
    with pytest.raises(files.CheckpointError, match=r"step 2 .*Hint.*untouched"):
        store.save(2, {"state": value})
    assert quiet(store).step == 1
    assert sorted(os.listdir(tmp_path)) == ["LATEST", "step_00000001"]


# ------------------------------------------------------------------------ what is damaged
def _cut(path):
    path.write_bytes(path.read_bytes()[:-3])


def _flip(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def _link(path):
    moved = path.with_name("elsewhere")
    path.rename(moved)
    path.symlink_to(moved)


DAMAGE = {"cut": _cut, "flipped": _flip, "deleted": Path.unlink, "linked": _link}
FILES = ["MANIFEST.json", "model.safetensors", "state.json"]


DAMAGED = [(how, file) for how in DAMAGE for file in FILES]
DAMAGED.remove(("linked", "MANIFEST.json"))  # its content counts, wherever it lies


@pytest.mark.parametrize("how, file", DAMAGED)
def test_damage_is_named_and_the_one_before_is_used(tmp_path, how, file):
    store = store_with(tmp_path, 1, 2)
    DAMAGE[how](store.path(2) / file)
    what = "MANIFEST|manifest" if file == "MANIFEST.json" else file
    with pytest.raises(files.CheckpointError, match=what):
        store.load(2)
    with pytest.warns(UserWarning, match=rf"going back to step 1: .*({what})") as seen:
        found = store.load()
    assert found.step == 1 and len(seen) == 1


def test_every_changed_byte_of_a_manifest_is_noticed(tmp_path):
    store = store_with(tmp_path, 1, metrics=[0.5])
    path = store.path(1) / "MANIFEST.json"
    raw = path.read_bytes()
    before = json.loads(raw)
    for i in range(len(raw)):
        path.write_bytes(raw[:i] + bytes([raw[i] ^ 1]) + raw[i + 1 :])
        try:
            store.load(1)
        except files.CheckpointError:
            continue
        assert json.loads(path.read_bytes()) == before  # white space


def test_a_deleted_checkpoint_is_noticed(tmp_path):
    store = store_with(tmp_path, 1, 2)
    shutil.rmtree(store.path(2))
    with pytest.warns(UserWarning, match=r"going back to step 1: .*step 2 is missing"):
        assert store.load().step == 1


@pytest.mark.parametrize("text", [b"", b"step_x", b"\xff", b"../../etc"])
def test_a_damaged_pointer_changes_nothing(tmp_path, text):
    store = store_with(tmp_path, 1, 2)
    (tmp_path / "LATEST").write_bytes(text)
    assert quiet(store).step == 2


def test_all_problems_are_listed_when_none_is_whole(tmp_path):
    store = store_with(tmp_path, 1, 2)
    _cut(store.path(1) / "state.json")
    _flip(store.path(2) / "model.safetensors")
    message = r"expected a valid checkpoint in .*'model.*step 2.*'state.*step 1"
    with pytest.raises(files.CheckpointError, match=message):
        store.load()


def test_the_best_falls_back_too(tmp_path):
    store = store_with(tmp_path, 1, 2, 3, metrics=[2.0, 1.0, 3.0])
    _flip(store.path(2) / "state.json")
    with pytest.warns(
        UserWarning, match=r"going back to step 1: .*'state.json' of step 2"
    ):
        assert store.load("best").step == 1


def test_extra_files_are_never_read(tmp_path):
    store = store_with(tmp_path, 1)
    (store.path(1) / "extra.safetensors").write_bytes(b"hostile")
    (store.path(1) / "state.json.bak").write_bytes(b"{")
    (store.path(1) / "folder").mkdir()
    (tmp_path / "step_00000009").write_text("a file")
    (tmp_path / "step_9").mkdir()
    found = quiet(store)
    assert list(found.arrays) == ["model"] and sorted(found.meta) == ["metric", "state"]


def _rewrite(store, step, **changes):
    """A manifest that was changed by somebody who knows the digest."""
    path = store.path(step) / "MANIFEST.json"
    body = {k: v for k, v in json.loads(path.read_text()).items() if k != "digest"}
    body |= changes
    path.write_text(json.dumps({**body, "digest": _manifest._digest(body)}))


@pytest.mark.parametrize(
    "name", ["../secret.json", "/etc/passwd", "a\\b.json", "C:x.json", ".x.json", ""]
)
def test_paths_in_a_manifest_are_refused(tmp_path, name):
    store = store_with(tmp_path / "ckpt", 1)
    secret = tmp_path / "ckpt" / "secret.json"
    secret.write_text("1")
    _rewrite(store, 1, files={name: _manifest._sha256(secret)})
    with pytest.raises(files.CheckpointError, match="expected plain file names"):
        store.load(1)


@pytest.mark.parametrize("listed", [None, [], 3, {"state.json": 5}, {"state.json": {}}])
def test_a_manifest_of_nonsense_is_refused(tmp_path, listed):
    store = store_with(tmp_path, 1)
    _rewrite(store, 1, files=listed)
    with pytest.raises(files.CheckpointError, match=r"\[checkpoint\]"):
        store.load(1)


def test_a_manifest_of_another_step_is_refused(tmp_path):
    store = store_with(tmp_path, 1)
    shutil.copytree(store.path(1), tmp_path / "step_00000002")
    with pytest.raises(
        files.FileError, match=r"manifest of step 2; got that of step 1"
    ):
        store.load(2)


def test_a_newer_format_is_a_clear_error(tmp_path):
    store = store_with(tmp_path, 1, 2)
    _rewrite(store, 2, schema=7)
    message = (
        r"format 1 or older; step 2 has format 7\. Hint: pip install -U helix-core"
    )
    with pytest.raises(files.CheckpointError, match=message):
        store.load(2)
    with pytest.warns(UserWarning, match=message):
        assert store.load().step == 1


@pytest.mark.parametrize("schema", [0, -1, "1", None, True, 1.5])
def test_a_format_that_never_was_is_refused(tmp_path, schema):
    store = store_with(tmp_path, 1)
    _rewrite(store, 1, schema=schema)
    with pytest.raises(files.CheckpointError, match=r"\[checkpoint\]"):
        store.load(1)
