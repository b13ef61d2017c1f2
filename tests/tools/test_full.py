import sys

import pytest

from tools import full
from tools.full import Shard


def shard(name, code):
    return Shard(name, (sys.executable, "-c", code))


@pytest.fixture
def record(tmp_path):
    return tmp_path / "full.json"


def test_a_pass_is_written_down_at_once_and_a_failure_is_not(record):
    todo = [shard("good", ""), shard("bad", "raise SystemExit(1)"), shard("late", "")]
    records = {}
    assert full.work(todo, records, "state", 60, record) == ["bad"]
    assert set(records) == {"good", "late"}
    assert records["good"]["sources"] == "state"
    assert '"good"' in record.read_text() and '"bad"' not in record.read_text()


def test_when_the_time_is_up_the_rest_is_left_for_the_next_call(record, capsys):
    todo = [shard("first", "import time; time.sleep(0.3)"), shard("second", "")]
    records = {}
    assert full.work(todo, records, "state", 0.1, record) == []
    assert "1 shards left" in capsys.readouterr().out
    assert full.due(todo, records, "state") == [todo[1]]


def test_a_pass_holds_until_the_sources_change():
    shards = [shard("a", ""), shard("b", ""), shard("c", "")]
    records = {
        "a": {"passed": "2026-02-02", "sources": "old"},
        "b": {"passed": "2026-03-03", "sources": "new"},
        "c": {"passed": "2026-01-01", "sources": "old"},
    }
    assert [s.name for s in full.due(shards, records, "new")] == ["c", "a"]


def test_a_shard_that_takes_too_long_fails(capsys):
    slow = shard("slow", "import time; time.sleep(30)")
    passed, took = full.run(slow, limit=0.5)
    assert not passed and took < 20
    assert "split it" in capsys.readouterr().out


def test_slow_tests_are_found_one_function_a_shard(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.slow\n"
        "@pytest.mark.parametrize('n', [1, 2])\n"
        "def test_long(n): pass\n"
        "def test_short(): pass\n"
    )
    (found,) = full.slow_tests(tmp_path, tmp_path)
    assert found.name == "test_it.py::test_long"
    assert full.run(found)[0]


def test_every_package_has_a_shard_for_its_sdist(tmp_path, add):
    from tools.workspace import packages

    add("helix-a")
    (found,) = [
        s
        for s in full.shards(packages(tmp_path), tmp_path)
        if s.name == "sdist helix-a"
    ]
    assert found.command[-3:] == ("isolated(helix-a)", "--", "--sdist")


def test_figures_of_a_pass_are_kept_with_its_commit(record):
    code = "from tools.full import note_figure; note_figure('speed', 12.5)"
    todo = [shard("good", code), shard("bad", code + "; raise SystemExit(1)")]
    state = full.sources(full.packages(), record)
    records = {}
    full.work(todo, records, state, 60, record)
    assert records["good"]["figures"] == {"speed": 12.5}
    value, when = full.figure("speed", record)
    assert value == 12.5 and records["good"]["commit"] in when


def test_figures_that_are_missing_or_of_older_sources_are_errors(record):
    with pytest.raises(LookupError, match="'speed'; got none"):
        full.figure("speed", record)
    full.work([shard("good", "from tools.full import note_figure as n; n('speed', 1)")],
              {}, "older", 60, record)  # fmt: skip
    with pytest.raises(LookupError, match="of these sources; got that of commit"):
        full.figure("speed", record)
