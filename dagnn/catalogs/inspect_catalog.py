"""What a catalogue file, or a folder of its chunks, holds."""

from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from dagnn.catalogs.catalog import Catalog, Selection
from dagnn.catalogs.chunks import catalog_files, read_raw
from dagnn.catalogs.columns import COLUMNS, GALAXY_COLUMNS
from dagnn.catalogs.findings import Facts, Inspection
from dagnn.catalogs.hdf5 import MOCK_MARK, list_fields, open_hdf5, read_header
from dagnn.catalogs.reader import guess_simulation, read_catalog
from dagnn.catalogs.suites import generic_suite, guess_suite
from dagnn.errors import DataError

NAMELESS = (
    "The path {path} names no known suite: the standard SUBFIND fields are read. Predicting goes "
    "that way too; to train on such catalogues, describe their suite in a YAML file "
    "(docs/add-your-own.md)."
)


def inspect_catalog(path: Path) -> Inspection:
    """Describe a catalogue: header, fields, galaxies after the standard selection, problems."""
    files = catalog_files(path)
    suite = guess_suite(files[0])
    facts: Facts = [
        ("suite", suite.name if suite else "not named by the path"),
        ("simulation", guess_simulation(files[0])),
        ("files", f"{len(files)}, {sum(file.stat().st_size for file in files):,} bytes"),
    ]
    problems: list[str] = []
    warnings = [] if suite else [NAMELESS.format(path=files[0])]
    for describe in (_stored, _subhalos, _galaxies):
        try:
            found, odd = describe(files)
        except DataError as error:
            problems.append(str(error))
        else:
            facts += found
            problems += odd
    unique = tuple(dict.fromkeys(problems))
    command = () if unique else (("To predict", f"dagnn predict RUN {quote(str(path))}"),)
    return Inspection("catalogue", path.name, tuple(facts), unique, tuple(warnings), command)


def _stored(files: tuple[Path, ...]) -> tuple[Facts, list[str]]:
    """Return header and datasets of the first file."""
    with open_hdf5(files[0]) as file:
        header = read_header(file)
        fields = list_fields(file)
    mock = header.get(MOCK_MARK)
    facts: Facts = [("MOCK", f"made by {mock}")] if mock else []
    facts += [("header", ", ".join(f"{name} {_short(value)}" for name, value in header.items()))]
    facts += [(name, f"{shape} {dtype}") for name, (shape, dtype) in fields.items()]
    return facts, []


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _subhalos(files: tuple[Path, ...]) -> tuple[Facts, list[str]]:
    """Return what all subhaloes together hold, before any selection."""
    suite = guess_suite(files[0]) or generic_suite()
    raw = read_raw(files, suite, GALAXY_COLUMNS)
    broken = {name: int((~np.isfinite(values)).sum()) for name, values in raw.columns.items()}
    listed = ", ".join(f"{name} {count}" for name, count in broken.items() if count)
    return [("subhaloes", f"{raw.rows:,}"), ("NaN or infinite values", listed or "none")], []


def _galaxies(files: tuple[Path, ...]) -> tuple[Facts, list[str]]:
    """Return what the reader makes of the files."""
    catalog = read_catalog(files, suite=guess_suite(files[0]) or generic_suite(), strict=False)
    facts: Facts = [
        ("redshift", f"{catalog.redshift:.4f}"),
        ("box", f"{catalog.box_size:g} ckpc/h"),
        ("galaxies", f"{len(catalog):,} with {Selection()}"),
        ("outside the box", f"{catalog.n_wrapped} galaxies (wrapped)"),
        *_ranges(catalog),
    ]
    return facts, list(catalog.warnings)


def _ranges(catalog: Catalog) -> Facts:
    return [
        (name, f"{values.min():.4g} to {values.max():.4g} {COLUMNS[name].unit}")
        for name, values in catalog.columns.items()
    ]
