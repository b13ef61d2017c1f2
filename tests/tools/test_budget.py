from tools import budget
from tools.workspace import packages


def test_what_is_above_its_cap_is_named():
    found = {"required primitives": 41, "primitives": 76, "kinds of scalar op": 0}
    assert budget.over(found) == ["41 required primitives; the cap is 40"]


def test_counts_are_those_of_the_registry():
    import helix_core as hx

    found = budget.counts()
    assert found["primitives"] == sum(
        p.category != "HOST" for p in hx.PRIMITIVES.values()
    )
    assert 0 < found["required primitives"] <= found["primitives"]


def test_a_module_counts_with_all_that_is_in_it_and_no_more():
    modules = {"numpy", "numba.core", "richer"}
    assert budget.pulled(modules, {"numba", "rich", "torch"}) == ["numba"]


def test_importing_core_and_listing_plugins_stay_light():
    assert budget.imports() == []


def test_lines_count_what_a_package_ships(tmp_path, add):
    path = add("helix-a")
    (path / "src/helix_a/more.py").write_text("a = 1\nb = 2\n")
    assert budget.lines(packages(tmp_path)[0]) == 1 + 1 + 2
