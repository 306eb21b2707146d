"""What a data folder or a run folder holds."""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import StringIO
from itertools import islice, product
from pathlib import Path
from shlex import quote
from typing import Any

from dagnn.catalogs.findings import Facts, Inspection
from dagnn.catalogs.hdf5 import MOCK_MARK, open_hdf5, read_header
from dagnn.catalogs.inspect_boxes import inspect_boxes
from dagnn.catalogs.inspect_strange import inspect_strange
from dagnn.catalogs.inspect_use import There, how_to_train, redshift_there
from dagnn.catalogs.labels import header_problems, range_problems
from dagnn.catalogs.layouts import below, catalog_patterns, existing, find_table, natural_order
from dagnn.catalogs.patterns import Known, Match, matches
from dagnn.catalogs.suite import Suite
from dagnn.catalogs.suites import guess_suite, known_suites
from dagnn.catalogs.tables import read_table
from dagnn.errors import DataError, MissingDataError
from dagnn.files import entries, matching
from dagnn.stored import read_arrays, read_json, read_text, read_torch, reading

Found = dict[int, set[str]]

# The rest is in the run's results.csv and report.
SHOWN_PROBLEMS = 5
DEEPEST = 6
"""Levels between a data folder and a catalogue in it, in the deepest layout."""
SHOWN_METRICS = ("relative_error", "r2", "chi2")
SPECTRA = "power spectra"
# Below a data folder; PS_files is what CosmoGraphNet calls it.
SPECTRA_FOLDERS = ("", "PS_files")


def inspect_data_folder(path: Path) -> Inspection:
    """Describe a data root: suites, sets, simulations by snapshot, tables, spectra."""
    facts: Facts = []
    problems: list[str] = []
    warnings: list[str] = []
    there: list[There] = []
    tables: dict[str, list[str]] = defaultdict(list)
    for suite in known_suites().values():
        for set_name, volume in product(suite.sets, suite.volumes):
            every = _files_of(suite, path, set_name, volume)
            files = [match for match in every if match.is_box]
            found, (broken, headers, mocks) = _simulations(files), _looked_into(files)
            usable = _simulations(match for match in files if match.path not in broken)
            table, troubles, odd = _table(suite, path, set_name, volume, found, headers)
            problems += [*_first(broken, f"{set_name} files of {suite.name}"), *troubles]
            if found:
                label = f"{suite.name} {volume} {set_name}"
                facts.append((label, f"{_counts(found)}; {table or 'no parameter table'}"))
                if mocks:
                    facts.append(("  MOCK", f"{mocks} of these files are synthetic"))
                what = f"{set_name} boxes of {suite.name}"
                readable = [match for match in files if match.path not in broken]
                held, wrong, unusual = inspect_boxes(suite, volume, what, readable)
                facts += held
                problems += wrong
                warnings += [*odd, *unusual, *_strange(every)]
                warnings += [] if table or troubles else [_without_table(suite, set_name, volume)]
            elif table:
                tables[f"{suite.name} {volume}"].append(f"{set_name} ({table.split()[0]})")
            if usable and not troubles:
                redshift = redshift_there(suite, list(usable))
                there.append(There(suite.short_name, set_name, volume, redshift, bool(table)))
    facts += [
        (label, f"tables of {', '.join(sets)}; no catalogues") for label, sets in tables.items()
    ]
    facts += [(SPECTRA, file.name) for file in spectra_files(path)]
    if not facts:
        return _part_of_data(path) or inspect_strange(path) or _nothing(path)
    return Inspection(
        "data folder",
        path.name,
        tuple(facts),
        tuple(dict.fromkeys(problems)),
        tuple(warnings),
        tuple(how_to_train(there, path, "", " --config gnn_source_only")),
    )


def _nothing(path: Path) -> Inspection:
    text = f"No data that dagnn knows lie in {path}. There are: {existing(path)}."
    return Inspection("data folder", path.name, (), (text,))


def _part_of_data(path: Path) -> Inspection | None:
    """Say so where a folder of catalogues lies in the data folder of a known suite."""
    inside, suite = path.resolve(), guess_suite(path.resolve())
    if suite is None:
        return None
    for whole in islice(inside.parents, DEEPEST):
        for set_name, volume in product(suite.sets, suite.volumes):
            files = _files_of(suite, whole, set_name, volume)
            if any(inside in file.path.resolve().parents for file in files):
                text = f"{path} is a part of the data folder {whole}. Give the whole of it."
                command = ("To look at all of it", f"dagnn inspect {quote(str(whole))}")
                return Inspection("data folder", path.name, (), (text,), commands=(command,))
    return None


