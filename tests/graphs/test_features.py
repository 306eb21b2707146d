"""Laws of the edge features: invariances, hand-computed values, conventions."""

import numpy as np
import pytest

from dagnn.graphs import CONVENTIONS, Convention, build_graph, periodic_pairs
from dagnn.graphs.features import circular_mean, pair_features

PERIODIC = CONVENTIONS["periodic"]


def edge_features(
    positions: np.ndarray, edges: np.ndarray, radius: float, convention: Convention
) -> np.ndarray:
    """The features of edges from the first row to the second ``[E, 3]``."""
    found = pair_features(positions, *edges, radius, convention)
    assert np.allclose(
        found[[0, 1, 3]], pair_features(positions, *edges[::-1], radius, convention)[:3]
    )
    return found[:3].T


def box(seed: int = 0, galaxies: int = 150) -> np.ndarray:
    """Random galaxies with a clump, so that the centroid is well defined."""
    rng = np.random.default_rng(seed)
    clump = np.mod(rng.normal(0.9, 0.08, (galaxies // 2, 3)), 1.0)
    return np.concatenate([clump, rng.random((galaxies - len(clump), 3))])


@pytest.mark.parametrize("shift", [(0.3, 0.0, 0.0), (0.71, 0.52, 0.13), (-0.25, 0.999, 3.4)])
def test_periodic_features_do_not_change_under_a_periodic_shift(shift):
    positions = box()
    shifted = np.mod(positions + np.array(shift), 1.0)
    edges = periodic_pairs(positions, 0.1)
    assert np.array_equal(edges, periodic_pairs(shifted, 0.1))
    before = edge_features(positions, edges, 0.1, PERIODIC)
    after = edge_features(shifted, edges, 0.1, PERIODIC)
    assert np.abs(before - after).max() < 1e-10


def test_published_features_do_change_under_a_periodic_shift():
    positions = box()
    edges = periodic_pairs(positions, 0.1)
    before = edge_features(positions, edges, 0.1, CONVENTIONS["published"])
    after = edge_features(np.mod(positions + 0.3, 1.0), edges, 0.1, CONVENTIONS["published"])
    assert np.abs(before - after).max() > 0.1


@pytest.mark.parametrize("name", CONVENTIONS)
def test_features_do_not_change_under_exchange_of_axes_and_reflection(name):
    positions = box()
    edges = periodic_pairs(positions, 0.1)
    turned = 1.0 - positions[:, [2, 0, 1]]
    before = edge_features(positions, edges, 0.1, CONVENTIONS[name])
    after = edge_features(turned, edges, 0.1, CONVENTIONS[name])
    tolerance = 1e-10 if CONVENTIONS[name].precision is np.float64 else 2e-3
    assert np.abs(before - after).max() < tolerance


def test_features_by_hand():
    # Two galaxies across the seam and one opposite; centroid y, z = 0.5.
    positions = np.array([[0.98, 0.5, 0.5], [0.02, 0.5, 0.5], [0.0, 0.5, 0.6], [0.0, 0.5, 0.4]])
    edges = np.array([[0, 1, 2], [1, 0, 3]])
    features = edge_features(positions, edges, 0.08, PERIODIC)
    expected = [[0.5, -1, 1], [0.5, -1, 1], [2.5, -1, 1]]
    assert features == pytest.approx(np.array(expected), abs=1e-12)
    graph = build_graph(positions, {"vmax": np.ones(4)}, 0.08, "vmax")
    assert graph.edge_attr[graph.edge_index[0] == graph.edge_index[1]].tolist() == 4 * [[0, 1, 0]]


@pytest.mark.parametrize("name", CONVENTIONS)
def test_coincident_and_central_galaxies_stay_finite(name):
    positions = np.full((3, 3), 0.5)
    edges = periodic_pairs(positions, 0.1)
    features = edge_features(positions, edges, 0.1, CONVENTIONS[name])
    assert np.isfinite(features).all()


def test_circular_mean_moves_with_the_galaxies():
    positions = box()
    moved = circular_mean(np.mod(positions + 0.37, 1.0))
    difference = moved - circular_mean(positions) - 0.37
    assert np.abs(difference - np.round(difference)).max() < 1e-12


def test_circular_mean_of_a_perfect_lattice_is_finite():
    axis = np.arange(4) / 4
    lattice = np.stack(np.meshgrid(axis, axis, axis), -1).reshape(-1, 3)
    assert np.isfinite(circular_mean(lattice)).all()
    edges = periodic_pairs(lattice, 0.26)
    assert np.isfinite(edge_features(lattice, edges, 0.26, PERIODIC)).all()


def test_only_gnn_domainadapt_wraps_vectors_from_the_plain_centroid():
    pair = [[0.98, 0.5, 0.5], [0.97, 0.52, 0.5]]
    positions = np.array([*pair, [0.1, 0.4, 0.6], [0.1, 0.6, 0.5], [0.1, 0.5, 0.4]])
    edges = np.array([[0], [1]])
    centre = positions.mean(0)
    assert positions[0, 0] - centre[0] > 0.5  # so that wrapping matters

    def cosines(wrap: bool) -> tuple[float, float]:
        r, c = positions[0] - centre, positions[1] - centre
        if wrap:
            r, c = r - np.round(r), c - np.round(c)
        d = positions[0] - positions[1]
        unit = [v / np.linalg.norm(v) for v in (r, c, d)]
        return float(unit[0] @ unit[1]), float(unit[0] @ unit[2])

    for name, wrap in (("published", True), ("cosmographnet", False)):
        features = edge_features(positions, edges, 0.05, CONVENTIONS[name])
        assert features[0, 1:] == pytest.approx(cosines(wrap), abs=1e-5)
