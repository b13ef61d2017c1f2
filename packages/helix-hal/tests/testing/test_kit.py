"""The runner, the command, xfails, JSON, and classes for pytest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helix_hal.testing import Case, Declined, Section, case, each, run, suite
from helix_hal.testing._cli import main
from helix_hal.testing._runner import all_cases, chosen, outcome
from helix_hal.testing._target import Target, Unavailable, target_for
from helix_hal.testing._xfails import read

HERE = Path(__file__).parent


class Toy(Section):
    @each([1, 2])
    def below_two(self, n: int) -> None:
        if n >= 2:
            raise AssertionError(f"expected below 2; got {n}")

    @case
    def needs_what_nobody_has(self) -> None:
        self.target.need("float4")

    @case
    def breaks(self) -> None:
        raise ZeroDivisionError("oh")

    @each([7], full=True)
    def only_full(self, n: int) -> None:
        pass


@pytest.fixture
def numpy_target() -> Target:
    return target_for("numpy")


def test_cases_have_ids_and_profiles() -> None:
    ids = [c.id for c in Toy.cases()]
    assert ids == [
        "toy.below_two[1]",
        "toy.below_two[2]",
        "toy.needs_what_nobody_has",
        "toy.breaks",
    ]
    assert [c.id for c in Toy.cases("full")][-1] == "toy.only_full[7]"
    with pytest.raises(ValueError, match="ci, full"):
        list(Toy.cases("quick"))


def test_no_case_hides_what_a_section_is_made_of() -> None:
    names = {c.method for c in all_cases("full")}
    assert names.isdisjoint({"device", "profile", "xfails", "target", "cases", "title"})


def test_ids_are_unique() -> None:
    ids = [c.id for c in all_cases("full")]
    assert len(ids) == len(set(ids)) > 1900


def test_outcomes(numpy_target: Target) -> None:
    done = {c.id: outcome(c, numpy_target) for c in Toy.cases()}
    assert done["toy.below_two[1]"].status == "passed"
    assert done["toy.below_two[2]"].reason == "expected below 2; got 2"
    assert done["toy.needs_what_nobody_has"].status == "skipped"
    assert done["toy.needs_what_nobody_has"].reason == "dtype float4"
    assert done["toy.breaks"].reason == "ZeroDivisionError: oh"


def test_an_xfail_that_passes_fails_the_run(numpy_target: Target) -> None:
    known = {"toy.below_two[1]": "fixed since", "toy.below_two[2]": "two is two"}
    one, two = (outcome(c, numpy_target, known) for c in list(Toy.cases())[:2])
    assert (one.status, one.bad) == ("xpassed", True)
    assert (two.status, two.bad) == ("xfailed", False)
    assert two.reason == "two is two (expected below 2; got 2)"


def test_xfails_files(tmp_path: Path) -> None:
    path = tmp_path / "xfails"
    path.write_text("# gaps\n\na.b[1] # no such instruction\n", "utf-8")
    assert read(path) == {"a.b[1]": "no such instruction"}
    for bad in ("a.b[1]\n", "a # x\na # y\n"):
        path.write_text(bad, "utf-8")
        with pytest.raises(ValueError, match=r"\[xfails\] expected"):
            read(path)


@pytest.mark.parametrize(
    ("expression", "n"),
    [("toy", 4), ("below or breaks", 3), ("below and [2]", 1), ("not below", 2)],
)
def test_expressions(expression: str, n: int) -> None:
    assert len(chosen(Toy.cases(), expression)) == n


def test_a_stale_xfail_fails_the_run() -> None:
    report = run("numpy", select="protocol.device_info", xfails={"gone.case": "x"})
    assert report.stale == ["gone.case"]
    assert not report.ok


def test_command_writes_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "out.json"
    status = main(["--backend", "numpy", "-k", "fourier.literals", "--json", str(path)])
    assert status == 0
    out = json.loads(path.read_text("utf-8"))
    assert out["backend"] == out["device"] == "numpy"
    assert out["contract"] == [1, 0]
    assert out["totals"]["passed"] == 1
    assert out["conformance"] == 1.0
    assert out["cases"][0]["id"] == "fourier.literals"
    assert "conformance 1.0000" in capsys.readouterr().out


def test_command_names_what_is_missing_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--backend", "no_gather", "-k", "protocol.required"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "missing primitives: gather (decompose: none)"
    assert "FAILED protocol.required_primitives" in lines


def test_command_lists(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "-k", "scans.long"]) == 0
    assert capsys.readouterr().out == "scans.long\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--backend", "nobody"], "expected a backend that is installed"),
        (["--backend", "numpy", "--device", "cpu"], "is 'cpu'"),
        (["--backend", "good", "--device", "good:9"], "good:0"),
        (["--backend", "numpy", "--xfails", "no-such-file"], "no-such-file"),
    ],
)
def test_nothing_to_test_is_status_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(Unavailable, match="no installed backend offers it"):
        run("nowhere:0")


def test_importing_the_kit_is_cheap() -> None:
    code = (
        "import sys, helix_hal.testing; "
        "print([m for m in ('numba', 'pytest', 'hypothesis', 'scipy', "
        "'helix_hal.testing.suite') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


PYTEST_FILE = """
import bad_backends
from helix_core import plugins
from helix_hal.testing import suite

for spec in bad_backends.specs():
    plugins.register(spec, "backends")

class TestScans(suite.Scans):
    device = "off_by_one:0"

class TestProtocol(suite.Protocol):
    device = "off_by_one:0"
"""


def test_subclasses_are_pytest_classes(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(PYTEST_FILE, "utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "test_mine.py",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
    )
    text = done.stdout
    assert "TestScans::test_linear_scan[float32]" in text
    assert "TestScans::test_cumulative[" not in text  # these pass
    assert "TestProtocol" not in text
    assert " failed" in text and " passed" in text


def test_classes_for_every_section() -> None:
    made = suite.classes("numpy")
    assert set(made) == {f"Test{s.__name__}" for s in suite.SECTIONS}
    assert hasattr(made["TestScans"], "test_long")
    assert issubclass(Declined, Exception)
    assert next(iter(made["TestScans"].cases())).id.startswith("scans.")
    assert isinstance(next(iter(made["TestScans"].cases())), Case)
