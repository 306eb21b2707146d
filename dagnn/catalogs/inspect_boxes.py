"""What the boxes of a set hold, taken together: values, copies, names that are no box."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dagnn.catalogs.findings import Facts
from dagnn.catalogs.patterns import Match
from dagnn.catalogs.reader import peek_redshift, read_catalog
from dagnn.catalogs.suite import Suite
from dagnn.errors import DataError, EmptyCatalogError, ImplausibleError
from dagnn.records import few_names

READ = 100
"""Catalogues of a set whose values are looked at, spread evenly over it."""

Box = tuple[Path, ...]


def inspect_boxes(
    suite: Suite, volume: str, what: str, files: Sequence[Match]
) -> tuple[Facts, list[str], list[str]]:
    """Describe the boxes of one set.

    Args:
        suite: the suite.
        volume: such as ``L25n256``; headers must agree.
        what: the set, for messages.
        files: every readable file of the set.

    Returns:
        Facts, problems and warnings.
    """
    chunks: dict[tuple[str, int | None, Path], list[Path]] = defaultdict(list)
    for match in files:
        # Chunks of one catalogue lie together; two catalogues of a box do not count as chunks.
        place = match.path if match.chunk is None else match.path.parent
        chunks[match.sim, match.snap, place].append(match.path)
    boxes = {key: tuple(paths) for key, paths in chunks.items()}
    problems, warnings = _values(suite, volume, what, list(boxes.values()))
    return (
        _layouts({(sim, place): paths for (sim, _, place), paths in boxes.items()}),
        problems,
        warnings,
    )


def _values(
    suite: Suite, volume: str, what: str, boxes: Sequence[Box]
) -> tuple[list[str], list[str]]:
    """Read some boxes; return what is wrong with most of them, and with few."""
    rows = np.unique(np.linspace(0, len(boxes) - 1, min(READ, len(boxes))).astype(int)).tolist()
    wrong: list[str] = []
    empty: list[str] = []
    for files in (boxes[row] for row in rows):
        try:
            read_catalog(files, suite=suite, box_size=suite.box_size(volume))
        except EmptyCatalogError as error:
            empty.append(str(error))
        except ImplausibleError as error:
            wrong.append(str(error))
        except DataError as error:
            return [str(error)], []
    warnings = [f"{len(empty)} of {len(rows)} {what} have no galaxies: {empty[0]}"] if empty else []
    if not wrong:
        return [], warnings
    told = f"{len(wrong)} of {len(rows)} {what} hold values that no such catalogue can. {wrong[0]}"
    return (
        ([told], warnings) if 2 * len(wrong) > len(rows) - len(empty) else ([], [told, *warnings])
    )


def _layouts(boxes: Mapping[tuple[str, Path], Box]) -> Facts:
    """Say of a redshift that several layouts hold how many boxes they hold together."""
    at: dict[float, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for (sim, place), files in boxes.items():
        at[round(peek_redshift(files) or 0.0, 2)][sim].append(place.name)
    facts: Facts = []
    for redshift, found in sorted(at.items()):
        twice = [sim for sim, names in found.items() if len(names) > 1]
        if (
            twice
            or len({name.rpartition("_")[2] for names in found.values() for name in names}) > 1
        ):
            text = f"{len(found)} boxes together, {len(twice)} of them under two names"
            facts.append(
                (f"  at z = {redshift:.2f}", text + (f" ({few_names(twice)})" * bool(twice)))
            )
    return facts
