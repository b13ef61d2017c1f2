"""Films: laws of physics, measured in the pixels."""

import numpy as np
import pytest
from helix_synth import registry
from helix_synth._catalogue import ENTRIES

NAMES = [e.name for e in ENTRIES if e.folder == "video"]


def middles(sample):
    """Where the mass of what is not ground is: (frame, 2) in pixels."""
    video = sample["video"].astype(float)
    away = np.abs(video - video[0, 0, 0]).sum(-1)
    rows, columns = np.mgrid[: video.shape[1], : video.shape[2]] + 0.5
    total = away.sum((1, 2))
    return np.stack([(away * g).sum((1, 2)) / total for g in (columns, rows)], 1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "spec", [{"side": 64, "frames": 9}, {"side": 24, "frames": 40}]
)
def test_every_size_is_verified(name, spec):
    g, check = registry.generator(name, seed=1, **spec), registry.verifier(name)
    for s in g.stream(20):
        assert list(check(g.spec, s)) == []


def test_nothing_touches_the_frame():
    for name in NAMES:
        for s in registry.generator(name, seed=3, side=48).stream(40):
            video = s["video"]
            edge = np.concatenate([video[:, 0], video[:, -1], video[:, :, 0],
                                   video[:, :, -1]], 1)  # fmt: skip
            assert (edge == video[0, 0, 0]).all(), name


def test_measured_speed_is_the_declared_one():
    g = registry.generator("sliding", seed=2, side=64)
    for s in g.stream(30):
        steps = np.diff(middles(s), axis=0)
        assert np.abs(steps - s["velocity"] * 64).max() < 0.4
        assert np.abs(steps.mean(0) - s["velocity"] * 64).max() < 0.05


def test_what_falls_falls_by_its_gravity():
    g = registry.generator("thrown", seed=2, side=64)
    for s in g.stream(30):
        y = middles(s)[:, 1]
        t = np.arange(len(y))
        assert np.polyfit(t, y, 2)[0] == pytest.approx(32 * s["gravity"], rel=0.03)


def test_a_collision_keeps_the_momentum():
    g = registry.generator("colliding", seed=2)
    for s in g.stream(20):
        v = np.diff(s["path"][..., 0].astype(float), axis=1).sum(0)
        np.testing.assert_allclose(v, v[0], atol=1e-3)


def test_captions_say_what_is_seen():
    g = registry.generator("orbiting", seed=5)
    ways = set()
    for s in g.stream(40):
        x, y = (middles(s) - 16).T
        clockwise = (x[:-1] * y[1:] - y[:-1] * x[1:]).sum() > 0  # y goes down
        assert s["caption"].endswith(" clockwise") == clockwise
        ways.add(clockwise)
    assert len(ways) == 2
    combined = {c.split(" ", 2)[2] for c in g.block(0, 300)["caption"]}
    assert len(combined) > 120
