"""Haloes of one box: collapsing patches get masses and are moved to where they are today."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dagnn.mocks.cosmology import Cosmology, Floats
from dagnn.mocks.field import BOX, MESH, Complex, Patches, find_patches
from dagnn.mocks.particle_mesh import evolve, mean_over_patches
from dagnn.mocks.ranks import expected_number, mean_count, patch_ranks

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
