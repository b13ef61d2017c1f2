from tools import release, wheelhouse
from tools.workspace import packages


def test_wheels_and_sdists_are_built_once_and_old_ones_go(tmp_path, add):
    path = add("helix-a")
    house = tmp_path / "house"
    house.mkdir()
    (house / "helix_a-0.0.1-py3-none-any.whl").write_text("old")
    found = packages(tmp_path)

    assert wheelhouse.build(found, house) == ["helix-a"]
    assert {p.name for p in house.iterdir()} == {
        "built.json",
        "helix_a-0.1.0-py3-none-any.whl",
        "helix_a-0.1.0.tar.gz",
        "sdists.txt",
        "wheels.txt",
    }
    assert wheelhouse.build(found, house) == []
    (path / "src/helix_a/new.py").write_text("")
    assert wheelhouse.build(found, house) == ["helix-a"]


def test_constraints_name_a_file_for_every_package(tmp_path, add):
    add("helix-a")
    add("helix-b")
    text = wheelhouse.pinned(packages(tmp_path), wheelhouse.wheel, tmp_path)
    uri = (tmp_path / "helix_a-0.1.0-py3-none-any.whl").as_uri()
    assert text.splitlines()[:2] == ["helix-a==0.1.0", f"helix-a @ {uri}"]
    assert len(text.splitlines()) == 4


def test_release_sees_an_artifact_that_lacks_files_or_differs(tmp_path, add):
    path = add("helix-a", ["numpy>=2"])
    house = tmp_path / "house"
    (package,) = packages(tmp_path)
    wheelhouse.build([package], house)
    assert release.artifact_problems(package, house) == []

    (path / "src/helix_a/later.py").write_text("")
    (differs,) = release.artifact_problems(package, house)
    assert differs.endswith("differs from the tree: helix_a/later.py")

    (path / "src/helix_a/py.typed").unlink()
    wheelhouse.build([package], house)
    (untyped,) = release.artifact_problems(package, house)
    assert untyped.endswith("expected helix_a/py.typed")


def test_release_sees_requirements_that_changed_after_the_build(tmp_path, add):
    path = add("helix-a")
    house = tmp_path / "house"
    wheelhouse.build(packages(tmp_path), house)
    text = (path / "pyproject.toml").read_text()
    (path / "pyproject.toml").write_text(text.replace("[]", '["ml_dtypes>=0.5"]', 1))
    (package,) = packages(tmp_path)
    assert release.artifact_problems(package, house) == [
        "the wheel lacks ml-dtypes>=0.5"
    ]
