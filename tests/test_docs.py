"""The documents do what they say: every example runs, every command and link exists.

A comment behind a ``print`` in an example is what it prints; ``...`` stands for anything.
"""

from __future__ import annotations

import doctest
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tokenize
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = ROOT / "docs" / "first-plugin.md"
SAMPLES = {  # their distributions are in tests/fixtures; see test_samples.py
    ROOT / "docs" / "write-a-layer.md": "helix-sample-layer",
    ROOT / "docs" / "write-an-optimizer.md": "helix-sample-optimizer",
    ROOT / "docs" / "write-a-backend.md": "helix-sample-backend",
}
BUILDING = {PLUGIN, *SAMPLES}  # pages that build a distribution
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("packages/*/README.md"),
    ]
)
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
INLINE = re.compile(r"(?<!`)`((?:helix|nox) [^`\n]+)`(?!`)")
LINK = re.compile(r"\]\((?!\w+:)([^)#]+)[^)]*\)")

# runs an example and writes down what each line printed
RUNNER = """
import json, sys
printed = []
def record(*args, sep=" ", end="\\n", **kw):
    printed.append((sys._getframe(1).f_lineno, sep.join(map(str, args))))
with open(sys.argv[1]) as f:
    code = compile(f.read(), sys.argv[1], "exec")
exec(code, {"__name__": "__main__", "print": record})
json.dump(printed, sys.stdout)
"""


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def fences(page: Path, language: str) -> list[str]:
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [body for tag, body in found if tag == language]


def expected_output(code: str) -> dict[int, str]:
    """Line number -> the comment behind a statement that prints."""
    lines = code.splitlines()
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return {
        t.start[0]: t.string.lstrip("# ")
        for t in tokens
        if t.type == tokenize.COMMENT
        and lines[t.start[0] - 1].lstrip().startswith("print(")
    }


def run_example(code: str, folder: Path, **env: str) -> None:
    """Run it in a process and a folder of its own; check what it says it prints."""
    script = folder / "example.py"
    script.write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, str(script)],
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout.splitlines()[-1])
    check = doctest.OutputChecker().check_output
    for line, want in expected_output(code).items():
        got = "\n".join(text for n, text in printed if n == line)
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert check(want + "\n", got + "\n", flags), f"line {line}: {got!r}"


EXAMPLES = [
    pytest.param(code, id=f"{name_of(page)}-{n}")
    for page in PAGES
    if page not in BUILDING
    for n, code in enumerate(fences(page, "python"), 1)
]


@pytest.mark.parametrize("code", EXAMPLES)
def test_example_runs_and_prints_what_it_says(code, tmp_path):
    run_example(code, tmp_path)


def test_a_wrong_comment_or_an_error_fails_an_example(tmp_path):
    with pytest.raises(AssertionError, match="line 1: '2'"):
        run_example("print(1 + 1)  # 3\n", tmp_path)
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        run_example("1 / 0\n", tmp_path)
    run_example("for i in range(2):\n    print('a b', i)  # a ... 0 ...1\n", tmp_path)


# ------------------------------------------------------------------- command lines
def shell_lines(page: Path) -> list[list[str]]:
    """Commands of sh fences and of inline code, as words."""
    lines = [
        line
        for body in fences(page, "sh")
        for line in body.replace("\\\n", " ").splitlines()
    ]
    lines += INLINE.findall(page.read_text(encoding="utf-8"))
    words = [shlex.split(line, comments=True) for line in lines]
    return [part for ws in words for part in _split(ws) if part]


