"""Satellites: how many, how heavy, and where in their halo."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dagnn.mocks.cosmology import (
    COSMIC_BARYONS,
    GRAVITY,
    MINIMUM_MASS,
    OMEGA_B,
    Cosmology,
    Floats,
)
from dagnn.mocks.field import BOX
from dagnn.mocks.haloes import Haloes
from dagnn.mocks.suites import Relations

_RATIOS = np.geomspace(MINIMUM_MASS / 10**15.7, 1.0, 400)  # m/M


@dataclass(frozen=True)
class Structures:
    """Everything that can hold a galaxy: distinct haloes first, then their subhaloes.

    Attributes:
        mass: M200m of a halo; of a subhalo its mass at infall; Msun/h, ``[S]``.
        position: comoving Mpc/h in [0, box) ``[S, 3]``.
        velocity: peculiar, km/s, ``[S, 3]``.
        satellite: whether it lives in a larger halo ``[S]``.
    """

    mass: Floats
    position: Floats
    velocity: Floats
    satellite: NDArray[np.bool_]


def subhalo_abundance(ratio: Floats) -> Floats:
    """Return dN/dln ψ for ψ = m/M before suite effects (unevolved first-order subhaloes).

    The double power law of Jiang & van den Bosch 2014 (arXiv:1311.5225), equation 21.
    """
    return (0.13 * ratio**-0.83 + 1.33 * ratio**-0.02) * np.exp(-5.67 * ratio**1.19)


def mass_in_profile(x: Floats) -> Floats:
    """Return the NFW mass inside x = r/r_s, in units of 4π ρ_s r_s³: ln(1+x) − x/(1+x)."""
    return np.log1p(x) - x / (1.0 + x)


def draw_radii(concentration: Floats, rng: np.random.Generator) -> Floats:
    """Draw radii r/R ≤ 1 from NFW profiles by inverting the enclosed mass.

    Args:
        concentration: R/r_s of each halo ``[S]``.
        rng: random stream.

    Returns:
        Radii in units of R ``[S]``.
    """
    x = np.geomspace(1e-4, 100.0, 4000)
    target = rng.uniform(size=concentration.size) * mass_in_profile(concentration)
    return np.interp(target, mass_in_profile(x), x) / concentration


def draw_directions(count: int, rng: np.random.Generator) -> Floats:
    """Draw isotropic unit vectors ``[count, 3]``."""
    vectors = rng.standard_normal((count, 3))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def abundance_boost(suite: Relations, parameters: Mapping[str, float]) -> float:
    """Return the factor on the subhalo abundance from winds and from the baryon fraction.

    Satellites with more baryons are bound more tightly and outlive their fall.
    """
    baryons = OMEGA_B / parameters["Omega_m"] / COSMIC_BARYONS
    winds: float = parameters["A_SN2"] ** suite.satellite_response
    return winds * float(baryons**suite.satellite_baryon_power)


def _draw_hosts(
    haloes: Haloes, suite: Relations, boost: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Floats]:
    """Return the host index and the mass of every subhalo above the minimum mass."""
    log_ratio = np.log(_RATIOS)
    step = log_ratio[1] - log_ratio[0]
    above = np.cumsum(subhalo_abundance(_RATIOS)[::-1])[::-1] * step
    mean = np.interp(np.log(MINIMUM_MASS / haloes.mass), log_ratio, above)
    scatter = suite.richness_scatter
    richness = np.exp(scatter * rng.standard_normal(mean.size) - 0.5 * scatter**2)
    count = rng.poisson(suite.satellites * boost * mean * richness)
    host = np.repeat(np.arange(mean.size), count)
    level = rng.uniform(size=host.size) * mean[host]
    ratio = np.exp(np.interp(np.log(level), np.log(above[::-1]), log_ratio[::-1]))
    return host, ratio * haloes.mass[host]


def add_subhaloes(
    cosmology: Cosmology, haloes: Haloes, suite: Relations, boost: float, rng: np.random.Generator
) -> Structures:
    """Return haloes and their subhaloes, satellites on NFW profiles out to R200m.

    Args:
        cosmology: tables of the box.
        haloes: distinct haloes.
        suite: the suite's relations.
        boost: factor on the subhalo abundance from the suite's feedback.
        rng: random stream.
    """
    host, mass = _draw_hosts(haloes, suite, boost, rng)
    host_mass = haloes.mass[host]
    edge = cosmology.radius_200m(host_mass)
    critical = cosmology.radius_200c(cosmology.mass_200c(host_mass))
    matter_concentration = cosmology.concentration(host_mass) * edge / critical
    radius = edge * draw_radii(suite.satellite_concentration * matter_concentration, rng)
    offset = radius[:, None] * draw_directions(host.size, rng)
    dispersion = np.sqrt(GRAVITY * host_mass / edge / 2.0)
    motion = dispersion[:, None] * rng.standard_normal((host.size, 3))
    return Structures(
        np.concatenate([haloes.mass, mass]),
        np.concatenate([haloes.position, (haloes.position[host] + offset) % BOX]),
        np.concatenate([haloes.velocity, haloes.velocity[host] + motion]),
        np.repeat([False, True], [haloes.mass.size, mass.size]),
    )
