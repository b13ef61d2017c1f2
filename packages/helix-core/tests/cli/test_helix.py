"""The ``helix`` command: exit codes, messages, help with examples, JSON."""

from __future__ import annotations

import json

import pytest
from helix_core import __version__
from plugin_kit import BACKEND, HEAD, backend

ALONE = {"HELIX_PLUGINS": ""}
COMMAND = HEAD + (
    "@hookimpl\ndef helix_commands():\n"
    "    return [CommandSpec(name='hello', factory='acme.work:hello', summary='Greets.')]\n"
)
CLICK = "import click\n@click.command()\ndef hello():\n    "


def add_command(site, body):
    points = {"commands": {"hi": "plugin"}}
    site.add("acme", points, plugin=COMMAND, work=CLICK + body)


def test_alone_it_shows_help_and_ends_well(site):
    done = site.run(**ALONE)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout == site.run("--help", **ALONE).stdout
    assert "Examples:" in done.stdout
    for name in ("devices", "doctor", "plugins"):
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize("name", ["devices", "doctor", "plugins"])
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_each_command_helps_with_examples(site, name, flag):
    done = site.run(name, flag, **ALONE)
    assert done.returncode == 0
    assert f"Examples:\n    helix {name}" in done.stdout and "--json" in done.stdout


