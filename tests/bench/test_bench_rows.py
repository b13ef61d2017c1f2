import io
import json
import math

import numpy as np
import pytest

from benchmarks import results
from benchmarks.case import Case
from benchmarks.harness import Agreement, compare, first_call_row, make_row, spread

FIELDS = (
    "suite case variant metric unit better ours peer peer_name ratio spread rounds "
    "target aim ok max_abs_err"
).split()
SAME = Agreement(1e-7, 1e-8, "y")


def case(**changes):
    values = {"name": "norm", "variants": ("v",), "ours": "a:b", "reference": "a:c"}
    values |= {"peer_name": "torch", "target": 2.0, "aim": 4.0}
    return Case(**(values | changes))


# ----------------------------------------------------------------------- agreement
def test_an_error_is_relative_to_the_largest_value_of_its_own_array():
    found = compare(
        {"big": np.array([100.0, 1.0]), "small": np.array([0.1, 0.2])},
        {"big": np.array([100.0, 0.0]), "small": np.array([0.1, 0.1])},
    )
    assert found.error == 1.0
    assert found.relative == pytest.approx(1.0)
    assert found.worst == "small"


@pytest.mark.parametrize(
    ("ours", "why"),
    [
        ({}, "y"),
        ({"y": np.zeros(2), "z": np.zeros(2)}, "z"),
        ({"y": np.zeros((2, 1))}, "y"),
        ({"y": np.array([0.0, np.nan])}, "y"),
        ({"y": np.array([0.0, np.inf])}, "y"),
    ],
)
def test_what_cannot_be_compared_is_infinitely_wrong(ours, why):
    found = compare(ours, {"y": np.array([1.0, 2.0])})
    assert math.isinf(found.relative)
    assert why in found.worst


def test_a_reference_of_zeros_must_be_met_exactly():
    assert compare({"y": np.zeros(2)}, {"y": np.zeros(2)}).relative == 0.0
    assert math.isinf(compare({"y": np.full(2, 1e-9)}, {"y": np.zeros(2)}).relative)


# ---------------------------------------------------------------------------- rows
def test_a_row_has_the_fields_of_the_contract_and_no_others():
    row = make_row("s", case(), "v", [1.0], [3.0], SAME)
    assert list(row) == FIELDS
    assert list(first_call_row("s", case(), "v", 1.0, 2.0)) == FIELDS
    json.dumps(row, allow_nan=False)


def test_the_ratio_of_times_is_of_the_medians_and_above_one_ahead():
    row = make_row("s", case(), "v", [1.0, 9.0, 2.0], [6.0, 6.0, 6.0], SAME)
    assert (row["ours"], row["peer"], row["ratio"]) == (2.0, 6.0, 3.0)
    assert row["ok"] and row["rounds"] == 3


def test_the_ratio_of_throughputs_is_the_other_way_around():
    row = make_row("s", case(better="higher"), "v", [6.0], [2.0], SAME)
    assert row["ratio"] == 3.0
    assert row["ok"]


def test_a_missed_target_is_not_ok():
    assert not make_row("s", case(), "v", [1.0], [1.9], SAME)["ok"]


def test_right_times_of_wrong_outputs_are_not_ok():
    off = Agreement(1.0, 0.5, "y")
    assert not make_row("s", case(), "v", [1.0], [9.0], off)["ok"]


@pytest.mark.parametrize(
    ("better", "value", "ok"), [("lower", 1.9, True), ("lower", 2.1, False)]
)
def test_an_absolute_figure_meets_its_target_itself(better, value, ok):
    absolute = case(peer_name=None, better=better)
    row = make_row("s", absolute, "v", [value], None, None)
    assert (row["ok"], row["peer"], row["ratio"]) == (ok, None, None)


def test_seconds_become_values_in_the_cases_unit():
    assert case(scale=1e3).value(0.5) == 500.0
    assert case(scale=128.0, better="higher").value(0.5) == 256.0


def test_spread_is_the_interquartile_range_over_the_median():
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2.0 / 3.0)
    assert spread([3.0]) == 0.0


# ---------------------------------------------------------------------------- file
MACHINE = {"cpu": "one", "flags": ["avx2"], "cores": 2, "python": "3.11"}


def row_of(name, value=1.0, variant="v"):
    return make_row("s", case(name=name), variant, [value], [4.0], SAME)


def test_a_partial_run_replaces_its_own_rows_and_keeps_the_others():
    first = first_call_row("s", case(name="b"), "v", 1.0, 2.0)
    old = [row_of("a"), row_of("b", variant="gone"), row_of("b"), first]
    new = [row_of("b", 2.0)]
    merged = results.merge(old, new, "s", "b")
    assert merged == [row_of("a"), row_of("b", 2.0)]


def test_rows_of_another_suite_stay():
    other = row_of("b") | {"suite": "t"}
    assert results.merge([other], [row_of("b")], "s", "b") == [other, row_of("b")]


def test_rows_stand_in_the_order_of_the_suite_with_first_calls_last():
    first = first_call_row("s", case(name="a"), "v", 1.0, 2.0)
    rows = results.ordered([first, row_of("b"), row_of("a")], ["a", "b"])
    assert [r["case"] for r in rows] == ["a", "b", "first_call"]


def test_a_file_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "deep" / "r.json"
    results.write(path, MACHINE, [row_of("a")])
    assert json.loads(path.read_text()) == {"machine": MACHINE, "rows": [row_of("a")]}
    assert results.read(path, MACHINE) == [row_of("a")]


def test_no_file_has_no_rows(tmp_path):
    assert results.read(tmp_path / "none.json", MACHINE) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rows": 3, "machine": {}}'])
def test_another_file_is_refused(tmp_path, text):
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(results.ResultsError, match=r"\[bench\] expected .* Hint"):
        results.read(path, MACHINE)


def test_rows_of_two_machines_do_not_mix(tmp_path):
    path = tmp_path / "r.json"
    results.write(path, MACHINE | {"cpu": "two"}, [])
    with pytest.raises(results.ResultsError, match="they are from two"):
        results.read(path, MACHINE)


def test_the_table_says_what_each_row_reached():
    from rich.console import Console

    rows = [
        row_of("aim", 1.0),
        row_of("reached", 1.9),
        row_of("missed", 3.9),
        make_row("s", case(name="w"), "v", [], None, Agreement(1.0, 1.0, "y")),
        first_call_row("s", case(), "v", 1.0, 2.0),
    ]
    console = Console(width=150, file=io.StringIO())
    for table in results.tables(rows):
        console.print(table)
    text = console.file.getvalue()
    for word in ("aim", "target", "missed", "WRONG", "First call"):
        assert word in text
