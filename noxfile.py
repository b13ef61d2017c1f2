"""Sessions: ``nox -l`` lists them, CONTRIBUTING.md explains them, tools/ does the work.

Environments are shared and kept (``.nox/dev``, ``demo``, ``docs``, ``peers``): they are
made again only when what they install from has changed.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import nox
from nox.command import CommandFailed

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

from tools import environment, wheelhouse  # noqa: E402
from tools.demo import arguments as demo_arguments  # noqa: E402
from tools.workspace import Package, closure, packages  # noqa: E402

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "budget", "pins", "test"]

PACKAGES = packages()
SOURCES = [f"packages/{p.name}/src" for p in PACKAGES]
NOT_SLOW = ["-m", "not slow"]
LIBRARIES = ("opencl", "webgpu", "cuda", "torch", "xla")  # backends that need one
PLOTS = [f"packages/{p.name}" + "[plot]" * ("plot" in p.extras) for p in PACKAGES]
ENVIRONMENTS = {
    "dev": ["-r", "requirements-dev.txt"],
    "demo": [arg for path in PLOTS for arg in ("-e", path)],
    "docs": ["-r", "requirements-dev.txt", "-r", "docs/requirements.txt"],
    "peers": ["-r", "requirements-dev.txt", "-r", "benchmarks/requirements.txt"],
}


def env(session: nox.Session, name: str) -> Path:
    """The interpreter of a shared environment."""
    return environment.ensure(name, ENVIRONMENTS[name], outside(session))


def outside(session: nox.Session) -> Callable[..., object]:
    return lambda *command: session.run(*command, external=True)


def run(session: nox.Session, name: str, program: str, *args: object) -> None:
    """Run a program of a shared environment."""
    found = env(session, name).with_name(program)
    session.run(str(found), *map(str, args), external=True)


def run_all(session: nox.Session, name: str, commands: list[list[str]]) -> None:
    """Run every command, and fail at the end if one failed."""
    failed = []
    for command in commands:
        try:
            run(session, name, *command)
        except CommandFailed:
            failed.append(" ".join(command))
    if failed:
        session.error("failed: " + "; ".join(failed))


@nox.session
def lint(session: nox.Session) -> None:
    """Style, format, who may import whom, and what is declared for it."""
    commands = [["ruff", "check"], ["ruff", "format", "--check"], ["lint-imports"]]
    for p in PACKAGES:
        command = ["deptry", f"packages/{p.name}/src", "--known-first-party", p.module]
        command += ["--config", f"packages/{p.name}/pyproject.toml"]
        commands.append([*command, "--optional-dependencies-dev-groups", "test"])
    run_all(session, "dev", commands)


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict: what the packages ship, and what their users write."""
    run(session, "dev", "mypy", *SOURCES, "tests/typing")


@nox.session
def budget(session: nox.Session) -> None:
    """Primitives, lines, wheel sizes; and what an import may not pull in."""
    run(session, "dev", "python", "-m", "tools.budget")


@nox.session
def pins(session: nox.Session) -> None:
    """What the packages ask of each other: bounded, met, without circles."""
    run(session, "dev", "python", "-m", "tools.pins")


@nox.session
def test(session: nox.Session) -> None:
    """Each package, docstrings, then across packages (-- ARGS: of pytest)."""
    if session.posargs:
        run(session, "dev", "pytest", *session.posargs)
        return
    suites = [[f"packages/{p.name}/tests"] for p in PACKAGES]
    # what an extra brings is not there
    doctests = ["--doctest-modules", "--doctest-ignore-import-errors", *SOURCES]
    suites += [doctests, ["tests", "--ignore=tests/parity"]]
    run_all(session, "dev", [["pytest", *NOT_SLOW, *suite] for suite in suites])


@nox.session(default=False)
def parity(session: nox.Session) -> None:
    """Beside torch, JAX, transformers and mambapy (-- ARGS: of pytest)."""
    run(session, "peers", "pytest", *(session.posargs or [*NOT_SLOW, "tests/parity"]))


@nox.session(default=False)
def backend(session: nox.Session) -> None:
    """The conformance kit on every backend, and what really ran (-- NAME ...)."""
    if not session.posargs:
        tests = [f"packages/helix-hal/tests/{name}" for name in LIBRARIES]
        run(session, "peers", "pytest", *NOT_SLOW, *tests)
        simulator = {"NUMBA_ENABLE_CUDASIM": "1"}
        pytest = str(env(session, "peers").with_name("pytest"))
        cuda = "packages/helix-hal/tests/cuda"
        session.run(pytest, cuda, external=True, env=simulator)
    run(session, "peers", "python", "-m", "tools.backends", *session.posargs)


