"""Point clouds against brute force and known surfaces."""

import numpy as np
import pytest
from helix_core import ShapeError
from helix_multimodal import Points
from helix_multimodal.tensors.neighbours import k_nearest
from helix_multimodal.tensors.points import (
    farthest_sample,
    local_origin,
    normalised,
    normals,
    points_tensors,
    random_sample,
    voxel_grid,
)


def cloud(n, seed=0):
    return np.random.default_rng(seed).standard_normal((n, 3))


def brute(x, k, q):
    d = np.sqrt(((q[:, None] - x) ** 2).sum(-1))
    order = np.lexsort((np.broadcast_to(np.arange(len(x)), d.shape), d), axis=1)[:, :k]
    return order, np.take_along_axis(d, order, axis=1)


@pytest.mark.parametrize(("n", "k"), [(1, 1), (5, 5), (33, 4), (1000, 7), (1025, 40)])
@pytest.mark.parametrize("shape", ["ball", "line", "far"])
def test_neighbours_are_the_nearest(n, k, shape):
    x = cloud(n)
    x = x * {"ball": 1, "line": [1e3, 1, 1e-3], "far": 1}[shape]
    x = x + (1e5 if shape == "far" else 0)
    index, distance = k_nearest(x, k)
    want, d = brute(x, k, x)
    np.testing.assert_allclose(distance, d, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(index, want)


def test_neighbours_of_other_points_and_of_equals():
    x, q = cloud(3000), cloud(500, 1) * 4
    index, distance = k_nearest(x, 3, q)
    want, d = brute(x, 3, q)
    np.testing.assert_array_equal(index, want)
    np.testing.assert_allclose(distance, d)
    _, distance = k_nearest(np.zeros((200, 3)), 5)
    assert not distance.any()
    assert k_nearest(x, 3, np.zeros((0, 3)))[0].shape == (0, 3)


def test_neighbours_refuse():
    with pytest.raises(ShapeError, match="k at most 2"):
        k_nearest(cloud(2), 3)
    with pytest.raises(ShapeError, match="isfinite"):
        k_nearest([[0, 0, np.nan]], 1)
    with pytest.raises(ShapeError, match="point, 3"):
        k_nearest(np.zeros((3, 2)), 1)


def test_map_coordinates_survive_single_precision():
    x = np.array([500_000.123, 5_400_000.456, 120.789]) + cloud(100) * 50
    local, origin = local_origin(x)
    assert local.dtype == np.float32 and np.array_equal(origin, np.rint(origin))
    np.testing.assert_allclose(local + origin, x, atol=1e-4, rtol=0)
    assert local_origin(np.zeros((0, 3)))[0].shape == (0, 3)


@pytest.mark.parametrize("scale", ["sphere", "box"])
def test_scaled_clouds_fit(scale):
    x = cloud(500) * [1, 2, 30] + 1000
    y, origin, size = normalised(x, scale)
    if scale == "sphere":
        np.testing.assert_allclose(np.linalg.norm(y, axis=1).max(), 1, rtol=1e-6)
        np.testing.assert_allclose(y.mean(0), 0, atol=1e-6)
    else:
        np.testing.assert_allclose(np.abs(y).max(), 1, rtol=1e-6)
    np.testing.assert_allclose(y * size + origin, x, atol=1e-3)
    assert normalised(np.ones((3, 3)), scale)[2] == 1.0


def test_a_cube_has_one_point():
    x = np.array([[0.1, 0, 0], [0.9, 0, 0], [1.1, 0, 0], [-0.1, 0, 0]])
    mean, voxel, first = voxel_grid(x, 1.0)
    assert voxel.tolist() == [1, 1, 2, 0] and first.tolist() == [3, 0, 2]
    np.testing.assert_allclose(mean[:, 0], [-0.1, 0.5, 1.1])
    centre = voxel_grid(x, 1.0, reduce="centre")[0]
    assert centre[:, 0].tolist() == [-0.5, 0.5, 1.5]
    assert voxel_grid(x, 1.0, reduce="first")[0][1].tolist() == [0.1, 0, 0]
    assert voxel_grid(np.zeros((0, 3)), 1)[0].shape == (0, 3)
    with pytest.raises(ShapeError, match="size above 0"):
        voxel_grid(x, 0)
    with pytest.raises(ShapeError, match="counted"):
        voxel_grid(x, 1e-30)


def test_farthest_points_by_definition():
    x = cloud(200)
    got = farthest_sample(x, 20)
    near = np.full(200, np.inf)
    for i in got:
        assert i == 0 or near[i] == near.max()
        near = np.minimum(near, ((x - x[i]) ** 2).sum(1))
    assert farthest_sample(x, 200).tolist() != list(range(200))
    assert len(set(farthest_sample(x, 200).tolist())) == 200
    assert farthest_sample(x, 0).shape == (0,)
    with pytest.raises(ShapeError, match="at most 200"):
        farthest_sample(x, 201)


def test_random_samples_are_frozen():
    assert (
        random_sample(10, 4, seed=7).tolist() == random_sample(10, 4, seed=7).tolist()
    )
    assert random_sample(3, 9).tolist() == [0, 1, 2]
    counts = np.zeros(20)
    for seed in range(2000):
        counts[random_sample(20, 5, seed)] += 1
    assert np.abs(counts - 500).max() < 100


@pytest.mark.parametrize("n", [3, 2000])
def test_normals_of_a_plane_and_a_sphere(n):
    x = cloud(n)
    x[:, 2] = 0.5 * x[:, 0]  # the plane z = x / 2
    want = np.array([-1, 0, 2]) / np.sqrt(5)
    np.testing.assert_allclose(normals(x, 3), np.broadcast_to(want, (n, 3)), atol=1e-4)
    down = normals(x, 3, viewpoint=(0, 0, -99))
    np.testing.assert_allclose(down, np.broadcast_to(-want, (n, 3)), atol=1e-4)


def test_normals_of_a_sphere_point_to_its_centre():
    x = cloud(4000)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    n = normals(x, 12, viewpoint=(0, 0, 0))
    assert np.median((n * -x).sum(1)) > 0.99


def test_arrays_of_a_cloud():
    s = Points(
        xyz=cloud(50) + 1e6,
        colors=np.full((50, 3), 255, np.uint8),
        intensity=np.arange(50, dtype=np.uint16),
        labels=np.arange(50),
        fields={"time": np.arange(50.0)},
    )
    s.xyz[3] = np.nan
    out = points_tensors(s, count=20, seed=1)
    assert out["points"].shape == (20, 3) and 3 not in out["point_indices"]
    assert out["labels"].tolist() == out["point_indices"].tolist()
    assert out["point_features"].shape == (20, 4)
    assert out["point_features"][:, 0].max() == 1.0
    back = out["points"] + out["origin"]
    np.testing.assert_allclose(back, s.xyz[out["point_indices"]], atol=1e-5)
    padded = points_tensors(s, count=60, sampling="farthest", features=["time"])
    assert padded["attention_mask"].sum() == 49 and padded["point_indices"][-1] == -1
    thin = points_tensors(s, voxel=10.0, features=[])
    assert len(thin["points"]) < 20 and "point_features" not in thin
    more = points_tensors(s, estimate_normals=8, features=["normals"])
    np.testing.assert_allclose(
        np.linalg.norm(more["point_features"], axis=1), 1, rtol=1e-5
    )
    with pytest.raises(ShapeError, match="time; got 'tim'"):
        points_tensors(s, features=["tim"])


def test_an_empty_cloud():
    out = points_tensors(Points(xyz=np.zeros((0, 3))), count=4, scale="sphere")
    assert out["points"].shape == (4, 3) and not out["attention_mask"].any()
