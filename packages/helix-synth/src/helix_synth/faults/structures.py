"""Faults of graphs, point clouds and tables."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np

from .._block import Sample
from ._fault import fault

Other = Mapping[str, Any]


@fault("graph")
def a_loop(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["edges"][luck.randrange(len(s["edges"]))] = luck.randrange(s["nodes"])
    return True


@fault("graph")
def an_edge_twice(s: Sample, other: Other, luck: Random, k: float) -> bool:
    e = s["edges"]
    at = luck.randrange(len(e))
    s["edges"] = np.insert(e, at, e[at], 0)
    return True


@fault("graph")
def an_edge_both_ways(s: Sample, other: Other, luck: Random, k: float) -> bool:
    e = s["edges"]
    s["edges"] = np.concatenate([e, e[luck.randrange(len(e))][None, ::-1]])
    return True


@fault("graph")
def a_node_that_is_not_there(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["edges"][luck.randrange(len(s["edges"])), 1] = s["nodes"]
    return True


@fault("graph")
def a_node_too_many(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["nodes"] += 1
    return True


@fault("graph")
def most_edges_lost(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["edges"] = s["edges"][::4]
    return len(s["edges"]) > 4


@fault("graph")
def labels_mixed_up(s: Sample, other: Other, luck: Random, k: float) -> bool:
    if "labels" not in s:
        return False
    before = s["labels"].copy()
    luck.shuffle(order := list(range(len(before))))
    s["labels"] = before[order]
    return bool((s["labels"] != before).mean() > 0.3)


@fault("graph", "random_geometric", "grid")
def places_mixed_up(s: Sample, other: Other, luck: Random, k: float) -> bool:
    luck.shuffle(order := list(range(len(s["positions"]))))
    s["positions"] = s["positions"][order]
    return True


@fault("graph", "random_tree", "random_regular")
def an_edge_lost(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["edges"] = np.delete(s["edges"], luck.randrange(len(s["edges"])), 0)
    return True


@fault("points", graded=True)
def a_point_off_the_surface(s: Sample, other: Other, luck: Random, k: float) -> bool:
    at = luck.randrange(len(s["points"]))
    s["points"][at] += np.float32(0.3 * k) * s["normals"][at]
    return True


@fault("points", graded=True)
def points_that_tremble(s: Sample, other: Other, luck: Random, k: float) -> bool:
    noise = np.random.default_rng(luck.getrandbits(32)).normal(size=s["points"].shape)
    s["points"] += (0.05 * k * noise).astype(np.float32)
    return True


@fault("points")
def normals_inward(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["normals"] = -s["normals"]
    return True


@fault("points")
def normals_too_long(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["normals"] *= np.float32(1.01)
    return True


@fault("points")
def normals_of_others(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["normals"] = np.roll(s["normals"], 1, 0)
    return True


@fault("points")
def another_solid(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["label"] = (s["label"] + 1 + luck.randrange(19)) % 20
    return True


@fault("points")
def turned_otherwise(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["rotation"] = other["rotation"].copy()
    return s["label"] != 0  # a sphere


@fault("points")
def mirrored(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["rotation"][:, luck.randrange(3)] *= -1
    return True


@fault("points")
def of_another_size(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["scale"] *= 1.02 if s["scale"] < 1 else 0.98
    return True


@fault("points")
def elsewhere(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["offset"] = other["offset"].copy()
    return True


@fault("points")
def the_same_points_again(s: Sample, other: Other, luck: Random, k: float) -> bool:
    half = len(s["points"]) // 2
    s["points"][half : 2 * half] = s["points"][:half]
    s["normals"][half : 2 * half] = s["normals"][:half]
    return True


@fault("table")
def too_few_rows(s: Sample, other: Other, luck: Random, k: float) -> bool:
    for name in s:
        if isinstance(s[name], np.ndarray):
            s[name] = s[name][:-1]
    return True


@fault("table", "regression")
def a_value_off(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["y"][luck.randrange(len(s["y"]))] += 2.0
    return True


@fault("table", "regression")
def weights_of_another(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["weights"] = other["weights"].copy()
    return True


@fault("table", "regression")
def rows_out_of_step(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["y"] = np.roll(s["y"], 1)
    return True


@fault("table", "blobs")
def another_cluster(s: Sample, other: Other, luck: Random, k: float) -> bool:
    far = np.linalg.norm(s["centres"] - s["centres"][0], axis=1)
    at = np.flatnonzero(s["labels"] == 0)
    if not len(at) or far.max() < 5:
        return False
    s["labels"][at[0]] = int(far.argmax())
    return True


@fault("table", "records")
def orders_without_their_sum(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["total"][luck.randrange(len(s["total"]))] += 1000.0
    return True


@fault("table", "records")
def active_without_orders(s: Sample, other: Other, luck: Random, k: float) -> bool:
    at = np.flatnonzero(s["orders"] == 0)
    if len(at):
        s["active"][at[0]] = True
    return bool(len(at))


@fault("table", "records")
def too_young_for_the_plan(s: Sample, other: Other, luck: Random, k: float) -> bool:
    at = np.flatnonzero(s["age"] < 25)
    if len(at):
        s["plan"][at[0]] = 2
    return bool(len(at))


@fault("table", "records")
def incomes_of_others(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["income"] = s["income"] * 2.0
    return True
