"""The field has the power it was asked for, and gravity grows it as linear theory says."""

import numpy as np
import pytest

from dagnn.mocks.cosmology import tabulate
from dagnn.mocks.field import (
    BOX,
    MESH,
    cloud_in_cell,
    evolve,
    flat_index,
    linear_field,
    mean_over_patches,
    minus_inverse_gradient,
    sphere,
    squared_wavenumber,
)


@pytest.fixture(scope="module")
def cosmology():
    return tabulate(0.3, 0.8)


def test_field_has_the_linear_power(cosmology):
    k_squared = squared_wavenumber()
    shell = (k_squared > 4.0) & (k_squared < 16.0)
    ratios = []
    for seed in range(4):
        modes = linear_field(cosmology, np.random.default_rng(seed))
        measured = np.abs(modes[shell]) ** 2 * BOX**3 / MESH**6
        ratios.append(np.mean(measured / cosmology.power(np.sqrt(k_squared[shell]))))
        assert modes[0, 0, 0] == 0
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.03)


def test_cloud_in_cell_conserves_mass_and_reproduces_linear_fields():
    rng = np.random.default_rng(0)
    position = rng.uniform(-MESH, 2 * MESH, (50, 3)).astype(np.float32)
    weights = cloud_in_cell(position)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-5)
    inside = rng.uniform(1, MESH - 2, (50, 3)).astype(np.float32)
    lattice = np.indices((MESH, MESH, MESH), dtype=np.float32).reshape(3, -1).T
    np.testing.assert_allclose(cloud_in_cell(inside) @ lattice, inside, rtol=1e-5)


def test_a_small_plane_wave_moves_by_the_linear_displacement():
    modes = np.zeros((MESH, MESH, MESH // 2 + 1), dtype=np.complex64)
    modes[2, 0, 0] = modes[-2, 0, 0] = 1e-3 * MESH**3
    motion = evolve(modes, 0.3)
    linear = minus_inverse_gradient(modes)
    growth = (motion.displacement[:, 0] @ linear[:, 0]) / (linear[:, 0] @ linear[:, 0])
    assert growth == pytest.approx(1.0, abs=0.03)
    assert np.abs(motion.displacement[:, 1:]).max() < 1e-3 * np.abs(linear).max()
    # v = 100 f ψ km/s per Mpc/h, with f = Ω_m^0.55
    slope = (motion.velocity[:, 0] @ linear[:, 0]) / (linear[:, 0] @ linear[:, 0])
    assert slope == pytest.approx(100 * 0.3**0.55, rel=0.03)


def test_large_scales_grow_to_linear_theory():
    # A low amplitude keeps even this small box linear on its largest scales.
    cosmology = tabulate(0.3, 0.02)
    modes = linear_field(cosmology, np.random.default_rng(1))
    motion = evolve(modes, 0.3)
    lattice = np.indices((MESH, MESH, MESH), dtype=np.float32).reshape(3, -1).T
    weights = cloud_in_cell(lattice + motion.displacement * np.float32(MESH / BOX))
    density = weights.T @ np.ones(MESH**3, dtype=np.float32) - 1.0
    evolved = np.fft.rfftn(density.reshape(MESH, MESH, MESH))
    large = (squared_wavenumber() < 0.75**2) & (squared_wavenumber() > 0)
    ratio = np.sum(np.abs(evolved[large]) ** 2) / np.sum(np.abs(modes[large]) ** 2)
    assert ratio == pytest.approx(1.0, abs=0.06)


def test_mean_over_patches_equals_a_plain_loop():
    rng = np.random.default_rng(2)
    field = rng.normal(size=(MESH**3, 2)).astype(np.float32)
    cell = rng.integers(0, MESH, (5, 3))
    reach = np.array([0.0, 1.5, 1.5, 3.0, 3.0])
    for row, average in enumerate(mean_over_patches(field, cell, reach)):
        index = flat_index(cell[row] + sphere(reach[row]))
        np.testing.assert_allclose(average, field[index].mean(axis=0), rtol=1e-5, atol=1e-6)
