"""What a data folder holds: catalogues and parameter tables of the known suites, or others."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, product
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from dagnn.catalogs.hdf5 import MOCK_MARK, open_hdf5, read_header
from dagnn.catalogs.layouts import (
    Match,
    catalog_places,
    existing,
    find_table,
    matches,
    natural_order,
)
from dagnn.catalogs.reader import peek_redshift, read_catalog
from dagnn.catalogs.suites import Suite, generic_suite, guess_suite, known_suites
from dagnn.catalogs.tables import header_problems, range_problems, read_table
from dagnn.errors import DataError, EmptyCatalogError, ImplausibleError, MissingDataError
from dagnn.files import matching
from dagnn.inspect.files import Fact, Inspection, first_few
from dagnn.records import few_names

DEFAULT_SET, DEFAULT_VOLUME = "LH", "L25n256"
DEEPEST = 6
"""Levels between a data folder and a catalogue in it, in the deepest layout."""
READ = 100
"""Catalogues of a set whose values are checked, spread evenly over it."""
MOST = 1000
"""Files that are counted at most."""

Sample = tuple[str, str, float]
"""Set, volume and redshift."""
Simulations = dict[int, set[str]]
"""Names of simulations by snapshot number; -1 where the path has none."""


def inspect_catalogues(path: Path) -> Inspection:
    """Describe a data folder: suites, sets, simulations by snapshot, parameter tables."""
    found = Inspection("data folder", path.name)
    there: dict[Sample, dict[str, bool]] = defaultdict(dict)
    tables: dict[str, list[str]] = defaultdict(list)
    for suite in known_suites().values():
        for set_name, volume in product(suite.sets, suite.volumes):
            every = _files_of(suite, path, set_name, volume)
            files = [match for match in every if match.is_box]
            broken, headers, mocks = _opened(files)
            found.add_problems(
                *first_few(list(broken.values()), f"{set_name} files of {suite.name}")
            )
            simulations = _simulations(files)
            table, wrong, odd = _table(suite, path, set_name, volume, simulations, headers)
            found.add_problems(*wrong)
            readable = [match for match in files if match.path not in broken]
            if simulations:
                counts = f"{_counts(simulations)}; {table or 'no parameter table'}"
                found.facts.append((f"{suite.name} {volume} {set_name}", counts))
                if mocks:
                    found.facts.append(("  MOCK", f"{mocks} of these files are synthetic"))
                found.warnings += odd
                _add_boxes(found, suite, volume, f"{set_name} boxes of {suite.name}", readable)
                strange = sorted({match.sim for match in every if not match.is_box})
                if strange:
                    listed = ", ".join(strange)
                    found.warnings.append(f"Not read, as no simulation has such a name: {listed}.")
                if not (table or wrong):
                    found.warnings.append(without_table(f"{suite.name} {volume} {set_name}"))
            elif table:
                tables[f"{suite.name} {volume}"].append(f"{set_name} ({table.split()[0]})")
            if readable and not wrong:
                redshift = _lowest_redshift(suite, list(_simulations(readable)))
                there[set_name, volume, redshift][suite.short_name] = bool(table)
    for label, sets in tables.items():
        found.facts.append((label, f"tables of {', '.join(sets)}; no catalogues"))
    found.commands += how_to_train(there, path, "", " --config gnn_source_only")
    return found


def inspect_other(path: Path) -> Inspection:
    """Describe a folder in which nothing lies where the known suites keep it."""
    return _part_of_data(path) or _strange(path) or _nothing(path)


def how_to_train(
    there: Mapping[Sample, Mapping[str, bool]], data: Path, config: str, alone: str
) -> list[Fact]:
    """Return the command that trains on suites of a folder; none where nothing has labels.

    Args:
        there: what the folder holds: short name of each suite, and whether it has labels.
        data: the folder.
        config: option that names the configuration, or nothing.
        alone: the same for one suite without another to carry over to.
    """
    usable = {sample: suites for sample, suites in there.items() if any(suites.values())}
    if not usable:
        return []
    best = max(usable, key=lambda sample: (len(usable[sample]), not _settings(*sample)))
    labelled = usable[best]
    source, *others = sorted(labelled, key=lambda name: (not labelled[name], name != "tng"))
    target = f" --target {others[0]}" if others else " --set 'target=[]'"
    purpose = "To train" if others else "To train (there is no second suite to carry over to)"
    command = f"dagnn train{config if others else alone} --source {source}{target}"
    return [(purpose, f"{command}{_settings(*best)} --data {quote(str(data))}")]


def _settings(set_name: str, volume: str, redshift: float) -> str:
    """Return the options for what the shipped configurations do not read by default."""
    settings = {
        f"data.set={set_name}": set_name != DEFAULT_SET,
        f"data.volume={volume}": volume != DEFAULT_VOLUME,
        f"'data.redshifts=[{redshift:g}]'": redshift != 0,
    }
    return "".join(f" --set {setting}" for setting, needed in settings.items() if needed)


def without_table(title: str, place: str = "") -> str:
    """Return the warning that a suite has no parameter table, in a folder if it is named."""
    return (
        f"{title} has no parameter table (CosmoAstroSeed_*.txt){place}: it can be a target, which "
        "needs no labels, and no source."
    )


def _lowest_redshift(suite: Suite, snapshots: Sequence[int]) -> float:
    """Return 0 where that is among some snapshots, or the lowest redshift of them."""
    known = [suite.snapshots.redshifts[n] for n in snapshots if n < len(suite.snapshots.redshifts)]
    present = {-1, *suite.snapshot_numbers(0.0)}
    return 0.0 if present & set(snapshots) else min(known, default=0.0)


def _files_of(suite: Suite, root: Path, set_name: str, volume: str) -> list[Match]:
    """Return the catalogues of a set, in whatever layout."""
    patterns = catalog_places(suite, volume)
    known = [{"suite": each, "volume": volume, "set": set_name} for each in suite.spellings]
    return [match for pair in product(patterns, known) for match in matches(root, *pair)]


def _simulations(files: Iterable[Match]) -> Simulations:
    """Return the simulations that files belong to by snapshot number."""
    found: Simulations = defaultdict(set)
    for match in files:
        found[-1 if match.snap is None else match.snap].add(match.sim)
    return found


def _opened(files: Iterable[Match]) -> tuple[dict[Path, str], dict[str, dict[str, Any]], int]:
    """Open every catalogue.

    Returns:
        Which cannot be opened and why, a header of each simulation, and how many are mocks.
    """
    broken: dict[Path, str] = {}
    headers: dict[str, dict[str, Any]] = {}
    mocks = 0
    for path, simulation in {match.path: match.sim for match in files}.items():
        try:
            with open_hdf5(path) as file:
                header = read_header(file)
        except DataError as error:
            broken[path] = str(error)
        else:
            headers.setdefault(simulation, header)
            mocks += MOCK_MARK in header
    return broken, headers, mocks


def _counts(simulations: Simulations) -> str:
    parts = [f"{len(sims)} at snapshot {snap:03d}" for snap, sims in sorted(simulations.items())]
    return f"simulations: {', '.join(parts)}"


def _table(
    suite: Suite,
    root: Path,
    set_name: str,
    volume: str,
    simulations: Simulations,
    headers: Mapping[str, Mapping[str, Any]],
) -> tuple[str, list[str], list[str]]:
    """Return the table's name, what is wrong between it and the simulations, and what is odd."""
    try:
        path = find_table(suite, root, set_name, volume)
        table = read_table(path)
    except MissingDataError:
        return "", [], []
    except DataError as error:
        return "", [str(error)], []
    belong = [name for name in table.names if name.startswith(f"{set_name}_")]
    absent = sorted(set().union(*simulations.values()) - set(belong), key=natural_order)
    trouble = [f"{path} has no row for {', '.join(absent[:5])} ({len(absent)} in all)."]
    known = sorted((name for name in headers if name in table), key=natural_order)
    labelled = {name: headers[name] for name in known}
    far, outside = range_problems(table, belong, table.columns, suite)
    swapped, different = header_problems(labelled, table, suite)
    shown = f"{len(belong)} rows in {path.name}" if belong else ""
    return shown, [*(trouble if absent else []), *far, *swapped], [*outside, *different]