def spectra_files(root: Path) -> list[Path]:
    """Return the files of power spectra in a data folder."""
    places = (root / place for place in SPECTRA_FOLDERS)
    return [file for place in places for file in sorted(place.glob("Pk_*.npy"))]


def _without_table(suite: Suite, set_name: str, volume: str) -> str:
    return (
        f"{suite.name} {volume} {set_name} has no parameter table (CosmoAstroSeed_*.txt): it can "
        "be a target, which needs no labels, and no source."
    )


def _files_of(suite: Suite, root: Path, set_name: str, volume: str) -> list[Match]:
    """Return the catalogues of a set, in whatever layout."""
    patterns = below(suite.catalog_roots, catalog_patterns(suite, volume, None))
    known = [Known(suite=each, volume=volume, set=set_name) for each in suite.spellings]
    return [match for pair in product(patterns, known) for match in matches(root, *pair)]


def _strange(files: Iterable[Match]) -> list[str]:
    """Name what lies beside the boxes and is none."""
    names = sorted({match.sim for match in files if not match.is_box})
    return [f"Not read, as no simulation has such a name: {', '.join(names)}."] if names else []


def _simulations(files: Iterable[Match]) -> Found:
    """Return the simulations that files belong to by snapshot number."""
    found: Found = defaultdict(set)
    for match in files:
        found[-1 if match.snap is None else match.snap].add(match.sim)
    return found


def _looked_into(
    files: Iterable[Match],
) -> tuple[dict[Path, str], dict[str, dict[str, Any]], int]:
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


def _first(broken: Mapping[Path, str], what: str) -> list[str]:
    """Tell of the first few in full, and how many more there are."""
    rest = len(broken) - SHOWN_PROBLEMS
    more = [f"... and {rest} more {what} cannot be read."]
    return [*list(broken.values())[:SHOWN_PROBLEMS], *(more if rest > 0 else [])]


def _counts(found: Found) -> str:
    parts = [f"{len(sims)} at snapshot {snap:03d}" for snap, sims in sorted(found.items())]
    return f"simulations: {', '.join(parts)}" if parts else "no catalogues"


def _table(
    suite: Suite,
    root: Path,
    set_name: str,
    volume: str,
    found: Found,
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
    absent = sorted(set().union(*found.values()) - set(belong), key=natural_order)
    trouble = [f"{path} has no row for {', '.join(absent[:5])} ({len(absent)} in all)."]
    known = sorted((name for name in headers if name in table), key=natural_order)
    labelled = {name: headers[name] for name in known}
    far, outside = range_problems(table, belong, table.columns, suite)
    swapped, different = header_problems(labelled, table, suite)
    shown = f"{len(belong)} rows in {path.name}" if belong else ""
    return shown, [*(trouble if absent else []), *far, *swapped], [*outside, *different]


_STORED: Mapping[str, Callable[[Path], object]] = {
    ".npz": read_arrays,
    ".json": read_json,
    ".pt": read_torch,
}
"""How files of a run are seen to be whole, by suffix."""


def inspect_run(path: Path) -> Inspection:
    """Describe a run folder by the files that are there."""
    facts: Facts = [("files", ", ".join(_files(path)))]
    expected = ("config.yaml", "checkpoints", "results.csv")
    problems = [f"{path} has no {name}." for name in expected if not (path / name).exists()]
    for file in (each for each in matching(path, "**/*") if each.suffix in _STORED):
        try:
            _STORED[file.suffix](file)
        except DataError as error:
            problems.append(str(error))
    try:
        metrics = path / "metrics.jsonl"
        if metrics.is_file():
            facts.append(("epochs", str(len(read_text(metrics).splitlines()))))
        with reading(path / "results.csv", "Write it again with: dagnn evaluate"):
            facts += _results(path / "results.csv")
    except DataError as error:
        problems.append(str(error))
    return Inspection("run", path.name, tuple(facts), tuple(problems))


def _files(path: Path) -> Iterator[str]:
    for child in entries(path):
        yield f"{child.name}/" if child.is_dir() else child.name


def _results(path: Path) -> Facts:
    """Return the main metrics on held-out items, one line per model and suite."""
    if not path.is_file():
        return []
    lines: dict[str, list[str]] = defaultdict(list)
    for row in csv.DictReader(StringIO(read_text(path), newline="")):
        if row["split"] in ("test", "all") and row["metric"] in SHOWN_METRICS:
            label = f"{row['model']}, {row['suite']} ({row['role']}), {row['parameter']}"
            lines[label].append(f"{row['metric']} {float(row['value']):.3g}")
    return [(label, ", ".join(values)) for label, values in lines.items()]
