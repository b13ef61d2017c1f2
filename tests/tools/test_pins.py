import pytest

from tools import pins
from tools.workspace import packages


@pytest.mark.parametrize(
    ("requirement", "problem"),
    [
        ("helix-core", "expected a lower bound"),
        ("helix-core<0.2", "expected a lower bound"),
        ("helix-core>=0.1", "expected an upper bound"),
        ("helix-core>=0.2,<0.3", "refuses 0.1.0"),
        ("helix-core>=0.1,<0.1.0", "refuses 0.1.0"),
        ("helix-memory>=0.1,<0.2", "no such package in this repository"),
    ],
)
def test_a_loose_or_foreign_sibling_is_a_problem(tmp_path, add, requirement, problem):
    add("helix-core")
    add("helix-hal", [requirement])
    found = pins.problems(packages(tmp_path))
    assert any(problem in line and line.startswith("helix-hal: ") for line in found)


@pytest.mark.parametrize("bounds", [">=0.1,<0.2", "~=0.1.0", "==0.1.0"])
def test_bounds_that_admit_the_tree_are_fine(tmp_path, add, bounds):
    add("helix-core")
    add("helix-hal", [f"helix-core{bounds}", "numpy"])
    assert pins.problems(packages(tmp_path)) == []


def test_an_extra_is_held_to_the_same(tmp_path, add):
    add("helix-core")
    add("helix-hal", test=["helix-core"])
    assert pins.problems(packages(tmp_path))[0].startswith("helix-hal[test]: ")


def test_core_needs_no_sibling(tmp_path, add):
    add("helix-hal")
    add("helix-core", ["helix-hal>=0.1,<0.2"])
    assert pins.problems(packages(tmp_path)) == [
        "helix-core: expected no sibling; got ['helix-hal']"
    ]


EXTRAS = ("", "[test,plot]")
CONTRACTS = """
[tool.importlinter]
root_packages = ["helix_core", "helix_hal"]
[[tool.importlinter.contracts]]
source_modules = ["helix_core"]
forbidden_modules = ["helix_hal"]
"""


def test_the_root_names_every_package(tmp_path, add):
    add("helix-core")
    add("helix-hal", ["helix-core>=0.1,<0.2"])
    dev = tmp_path / "requirements-dev.txt"
    lines = [f"-e packages/{n}{x}" for n in ("helix-core", "helix-hal") for x in EXTRAS]
    dev.write_text("\n".join(lines))
    root = tmp_path / "pyproject.toml"
    root.write_text(CONTRACTS)
    found = packages(tmp_path)
    assert pins.unlisted(found, tmp_path) == []

    dev.write_text("\n".join(lines[:-1]))
    root.write_text(CONTRACTS.replace('= ["helix_hal"]', "= []"))
    missing, contract = pins.unlisted(found, tmp_path)
    assert missing.endswith("-e packages/helix-hal and -e packages/helix-hal[test]")
    assert contract.endswith("the contract of helix_core should forbid helix_hal")


def test_this_repository_holds_to_it():
    found = packages()
    assert pins.problems(found) + pins.unlisted(found) == []
