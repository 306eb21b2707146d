"""At which redshifts a suite's catalogues are there."""

import re
from collections.abc import Mapping
from functools import partial
from itertools import product
from pathlib import Path

from dagnn.catalogs.layouts import below, catalog_patterns, natural_order
from dagnn.catalogs.patterns import Known, matches
from dagnn.catalogs.reader import peek_redshift
from dagnn.catalogs.suite import Suite, same_redshift
from dagnn.errors import DataError

FEW = 3
_BOX = re.compile(r"\{(sim|i)(?::[^}]*)?\}")


def catalog_redshifts(
    suite: Suite,
    data: Path,
    set: str = "LH",  # noqa: A002 - what CAMELS calls it
    volume: str = "L25n256",
    template: str | None = None,
) -> tuple[float, ...]:
    """Return the redshifts that the first few simulations of a set have catalogues at.

    Snapshot numbers are ambiguous, so one header per snapshot is opened. Others than
    the first few simulations are not looked at: their folders may be slow to list.

    Args:
        suite: the suite.
        data: data root.
        set: such as ``LH``.
        volume: such as ``L25n256``.
        template: a path pattern of the user's own, see :func:`find_layouts`.

    Returns:
        Redshifts as the suite's table gives them, increasing; those that it does not
        list could not be asked for. Empty where there are no catalogues.
    """
    patterns = catalog_patterns(suite, volume, template)
    places = patterns if template else below(suite.catalog_roots, patterns)
    found = {
        redshift
        for pattern, spelling in product(places, suite.spellings)
        for path in _shared_snapshots(data, pattern, Known(suite=spelling, volume=volume, set=set))
        if (redshift := _listed_redshift(suite, path)) is not None
    }
    return tuple(sorted(found))


def _shared_snapshots(data: Path, pattern: str, known: Known) -> list[Path]:
    """Return one file per snapshot that each of the first few simulations has."""
    boxes = [
        {match.snap: match.path for match in matches(data, of_one, known)}
        for of_one in _first_boxes(data, pattern, known)
    ]
    first = boxes[0] if boxes else {}
    return [path for snap, path in first.items() if all(snap in box for box in boxes)]


def _first_boxes(data: Path, pattern: str, known: Known) -> list[str]:
    """Return the pattern of each of the first few simulations, read off one folder."""
    parts = pattern.split("/")
    depth = next((k for k, part in enumerate(parts, 1) if _BOX.search(part)), len(parts))
    names = {match.sim for match in matches(data, "/".join(parts[:depth]), known) if match.is_box}
    few = sorted(names, key=natural_order)[:FEW]
    return [
        _BOX.sub(partial(_spelt, {"sim": sim, "i": sim.removeprefix(f"{known['set']}_")}), pattern)
        for sim in few
    ]


def _spelt(box: Mapping[str, str], found: re.Match[str]) -> str:
    return box[found[1]]


def _listed_redshift(suite: Suite, path: Path) -> float | None:
    """Return the redshift of the suite's table that a header means.

    A damaged file of a snapshot that nobody has asked for is no reason to stop.
    """
    try:
        stored = peek_redshift(path)
    except DataError:
        return None
    if stored is None:
        return None
    nearest = min(suite.snapshots.redshifts, key=lambda z: abs(z - stored))
    return nearest if same_redshift(nearest, stored) else None