def _add_boxes(
    found: Inspection, suite: Suite, volume: str, what: str, files: Sequence[Match]
) -> None:
    """Add what the boxes of a set hold, taken together: values, copies, several layouts.

    Args:
        found: to add to.
        suite: the suite.
        volume: such as ``L25n256``; headers must agree.
        what: the set, for messages.
        files: every readable file of the set.
    """
    boxes: dict[tuple[str, int | None, Path], list[Path]] = defaultdict(list)
    for match in sorted(files, key=lambda match: natural_order(match.sim)):
        # Chunks of one catalogue lie together; two catalogues of a box do not count as chunks.
        place = match.path if match.chunk is None else match.path.parent
        boxes[match.sim, match.snap, place].append(match.path)
    _add_values(found, suite, volume, what, list(boxes.values()))
    at: dict[float, dict[str, set[int | None]]] = defaultdict(lambda: defaultdict(set))
    twice: dict[float, list[str]] = defaultdict(list)
    for (sim, snapshot, _), paths in boxes.items():
        redshift = round(peek_redshift(paths) or 0.0, 2)
        if sim in at[redshift]:
            twice[redshift].append(sim)
        at[redshift][sim].add(snapshot)
    for redshift, snapshots in sorted(at.items()):
        copies = list(dict.fromkeys(twice[redshift]))
        if copies or len(set().union(*snapshots.values())) > 1:
            text = f"{len(snapshots)} boxes together, {len(copies)} of them under several names"
            shown = f" ({few_names(copies)})" if copies else ""
            found.facts.append((f"  at z = {redshift:.2f}", text + shown))


