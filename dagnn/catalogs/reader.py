"""A catalogue file turned into a :class:`Catalog`: selected, wrapped, checked."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dagnn.catalogs.catalog import Catalog, Selection
from dagnn.catalogs.checks import (
    box_size_of,
    odd_box,
    odd_time,
    redshift_in,
    redshift_of,
    wrap,
)
from dagnn.catalogs.chunks import RawCatalog, catalog_files, read_raw
from dagnn.catalogs.columns import COLUMNS, GALAXY_COLUMNS
from dagnn.catalogs.hdf5 import MOCK_MARK, open_hdf5, read_header
from dagnn.catalogs.labels import check_header
from dagnn.catalogs.plausible import implausible
from dagnn.catalogs.suite import Suite
from dagnn.catalogs.suites import find_suite, generic_suite, guess_suite, known_suites
from dagnn.errors import ConfigError, EmptyCatalogError, ImplausibleError, nearest

#: Raise it whenever the same file would give a different catalogue: caches then expire.
READER_VERSION = 4

_SIMULATION = re.compile(
    r"(?<![A-Za-z0-9])(1P_p?\d+_n?\d+|1P_\d+|(?:LH|CV|EX|BE|SB\d+)_\d+)(?![0-9])"
)


def guess_simulation(path: Path) -> str:
    """Return the simulation that a path names, or the stem of the file.

    Example:
        >>> guess_simulation(Path("IllustrisTNG/1P/1P_p1_n2/groups_090.hdf5"))
        '1P_p1_n2'
        >>> guess_simulation(Path("SIMBA_LH_3_fof_subhalo_tab_033.hdf5"))
        'LH_3'
    """
    for part in reversed(path.parts):
        match = _SIMULATION.search(part)
        if match:
            return match[1]
    return path.stem


def peek_redshift(path: str | Path | Sequence[Path]) -> float | None:
    """Return the redshift of a catalogue without reading its columns."""
    with open_hdf5(catalog_files(path)[0]) as file:
        return redshift_in(read_header(file))


def _needed_columns(names: Sequence[str], suite: Suite) -> tuple[str, ...]:
    for name in names:
        if name not in suite.fields:
            raise ConfigError(
                f"{suite.name} describes no column {name!r}. {nearest(name, COLUMNS)} "
                "A suite's YAML names the HDF5 field of each under `fields`."
            )
    # Position and the two columns of the selection are always needed.
    return tuple(dict.fromkeys(("position", "star_particles", "stellar_mass", *names)))


def _suite_of(suite: str | Suite | None, first: Path) -> tuple[Suite, tuple[str, ...]]:
    if suite is not None:
        return find_suite(suite), ()
    guess = guess_suite(first)
    if guess is not None:
        return guess, ()
    text = f"The path {first} names no known suite: the standard SUBFIND fields are read."
    return generic_suite(), (text,)


def read_catalog(
    path: str | Path | Sequence[Path],
    suite: str | Suite | None = None,
    selection: Selection | None = None,
    redshift: float | None = None,
    box_size: float | None = None,
    omega_m: float | None = None,
    simulation: str | None = None,
    columns: Sequence[str] = GALAXY_COLUMNS,
    strict: bool = True,
) -> Catalog:
    """Read the galaxies of one box.

    Args:
        path: a file, one chunk of several, a folder of chunks, or the list of chunks.
        suite: name or :class:`Suite`; None guesses it from the path.
        selection: which subhaloes are galaxies; None is the standard selection.
        redshift: what the header must agree with, or what stands in for a silent header.
        box_size: the same for the box length in ckpc/h.
        omega_m: the parameter table's value, to be compared with the header's.
        simulation: its name; None guesses it from the path.
        columns: which canonical columns are needed.
        strict: whether values that no such catalogue can hold (other units, a part of the
            box) are an error; otherwise they are warnings of the catalogue.

    Raises:
        NotHDF5Error: the file holds something else, often a web page.
        TruncatedFileError: the file ends early or holds fewer rows than it declares.
        MissingFieldError: a field is absent; the message lists what exists.
        MissingChunkError: a chunk is absent.
        MismatchError: box, redshift, units or lengths disagree.
        ImplausibleError: values are in other units, or positions do not fill the box.
        EmptyCatalogError: no galaxy is left.
    """
    first = catalog_files(path)[0]
    known, warnings = _suite_of(suite, first)
    raw = read_raw(path, known, _needed_columns(columns, known))
    box, z = box_size_of(raw, box_size), redshift_of(raw, redshift)
    selection = selection or Selection()
    # Before the selection: masses in other units would leave no galaxy, or each.
    troubles = implausible(raw, known, selection, box, z)
    if troubles and strict:
        raise ImplausibleError(" ".join(troubles))
    if box_size is None and known.short_name in known_suites():
        warnings += odd_box(raw, known, box)
    warnings += (*odd_time(raw, z), *troubles)
    galaxies, n_nonfinite = _finite_galaxies(raw, selection)
    stored = galaxies["position"]
    if n_nonfinite:
        text = "with NaN, infinite or negative values were dropped."
        warnings += (f"{first}: {n_nonfinite} galaxies {text}",)
    catalog = Catalog(
        simulation=simulation or guess_simulation(first),
        suite=known.short_name,
        path=first,
        box_size=box,
        redshift=z,
        mock=MOCK_MARK in raw.header,
        columns={**galaxies, "position": wrap(stored, box)},
        n_subhalos=raw.rows,
        n_nonfinite=n_nonfinite,
        n_wrapped=int(((stored < 0) | (stored >= box)).any(axis=1).sum()),
        warnings=warnings,
        header=raw.header,
    )
    return catalog if omega_m is None else check_header(catalog, {"Omega_m": omega_m})


def _galaxies(raw: RawCatalog, selection: Selection) -> dict[str, NDArray[Any]]:
    if not raw.rows:
        raise EmptyCatalogError(f"{raw.files[0]} holds no subhaloes at all.")
    mask = selection.mask(raw.columns)
    if not mask.any():
        raise EmptyCatalogError(
            f"None of the {raw.rows} subhaloes of {raw.files[0]} has {selection}. "
            "Lower the selection to keep this box."
        )
    return {name: values[mask] for name, values in raw.columns.items()}


def _finite_galaxies(raw: RawCatalog, selection: Selection) -> tuple[dict[str, NDArray[Any]], int]:
    """Return the galaxies whose every column can be, and how many were dropped."""
    galaxies = _galaxies(raw, selection)
    finite = np.ones(len(galaxies["position"]), dtype=bool)
    for name, values in galaxies.items():
        finite &= np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        if not COLUMNS[name].vector:  # a mass, a size or a speed; -1 and -9999 mark what is absent
            finite &= values >= 0
    if not finite.any():
        raise EmptyCatalogError(
            f"All {len(finite)} galaxies of {raw.files[0]} have NaN, infinite or negative values. "
            "Fetch the file again; if it stays so, leave this box out."
        )
    return {name: values[finite] for name, values in galaxies.items()}, int((~finite).sum())
