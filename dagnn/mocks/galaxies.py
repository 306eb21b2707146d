"""Galaxies of a suite: stellar mass, size, metallicity and rotation from halo and feedback."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dagnn.mocks.cosmology import COSMIC_BARYONS, GRAVITY, OMEGA_B, Cosmology, Floats
from dagnn.mocks.haloes import Structures, mass_in_profile
from dagnn.mocks.suites import Relations

FEWEST_STARS = 10  # star particles below which a catalogue lists no galaxy
_RADII = np.geomspace(0.7e-3, 1.0, 48)  # Mpc/h, where circular velocities are evaluated


@dataclass(frozen=True)
class Galaxies:
    """One mock catalogue, in the units of CAMELS group files where not said otherwise.

    Attributes:
        position: comoving Mpc/h in [0, box) ``[G, 3]``.
        velocity: peculiar, km/s, ``[G, 3]``.
        stellar_mass: Msun/h ``[G]``.
        dark_mass: Msun/h ``[G]``.
        gas_mass: Msun/h ``[G]``.
        star_particles: how many star particles ``[G]``.
        size: stellar half-mass radius, comoving kpc/h, ``[G]``.
        metallicity: stellar metal mass fraction ``[G]``.
        v_max: maximum circular velocity, km/s, ``[G]``.
        satellite: whether it lives in a larger halo ``[G]``.
    """

    position: Floats
    velocity: Floats
    stellar_mass: Floats
    dark_mass: Floats
    gas_mass: Floats
    star_particles: NDArray[np.int64]
    size: Floats
    metallicity: Floats
    v_max: Floats
    satellite: NDArray[np.bool_]

    def __len__(self) -> int:
        return int(self.stellar_mass.size)


def feedback(parameters: Mapping[str, float]) -> dict[str, float]:
    """Return lg of the four feedback parameters (A_AGN1 changes nothing visible, as in CAMELS)."""
    return {name: float(np.log10(parameters[name])) for name in ("A_SN1", "A_SN2", "A_AGN2")}


def stellar_mass(
    mass: Floats,
    concentration: Floats,
    baryons: float,
    suite: Relations,
    lg: Mapping[str, float],
    rng: np.random.Generator,
) -> Floats:
    """Return stellar masses, Msun/h, from a double power law with feedback responses.

    Args:
        mass: M200c, Msun/h, ``[S]``.
        concentration: c200c ``[S]``.
        baryons: Ω_b/Ω_m of the box.
        suite: the suite's relations.
        lg: logarithms of the feedback parameters.
        rng: random stream.

    References:
        Moster et al. 2010 (arXiv:0903.4682), equation 2, for the double power law.
    """
    log_mass = np.log10(mass)
    x = 10.0 ** (log_mass - suite.log_turnover)
    shape = COSMIC_BARYONS * 2.0 * suite.efficiency / (x**-suite.low_slope + x**suite.high_slope)
    small = 1.0 / (1.0 + 10.0 ** (1.5 * (log_mass - 12.0)))
    response = small * (suite.supernova_energy * lg["A_SN1"] + suite.supernova_speed * lg["A_SN2"])
    response += suite.black_hole_speed * (1.0 - small) * lg["A_AGN2"]
    reference = 9.0 * (mass / 1e11) ** -0.09
    assembly = suite.assembly * np.log10(concentration / reference)
    width = np.sqrt(suite.mass_scatter**2 + 0.12**2 * np.maximum(12.0 - log_mass, 0.0))
    lg_stars = log_mass + np.log10(shape) + response + assembly
    lg_stars += suite.baryon_power * np.log10(baryons / COSMIC_BARYONS)
    lg_stars += width * rng.standard_normal(mass.size)
    return np.minimum(10.0**lg_stars, 0.6 * baryons * mass)


def half_mass_radius(
    log_mass: Floats, log_stars: Floats, suite: Relations, rng: np.random.Generator
) -> Floats:
    """Return stellar half-mass radii, comoving kpc/h, larger in larger haloes."""
    lg = suite.log_size + 0.03 * (log_stars - 9.0)
    lg += (suite.size_slope - 0.03) * np.log10(1.0 + 10.0 ** (log_stars - 10.5))
    lg += (log_mass - 11.0 - 0.45 * (log_stars - 9.0)) / 12.0
    return np.asarray(10.0 ** (lg + suite.size_scatter * rng.standard_normal(lg.size)))


def metal_fraction(
    log_stars: Floats, suite: Relations, lg: Mapping[str, float], rng: np.random.Generator
) -> Floats:
    """Return stellar metallicities, rising with mass and flattening at the top."""
    rise = suite.metallicity_slope * (np.minimum(log_stars, 11.2) - 9.0)
    bend = 0.06 * np.maximum(log_stars - 10.0, 0.0) ** 2
    mean = suite.log_metallicity + rise - bend - 0.15 * lg["A_SN1"]
    return np.asarray(10.0 ** (mean + suite.metallicity_scatter * rng.standard_normal(mean.size)))


def hernquist_mass(radius: Floats, total: Floats, scale: Floats) -> Floats:
    """Return the mass inside radii ``[R]`` of Hernquist spheres ``[G]``, as ``[G, R]``."""
    share = radius[None, :] / (radius[None, :] + scale[:, None])
    return np.asarray(total[:, None] * share**2)


def retained_baryons(log_mass: Floats, suite: Relations) -> Floats:
    """Return the part of its cosmic baryons that a halo has kept."""
    rise = suite.retained_high - suite.retained_low
    return suite.retained_low + rise / (1.0 + 10.0 ** (-1.2 * (log_mass - 12.5)))


def peak_velocity(
    mass: Floats,
    concentration: Floats,
    radius: Floats,
    dark_share: Floats,
    stars: Floats,
    gas: Floats,
    size: Floats,
) -> Floats:
    """Return the maximum circular velocity, km/s, of halo, stars and gas disc.

    The dark halo is an NFW profile pulled inwards where stars dominate, by the
    factor 1 + 0.8 M*/(M_dark + M*).

    Args:
        mass: M200c, Msun/h, ``[G]``.
        concentration: c200c ``[G]``.
        radius: R200c, Mpc/h, ``[G]``.
        dark_share: what is left of the halo after the loss of baryons ``[G]``.
        stars: stellar mass, Msun/h, ``[G]``.
        gas: gas mass of the galaxy, Msun/h, ``[G]``.
        size: stellar half-mass radius, Mpc/h, ``[G]``.
    """
    scaled = _RADII[None, :] * (concentration / radius)[:, None]
    inside = mass_in_profile(scaled) / mass_in_profile(concentration)[:, None]
    dark = (mass * dark_share)[:, None] * inside
    scale = size / 2.414  # half of a Hernquist sphere's mass lies within 2.414 scales
    bulge = hernquist_mass(_RADII, stars, scale)
    disc = hernquist_mass(_RADII, gas, 3.0 * scale)
    dark *= 1.0 + 0.8 * bulge / (dark + bulge)
    return np.asarray(np.sqrt(GRAVITY * (dark + bulge + disc) / _RADII).max(axis=1))


def _take(structures: Structures, keep: NDArray[np.bool_]) -> Structures:
    return Structures(
        structures.mass[keep],
        structures.position[keep],
        structures.velocity[keep],
        structures.satellite[keep],
    )


def populate(
    cosmology: Cosmology,
    structures: Structures,
    suite: Relations,
    parameters: Mapping[str, float],
    rng: np.random.Generator,
) -> Galaxies:
    """Fill haloes and subhaloes with the galaxies of a suite.

    Returns:
        The galaxies with at least ten star particles.
    """
    lg = feedback(parameters)
    baryons = OMEGA_B / cosmology.omega_m
    every_mass = cosmology.mass_200c(structures.mass)
    every_concentration = cosmology.concentration(structures.mass)
    every_stars = stellar_mass(every_mass, every_concentration, baryons, suite, lg, rng)
    noise = 1.0 + 0.05 * rng.standard_normal(every_stars.size)
    particles = np.rint(every_stars / suite.star_particle * noise).astype(np.int64)
    keep = particles >= FEWEST_STARS

    host = _take(structures, keep)
    mass, concentration, stars = every_mass[keep], every_concentration[keep], every_stars[keep]
    log_mass, log_stars = np.log10(mass), np.log10(stars)
    size = half_mass_radius(log_mass, log_stars, suite, rng)
    gas = stars * 10.0 ** (suite.log_gas - 0.5 * (log_stars - 9.0))
    gas = np.where(host.satellite, 0.5 * gas, gas)
    kept = retained_baryons(log_mass, suite)
    v_max = peak_velocity(
        mass,
        concentration,
        cosmology.radius_200c(mass),
        1.0 - baryons * (1.0 - kept),
        stars,
        gas,
        size * 1e-3,
    )
    v_max = v_max * 10.0 ** (0.04 * rng.standard_normal(stars.size))
    stripped = 0.87 * 10.0 ** (0.09 * rng.standard_normal(stars.size))
    return Galaxies(
        position=host.position,
        velocity=host.velocity,
        stellar_mass=stars,
        dark_mass=host.mass * (1.0 - baryons),
        gas_mass=gas,
        star_particles=particles[keep],
        size=size,
        metallicity=metal_fraction(log_stars, suite, lg, rng),
        v_max=np.where(host.satellite, v_max * stripped, v_max),
        satellite=host.satellite,
    )
