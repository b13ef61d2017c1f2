import re
import subprocess
import sys
from functools import lru_cache

import pytest

from tools.workspace import ROOT, packages

CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@lru_cache
def listed():
    done = subprocess.run(
        [sys.executable, "-m", "nox", "--list", "--no-color"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(re.findall(r"^[*-] (\S+)", done.stdout, re.M))


def test_every_package_has_an_isolated_session():
    assert {f"isolated({p.name})" for p in packages()} <= listed()


def test_ci_runs_sessions_that_exist_and_the_readmes_test_command():
    named = re.findall(r"nox -s ([\w-]+)\b(?!\()", CI)
    assert set(named) - {"isolated"} <= listed()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(r"^nox -s test\b", readme, re.M)
    assert re.search(r"^step test nox -s test$", CI, re.M)


@pytest.mark.skipif(sys.platform == "win32", reason="needs bash")
@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ("step good true", 0, "all passed"),
        ("step bad false\nstep good true", 1, "failed: bad"),
        ("LIMIT=$((SECONDS - 1))\nstep late true", 1, "not run, out of time"),
        ("LIMIT=$((SECONDS + 1))\nstep long sleep 30", 1, "failed: long"),
    ],
)
def test_ci_times_each_step_goes_on_after_a_failure_and_stops_in_time(body, code, says):
    before, _, rest = CI.partition("\nstep nox ")
    script = (
        before.replace("readonly LIMIT", "LIMIT").replace(
            'cd "$(dirname "$0")/.."', f"cd '{ROOT}'"
        )
        + f"\n{body}\n"
        + rest[rest.index("\nprintf ") :]
    )
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=25, check=False
    )
    assert done.returncode == code, done.stderr
    assert says in done.stdout
    assert re.search(r"^=== +\d+ s  \w+ ", done.stdout, re.M)
