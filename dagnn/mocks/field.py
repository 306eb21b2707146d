"""The initial Gaussian field of a periodic box, and the patches that will become haloes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, sparse

from dagnn.mocks.cosmology import Cosmology, growth

BOX = 25.0  # Mpc/h
MESH = 64
LARGEST_RADIUS, SMALLEST_RADIUS, RADIUS_FACTOR = 7.0, 0.4, 1.18  # Mpc/h
COLLAPSE = 1.686
LENIENT_RADIUS = 0.48  # Mpc/h: below it the mesh no longer resolves a barrier crossing

Field = NDArray[np.float32]
Complex = NDArray[np.complex64]


def wavenumbers(mesh: int = MESH, box: float = BOX) -> tuple[Field, Field, Field]:
    """Return kx, ky, kz in h/Mpc, shaped to broadcast over a real transform of the mesh."""
    full = (2.0 * np.pi * np.fft.fftfreq(mesh, box / mesh)).astype(np.float32)
    half = (2.0 * np.pi * np.fft.rfftfreq(mesh, box / mesh)).astype(np.float32)
    return full[:, None, None], full[None, :, None], half[None, None, :]


def squared_wavenumber(mesh: int = MESH, box: float = BOX) -> Field:
    """Return k² ``[n, n, n // 2 + 1]``, (h/Mpc)²."""
    kx, ky, kz = wavenumbers(mesh, box)
    return np.asarray(kx * kx + ky * ky + kz * kz)


def to_space(modes: Complex) -> Field:
    """Transform modes to a real field ``[n, n, n]``."""
    shape = (modes.shape[0],) * 3
    return np.asarray(fft.irfftn(modes, s=shape, workers=1), dtype=np.float32)


def to_modes(field: Field) -> Complex:
    """Transform a real field to its modes ``[n, n, n // 2 + 1]``."""
    return np.asarray(fft.rfftn(field, workers=1), dtype=np.complex64)


def linear_field(cosmology: Cosmology, rng: np.random.Generator) -> Complex:
    """Draw the modes of the linear density contrast today.

    White noise times √(P(k) n³ / V), so that the measured power has mean P(k).

    Returns:
        Modes ``[n, n, n // 2 + 1]`` of a field with zero mean.
    """
    noise = to_modes(rng.standard_normal((MESH, MESH, MESH), dtype=np.float32))
    k_squared = squared_wavenumber()
    k_squared[0, 0, 0] = 1.0
    amplitude = np.sqrt(cosmology.power(np.sqrt(k_squared)) * MESH**3 / BOX**3)
    amplitude[0, 0, 0] = 0.0
    return np.asarray(noise * amplitude.astype(np.float32))


def top_hat(modes: Complex, radius: float) -> Field:
    """Return the field averaged over spheres of ``radius`` Mpc/h."""
    x = np.sqrt(squared_wavenumber()) * np.float32(radius)
    x[0, 0, 0] = 1.0
    window = 3.0 * (np.sin(x) - x * np.cos(x)) / x**3
    window = np.where(x < 0.05, 1.0 - x * x / 10.0, window).astype(np.float32)
    return to_space(modes * window)


def barrier(sigma: float) -> float:
    """Return the density at which an ellipsoidal patch of variance σ² collapses.

    Sheth, Mo & Tormen 2001 (astro-ph/9907024), equation 4, lowered by 0.841.
    """
    spread: float = sigma**2 / (0.707 * COLLAPSE**2)
    return 0.841 * COLLAPSE * (1.0 + 0.5 * float(spread**0.6))


@dataclass(frozen=True)
class Patches:
    """Lagrangian patches that collapse, from the largest radius to the smallest.

    Attributes:
        cell: mesh indices of their centres ``[P, 3]``.
        radius: top-hat radius, Mpc/h, ``[P]``.
        excess: density over the barrier, δ/B, ``[P]``.
        free: cells in no patch ``[F, 3]``.
    """

    cell: NDArray[np.int64]
    radius: NDArray[np.float64]
    excess: NDArray[np.float64]
    free: NDArray[np.int64]


def sphere(radius_cells: float) -> NDArray[np.int64]:
    """Return the integer offsets ``[S, 3]`` within a radius in cells (the centre is one)."""
    reach = int(radius_cells)
    axis = np.arange(-reach, reach + 1)
    offsets = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray(offsets[(offsets**2).sum(axis=1) <= radius_cells**2])


def flat_index(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index in a flattened mesh of periodic cells ``[..., 3]``."""
    wrapped = cells % MESH
    return np.asarray((wrapped[..., 0] * MESH + wrapped[..., 1]) * MESH + wrapped[..., 2])


def _candidates(density: Field, threshold: float, masked: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return unmasked local maxima above a threshold ``[C]``, the densest first."""
    values = density.ravel()
    dense = np.flatnonzero((values > threshold) & ~masked)
    cells = np.stack(np.unravel_index(dense, density.shape), axis=1)
    for offset in sphere(np.sqrt(3.0)):
        higher = values[flat_index(cells + offset)] > values[dense]
        dense, cells = dense[~higher], cells[~higher]
    return np.asarray(dense[np.argsort(-values[dense], kind="stable")])


def find_patches(modes: Complex) -> Patches:
    """Find collapsing patches, from large to small spheres, each masking its own volume.

    Peak patches after Bond & Myers 1996: at every radius the unmasked local
    maxima above the barrier, in descending density.
    """
    masked = np.zeros(MESH**3, dtype=bool)
    cells, radii, excesses = [], [], []
    radius = LARGEST_RADIUS
    while radius > SMALLEST_RADIUS:
        density = top_hat(modes, radius)
        wall = barrier(float(density.std()))
        threshold = wall
        if radius <= LENIENT_RADIUS:
            threshold = min(wall, float(np.percentile(density, 75)))
        offsets = sphere(radius * MESH / BOX)
        for index in _candidates(density, threshold, masked):
            if masked[index]:
                continue
            cell = np.array(np.unravel_index(index, (MESH, MESH, MESH)))
            masked[flat_index(cell + offsets)] = True
            cells.append(cell)
            radii.append(radius)
            excesses.append(density.ravel()[index] / wall)
        radius /= RADIUS_FACTOR
    free = np.stack(np.unravel_index(np.flatnonzero(~masked), (MESH, MESH, MESH)), axis=1)
    return Patches(
        np.array(cells, dtype=np.int64).reshape(-1, 3),
        np.array(radii),
        np.array(excesses, dtype=np.float64),
        free,
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
