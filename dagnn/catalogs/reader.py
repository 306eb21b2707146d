"""One catalogue, a file or its chunks, as a :class:`Catalog`: selected, wrapped, checked."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dagnn.catalogs.catalog import COLUMNS, GALAXY_COLUMNS, Catalog, Columns, Selection
from dagnn.catalogs.checks import box_and_redshift, hubble_of, implausible, redshift_in, wrap
from dagnn.catalogs.hdf5 import MOCK_MARK, follow, open_hdf5, read_header, read_values
from dagnn.catalogs.suites import Field, Suite, find_suite, generic_suite, guess_suite
from dagnn.errors import (
    ConfigError,
    DataError,
    EmptyCatalogError,
    ImplausibleError,
    MismatchError,
    MissingChunkError,
    MissingDataError,
    MissingFieldError,
    TruncatedFileError,
    nearest,
)
from dagnn.files import entries

Header = dict[str, Any]

_CHUNK = re.compile(r"^(?P<stem>.+)\.(?P<number>\d+)\.(hdf5|h5)$")
_ROWS_HERE = ("Nsubgroups_ThisFile", "Nsubhalos_ThisFile", "Nsubhaloes_ThisFile")
_ROWS_TOTAL = ("Nsubgroups_Total", "Nsubhalos_Total", "Nsubhaloes_Total")
#: Raise it whenever the same file would give a different catalogue: caches then expire.
READER_VERSION = 4
_SIMULATION = re.compile(
    r"(?<![A-Za-z0-9])(1P_p?\d+_n?\d+|1P_\d+|(?:LH|CV|EX|BE|SB\d+)_\d+)(?![0-9])"
)


def chunk_number(path: Path) -> int | None:
    """Return the number in ``name.3.hdf5``, or None for a file that is no chunk."""
    match = _CHUNK.match(path.name)
    return int(match["number"]) if match else None


def catalog_files(path: str | Path | Sequence[Path]) -> tuple[Path, ...]:
    """Return the files of a catalogue: itself, or all chunks in order.

    Args:
        path: a file, one chunk of several, a folder of chunks, or the chunks.

    Raises:
        MissingDataError: nothing is there.
    """
    if not isinstance(path, str | Path):
        return tuple(sorted(path, key=lambda p: (chunk_number(p) or 0, p.name)))
    path = Path(path)
    if path.is_dir():
        chunks = [p for p in entries(path) if chunk_number(p) is not None]
        if not chunks:
            raise MissingDataError(
                f"The folder {path} holds no chunks such as fof_subhalo_tab_090.0.hdf5. "
                f"Give a catalogue file, a folder of chunks, or many catalogues as {path}/*.hdf5."
            )
        return catalog_files(chunks)
    match = _CHUNK.match(path.name)
    if match is None or not path.exists():
        return (path,)
    siblings = (_CHUNK.match(p.name) for p in entries(path.parent))
    names = [m.string for m in siblings if m is not None and m["stem"] == match["stem"]]
    return catalog_files([path.parent / name for name in names])


def _count(header: Header, spellings: Iterable[str]) -> int | None:
    return next((int(header[name]) for name in spellings if name in header), None)


def _read_field(file: h5py.File, field: Field) -> NDArray[Any]:
    """Return one column in canonical units, ``[n]`` or ``[n, 3]``.

    The whole dataset is read and sliced in memory: a strided read from the file
    becomes tens of thousands of tiny ones.

    Raises:
        MissingFieldError: the dataset is absent or too narrow; the message lists what exists.
        UnwrittenDataError: not all of its values are stored.
        UnreadableFileError: it was packed by a filter that is not installed.
    """
    stored = follow(file, field.dataset)
    if stored is None:
        parent = field.dataset.rsplit("/", 1)[0]
        existing = file.get(parent, file)
        raise MissingFieldError(
            f"{file.filename} has no field {field.dataset!r}. "
            f"{parent if parent in file else 'The file'} holds: "
            f"{', '.join(existing) or 'nothing'}. "
            "Correct the field's name in the suite's YAML, or fetch the complete file."
        )
    if not isinstance(stored, h5py.Dataset):
        raise MissingFieldError(f"{field.dataset!r} in {file.filename} is a group, not a dataset.")
    if field.column is not None and (stored.ndim != 2 or stored.shape[1] <= field.column):
        raise MissingFieldError(
            f"{field.dataset!r} in {file.filename} has shape {stored.shape}; column "
            f"{field.column} was expected (particle type 4 is stars)."
        )
    values = read_values(stored)
    if values.dtype.kind not in "iuf":
        raise DataError(
            f"{field.dataset!r} in {file.filename} holds {values.dtype}, not real numbers."
        )
    chosen = values if field.column is None else values[:, field.column]
    return np.asarray(chosen * field.factor if field.factor != 1.0 else chosen)


def _check_shapes(
    path: Path, columns: Columns, fields: Mapping[str, Field], expected: int | None
) -> None:
    """Refuse columns of other shapes than their rows need, or the header states."""
    for name, values in columns.items():
        row = (3,) if COLUMNS[name].vector else ()
        if values.shape[1:] != row or not values.ndim:
            raise MismatchError(
                f"{fields[name].dataset!r} in {path} has shape {values.shape}; {name} takes "
                f"{'three numbers' if row else 'one number'} for every subhalo. Correct the field "
                "in the suite's YAML (`column` picks one of several), or fetch the file again."
            )
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise MismatchError(
            f"The columns of {path} have different lengths: {listed}. Fetch the file again."
        )
    rows = n_rows(columns)
    counts = f"{path} holds {rows} subhaloes where its header says {expected}"
    if expected is not None and rows < expected:
        raise TruncatedFileError(f"{counts}. Fetch it again.")
    if expected is not None and rows > expected:
        raise MismatchError(f"{counts}: header and columns come from different catalogues.")


def _read_file(path: Path, suite: Suite, names: Sequence[str]) -> tuple[Header, Columns]:
    with open_hdf5(path) as file:
        header = read_header(file)
        expected = _count(header, _ROWS_HERE)
        if expected is None and int(header.get("NumFiles", 1)) == 1:
            expected = _count(header, _ROWS_TOTAL)
        no_datasets = not len(file["Subhalo"]) if "Subhalo" in file else expected == 0
        if no_datasets and not expected:
            return header, {}
        columns = {name: _read_field(file, suite.fields[name]) for name in names}
    _check_shapes(path, columns, suite.fields, expected)
    return header, columns


def _check_complete(files: tuple[Path, ...], header: Header, rows: int) -> None:
    """Refuse a catalogue of which a chunk is absent."""
    declared = int(header.get("NumFiles", len(files)))
    total = _count(header, _ROWS_TOTAL)
    # Merged catalogues may keep the NumFiles of their chunks: the rows decide where they are known.
    if declared <= len(files) if total is None else rows == total:
        return
    if total is not None and rows > total:
        raise MismatchError(
            f"The {len(files)} files in {files[0].parent} hold {rows} subhaloes together where the "
            f"header says {total}: they belong to different catalogues."
        )
    present = {chunk_number(file) for file in files}
    absent = [str(k) for k in range(declared) if k not in present]
    raise MissingChunkError(
        f"The catalogue in {files[0].parent} has {len(files)} of {declared} chunks and {rows} of "
        f"{'?' if total is None else total} subhaloes. "
        f"Missing: chunk {', '.join(absent) or 'unknown'}. Fetch the missing files."
    )


def read_raw(files: Sequence[Path], suite: Suite, names: Sequence[str]) -> tuple[Header, Columns]:
    """Read the named columns of every subhalo of a box, before any selection.

    Args:
        files: of the box, see :func:`catalog_files`.
        suite: where the columns lie.
        names: canonical columns.

    Returns:
        The header of the first file, and the columns; none where the box holds no subhalo.

    Raises:
        MissingChunkError: the header counts more files than are there.
        TruncatedFileError: a file holds fewer rows than its header states.
    """
    read = [_read_file(file, suite, names) for file in files]
    header, filled = read[0][0], [columns for _, columns in read if n_rows(columns)]
    _check_complete(tuple(files), header, sum(map(n_rows, filled)))
    return header, {name: np.concatenate([c[name] for c in filled]) for name in names if filled}


def n_rows(columns: Columns) -> int:
    """Return the number of subhaloes in columns of equal length."""
    return len(next(iter(columns.values()), ()))


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
    warnings: tuple[str, ...] = ()
    known = guess_suite(first) if suite is None else find_suite(suite)
    if known is None:
        known = generic_suite()
        text = f"The path {first} names no known suite: the standard SUBFIND fields are read."
        warnings = (text,)
    header, subhalos = read_raw(files, known, _needed_columns(columns, known))
    box, z, odd = box_and_redshift(first, header, known, box_size, redshift)
    selection = selection or Selection()
    # Before the selection: masses in other units would leave no galaxy, or each.
    found = implausible(subhalos, known, selection, box, z, hubble_of(header))
    troubles = [f"{first}: {text}" for text in found]
    if troubles and strict:
        raise ImplausibleError(" ".join(troubles))
    warnings += (*odd, *troubles)
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
