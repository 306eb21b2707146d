"""A short particle-mesh run: how far each Lagrangian cell has moved by today.

FastPM-like (Feng et al. 2016, arXiv:1603.00476): kicks and drifts carry the
exact linear growth over each step, so a few steps keep the large scales right.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from dagnn.mocks.cosmology import growth
from dagnn.mocks.field import (
    BOX,
    MESH,
    Complex,
    Field,
    flat_index,
    sphere,
    squared_wavenumber,
    to_modes,
    to_space,
    wavenumbers,
)

START, STEPS = 0.1, 8
CELLS = MESH**3
CORNERS = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])


@dataclass(frozen=True)
class Motion:
    """Where the matter of each cell has gone.

    Attributes:
        displacement: comoving Mpc/h, ``[n³, 3]``.
        velocity: peculiar velocity today, km/s, ``[n³, 3]``.
    """

    displacement: Field
    velocity: Field


def minus_inverse_gradient(modes: Complex) -> Field:
    """Return ψ = −∇∇⁻²δ ``[n³, 3]``: the Zel'dovich displacement of a density field."""
    k_squared = squared_wavenumber()
    k_squared[0, 0, 0] = 1.0
    potential = modes / k_squared
    parts = [to_space(1j * k * potential).ravel() for k in wavenumbers()]
    return np.stack(parts, axis=1)


def cloud_in_cell(position: Field) -> sparse.csr_array:
    """Return the trilinear weights between particles and mesh ``[n³, n³]``, eight per row.

    Args:
        position: particle positions in cells ``[n³, 3]``, any real number.
    """
    lower = np.floor(position)
    upper_weight = position - lower
    lower_weight = 1.0 - upper_weight
    base = lower.astype(np.int32)
    pairs = [np.stack([base[:, d] % MESH, (base[:, d] + 1) % MESH]) for d in range(3)]
    share = [np.stack([lower_weight[:, d], upper_weight[:, d]]) for d in range(3)]
    index = np.empty((position.shape[0], 8), dtype=np.int32)
    weight = np.empty((position.shape[0], 8), dtype=np.float32)
    for corner, (i, j, k) in enumerate(CORNERS):
        index[:, corner] = (pairs[0][i] * MESH + pairs[1][j]) * MESH + pairs[2][k]
        weight[:, corner] = share[0][i] * share[1][j] * share[2][k]
    rows = np.arange(0, 8 * position.shape[0] + 1, 8, dtype=np.int32)
    return sparse.csr_array((weight.ravel(), index.ravel(), rows), shape=(position.shape[0], CELLS))


def pull(position: Field) -> Field:
    """Return −∇∇⁻²δ at the particles ``[n³, 3]``, in Mpc/h, with δ from the particles."""
    weights = cloud_in_cell(position)
    density = weights.T @ np.ones(position.shape[0], dtype=np.float32) - np.float32(1.0)
    field = minus_inverse_gradient(to_modes(density.reshape(MESH, MESH, MESH)))
    return np.asarray(weights @ field, dtype=np.float32)


def evolve(modes: Complex, omega_m: float, steps: int = STEPS) -> Motion:
    """Move the matter from a Zel'dovich start at a = 0.1 to today, kick-drift-kick.

    With p = a³E dx/da, linear theory has p = G ψ and x = q + D ψ for
    G = a³ E D'. A kick therefore adds g ΔG/D and a drift p ΔD/G, which is exact
    while g = D ψ.

    Args:
        modes: linear density contrast today.
        omega_m: matter density.
        steps: number of equal steps in a.
    """
    edges = np.linspace(START, 1.0, steps + 1)
    middles = 0.5 * (edges[1:] + edges[:-1])
    D, G = growth(omega_m, edges)
    _, G_middle = growth(omega_m, middles)
    psi = minus_inverse_gradient(modes)
    to_cells = np.float32(MESH / BOX)
    lattice = np.indices((MESH, MESH, MESH), dtype=np.float32).reshape(3, -1).T
    displacement = np.float32(D[0]) * psi
    momentum = np.float32(G[0]) * psi
    acceleration = displacement
    first_kick, second_kick = (G_middle - G[:-1]) / D[:-1], (G[1:] - G_middle) / D[1:]
    drift = (D[1:] - D[:-1]) / G_middle
    for step in range(steps):
        momentum = momentum + np.float32(first_kick[step]) * acceleration
        displacement = displacement + np.float32(drift[step]) * momentum
        acceleration = pull(lattice + to_cells * displacement)
        momentum = momentum + np.float32(second_kick[step]) * acceleration
    return Motion(displacement, np.float32(100.0) * momentum)


def mean_over_patches(
    field: Field, cell: NDArray[np.int64], reach: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Average a field ``[n³, C]`` over the cells within ``reach`` (in cells) of each centre.

    Returns:
        Averages ``[P, C]``.
    """
    average = np.empty((cell.shape[0], field.shape[1]))
    for radius in np.unique(reach):
        chosen = np.flatnonzero(reach == radius)
        offsets = sphere(float(radius))
        index = flat_index(cell[chosen, None, :] + offsets[None])
        average[chosen] = field[index].mean(axis=1)
    return average