def _add_values(
    found: Inspection, suite: Suite, volume: str, what: str, boxes: Sequence[Sequence[Path]]
) -> None:
    """Read some boxes; what is wrong with most of them is a problem, with few a warning."""
    rows = np.unique(np.linspace(0, len(boxes) - 1, min(READ, len(boxes))).astype(int)).tolist()
    wrong: list[str] = []
    empty: list[str] = []
    for row in rows:
        try:
            read_catalog(boxes[row], suite=suite, box_size=suite.box_size(volume))
        except EmptyCatalogError as error:
            empty.append(str(error))
        except ImplausibleError as error:
            wrong.append(str(error))
        except DataError as error:
            found.add_problems(str(error))
            return
    if wrong:
        text = (
            f"{len(wrong)} of the {len(rows)} {what} that were read hold values that no such "
            f"catalogue can. {wrong[0]}"
        )
        if 2 * len(wrong) > len(rows) - len(empty):
            found.add_problems(text)
        else:
            found.warnings.append(text)
    if empty:
        found.warnings.append(f"{len(empty)} of {len(rows)} {what} have no galaxies: {empty[0]}")


def _nothing(path: Path) -> Inspection:
    text = f"No data that dagnn knows lie in {path}. There are: {existing(path)}."
    return Inspection("data folder", path.name, problems=[text])


def _part_of_data(path: Path) -> Inspection | None:
    """Describe a folder of catalogues that lies in the data folder of a known suite."""
    inside, suite = path.resolve(), guess_suite(path.resolve())
    if suite is None:
        return None
    for whole in islice(inside.parents, DEEPEST):
        for set_name, volume in product(suite.sets, suite.volumes):
            files = _files_of(suite, whole, set_name, volume)
            if any(inside in file.path.resolve().parents for file in files):
                text = f"{path} is a part of the data folder {whole}. Give the whole of it."
                command = ("To look at all of it", f"dagnn inspect {quote(str(whole))}")
                return Inspection("data folder", path.name, [], [text], [], [command])
    return None


def _strange(path: Path) -> Inspection | None:
    """Describe HDF5 files that lie where no known suite keeps its catalogues.

    Returns:
        What the first of them holds, and what is missing to train on them; None where there
        is no such file.
    """
    every = (file for suffix in ("hdf5", "h5") for file in matching(path, f"**/*.{suffix}"))
    files = sorted(islice(every, MOST))
    if not files:
        return None
    found, first = Inspection("data folder", path.name), files[0]
    count = f"{MOST} or more" if len(files) == MOST else str(len(files))
    found.facts.append(("HDF5 files", f"{count}, such as {first.relative_to(path)}"))
    known = ", ".join(known_suites())
    found.add_problems(
        f"The HDF5 files in {path} lie where none of the known suites ({known}) keeps its "
        "catalogues, so dagnn train does not find them."
    )
    with found.collecting():
        catalog = read_catalog(first, suite=guess_suite(first) or generic_suite())
        if catalog.mock:
            found.facts.append(("  MOCK", "the file says that it is synthetic"))
        galaxies = f"{len(catalog):,} galaxies at z = {catalog.redshift:.2f}"
        found.facts.append(("  the first", f"{galaxies} in a box of {catalog.box_size:g} ckpc/h"))
        data, train = quote(str(path)), "dagnn train --source tng --target"
        template = "'{suite}/{sim}/groups_{snap:03d}.hdf5'"
        found.commands += [
            (
                "If they are of another suite, describe it in a YAML file (docs/add-your-own.md)",
                f"{train} mysuite.yaml --data {data}",
            ),
            (
                "If only their paths are of another pattern, give it",
                f"{train} simba --set data.template={template} --data {data}",
            ),
            ("To predict", f"dagnn predict RUN {quote(str(first))}"),
        ]
    return found
