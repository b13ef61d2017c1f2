import json
import sys
import types

import pytest

from benchmarks import __main__ as cli
from benchmarks.case import Case


def fake(name, ours, target=0.001, **changes):
    values = {"reference": "bench_sides:right", "peer_name": "peer", "minutes": 0.01}
    return Case(
        name=name,
        variants=("v",),
        ours=f"bench_sides:{ours}",
        target=target,
        aim=target,
        **(values | changes),
    )


@pytest.fixture
def suite(monkeypatch):
    """``suite(*cases)`` offers them under the name ``fake``."""

    def offer(*cases):
        module = types.ModuleType("benchmarks.fake")
        module.CASES = cases
        monkeypatch.setitem(sys.modules, "benchmarks.fake", module)
        monkeypatch.setattr(cli, "SUITES", ("fake",))

    return offer


def test_a_whole_run_writes_all_rows(suite, tmp_path, capsys):
    suite(fake("a", "right"), fake("b", "nearly"))
    path = tmp_path / "r.json"
    assert cli.main(["fake", "--rounds", "1", "--json", str(path)]) == 0
    found = json.loads(path.read_text())
    assert set(found) == {"machine", "rows"}
    assert [r["case"] for r in found["rows"]] == ["a", "b", "first_call", "first_call"]
    assert "Measured side by side" in capsys.readouterr().out


def test_one_case_leaves_the_other_rows_alone(suite, tmp_path):
    suite(fake("a", "right"), fake("b", "right"))
    path = tmp_path / "r.json"
    cli.main(["fake", "--rounds", "1", "--json", str(path)])
    before = json.loads(path.read_text())["rows"]
    cli.main(["fake", "--rounds", "2", "--case", "b", "--json", str(path)])
    after = json.loads(path.read_text())["rows"]
    assert after[0] == before[0]
    assert [r["rounds"] for r in after] == [1, 2, 1, 1]


def test_wrong_outputs_end_with_1_and_missed_targets_with_0(suite, capsys):
    suite(fake("a", "wrong"))
    assert cli.main(["fake", "--rounds", "1"]) == 1
    assert "WRONG" in capsys.readouterr().out
    suite(fake("a", "slow", target=1e9))
    assert cli.main(["fake", "--rounds", "1"]) == 0
    assert "missed" in capsys.readouterr().out


def test_a_case_that_fails_ends_with_1_after_the_others_ran(suite, tmp_path, capsys):
    suite(fake("a", "raises"), fake("b", "right"))
    path = tmp_path / "r.json"
    assert cli.main(["fake", "--rounds", "1", "--json", str(path)]) == 1
    assert "no such peer" in capsys.readouterr().out
    rows = json.loads(path.read_text())["rows"]
    assert [r["case"] for r in rows] == ["b", "first_call"]


def test_an_unknown_case_is_named_with_the_known_ones(suite, capsys):
    suite(fake("a", "right"))
    assert cli.main(["fake", "--case", "z"]) == 2
    assert "[bench] expected cases of a; got z" in capsys.readouterr().out


def test_a_missing_peer_is_an_error_and_not_a_skipped_case(suite, capsys):
    suite(fake("a", "right", needs=("no-such-distribution",)))
    assert cli.main(["fake"]) == 2
    out = capsys.readouterr().out
    assert "no-such-distribution" in out and "requirements.txt" in out


def test_a_partial_run_refuses_the_file_of_another_machine(suite, tmp_path, capsys):
    suite(fake("a", "right"), fake("b", "right"))
    path = tmp_path / "r.json"
    path.write_text('{"machine": {"cpu": "other"}, "rows": []}')
    assert cli.main(["fake", "--case", "a", "--json", str(path)]) == 2
    assert "Hint: --json another file" in capsys.readouterr().out


@pytest.mark.parametrize("rounds", ["0", "-1", "x"])
def test_rounds_are_at_least_one(suite, rounds, capsys):
    suite(fake("a", "right"))
    with pytest.raises(SystemExit) as e:
        cli.main(["fake", "--rounds", rounds])
    assert e.value.code == 2
    assert "expected a whole number >= 1" in capsys.readouterr().err
