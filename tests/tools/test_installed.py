import json
import sys

import pytest

from tools import installed


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder on the path with a package that another environment would have."""
    package = tmp_path / "zz_alone"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text("raise SystemExit('ran')")
    (package / "good.py").write_text("")
    (package / "inner" / "__init__.py").write_text("")
    info = tmp_path / "zz_alone-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: zz-alone\nVersion: 1\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [m for m in sys.modules if m.split(".")[0] == "zz_alone"]:
        del sys.modules[name]


def test_every_module_is_imported(site):
    names, wrong = installed.import_all("zz_alone")
    assert names == ["zz_alone", "zz_alone.good", "zz_alone.inner"]
    assert wrong == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import zz_missing", "ModuleNotFoundError"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
@pytest.mark.parametrize("file", ["good.py", "inner/__init__.py"])
def test_a_module_that_cannot_be_imported_is_named(site, file, code, reason):
    (site / "zz_alone" / file).write_text(code)
    _, wrong = installed.import_all("zz_alone")
    (line,) = wrong
    assert line.startswith("import zz_alone.") and reason in line


def test_a_distribution_from_elsewhere_is_named(site):
    (line,) = installed.check_origins(["zz-alone"], "file:///house")
    assert line == "zz-alone came from an index; expected file:///house"
    direct = {"url": "file:///house/zz_alone-1-py3-none-any.whl"}
    (site / "zz_alone-1.dist-info/direct_url.json").write_text(json.dumps(direct))
    assert installed.check_origins(["zz-alone"], "file:///house") == []
    assert installed.check_origins(["zz-alone"], "file:///other") != []
    assert installed.check_origins(["zz-not-there"], "file:///house") != []


def test_an_undeclared_module_that_can_be_imported_is_named(site):
    assert installed.check_absent(["zz_alone", "zz_missing"]) == [
        "zz_alone can be imported, and is not declared"
    ]


def test_it_exits_with_the_verdict(site, capsys):
    direct = {"url": "file:///house/zz_alone-1-py3-none-any.whl"}
    (site / "zz_alone-1.dist-info/direct_url.json").write_text(json.dumps(direct))
    args = ["zz_alone", "--house", "file:///house", "--origin", "zz-alone"]
    assert installed.main([*args, "--absent", "zz_missing"]) == 0
    assert "3 modules imported" in capsys.readouterr().out
    assert installed.main([*args, "--absent", "zz_alone"]) == 1
