"""What a cosmology fixes before any galaxy forms: power, haloes, concentrations, growth.

A thin layer over colossus (Diemer 2018, arXiv:1712.04512), evaluated once per
parameter row, without the cache files that colossus writes by default.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_simpson, simpson

from dagnn.errors import MissingPackageError

H0 = 67.11
HUBBLE = H0 / 100.0
OMEGA_B = 0.049
COSMIC_BARYONS = 0.1633  # Ω_b/Ω_m at the fiducial Ω_m = 0.3
N_S = 0.9624
CRITICAL_DENSITY = 2.77536627e11  # h² Msun / Mpc³
GRAVITY = 4.30091e-9  # Mpc (km/s)² / Msun
MINIMUM_MASS = 1.2e10  # Msun/h (200m): smaller haloes hold no galaxy of ten star particles

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cosmology:
    """Tables of one flat cosmology at redshift 0.

    Attributes:
        omega_m: matter density.
        sigma_8: normalisation of the linear power spectrum.
        log_k: natural log of wavenumbers, h/Mpc, ``[K]``.
        log_power: natural log of the linear power, (Mpc/h)³, ``[K]``.
        log_mass: natural log of M200m, Msun/h, ascending from the smallest halo, ``[M]``.
        cumulative: number density of haloes above each mass, (h/Mpc)³, ``[M]``.
        log_mass_200c: natural log of M200c of the same haloes, ``[M]``.
        log_concentration: natural log of their median c200c, ``[M]``.
    """

    omega_m: float
    sigma_8: float
    log_k: Floats
    log_power: Floats
    log_mass: Floats
    cumulative: Floats
    log_mass_200c: Floats
    log_concentration: Floats

    @property
    def matter_density(self) -> float:
        """Mean comoving matter density, h² Msun/Mpc³."""
        return self.omega_m * CRITICAL_DENSITY

    def power(self, k: NDArray[np.floating]) -> Floats:
        """Return the linear power, (Mpc/h)³, at wavenumbers ``k`` > 0 in h/Mpc."""
        return np.asarray(np.exp(np.interp(np.log(k), self.log_k, self.log_power)))

    def mass_above(self, density: Floats) -> Floats:
        """Return the M200m, Msun/h, above which haloes have a number density, (h/Mpc)³."""
        log_density = np.log(np.maximum(self.cumulative[::-1], 1e-300))
        return np.asarray(np.exp(np.interp(np.log(density), log_density, self.log_mass[::-1])))

    def mass_200c(self, mass: Floats) -> Floats:
        """Return M200c, Msun/h, of haloes of M200m ``mass``."""
        return np.exp(np.interp(np.log(mass), self.log_mass, self.log_mass_200c))

    def concentration(self, mass: Floats) -> Floats:
        """Return the median c200c of haloes of M200m ``mass``."""
        return np.exp(np.interp(np.log(mass), self.log_mass, self.log_concentration))

    def radius_200m(self, mass: Floats) -> Floats:
        """Return R200m, Mpc/h, of haloes of M200m ``mass``."""
        return np.cbrt(3.0 * mass / (800.0 * np.pi * self.matter_density))

    def radius_200c(self, mass_200c: Floats) -> Floats:
        """Return R200c, Mpc/h, of haloes of M200c ``mass_200c``."""
        return np.cbrt(3.0 * mass_200c / (800.0 * np.pi * CRITICAL_DENSITY))


def tabulate(omega_m: float, sigma_8: float) -> Cosmology:
    """Compute the tables of one cosmology (about 0.05 s).

    Eisenstein & Hu 1998 power (astro-ph/9709112), Tinker et al. 2008 mass
    function for 200 times the mean density (arXiv:0803.2706), Diemer & Joyce
    2019 median concentrations (arXiv:1809.07326).

    Raises:
        MissingPackageError: colossus is not installed.
    """
    try:
        from colossus.cosmology import cosmology as library
        from colossus.halo import concentration, mass_defs
        from colossus.lss import mass_function
    except ImportError as error:
        raise MissingPackageError(
            "Mock universes need colossus, which is not installed. "
            'Install it with: pip install "dagnn[mocks]"'
        ) from error
    here = library.Cosmology(
        name=f"dagnn {omega_m} {sigma_8}",
        flat=True,
        H0=H0,
        Om0=omega_m,
        Ob0=OMEGA_B,
        sigma8=sigma_8,
        ns=N_S,
        relspecies=False,
        persistence="",
    )
    library.setCurrent(here)
    k = np.geomspace(1e-3, 1e2, 400)
    critical = np.geomspace(0.4 * MINIMUM_MASS, 10**15.7, 160)  # M200c
    median = concentration.concentration(critical, "200c", 0.0, model="diemer19")
    mass, _, _ = mass_defs.changeMassDefinition(critical, median, 0.0, "200c", "200m")
    log_mass = np.linspace(np.log(MINIMUM_MASS), np.log(10**15.7), 240)
    density = mass_function.massFunction(
        np.exp(log_mass), 0.0, mdef="200m", model="tinker08", q_out="dndlnM"
    )
    from_top = cumulative_simpson(density[::-1], dx=log_mass[1] - log_mass[0], initial=0.0)
    return Cosmology(
        omega_m=omega_m,
        sigma_8=sigma_8,
        log_k=np.log(k),
        log_power=np.log(here.matterPowerSpectrum(k, model="eisenstein98")),
        log_mass=log_mass,
        cumulative=np.maximum.accumulate(from_top)[::-1],
        log_mass_200c=np.interp(log_mass, np.log(mass), np.log(critical)),
        log_concentration=np.interp(log_mass, np.log(mass), np.log(median)),
    )


def expansion(omega_m: float, a: NDArray[np.floating] | float) -> Floats:
    """Return E(a) = H(a)/H0 of a flat universe of matter and a cosmological constant."""
    scale = np.asarray(a, dtype=np.float64)
    return np.sqrt(omega_m * scale**-3 + 1.0 - omega_m)


def growth(omega_m: float, a: NDArray[np.floating]) -> tuple[Floats, Floats]:
    """Return the linear growth D(a), D(1) = 1, and its momentum a³ E dD/da.

    D ∝ E ∫₀^a da' / (a' E)³ (Heath 1977); the momentum a³ E D' is what a particle
    of unit Zel'dovich displacement carries, in units of H0.

    Args:
        omega_m: matter density today.
        a: scale factors ``[A]``.

    Returns:
        D ``[A]`` and a³ E D' ``[A]``.

    Example:
        >>> D, momentum = growth(1.0, np.array([0.25, 1.0]))
        >>> np.round(D, 4), np.round(momentum, 4)
        (array([0.25, 1. ]), array([0.125, 1. ]))
    """
    scale = np.append(np.asarray(a, dtype=np.float64), 1.0)
    nodes = scale[:, None] * np.linspace(0.0, 1.0, 257)[None, 1:]
    integrand = (nodes * expansion(omega_m, nodes)) ** -3
    integrand = np.concatenate([np.zeros((scale.size, 1)), integrand], axis=1)
    integral = simpson(integrand, dx=1.0 / 256.0, axis=1) * scale
    rate = expansion(omega_m, scale)
    raw = rate * integral
    # dD/da = E' ∫ + E (aE)⁻³, with E' = −3 Ω_m / (2 a⁴ E)
    slope = -1.5 * omega_m * scale**-4 / rate * integral + rate * (scale * rate) ** -3
    momentum = scale**3 * rate * slope
    return raw[:-1] / raw[-1], momentum[:-1] / raw[-1]
