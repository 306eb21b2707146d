"""Patches exclude each other, haloes follow the mass function, satellites follow NFW."""

import numpy as np
import pytest

from dagnn.mocks.cosmology import tabulate
from dagnn.mocks.field import BOX, MESH, find_patches, linear_field
from dagnn.mocks.haloes import Haloes, abundance_boost, add_subhaloes, collapse, draw_radii
from dagnn.mocks.suites import SUITES, relations


@pytest.fixture(scope="module")
def cosmology():
    return tabulate(0.3, 0.8)


@pytest.fixture(scope="module")
def patches(cosmology):
    return [
        find_patches(linear_field(cosmology, np.random.default_rng(seed))) for seed in range(12)
    ]


def test_no_patch_begins_inside_a_larger_one(patches):
    first = patches[0]
    for later in range(1, 60):
        apart = np.abs(first.cell[:later] - first.cell[later])
        apart = np.minimum(apart, MESH - apart)
        distance = np.sqrt((apart**2).sum(axis=1)) * BOX / MESH
        assert (distance > first.radius[:later] - 1e-9).all()


def test_halo_counts_follow_the_mass_function(cosmology, patches):
    masses = [
        collapse(cosmology, found, np.random.default_rng(100 + seed))[0]
        for seed, found in enumerate(patches)
    ]
    for threshold in (1.5e10, 1e11, 1e12, 1e13):
        counts = np.array([(mass > threshold).sum() for mass in masses])
        expected = BOX**3 * np.interp(np.log(threshold), cosmology.log_mass, cosmology.cumulative)
        # 4 Poisson errors of the sum, and 3% for the fitted table of ranks
        tolerance = 4 * np.sqrt(expected * len(masses)) + 0.03 * expected * len(masses)
        assert abs(counts.sum() - expected * len(masses)) < tolerance


def test_boxes_with_larger_patches_get_more_mass(cosmology, patches):
    """The halo abundance follows the field: repeated draws on one field agree."""
    top = [
        [np.sort(collapse(cosmology, p, np.random.default_rng(n))[0])[-5:].mean() for n in (0, 1)]
        for p in patches
    ]
    assert np.corrcoef(np.log(top).T)[0, 1] > 0.7


def test_radii_follow_the_nfw_mass_profile():
    concentration = 8.0
    radii = draw_radii(np.full(40000, concentration), np.random.default_rng(0))
    levels = np.array([0.05, 0.2, 0.5, 0.8])
    x = concentration * levels
    enclosed = (np.log1p(x) - x / (1 + x)) / (np.log1p(8.0) - 8.0 / 9.0)
    np.testing.assert_allclose([(radii < level).mean() for level in levels], enclosed, atol=0.01)


@pytest.mark.parametrize("name", SUITES)
def test_satellites_stay_in_their_halo_and_in_the_box(cosmology, name):
    suite = SUITES[name]
    haloes = Haloes(np.full(30, 5e13), np.full((30, 3), 24.9), np.zeros((30, 3)))
    structures = add_subhaloes(cosmology, haloes, suite, 1.0, np.random.default_rng(1))
    offset = structures.position[structures.satellite] - 24.9
    offset -= BOX * np.round(offset / BOX)
    edge = cosmology.radius_200m(np.array([5e13]))[0]
    assert structures.satellite.sum() > 100
    assert (np.linalg.norm(offset, axis=1) <= edge * 1.0001).all()
    assert (structures.position >= 0).all() and (structures.position < BOX).all()
    assert (structures.mass[structures.satellite] <= 5e13).all()
    # virial motion: σ_1D = √(GM/2R)
    speed = structures.velocity[structures.satellite].std()
    assert speed == pytest.approx(np.sqrt(4.30091e-9 * 5e13 / edge / 2), rel=0.1)


def test_stronger_winds_and_more_baryons_leave_more_satellites():
    suite, low, high = (
        relations("tng"),
        {"Omega_m": 0.3, "A_SN2": 0.5},
        {"Omega_m": 0.3, "A_SN2": 2},
    )
    assert abundance_boost(suite, low) < abundance_boost(suite, high)
    assert abundance_boost(suite, {"Omega_m": 0.1, "A_SN2": 1}) > 1