def test_the_version(site):
    done = site.run("--version", **ALONE)
    assert (done.returncode, done.stdout) == (0, f"helix, version {__version__}\n")


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["plugin"], "expected a command that is installed; got 'plugin'"),
        (["plugin"], "Hint: did you mean 'plugins'?"),
        (["--jsn"], "No such option '--jsn'"),
        (["plugins", "--jsn"], "--jsn"),
        (["plugins", "extra"], "unexpected extra argument"),
        (["plugins", "--kind"], "Error: Option '--kind' requires an argument"),
        (["plugins", "--kind", "cars"], "expected a kind of backends, "),
        (["plugins", "--kind", "cars"], "got 'cars'"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what(site, arguments, said):
    done = site.run(*arguments, **ALONE)
    assert done.returncode == 2 and done.stdout == ""
    assert said in done.stderr.replace("\n", " ") and "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["train", "eval", "generate"])
def test_a_command_of_a_package_that_is_not_installed_says_which(site, name, python):
    code = f"""
import sys
from importlib.metadata import distributions
from helix_core.plugins import _installed
own = [e for e in _installed.entries() if e.distribution == "helix-core"]
_installed._FOUND = own
from helix_core.cli import main
main([{name!r}])
"""
    done = python(code)
    assert done.returncode == 1
    package = "helix-layers" if name == "generate" else "helix-hammer"
    assert done.stderr.startswith(f"Error: [helix] expected {package} to be installed")
    assert f"Hint: pip install {package}" in done.stderr


# ------------------------------------------------------------------------ helix plugins
def test_plugins_lists_kind_name_state_and_origin(site):
    points = {"backends": {"fast": "plugin", "bad": "gone"}}
    site.add(
        "acme", points, version="4.2", plugin=backend(summary="Runs."), work=BACKEND
    )
    done = site.run("plugins", "--kind", "backends", HELIX_PLUGINS="acme")
    assert done.returncode == 0 and done.stderr == ""
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["kind", "name", "state", "distribution", "about"]
    assert ["backends", "fast", "available", "acme", "4.2", "Runs."] in lines
    [bad] = [line for line in lines if line[1] == "bad"]
    assert bad[2:6] == ["broken", "acme", "4.2", "ModuleNotFoundError:"]


def test_plugins_as_json_has_every_fact(site):
    points = {"backends": {"fast": "plugin", "bad": "gone"}}
    site.add("acme", points, plugin="print('noise')\n" + backend(), work=BACKEND)
    done = site.run("plugins", "--json", HELIX_PLUGINS="acme")
    assert done.returncode == 0
    rows = [r for r in json.loads(done.stdout) if r["distribution"] == "acme"]
    bad, fast = sorted(rows, key=lambda r: r["name"])
    assert set(fast) == set(
        "kind name state distribution version entry reason hint traceback seconds "
        "summary".split()
    )
    assert fast["state"] == "available" and fast["entry"] == "fast = acme.plugin"
    assert bad["state"] == "broken" and "Traceback" in bad["traceback"]
    assert bad["hint"] == "pip install -U acme, or HELIX_DISABLE_PLUGINS=acme"


def test_plugins_shows_tracebacks_where_they_are_asked_for(site):
    site.add("acme", {"backends": {"bad": "plugin"}}, plugin="1 / 0")
    done = site.run("plugins", HELIX_PLUGINS="acme")
    assert "Traceback" not in done.stdout + done.stderr
    done = site.run("plugins", HELIX_PLUGINS="acme", HELIX_TRACE="plugins")
    assert "Traceback" in done.stderr and "importing acme.plugin" in done.stderr


def test_plugins_with_none_at_all_still_answers(site):
    done = site.run("plugins", "--json", "--kind", "models", **ALONE)
    assert done.returncode == 0
    assert {r["state"] for r in json.loads(done.stdout)} <= {"disabled"}


def test_strict_ends_with_1(site):
    site.add("acme", {"backends": {"bad": "plugin"}}, plugin="1 / 0")
    done = site.run("plugins", HELIX_PLUGINS="acme", HELIX_PLUGIN_STRICT="1")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith(
        "error: [plugins] expected a usable backend; got 'bad ="
    )


def test_a_reader_that_goes_away_is_no_traceback(site):
    import subprocess
    import sys

    code = "from helix_core.cli import main; main(['plugins', '--json'])"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    child.stdout.close()
    said = child.stderr.read()
    child.stderr.close()
    assert child.wait(60) == 1 and said == b""


# ------------------------------------------------------------------- commands of strangers
def test_a_command_of_a_plugin_runs_and_is_listed(site):
    add_command(site, "click.echo('hello')")
    done = site.run("hello", HELIX_PLUGINS="acme")
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")
    assert "hello    Greets." in site.run("--help", HELIX_PLUGINS="acme").stdout


@pytest.mark.parametrize(
    "body, said",
    [
        (
            "1 / 0",
            "error: ZeroDivisionError: division by zero. Hint: HELIX_TRACE=1 shows",
        ),
        (
            "open('/nowhere/x')",
            "error: [Errno 2] No such file or directory: '/nowhere/x'",
        ),
        ("import helix_core as hx; hx.Device('??')", "error: [device] expected a name"),
        ("raise KeyboardInterrupt", "aborted"),
        ("raise click.ClickException('no')", "Error: no"),
    ],
)
def test_a_problem_ends_with_1_and_a_traceback_is_opt_in(site, body, said):
    add_command(site, body)
    done = site.run("hello", HELIX_PLUGINS="acme")
    assert done.returncode == 1 and done.stderr.strip().startswith(said)
    assert "Traceback" not in done.stderr
    if "error:" in said:
        traced = site.run("hello", HELIX_PLUGINS="acme", HELIX_TRACE="1")
        assert traced.returncode == 1 and "Traceback" in traced.stderr


def test_warnings_are_lines_without_source(site):
    add_command(site, "import warnings; warnings.warn('slow today')")
    done = site.run("hello", HELIX_PLUGINS="acme")
    assert (done.returncode, done.stderr) == (0, "warning: slow today\n")


def test_a_command_that_does_not_import_names_its_distribution(site):
    add_command(site, "pass")
    (site.root / "acme" / "work.py").write_text("import does_not_exist")
    done = site.run("hello", HELIX_PLUGINS="acme")
    assert done.returncode == 1
    assert "'hello' of acme 1.0, which is broken: ModuleNotFoundError" in done.stderr
    assert "Hint: pip install -U acme" in done.stderr


def test_a_command_whose_plugin_is_broken_says_so(site):
    site.add("acme", {"commands": {"hello": "plugin"}}, plugin="1 / 0")
    done = site.run("hello", HELIX_PLUGINS="acme")
    assert done.returncode == 1
    assert (
        "error: [plugins] expected a usable command; got 'hello' of acme" in done.stderr
    )


def test_what_is_no_click_command_is_said(site):
    add_command(site, "pass")
    (site.root / "acme" / "work.py").write_text("hello = print")
    done = site.run("hello", HELIX_PLUGINS="acme")
    assert done.returncode == 1
    assert (
        "expected a click command behind 'acme.work:hello' of acme 1.0" in done.stderr
    )


def test_a_broken_stranger_is_one_line_and_own_commands_do_not_import_it(site):
    site.add("acme", {"commands": {"bad": "plugin"}}, plugin="1 / 0")
    listed = site.run("--help", HELIX_PLUGINS="acme")
    assert listed.returncode == 0 and "  plugins " in listed.stdout
    [line] = listed.stderr.splitlines()
    assert line.startswith(
        "warning: [plugins] expected a usable command; got 'bad = acme"
    )
    own = site.run("plugins", "--kind", "backends", HELIX_PLUGINS="acme")
    assert own.returncode == 0 and own.stderr == ""
