"""What the boxes of a set hold, taken together: values, copies, names that are no box."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dagnn.catalogs.findings import Facts
from dagnn.catalogs.layouts import natural_order
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
    for match in sorted(files, key=lambda match: natural_order(match.sim)):
        # Chunks of one catalogue lie together; two catalogues of a box do not count as chunks.
        place = match.path if match.chunk is None else match.path.parent
        chunks[match.sim, match.snap, place].append(match.path)
    boxes = {key: tuple(paths) for key, paths in chunks.items()}
    problems, warnings = _values(suite, volume, what, list(boxes.values()))
    return _layouts(boxes), problems, warnings


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
    told = (
        f"{len(wrong)} of the {len(rows)} {what} that were read hold values that no such "
        f"catalogue can. {wrong[0]}"
    )
    most = 2 * len(wrong) > len(rows) - len(empty)
    return ([told], warnings) if most else ([], [told, *warnings])


def _layouts(boxes: Mapping[tuple[str, int | None, Path], Box]) -> Facts:
    """Say of a redshift that several layouts hold how many boxes they hold together."""
    at: dict[float, dict[str, set[int | None]]] = defaultdict(lambda: defaultdict(set))
    twice: dict[float, list[str]] = defaultdict(list)
    for (sim, snapshot, _), files in boxes.items():
        redshift = round(peek_redshift(files) or 0.0, 2)
        if sim in at[redshift]:
            twice[redshift].append(sim)
        at[redshift][sim].add(snapshot)
    facts: Facts = []
    for redshift, found in sorted(at.items()):
        copies = list(dict.fromkeys(twice[redshift]))
        if copies or len(set().union(*found.values())) > 1:
            text = f"{len(found)} boxes together, {len(copies)} of them under several names"
            shown = f" ({few_names(copies)})" if copies else ""
            facts.append((f"  at z = {redshift:.2f}", text + shown))
    return facts
