"""One mock box: from six parameters and a seed to a galaxy catalogue."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dagnn.mocks.cosmology import tabulate
from dagnn.mocks.field import linear_field
from dagnn.mocks.galaxies import Galaxies, populate
from dagnn.mocks.haloes import draw_haloes
from dagnn.mocks.subhaloes import abundance_boost, add_subhaloes
from dagnn.mocks.suites import relations
from dagnn.mocks.writer import write_catalog


def make_box(
    kind: str, parameters: Mapping[str, float], seed: int | np.random.SeedSequence
) -> Galaxies:
    """Make the galaxies of one 25 Mpc/h box at redshift 0.

    Every stage has its own random stream, so that a change in one stage leaves
    the randomness of the others as it was.

    Args:
        kind: a mock suite (``tng``, ``simba``, ``astrid``).
        parameters: the six CAMELS parameters by canonical name.
        seed: an integer or a numpy seed sequence.
    """
    suite = relations(kind)
    root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    keys = [np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, n)) for n in range(4)]
    streams = [np.random.default_rng(key) for key in keys]
    cosmology = tabulate(parameters["Omega_m"], parameters["sigma_8"])
    modes = linear_field(cosmology, streams[0])
    haloes = draw_haloes(cosmology, modes, streams[1])
    boost = abundance_boost(suite, parameters)
    structures = add_subhaloes(cosmology, haloes, suite, boost, streams[2])
    return populate(cosmology, structures, suite, parameters, streams[3])


def write_box(
    kind: str, parameters: Mapping[str, float], seed: int | np.random.SeedSequence, path: Path
) -> None:
    """Make one box and write its group file; arguments as in :func:`make_box`."""
    write_catalog(path, make_box(kind, parameters, seed), parameters["Omega_m"])
