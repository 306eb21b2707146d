"""Power, haloes and growth against the definitions that they must satisfy."""

import sys

import numpy as np
import pytest
from scipy.integrate import quad, simpson

from dagnn.errors import MissingPackageError
from dagnn.mocks.cosmology import expansion, growth, tabulate


@pytest.mark.parametrize(("omega_m", "sigma_8"), [(0.1, 0.6), (0.3, 0.8), (0.5, 1.0)])
def test_power_integrates_to_sigma_8(omega_m, sigma_8):
    cosmology = tabulate(omega_m, sigma_8)
    k = np.geomspace(1e-3, 1e2, 4000)
    x = 8.0 * k
    window = 3.0 * (np.sin(x) - x * np.cos(x)) / x**3
    variance = simpson(cosmology.power(k) * (window * k) ** 2 * k / (2 * np.pi**2), x=np.log(k))
    assert np.sqrt(variance) == pytest.approx(sigma_8, rel=0.01)


@pytest.mark.parametrize("omega_m", [0.1, 0.3, 0.5])
def test_growth_solves_its_equation(omega_m):
    a = np.array([0.2, 0.5, 0.9])
    factor, momentum = growth(omega_m, a)

    def raw(scale):
        return (
            expansion(omega_m, scale)
            * quad(lambda x: (x * float(expansion(omega_m, x))) ** -3, 1e-9, scale)[0]
        )

    np.testing.assert_allclose(factor, [raw(s) / raw(1.0) for s in a], rtol=1e-5)
    step = 1e-3
    slope = (growth(omega_m, a + step)[0] - growth(omega_m, a - step)[0]) / (2 * step)
    np.testing.assert_allclose(momentum, a**3 * expansion(omega_m, a) * slope, rtol=1e-4)


def test_mass_above_inverts_the_mass_function():
    cosmology = tabulate(0.3, 0.8)
    mass = np.array([2e10, 1e12, 1e14])
    density = np.interp(np.log(mass), cosmology.log_mass, cosmology.cumulative)
    np.testing.assert_allclose(cosmology.mass_above(density), mass, rtol=0.02)
    assert (cosmology.mass_200c(mass) < mass).all()  # 200c is the denser definition


def test_without_colossus_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "colossus.cosmology", None)
    with pytest.raises(MissingPackageError, match=r"pip install \"dagnn\[mocks\]\""):
        tabulate(0.3, 0.8)


def test_colossus_writes_no_cache_files(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    tabulate(0.31, 0.79)
    assert not list(tmp_path.iterdir())
