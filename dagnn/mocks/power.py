"""The power spectrum of a few hundred galaxies in a periodic box, without a mesh."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from dagnn.mocks.field import BOX

BINS = 79


@cache
def shells(bins: int = BINS) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return how modes of integer wave vector n fall into shells i + 1 ≤ |n| < i + 2.

    Returns:
        The shell of each (nx, ny, nz ≥ 0), ``[2b + 1, 2b + 1, b + 1]`` (``bins`` where none),
        the modes per shell (counting n and −n) ``[bins]``, and their mean |n| ``[bins]``.
    """
    full, half = np.arange(-bins, bins + 1), np.arange(bins + 1)
    length = np.sqrt(
        full[:, None, None] ** 2 + full[None, :, None] ** 2 + half[None, None, :] ** 2.0
    )
    shell = (length.astype(np.int64) - 1).astype(np.int64)
    shell[(shell < 0) | (shell >= bins)] = bins
    weight = np.broadcast_to(np.where(half == 0, 1.0, 2.0), length.shape)
    modes = np.bincount(shell.ravel(), weight.ravel(), bins + 1)[:bins].astype(np.float64)
    total = np.bincount(shell.ravel(), (weight * length).ravel(), bins + 1)[:bins]
    return shell, modes, total / modes


def shell_wavenumbers(bins: int = BINS, box: float = BOX) -> NDArray[np.float64]:
    """Return the mean |k| of each shell, h/Mpc, ``[bins]``.

    Example:
        >>> shell_wavenumbers()[:2].round(4)
        array([0.356 , 0.6032])
    """
    return np.asarray(2.0 * np.pi / box * shells(bins)[2])


def _waves(coordinate: NDArray[np.float64], orders: NDArray[np.int64]) -> NDArray[np.complex64]:
    """Return exp(−2πi n x) ``[G, N]`` for coordinates in units of the box."""
    phase = -2j * np.pi * coordinate[:, None] * orders[None, :]
    return np.asarray(np.exp(phase), dtype=np.complex64)


def galaxy_power(
    position: NDArray[np.floating], bins: int = BINS, box: float = BOX
) -> NDArray[np.float64]:
    """Measure P(k) = V ⟨|Σ_g exp(−ik·x_g)|²⟩ / G², shot noise included.

    The sum over galaxies is taken exactly, mode by mode (as matrix products), so
    there is no mass assignment to correct for. Bins are one fundamental mode
    wide and start at 2π/L, as in the public CAMELS spectra.

    Args:
        position: comoving Mpc/h ``[G, 3]``.
        bins: number of shells.
        box: box side, Mpc/h.

    Returns:
        P in (Mpc/h)³ ``[bins]``.
    """
    unit = np.asarray(position, dtype=np.float64) / box
    full, half = np.arange(-bins, bins + 1), np.arange(bins + 1)
    x, y, z = _waves(unit[:, 0], full), _waves(unit[:, 1], full), _waves(unit[:, 2], half)
    shell, modes, _ = shells(bins)
    power = np.zeros(bins + 1)
    for row, order in enumerate(full):
        reach = int(np.sqrt((bins + 1) ** 2 - order**2))
        low, high = max(bins - reach, 0), min(bins + reach, 2 * bins) + 1
        depth = min(reach, bins) + 1
        amplitude = (x[:, row, None] * y[:, low:high]).T @ z[:, :depth]
        strength = amplitude.real**2 + amplitude.imag**2
        strength[:, 1:] *= 2.0
        power += np.bincount(shell[row, low:high, :depth].ravel(), strength.ravel(), bins + 1)
    return np.asarray(box**3 * power[:bins] / modes / len(unit) ** 2)
