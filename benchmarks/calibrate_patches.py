"""Measure how many patches of a rank a mean box holds; prints the table of dagnn/mocks/haloes.py.

python benchmarks/calibrate_patches.py --boxes 1000 --workers 2
"""

import argparse
from multiprocessing import Pool

import numpy as np
from scipy.stats import qmc

from dagnn.mocks.cosmology import tabulate
from dagnn.mocks.field import find_patches, linear_field
from dagnn.mocks.haloes import NODES, patch_ranks, terms

PRIOR = ((0.1, 0.6), (0.5, 1.0))


def ranked(task: tuple[float, float, int]) -> tuple[np.ndarray, int]:
    """Return the ranks of the NODES-th patches of one box, and how many patches it has."""
    omega_m, sigma_8, seed = task
    rng = np.random.default_rng([20211, seed])
    patches = find_patches(linear_field(tabulate(omega_m, sigma_8), rng))
    ranks = np.sort(patch_ranks(patches, rng))[::-1]
    return ranks[np.array(NODES) - 1], ranks.size


def main() -> None:
    """Fit a quadratic in lg Omega_m and lg sigma_8 to every node."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boxes", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    unit = qmc.LatinHypercube(d=2, seed=1).random(arguments.boxes)
    points = qmc.scale(unit, *PRIOR)
    tasks = [(om, s8, i) for i, (om, s8) in enumerate(points)]
    with Pool(arguments.workers) as pool:
        results = pool.map(ranked, tasks, chunksize=10)
    design = np.array([terms(om, s8) for om, s8 in points])
    heights = np.array([heights for heights, _ in results])
    counts = np.log([count for _, count in results])
    for node, column in zip(NODES, heights.T, strict=True):
        print(f"{node}:", np.round(np.linalg.lstsq(design, column, rcond=None)[0], 4).tolist())
    print("count:", np.round(np.linalg.lstsq(design, counts, rcond=None)[0], 4).tolist())


if __name__ == "__main__":
    main()
