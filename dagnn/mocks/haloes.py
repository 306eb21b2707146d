"""Haloes of one box: drawn masses given to collapsing patches, moved to where they are today."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dagnn.mocks.cosmology import Cosmology, Floats
from dagnn.mocks.field import BOX, MESH, Complex, Patches, find_patches
from dagnn.mocks.particle_mesh import evolve, mean_over_patches

RANK_SCATTER = 0.05
REACH = 0.8  # of the patch radius: the part that ends up inside the halo


@dataclass(frozen=True)
class Haloes:
    """Distinct haloes today.

    Attributes:
        mass: M200m, Msun/h, ``[H]``, descending.
        position: comoving Mpc/h in [0, box) ``[H, 3]``.
        velocity: peculiar, km/s, ``[H, 3]``.
    """

    mass: Floats
    position: Floats
    velocity: Floats


def match(
    patches: Patches, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Floats]:
    """Choose a Lagrangian cell and radius for every halo, the heaviest first.

    Patches are ranked by ln R + 0.3 ln(δ/B) with a little scatter; haloes beyond
    the last patch go to random cells outside all patches.

    Returns:
        Cells ``[count, 3]`` and radii, Mpc/h, ``[count]``.
    """
    rank = np.log(patches.radius) + 0.3 * np.log(np.maximum(patches.excess, 1e-3))
    order = np.argsort(-(rank + RANK_SCATTER * rng.standard_normal(rank.size)), kind="stable")
    order = order[:count]
    left = count - order.size
    strays = patches.free[rng.choice(len(patches.free), left, replace=left > len(patches.free))]
    cells = np.concatenate([patches.cell[order], strays])
    radii = np.concatenate([patches.radius[order], np.zeros(left)])
    return cells, radii


def draw_haloes(cosmology: Cosmology, modes: Complex, rng: np.random.Generator) -> Haloes:
    """Draw halo masses, place them on the patches of a field and let gravity move them."""
    patches = find_patches(modes)
    mean = BOX**3 * cosmology.cumulative[0]
    mass = cosmology.draw_masses(int(rng.poisson(mean)), rng)
    cell, radius = match(patches, mass.size, rng)
    motion = evolve(modes, cosmology.omega_m)
    reach = REACH * radius * MESH / BOX
    moved = np.concatenate([motion.displacement, motion.velocity], axis=1)
    mean_motion = mean_over_patches(moved, cell, reach)
    jitter = 0.25 * rng.standard_normal((mass.size, 3))
    position = (cell + jitter) * (BOX / MESH) + mean_motion[:, :3]
    return Haloes(mass, position % BOX, mean_motion[:, 3:])
