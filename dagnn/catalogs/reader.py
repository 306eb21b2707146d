"""Catalogue files turned into :class:`Catalog`: selected, wrapped, checked; one box or many."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dagnn.catalogs.catalog import COLUMNS, GALAXY_COLUMNS, Catalog, Columns, Selection
from dagnn.catalogs.checks import (
    box_size_of,
    hubble_of,
    implausible,
    odd_box,
    odd_time,
    pooled_trouble,
    redshift_in,
    redshift_of,
    wrap,
)
from dagnn.catalogs.chunks import catalog_files, n_rows, read_raw
from dagnn.catalogs.hdf5 import MOCK_MARK, open_hdf5, read_header
from dagnn.catalogs.suites import Suite, find_suite, generic_suite, guess_suite, known_suites
from dagnn.errors import ConfigError, EmptyCatalogError, ImplausibleError, nearest
from dagnn.workers import without_main

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
    files = catalog_files(path)
    first = files[0]
    known, warnings = _suite_of(suite, first)
    header, subhalos = read_raw(files, known, _needed_columns(columns, known))
    box, z = box_size_of(first, header, box_size), redshift_of(first, header, redshift)
    selection = selection or Selection()
    # Before the selection: masses in other units would leave no galaxy, or each.
    found = implausible(subhalos, known, selection, box, z, hubble_of(header))
    troubles = [f"{first}: {text}" for text in found]
    if troubles and strict:
        raise ImplausibleError(" ".join(troubles))
    if box_size is None and known.short_name in known_suites():
        warnings += odd_box(first, header, known, box)
    warnings += (*odd_time(first, header, z), *troubles)
    galaxies, n_nonfinite = _galaxies(subhalos, selection, first)
    stored = galaxies["position"]
    if n_nonfinite:
        text = "with NaN, infinite or negative values were dropped."
        warnings += (f"{first}: {n_nonfinite} galaxies {text}",)
    return Catalog(
        simulation=simulation or guess_simulation(first),
        suite=known.short_name,
        path=first,
        box_size=box,
        redshift=z,
        mock=MOCK_MARK in header,
        columns={**galaxies, "position": wrap(stored, box)},
        n_subhalos=n_rows(subhalos),
        n_nonfinite=n_nonfinite,
        n_wrapped=int(((stored < 0) | (stored >= box)).any(axis=1).sum()),
        warnings=warnings,
        header=header,
    )


def _galaxies(
    subhalos: Columns, selection: Selection, path: Path
) -> tuple[dict[str, NDArray[Any]], int]:
    """Return the galaxies whose every value is possible, and how many were dropped."""
    rows = n_rows(subhalos)
    if not rows:
        raise EmptyCatalogError(f"{path} holds no subhaloes at all.")
    mask = selection.mask(subhalos)
    if not mask.any():
        raise EmptyCatalogError(
            f"None of the {rows} subhaloes of {path} has {selection}. "
            "Lower the selection to keep this box."
        )
    galaxies = {name: values[mask] for name, values in subhalos.items()}
    finite = np.ones(len(galaxies["position"]), dtype=bool)
    for name, values in galaxies.items():
        finite &= np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        if not COLUMNS[name].vector:  # a mass, a size or a speed; -1 and -9999 mark what is absent
            finite &= values >= 0
    if not finite.any():
        raise EmptyCatalogError(
            f"All {len(finite)} galaxies of {path} have NaN, infinite or negative values. "
            "Fetch the file again; if it stays so, leave this box out."
        )
    return {name: values[finite] for name, values in galaxies.items()}, int((~finite).sum())


Files = Mapping[str, Sequence[Path]]
"""Simulation → its file or its chunks."""
Boxes = dict[str, Catalog | EmptyCatalogError | ImplausibleError]
"""Simulation → its galaxies, or why it is left out."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Request:
    """Which boxes to read, and what of them.

    Attributes:
        suite: the suite.
        set: such as ``LH``.
        redshift: headers must agree.
        volume: such as ``L25n256``; headers must agree.
        selection: which subhaloes are galaxies.
        columns: canonical columns.
    """

    suite: Suite
    set: str
    redshift: float
    volume: str
    selection: Selection
    columns: tuple[str, ...]


def read_boxes(
    request: Request, files: Files, workers: int = 1, on_progress: Progress | None = None
) -> Boxes:
    """Read boxes in order; other trouble than no galaxies and implausible values raises.

    Args:
        request: what to read of every box.
        files: of every box.
        workers: processes that read.
        on_progress: called with boxes done and boxes in all.
    """
    boxes: Boxes = {}
    results = _results(request, list(files.items()), workers)
    for done, (simulation, result) in enumerate(zip(files, results, strict=True), start=1):
        boxes[simulation] = result
        if on_progress is not None:
            on_progress(done, len(files))
    return boxes


def by_outcome(
    boxes: Boxes,
) -> tuple[tuple[Catalog, ...], dict[str, str], dict[str, str]]:
    """Return the catalogues, and the reasons of boxes without galaxies and of implausible ones."""
    catalogs = tuple(box for box in boxes.values() if isinstance(box, Catalog))
    empty, wrong = (
        {name: str(box) for name, box in boxes.items() if isinstance(box, kind)}
        for kind in (EmptyCatalogError, ImplausibleError)
    )
    return catalogs, empty, wrong


def require_plausible(request: Request, boxes: Boxes) -> None:
    """Refuse a suite of which most boxes, or all boxes together, hold impossible values.

    Raises:
        ImplausibleError: the message names what the first of them holds, and the likely unit.
    """
    right, _, wrong = by_outcome(boxes)
    what = f"{request.set} boxes of {request.suite.name}"
    if len(wrong) > len(right):
        simulation, reason = next(iter(wrong.items()))
        raise ImplausibleError(
            f"{len(wrong)} of {len(wrong) + len(right)} {what} hold values that no such "
            f"catalogue can. The first, {simulation}: {reason}"
        )
    trouble = pooled_trouble([catalog.positions for catalog in right]) if right else ""
    if trouble:
        raise ImplausibleError(
            f"Positions of the {what} do not fill their box: {trouble}, such as in "
            f"{right[0].path}. Are they in other units, or is the edge missing? Convert them, or "
            "set the column's `factor` in the suite's YAML."
        )


def _read(
    request: Request, box: tuple[str, Sequence[Path]]
) -> Catalog | EmptyCatalogError | ImplausibleError:
    """Return a box, or the reason why it is left out."""
    simulation, files = box
    try:
        return read_catalog(
            files,
            suite=request.suite,
            selection=request.selection,
            redshift=request.redshift,
            box_size=request.suite.box_size(request.volume),
            simulation=simulation,
            columns=request.columns,
        )
    except (EmptyCatalogError, ImplausibleError) as error:
        return error


def _results(
    request: Request, boxes: list[tuple[str, Sequence[Path]]], workers: int
) -> Iterator[Catalog | EmptyCatalogError | ImplausibleError]:
    if workers <= 1 or len(boxes) < 2:
        yield from map(partial(_read, request), boxes)
        return
    executor = ProcessPoolExecutor(workers)
    try:
        with without_main():
            results = executor.map(partial(_read, request), boxes, chunksize=4)
        yield from results
    finally:
        executor.shutdown(cancel_futures=True)
