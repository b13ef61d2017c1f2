import sys

import pytest

from tools import environment


@pytest.fixture
def root(tmp_path):
    (tmp_path / "packages/a/src/a").mkdir(parents=True)
    (tmp_path / "packages/a/pyproject.toml").write_text("[project]\n")
    (tmp_path / "packages/a/src/a/_version.py").write_text("__version__ = '1'\n")
    (tmp_path / "more.txt").write_text("numpy\n")
    (tmp_path / "dev.txt").write_text("-r more.txt\n-e packages/a[test]\n")
    return tmp_path


class Runs(list):
    """Commands that were run; making an environment makes its folder."""

    def __init__(self, root):
        self.home = root / ".nox" / "dev"

    def __call__(self, *command):
        self.append(command)
        self.home.mkdir(parents=True, exist_ok=True)


def test_it_is_made_once(root):
    runs = Runs(root)
    python = environment.ensure("dev", ["-r", "dev.txt"], runs, root)
    make, install = runs
    assert make[:3] == (sys.executable, "-m", "virtualenv") and "--clear" in make
    assert install == (str(python), "-m", "pip", "install", "-qq", "-r", "dev.txt")
    environment.ensure("dev", ["-r", "dev.txt"], runs, root)
    assert len(runs) == 2


@pytest.mark.parametrize(
    "file",
    [
        "dev.txt",
        "more.txt",
        "packages/a/pyproject.toml",
        "packages/a/src/a/_version.py",
    ],
)
def test_a_changed_input_makes_it_again(root, file):
    runs = Runs(root)
    environment.ensure("dev", ["-r", "dev.txt"], runs, root)
    with open(root / file, "a") as f:
        f.write("\n# changed\n")
    environment.ensure("dev", ["-r", "dev.txt"], runs, root)
    assert len(runs) == 4


def test_a_failed_install_leaves_nothing_to_reuse(root):
    def broken(*command):
        if "pip" in command:
            raise RuntimeError("no")
        Runs(root)(*command)

    with pytest.raises(RuntimeError):
        environment.ensure("dev", ["-r", "dev.txt"], broken, root)
    runs = Runs(root)
    environment.ensure("dev", ["-r", "dev.txt"], runs, root)
    assert len(runs) == 2