@nox.session(default=False)
def third_party(session: nox.Session) -> None:
    """A stranger's backend, as a distribution of its own, through the whole kit."""
    fixture = ROOT / "tests" / "fixtures" / "helix-sample-backend"
    with tempfile.TemporaryDirectory() as folder:
        pip = ["python", "-m", "pip", "install", "--quiet", "--no-deps"]
        pip += ["--no-build-isolation", "--target", folder, str(fixture)]
        run(session, "dev", *pip)
        kit = ["python", "-m", "helix_hal.testing", "--backend", "c99"]
        python = env(session, "dev")
        session.run(str(python), *kit[1:], external=True, env={"PYTHONPATH": folder})


@nox.session(default=False)
def install_matrix(session: nox.Session) -> None:
    """Useful subsets of the packages, each running its README's example."""
    run(session, "dev", "python", "-m", "tools.wheelhouse")
    run(session, "dev", "python", "-m", "tools.install_matrix", *session.posargs)


@nox.session(default=False)
@nox.parametrize("package", [nox.param(p, id=p.name) for p in PACKAGES])
def isolated(session: nox.Session, package: Package) -> None:
    """One package alone, from its wheel (-- --sdist: from its sdist)."""
    run(session, "dev", "python", "-m", "tools.wheelhouse")
    artifact = wheelhouse.sdist if "--sdist" in session.posargs else wheelhouse.wheel
    install = [f"--find-links={wheelhouse.HOUSE}", f"{package.name}[test]"]
    install += ["-c", str(wheelhouse.constraints(artifact))]
    name = f"isolated-{package.name}"
    python = environment.ensure(name, install, outside(session), fresh=True)
    needed = [package.name, *closure(package, PACKAGES)]
    absent = [p.module for p in PACKAGES if p.name not in needed]
    check = [str(ROOT / "tools/installed.py"), package.module]
    check += ["--house", wheelhouse.HOUSE.as_uri(), "--origin", *needed]
    pytest = ["-m", "pytest", *NOT_SLOW, "-c", str(ROOT / "pyproject.toml")]
    pytest += ["--rootdir=.", "-o", "pythonpath=", "-p", "no:cacheprovider", "tests"]
    with tempfile.TemporaryDirectory() as folder, session.chdir(folder):
        shutil.copytree(package.path / "tests", "tests")
        outside(session)(str(python), "-m", "pip", "check")
        outside(session)(str(python), "-I", *check, "--absent", *absent)
        outside(session)(str(python), *pytest)


@nox.session(default=False)
def demo(session: nox.Session) -> None:
    """Train a byte-level Mamba for five minutes (-- ARGS: of `helix train`)."""
    helix = env(session, "demo").with_name("helix")
    with session.chdir(session.invoked_from):
        args, note = demo_arguments(session.posargs)
        if note:
            session.log(note)
        # after Ctrl-C it writes a checkpoint: give it the time
        patience = {"interrupt_timeout": 60.0, "terminate_timeout": 60.0}
        unbuffered = {"PYTHONUNBUFFERED": "1"}
        session.run(
            str(helix), "train", *args, external=True, env=unbuffered, **patience
        )


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Pages with their outputs, and the API from docstrings, in docs/_build/html."""
    sphinx = ["sphinx-build", "-W", "--keep-going", "-q", "-b", "html"]
    run(session, "docs", *sphinx, "docs", "docs/_build/html", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Every figure beside its peers: -- SUITE [--case NAME] [--json FILE]."""
    run(session, "peers", "python", "-m", "benchmarks", *session.posargs)


@nox.session(default=False)
def full(session: nox.Session) -> None:
    """The long checks, resumable: -- [--list] [--minutes M] [NAME ...]."""
    run(session, "peers", "python", "-m", "tools.full", *session.posargs)


@nox.session(default=False)
def build(session: nox.Session) -> None:
    """Wheels and sdists of every package, checked, in wheelhouse/."""
    run(session, "dev", "python", "-m", "tools.wheelhouse")
    house = wheelhouse.HOUSE
    wheels = [str(wheelhouse.wheel(p)) for p in PACKAGES]
    sdists = [str(wheelhouse.sdist(p)) for p in PACKAGES]
    twine = ["twine", "check", "--strict", *wheels, *sdists]
    run_all(session, "dev", [twine, ["check-wheel-contents", str(house)]])


@nox.session(default=False)
def release(session: nox.Session) -> None:
    """A dry run: versions, changelogs, bounds, wheels and sdists, and the order."""
    build(session)
    run(session, "dev", "python", "-m", "tools.release")
