"""Periodic pairs against brute force, and their order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagnn.graphs import periodic_pairs
from dagnn.graphs.neighbors import close_pairs


def brute_force(positions: np.ndarray, radius: float) -> set[tuple[int, int]]:
    distance = np.abs(positions[:, None] - positions[None])
    distance = np.minimum(distance, 1 - distance)
    close = (distance**2).sum(-1) <= radius**2
    np.fill_diagonal(close, False)
    return set(zip(*map(np.ndarray.tolist, np.nonzero(close)), strict=True))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    galaxies=st.integers(1, 120),
    radius=st.floats(1e-3, 0.4999),
    clustered=st.booleans(),
)
def test_pairs_equal_brute_force_for_any_radius_below_half_the_box(
    seed, galaxies, radius, clustered
):
    rng = np.random.default_rng(seed)
    positions = rng.random((galaxies, 3))
    if clustered:  # half of them in one clump on the corner of the box
        positions[::2] = np.mod(rng.normal(0, 0.02, positions[::2].shape), 1.0)
    edges = periodic_pairs(positions, radius)
    found = [tuple(edge) for edge in edges.T.tolist()]
    assert len(found) == len(set(found))
    assert set(found) == brute_force(positions, radius)


def as_set(first: np.ndarray, second: np.ndarray) -> set[tuple[int, int]]:
    pairs = list(zip(first.tolist(), second.tolist(), strict=True))
    assert len(pairs) == len(set(map(frozenset, pairs))), "every pair once"
    return {*pairs, *((b, a) for a, b in pairs)}


@pytest.mark.parametrize("radius", [0.004, 0.015, 0.05])
@pytest.mark.parametrize("box", [1.0, 1.0001, 25.0])
@pytest.mark.parametrize("galaxies", [300, 600, 900])
def test_pairs_are_found_once_in_boxes_of_any_length(radius, box, galaxies):
    positions = np.random.default_rng(galaxies).random((galaxies, 3))
    positions[::9] = np.mod(0.05 * positions[::9] - 0.02, 1.0)  # a clump on the corner
    expected = brute_force(positions, radius)
    assert as_set(*close_pairs(box * positions, box * radius, box)) == expected


@pytest.mark.parametrize(("radius", "neighbours"), [(0.15, 0), (0.168, 6), (0.237, 18)])
def test_galaxies_on_a_lattice_of_equal_heights_find_their_neighbours(radius, neighbours):
    lattice = np.stack(np.meshgrid(*3 * [np.arange(6) / 6]), -1).reshape(-1, 3)
    first, second = close_pairs(lattice, radius)
    assert (np.bincount([*first, *second], minlength=216) == neighbours).all()


@pytest.mark.parametrize("divisor", [3, 5, 66, 173])
def test_galaxies_a_rounding_from_a_face_are_paired_once(divisor):
    for box in (1.0, 25.0, 205.0):
        radius = 0.999 * box / divisor
        ends = np.array([0.0, 1e-15 * box, box / 3, np.nextafter(box, 0), box * (1 - 1e-14)])
        positions = np.stack(np.meshgrid(ends, ends, ends), -1).reshape(-1, 3)
        found = as_set(*close_pairs(positions, radius, box))
        assert found == brute_force(positions / box, 0.999 / divisor)


def test_galaxies_in_one_place_are_pairs():
    edges = periodic_pairs(np.repeat([[0.2, 0.0, 0.9], [0.7, 0.5, 0.5]], 20, axis=0), 0.01)
    assert (np.bincount(edges[1], minlength=40) == 19).all()


def test_pairs_have_no_cap_on_neighbours():
    clump = 0.5 + 0.001 * np.random.default_rng(0).random((300, 3))
    assert periodic_pairs(clump, 0.1).shape == (2, 300 * 299)


def test_pairs_are_sorted_by_receiver_then_sender_and_deterministic():
    positions = np.random.default_rng(1).random((200, 3))
    edges = periodic_pairs(positions, 0.2)
    order = np.lexsort(edges)
    assert (order == np.arange(edges.shape[1])).all()
    assert edges.dtype == np.int64
    assert edges.tobytes() == periodic_pairs(positions.copy(), 0.2).tobytes()


def test_self_loops_are_sorted_in():
    edges = periodic_pairs(np.random.default_rng(1).random((50, 3)), 0.2, self_loops=True)
    assert (edges[0] == edges[1]).sum() == 50
    assert (np.diff(edges[1]) >= 0).all()


def test_positions_on_and_outside_the_box_are_wrapped():
    positions = np.array([[1.0, 0.5, 0.5], [-1e-18, 0.5, 0.5], [2.01, 0.5, 0.5], [0.5, 0.5, 0.5]])
    edges = periodic_pairs(positions, 0.02)
    pairs = {tuple(edge) for edge in edges.T.tolist()}
    assert pairs == {(i, j) for i in range(3) for j in range(3) if i != j}


def test_single_precision_that_rounds_to_the_box_length_is_accepted():
    positions = np.array([[np.float32(1.0 - 1e-9), 0.1, 0.1], [0.001, 0.1, 0.1]], dtype=np.float32)
    assert periodic_pairs(positions, 0.01).shape == (2, 2)


def test_one_galaxy_has_no_pairs():
    assert periodic_pairs(np.full((1, 3), 0.5), 0.1).shape == (2, 0)


@pytest.mark.parametrize("radius", [0.0, -0.1, 0.5, 0.7, float("nan")])
def test_impossible_radius_is_refused_with_advice(radius):
    with pytest.raises(ValueError, match=r"between 0 and half the box.*divide by the box"):
        periodic_pairs(np.random.default_rng(0).random((5, 3)), radius)


def test_nan_position_is_refused():
    with pytest.raises(ValueError, match="NaN or infinite"):
        periodic_pairs(np.array([[0.1, np.nan, 0.2]]), 0.1)
