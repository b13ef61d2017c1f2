"""Optimizers, schedules and losses by name, as any plugin's."""

import inspect

import helix_core as hx
import pytest
from helix_core import losses, optim, plugins, schedules


def _core(kind):
    return {r.name: r for r in plugins.records(kind) if r.distribution == "helix-core"}


def _public(module, kind):
    return {k for k, v in vars(module).items() if not k.startswith("_") and kind(v)}


def test_every_optimizer_is_a_plugin():
    own = _public(optim, inspect.isclass) - {"Group", "Optimizer", "OptimizerError"}
    assert set(_core("optimizers")) == {k.lower() for k in own}
    assert plugins.load("optimizers", "adamw") is optim.AdamW


def test_every_loss_is_a_plugin():
    assert set(_core("losses")) == {*losses.__all__, "linear_cross_entropy"}
    assert plugins.load("losses", "huber") is losses.huber
    assert plugins.load("losses", "linear_cross_entropy") is hx.linear_cross_entropy


def test_every_schedule_is_a_plugin():
    own = {
        k
        for k in _public(schedules, inspect.isfunction)
        if getattr(schedules, k).__module__ == schedules.__name__
    }
    assert set(_core("schedules")) == (own - {"join"}) | {"plateau"}
    assert plugins.load("schedules", "plateau") is schedules.ReduceOnPlateau


@pytest.mark.parametrize("kind", ["optimizers", "schedules", "losses"])
def test_each_loads_and_has_a_summary(kind):
    for name, record in _core(kind).items():
        assert callable(plugins.load(kind, name))
        assert record.spec.summary.endswith(".")


def test_an_unknown_name_lists_the_usable_ones():
    with pytest.raises(plugins.PluginUnavailable, match="adamw, rmsprop, sgd"):
        plugins.get("optimizers", "adamv")
