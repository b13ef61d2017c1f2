import json

import helix_core as hx
import pytest
from click.testing import CliRunner
from helix_core import plugins
from helix_core.contracts import StudySpec
from helix_hammer.study import read, study

MADE = []


class Doubles:
    version = 1

    def cells(self):
        return ["two/a", "two/b", "three/a"]

    def run(self, cell):
        if cell in Doubles.fails:
            raise KeyboardInterrupt
        MADE.append(cell)
        return {"value": {"two": 2.0, "three": 3.0}[cell.split("/")[0]]}

    def judge(self, results):
        values = [r["value"] for r in results.values()]
        mean = sum(values) / max(len(values), 1)
        return [
            {
                "goal": "mean",
                "measured": mean,
                "target": 2.5,
                "better": "higher",
                "runs": len(values),
                "ok": mean >= 2.5,
            }
        ]


@pytest.fixture
def call(tmp_path):
    plugins.reset()
    MADE.clear()
    Doubles.fails = ()
    Doubles.version = 1
    plugins.register(
        StudySpec(name="doubles", factory=f"{__name__}:Doubles"), "studies"
    )

    def run(*args):
        return CliRunner().invoke(study, [*args, "--out", str(tmp_path)])

    yield run
    plugins.reset()


def test_it_makes_every_run_once_and_judges(call):
    done = call("doubles", "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["runs"] == 3 and said["goals"][0]["measured"] == pytest.approx(7 / 3)
    assert not said["goals"][0]["ok"]
    assert call("doubles").exit_code == 0 and len(MADE) == 3


def test_a_killed_study_goes_on_where_it_was(call, tmp_path):
    Doubles.fails = ("two/b",)
    assert call("doubles").exit_code != 0
    assert list(read(tmp_path / "doubles.jsonl", 1)) == ["two/a"]
    Doubles.fails = ()
    assert call("doubles").exit_code == 0
    assert MADE == ["two/a", "two/b", "three/a"]


def test_a_line_that_was_cut_off_is_not_read(call, tmp_path):
    call("doubles", "--only", "two")
    path = tmp_path / "doubles.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    call("doubles")
    assert MADE == ["two/a", "two/b", "two/b", "three/a"]


def test_results_of_another_version_count_no_more(call):
    call("doubles")
    Doubles.version = 2
    call("doubles")
    assert len(MADE) == 6


def test_only_list_and_minutes(call):
    call("doubles", "--only", "three")
    assert MADE == ["three/a"]
    rows = json.loads(call("doubles", "--list", "--json").stdout)
    assert [r["done"] for r in rows] == [False, False, True]
    assert "two/b" in call("doubles", "--list").output
    call("doubles", "--minutes", "1e-9")
    assert MADE == ["three/a"]


def test_it_lists_studies(call):
    names = [s["name"] for s in json.loads(call("--json").stdout)]
    assert "doubles" in names
    assert "doubles" in call().output


@pytest.mark.parametrize(
    "args, said",
    [
        (("none",), "doubles"),
        (("doubles", "--only", "four"), "leave a run"),
        (("doubles", "--minutes", "0"), "above 0"),
    ],
)
def test_bad_input(call, args, said):
    done = call(*args)
    assert isinstance(done.exception, hx.HelixError) and said in str(done.exception)
