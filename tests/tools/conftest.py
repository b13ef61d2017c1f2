"""Throw-away repositories with small packages."""

from __future__ import annotations

from pathlib import Path

import pytest

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
description = "A test."
readme = "README.md"
license = "Apache-2.0"
requires-python = ">=3.11"
dynamic = ["version"]
dependencies = {dependencies}

[project.optional-dependencies]
test = {test}

[tool.hatch.version]
path = "src/{module}/_version.py"

[tool.hatch.build.targets.wheel]
packages = ["src/{module}"]
"""


@pytest.fixture
def add(tmp_path: Path):
    """``add(name, dependencies)`` writes a package into the folder and returns it."""

    def write(name, dependencies=(), test=(), version="0.1.0", root=tmp_path):
        module = name.replace("-", "_")
        path = root / "packages" / name
        source = path / "src" / module
        source.mkdir(parents=True)
        (path / "tests").mkdir()
        (path / "tests" / "test_it.py").write_text("def test_it():\n    pass\n")
        (source / "__init__.py").write_text(f'"""The module {module}."""\n')
        (source / "_version.py").write_text(f'__version__ = "{version}"\n')
        (source / "py.typed").write_text("")
        (path / "pyproject.toml").write_text(
            PYPROJECT.format(
                name=name,
                module=module,
                dependencies=list(dependencies),
                test=list(test),
            )
        )
        (path / "README.md").write_text(f"# {name}\n\nA test.\n")
        (path / "LICENSE").write_text("Apache-2.0\n")
        (path / "CHANGELOG.md").write_text(
            f"# Changelog\n\n## {version} (unreleased)\n\n- First version.\n"
        )
        return path

    return write
