import pytest

from tools import release
from tools.workspace import packages


@pytest.fixture
def package(tmp_path, add):
    add("helix-a")
    return packages(tmp_path)[0]


def test_a_released_version_must_be_raised(package):
    assert release.version_problems(package, set()) == []
    (why,) = release.version_problems(package, {"helix-a-v0.1.0"})
    assert why == "helix-a-v0.1.0 is a tag already: raise the version"


@pytest.mark.parametrize(
    ("version", "problem"),
    [
        ("one", "expected a version; got 'one'"),
        ("0.1.0-a1", "expected version 0.1.0a1"),
    ],
)
def test_a_version_is_written_in_its_normal_form(tmp_path, add, version, problem):
    add("helix-b", version=version)
    assert release.version_problems(packages(tmp_path)[0], set()) == [problem]


@pytest.mark.parametrize(
    "text",
    [
        "# Changelog\n",
        "# Changelog\n\n## 0.0.9\n\n- Older.\n",
        "# Changelog\n\n## 0.1.0\n\n## 0.0.9\n\n- Older.\n",
    ],
)
def test_a_changelog_says_something_about_this_version(package, text):
    assert release.changelog_problems(package) == []
    (package.path / "CHANGELOG.md").write_text(text)
    (why,) = release.changelog_problems(package)
    assert "0.1.0" in why
