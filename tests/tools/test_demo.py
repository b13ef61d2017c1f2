import pytest

from tools.demo import arguments


def test_a_first_run_is_called_demo(tmp_path):
    assert arguments(["--steps", "3"], tmp_path) == (
        ["--name", "demo", "--steps", "3"],
        "",
    )


@pytest.mark.parametrize("runs", ["runs", "other"])
def test_a_later_run_gets_a_name_that_is_free_and_says_so(tmp_path, runs):
    for name in ("demo", "demo-2"):
        (tmp_path / runs / name).mkdir(parents=True)
    given = [] if runs == "runs" else ["--runs-dir", runs]
    args, note = arguments(given, tmp_path)
    assert args == ["--name", "demo-3", *given]
    assert "demo-3" in note and f"--resume {tmp_path / runs / 'demo'}" in note


@pytest.mark.parametrize(
    "given",
    [["--name", "x"], ["--name=x"], ["--resume", "runs/demo"], ["--help"]],
)
def test_what_the_user_names_is_left_alone(tmp_path, given):
    (tmp_path / "runs/demo").mkdir(parents=True)
    assert arguments(given, tmp_path) == (given, "")


def test_a_runs_dir_may_be_written_with_an_equals_sign(tmp_path):
    (tmp_path / "other/demo").mkdir(parents=True)
    args, _ = arguments(["--runs-dir=other"], tmp_path)
    assert args[:2] == ["--name", "demo-2"]
