import pytest

from tools.workspace import WorkspaceError, closure, fingerprint, packages, siblings


def test_packages_come_after_those_they_need(tmp_path, add):
    add("helix-a", ["helix-z>=0.1,<0.2", "numpy"])
    add("helix-z")
    found = packages(tmp_path)
    assert [p.name for p in found] == ["helix-z", "helix-a"]
    assert siblings(found[1], {"helix-a", "helix-z"}) == ["helix-z"]
    assert (found[0].module, found[0].version) == ("helix_z", "0.1.0")


def test_a_circle_is_an_error_that_names_it(tmp_path, add):
    add("helix-a", ["helix-b"])
    add("helix-b", ["helix-a"])
    with pytest.raises(WorkspaceError, match="helix-a -> helix-b -> helix-a"):
        packages(tmp_path)


def test_a_missing_version_is_an_error(tmp_path, add):
    path = add("helix-a")
    (path / "src/helix_a/_version.py").write_text("version = '1'\n")
    with pytest.raises(WorkspaceError, match="__version__"):
        packages(tmp_path)


def test_closure_holds_siblings_of_siblings_and_of_the_test_extra_alone(tmp_path, add):
    add("helix-a")
    add("helix-b", ["helix-a"], test=["helix-d"])
    add("helix-c", ["helix-b"])
    add("helix-d")
    by_name = {p.name: p for p in packages(tmp_path)}
    assert closure(by_name["helix-c"], by_name.values()) == ["helix-a", "helix-b"]
    assert closure(by_name["helix-b"], by_name.values()) == ["helix-a", "helix-d"]
    assert closure(by_name["helix-a"], by_name.values()) == []


def test_fingerprint_sees_bytes_and_names_and_not_what_python_leaves(tmp_path):
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "a.py").write_text("1")
    first = fingerprint(folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "a.pyc").write_text("x")
    (folder / ".hidden").write_text("x")
    assert fingerprint(folder) == first
    (folder / "a.py").rename(folder / "b.py")
    second = fingerprint(folder)
    (folder / "b.py").write_text("2")
    assert len({first, second, fingerprint(folder)}) == 3


def test_this_repository_has_core_first():
    found = packages()
    assert found[0].name == "helix-core"
    assert {p.module for p in found} >= {"helix_hal", "helix_layers", "helix_hammer"}
