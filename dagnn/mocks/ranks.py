"""How massive a halo a patch becomes: by its rank among the patches of a mean box.

A box that happens to hold many large patches gets many massive haloes, so that
abundances follow the realised field instead of scattering on their own. The
mean box is a table fitted once over the CAMELS priors
(``benchmarks/calibrate_patches.py``); masses come from the mass function by
matching number densities.
"""

import numpy as np
from scipy.special import digamma

from dagnn.mocks.cosmology import Floats
from dagnn.mocks.field import Patches

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
