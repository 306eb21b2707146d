"""The estimator against a direct sum and against the public bins."""

import numpy as np

from dagnn.mocks.power import galaxy_power, shell_wavenumbers


def test_power_equals_a_direct_sum():
    rng = np.random.default_rng(0)
    position = rng.uniform(0, 25, (40, 3))
    axis = np.arange(-4, 5)
    waves = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    length = np.linalg.norm(waves, axis=1)
    phases = np.exp(-2j * np.pi / 25 * position @ waves.T)
    strength = np.abs(phases.sum(axis=0)) ** 2 * 25.0**3 / 40**2
    direct = [strength[(length >= n) & (length < n + 1)].mean() for n in (1, 2, 3)]
    np.testing.assert_allclose(galaxy_power(position, bins=3), direct, rtol=1e-4)


def test_random_points_have_shot_noise():
    position = np.random.default_rng(1).uniform(0, 25, (500, 3))
    power = galaxy_power(position, bins=30)
    assert abs(power[10:].mean() / (25.0**3 / 500) - 1) < 0.03


def test_bins_are_those_of_the_public_spectra(shared):
    known = np.loadtxt(shared / "camels" / "k_values.txt")
    np.testing.assert_allclose(shell_wavenumbers(), known, rtol=1e-10)
