"""Haloes of one box: collapsing patches get masses and are moved to where they are today."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

from dagnn.mocks.cosmology import (
    COSMIC_BARYONS,
    GRAVITY,
    MINIMUM_MASS,
    OMEGA_B,
    Cosmology,
    Floats,
)
from dagnn.mocks.field import BOX, MESH, Complex, Patches, evolve, find_patches, mean_over_patches
from dagnn.mocks.suites import Relations

RANK_SCATTER = 0.05
NODES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1150)
# Mean rank height of the NODES-th patch: coefficients of ``terms``.
_HEIGHTS = np.array(
    [
        [1.852, 0.3446, 1.4505, 0.099, -0.5643, -1.8947],
        [1.6586, 0.4135, 1.4188, 0.0022, -0.1589, -0.2888],
        [1.4436, 0.4094, 1.1341, -0.0508, -0.3421, -1.9087],
        [1.2036, 0.3714, 0.8031, -0.1926, -0.8001, -1.9149],
        [0.9457, 0.3309, 0.535, -0.2279, -0.8953, -1.3096],
        [0.6819, 0.2931, 0.3268, -0.2048, -0.9794, -0.8294],
        [0.4131, 0.251, 0.1732, -0.1756, -1.0045, -0.8284],
        [0.1339, 0.2074, 0.0687, -0.1895, -0.7798, -0.5058],
        [-0.1553, 0.1672, -0.0385, -0.1616, -0.7261, -0.4752],
        [-0.4585, 0.1324, -0.1293, -0.1416, -0.6907, -0.5344],
        [-0.7818, 0.0906, -0.2382, -0.0898, -0.6949, -0.3017],
        [-0.8314, 0.0543, -0.2166, -0.0725, -0.5337, -0.2742],
    ]
)
# ln of the mean number of patches in a box.
_COUNT = np.array([7.4453, -0.2224, -1.2125, -0.0666, -0.2061, 0.4931])


def terms(omega_m: float, sigma_8: float) -> Floats:
    """Return the quadratic terms in lg(Ω_m/0.3) and lg(σ_8/0.8) ``[6]``."""
    a, b = np.log10(omega_m / 0.3), np.log10(sigma_8 / 0.8)
    return np.array([1.0, a, b, a * a, a * b, b * b])


def patch_ranks(patches: Patches, rng: np.random.Generator) -> Floats:
    """Return ln R + 0.3 ln(δ/B) of every patch, with a little scatter ``[P]``."""
    height = np.log(patches.radius) + 0.3 * np.log(np.maximum(patches.excess, 1e-3))
    return np.asarray(height + RANK_SCATTER * rng.standard_normal(height.size))


def mean_count(omega_m: float, sigma_8: float) -> float:
    """Return the mean number of patches in a box of this cosmology."""
    return float(np.exp(_COUNT @ terms(omega_m, sigma_8)))


def expected_number(rank: Floats, omega_m: float, sigma_8: float) -> Floats:
    """Return how many patches of at least this rank a mean box holds ``[P]``.

    The mean of ln N above the j-th of a Poisson sample is the digamma function of j.
    Straight lines continue the table at both ends.
    """
    log_number = digamma(np.array(NODES, dtype=np.float64))
    height = _HEIGHTS @ terms(omega_m, sigma_8)
    first = (log_number[2] - log_number[0]) / (height[2] - height[0])
    last = (log_number[-1] - log_number[-3]) / (height[-1] - height[-3])
    inside = np.interp(rank, height[::-1], log_number[::-1])
    above = first * np.maximum(rank - height[0], 0.0)
    below = last * np.minimum(rank - height[-1], 0.0)
    return np.asarray(np.exp(inside + above + below))


REACH = 0.8  # of the patch radius: the part that ends up inside the halo


@dataclass(frozen=True)
class Haloes:
    """Distinct haloes today.

    Attributes:
        mass: M200m, Msun/h, ``[H]``.
        position: comoving Mpc/h in [0, box) ``[H, 3]``.
        velocity: peculiar, km/s, ``[H, 3]``.
    """

    mass: Floats
    position: Floats
    velocity: Floats


def collapse(
    cosmology: Cosmology, patches: Patches, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Give every patch the mass that its rank has in a mean box; add what lies below the patches.

    The mean box has N(>M) V haloes above a mass and as many patches above a rank.
    Haloes too small for any patch are Poisson and lie in random cells outside
    all patches.

    Returns:
        M200m, Msun/h, ``[H]``, Lagrangian cells ``[H, 3]`` and radii, Mpc/h, ``[H]``.
    """
    volume = BOX**3
    total = volume * cosmology.cumulative[0]
    rank = patch_ranks(patches, rng)
    number = expected_number(rank, cosmology.omega_m, cosmology.sigma_8)
    order = np.argsort(number, kind="stable")
    order = order[number[order] < total]
    covered = min(mean_count(cosmology.omega_m, cosmology.sigma_8), total)
    left = int(rng.poisson(total - covered))
    strays = patches.free[rng.choice(len(patches.free), left, replace=left > len(patches.free))]
    stray_number = np.sort(rng.uniform(covered, total, left))
    mass = cosmology.mass_above(np.concatenate([number[order], stray_number]) / volume)
    cell = np.concatenate([patches.cell[order], strays])
    return mass, cell, np.concatenate([patches.radius[order], np.zeros(left)])


def draw_haloes(cosmology: Cosmology, modes: Complex, rng: np.random.Generator) -> Haloes:
    """Turn the patches of a field into haloes and let gravity move them."""
    mass, cell, radius = collapse(cosmology, find_patches(modes), rng)
    motion = evolve(modes, cosmology.omega_m)
    reach = REACH * radius * MESH / BOX
    moved = np.concatenate([motion.displacement, motion.velocity], axis=1)
    mean_motion = mean_over_patches(moved, cell, reach)
    jitter = 0.25 * rng.standard_normal((mass.size, 3))
    position = (cell + jitter) * (BOX / MESH) + mean_motion[:, :3]
    return Haloes(mass, position % BOX, mean_motion[:, 3:])


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