def _split(words: list[str]) -> list[list[str]]:
    """The commands between ``&&``; ``|`` and brackets are usage, not shell."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word == "&&":
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


@lru_cache
def help_of(command: str) -> str:
    done = subprocess.run(
        [Path(sys.executable).with_name("helix"), command, "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"helix {command}: {done.stderr}"
    return done.stdout


def check_options(command: str, args: list[str]) -> None:
    for option in (a.partition("=")[0] for a in args if re.match(r"--?[a-z]", a)):
        known = re.search(rf"(?<![\w-]){option}(?![\w-])", help_of(command))
        assert known, f"helix {command} has no {option}"


@lru_cache
def sessions() -> set[str]:
    done = subprocess.run(
        [sys.executable, "-m", "nox", "--list", "--no-color"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(re.findall(r"^[*-] (\S+)", done.stdout, re.M))


def helix_commands(page: Path) -> list[list[str]]:
    return [c[1:] for c in shell_lines(page) if c[0] == "helix" and len(c) > 1]


def nox_commands(page: Path) -> list[list[str]]:
    return [c[1:] for c in shell_lines(page) if Path(c[0]).name == "nox"]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_helix_command_has_the_options_it_is_shown_with(page):
    for command, *args in helix_commands(page):
        for name in command.split("|"):
            check_options(name, args)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_nox_session_exists(page):
    for args in nox_commands(page):
        given, _, rest = " ".join(args).partition(" -- ")
        wanted = [w for w in shlex.split(given) if not w.startswith("-")]
        assert set(wanted) <= sessions(), wanted
        if wanted == ["demo"]:
            check_options("train", shlex.split(rest))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_path_that_pip_gets_and_every_link_exists(page):
    for words in shell_lines(page):
        for flag, path in pairwise(words):
            if flag in ("-e", "-r") and "pip" in words and page not in BUILDING:
                assert (ROOT / path.split("[")[0]).exists(), path
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_readme_shows_every_command_of_helix():
    listed = subprocess.run(
        [Path(sys.executable).with_name("helix"), "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.partition("Commands:")[2]
    commands = set(re.findall(r"^  (\w+) ", listed, re.M))
    shown = {c[0] for c in helix_commands(ROOT / "README.md")}
    assert commands <= shown


# ------------------------------------------------------------------ the first plugin
NAMED_FENCE = re.compile(r"^`([\w./]+)`:(?:[^\n]+\n)+\n```\w+\n(.*?)^```$", re.M | re.S)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The page's distribution, written and installed as the page says."""
    folder = tmp_path_factory.mktemp("plugin")
    for path, body in NAMED_FENCE.findall(PLUGIN.read_text(encoding="utf-8")):
        file = folder / "project" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(body, encoding="utf-8")
    site = folder / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    to = ["--no-build-isolation", "--target", str(site), str(folder / "project")]
    subprocess.run([*pip, *to], check=True)
    return site


def test_the_first_plugin_is_listed(installed):
    done = subprocess.run(
        [Path(sys.executable).with_name("helix"), "plugins", "--json"],
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [r for r in json.loads(done.stdout) if r["distribution"] == "helix-warm"]
    assert [(r["kind"], r["name"], r["state"], r["version"]) for r in rows] == [
        ("kernels", "log_softmax@numpy", "available", "0.1.0"),
        ("callbacks", "counter", "available", "0.1.0"),
    ]


def test_the_first_plugin_works(installed, tmp_path):
    example = fences(PLUGIN, "python")[-1]
    assert "hx.which" in example
    run_example(example, tmp_path, PYTHONPATH=str(installed))


TRAIN = """
import helix_core as hx
from helix_hammer import Trainer

counter = hx.plugins.load("callbacks", "counter")()
p = hx.Parameter(hx.ones((2,)), "p")

class Model(hx.Module):
    def __init__(self):
        super().__init__()
        self.p = p

Trainer(
    Model(),
    hx.optim.SGD([p], lr=0.1),
    [hx.ones((2,))],
    steps=3,
    loss=lambda model, batch: hx.square(model.p - batch).sum(),
    callbacks=[counter],
    progress=False,
).fit()
print(counter.steps)  # 3
"""


def test_the_first_plugins_callback_counts_steps(installed, tmp_path):
    run_example(TRAIN, tmp_path, PYTHONPATH=str(installed))


def test_the_switches_that_the_page_names_work(installed):
    for switch, state in (
        ({"HELIX_DISABLE_PLUGINS": "helix-warm"}, ["disabled"] * 2),
        ({"HELIX_PLUGINS": "helix-core"}, ["disabled"] * 2),
    ):
        done = subprocess.run(
            [Path(sys.executable).with_name("helix"), "plugins", "--json"],
            env={**os.environ, "PYTHONPATH": str(installed), **switch},
            capture_output=True,
            text=True,
            check=True,
        )
        rows = [r for r in json.loads(done.stdout) if r["distribution"] == "helix-warm"]
        assert [r["state"] for r in rows] == state
