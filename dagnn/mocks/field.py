"""The initial Gaussian field of a periodic box, and the patches that will become haloes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from dagnn.mocks.cosmology import Cosmology

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
