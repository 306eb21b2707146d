"""Which mock data a modality can be run on where there are no real ones."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from dagnn.catalogs.cache import default_cache
from dagnn.catalogs.suites import find_suite
from dagnn.data.requests import Mocks
from dagnn.errors import UsageError
from dagnn.mocks.sky import KINDS, make_sky, sky_folder
from dagnn.mocks.suites import SUITES, relations
from dagnn.mocks.universe import make_universe, recipe

CACHES = ("mock-", "sky-")
"""How the folders of mocks in the cache begin."""


def universes(
    suites: Sequence[str], boxes: int, *, table: Path | None = None, seed: int = 0
) -> Mocks:
    """Return the mock suites of galaxy catalogues.

    Args:
        suites: any spellings of suites that there are mocks of.
        boxes: per suite.
        table: real parameter table to draw the boxes at; fresh rows if None.
        seed: of rows and boxes.

    Raises:
        UsageError: there is no mock of a suite.
    """
    # Another recipe or number of boxes makes other universes, hence another folder.
    folder = default_cache() / f"mock-{recipe(*SUITES.values())}-{boxes}"
    kinds = dict.fromkeys(relations(find_suite(suite).short_name).name for suite in suites)
    make = partial(make_universe, count=boxes, table=table, seed=seed)
    return Mocks(
        "universes", "CAMELS", folder, tuple((kind, partial(make, kind)) for kind in kinds)
    )


def skies(surveys: Sequence[str], images: int) -> Mocks:
    """Return the mock sky that has all of these surveys.

    Args:
        surveys: short names.
        images: per survey.

    Raises:
        UsageError: no mock sky has them all; the message lists what there is.
    """
    there = {name: [sample.survey.name for sample in kind.samples] for name, kind in KINDS.items()}
    for name, known in there.items():
        if set(surveys) <= set(known):
            make = partial(make_sky, name, count=images)
            return Mocks("skies", "observations", sky_folder(name, images), ((name, make),))
    listed = "; ".join(f"{name} with {', '.join(known)}" for name, known in there.items())
    raise UsageError(f"no mock sky has the surveys {', '.join(surveys)} (there are {listed})")
