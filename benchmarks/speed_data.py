"""Random clumps of galaxies with the published number of neighbours, for the speed benchmark."""

import numpy as np

from dagnn.data.galaxies import GalaxyGraphs
from dagnn.graphs import Graph, build_graph
from dagnn.parameters import Scaling

GALAXIES, RADIUS = 1000, 0.015
COLUMNS = ("stellar_mass", "stellar_radius", "stellar_metallicity", "vmax")
SCALING = Scaling.of(["Omega_m"])


def clumps(galaxies: int, seed: int) -> tuple[np.ndarray, dict[str, np.ndarray], float]:
    """Return galaxies in clumps, with 2.5 neighbours each in the linking radius.

    CAMELS has 2.3 ± 1.3 at 0.015 of the box. For other numbers of galaxies the radius
    keeps the number of neighbours.
    """
    rng = np.random.default_rng(seed)
    radius = RADIUS * (GALAXIES / galaxies) ** (1 / 3)
    parents = rng.random((max(1, galaxies // 4), 3))
    place = parents[rng.integers(0, len(parents), galaxies)]
    place = np.mod(place + rng.normal(0, 0.4 * radius, (galaxies, 3)), 1.0)
    place[place >= 1] = 0.0
    return place, {name: rng.lognormal(size=galaxies) for name in COLUMNS}, radius


def make_graph(galaxies: int, seed: int) -> Graph:
    """Return the graph of one such box."""
    return build_graph(*clumps(galaxies, seed))


def make_dataset(boxes: int, seed: int = 0, galaxies: int = GALAXIES) -> GalaxyGraphs:
    """Return boxes with random truth."""
    graphs = [make_graph(galaxies, 1000 * seed + box) for box in range(boxes)]
    truth = np.random.default_rng(seed).uniform(0.1, 0.5, (boxes, 1))
    return GalaxyGraphs(graphs, [str(box) for box in range(boxes)], truth, SCALING)
