"""What lies at a path and what is wrong with it: every problem that is there, in one answer."""

from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dagnn.catalogs.reader import chunk_number
from dagnn.console import screen
from dagnn.data.power import WAVENUMBERS
from dagnn.errors import MissingDataError
from dagnn.files import entries
from dagnn.inspect import files, spectra
from dagnn.inspect.files import Inspection
from dagnn.inspect.folders import inspect_catalogues, inspect_other
from dagnn.inspect.images import inspect_images

__all__ = ["Inspection", "inspect_path", "show"]

_BY_SUFFIX = {
    ".hdf5": files.inspect_catalog,
    ".h5": files.inspect_catalog,
    ".txt": files.inspect_table,
    ".csv": files.inspect_table,
    ".gz": files.inspect_table,
    ".npy": files.inspect_array,
    ".npz": files.inspect_array,
    ".yaml": files.inspect_yaml,
    ".yml": files.inspect_yaml,
    ".pt": files.inspect_weights,
    ".pth": files.inspect_weights,
}
_BY_SIGNATURE = {b"\x89HDF": files.inspect_catalog, b"PK\x03\x04": files.inspect_weights}


def inspect_path(path: str | Path) -> Inspection:
    """Return what a file or folder holds and everything that is wrong with it.

    Args:
        path: a catalogue, a folder of chunks, a parameter table, power spectra, images, an
            array, a weight file, a suite's YAML, a data folder, a run or a study.

    Raises:
        MissingDataError: nothing is there.
    """
    path = Path(path)
    if not path.exists():
        raise MissingDataError(f"There is nothing at {path}. Check the path.")
    images = inspect_images(path)
    if images is not None:
        return images
    return (_folder_inspector if path.is_dir() else _file_inspector)(path)(path)


def _file_inspector(path: Path) -> Callable[[Path], Inspection]:
    """Return the function that knows this kind of file."""
    if path.name == WAVENUMBERS:
        return spectra.inspect_wavenumbers
    if path.suffix == ".npy" and path.name.startswith("Pk_"):
        return spectra.inspect_spectra
    with path.open("rb") as stream:
        start = stream.read(4)
    return _BY_SUFFIX.get(path.suffix.lower()) or _BY_SIGNATURE.get(start, files.inspect_unknown)


def _folder_inspector(path: Path) -> Callable[[Path], Inspection]:
    """Return the function that knows this kind of folder."""
    if spectra.spectra_files(path):
        return _inspect_data
    if (path / "config.yaml").is_file() or (path / "results.csv").is_file():
        return files.inspect_run
    # A study file alone may lie beside data.
    kept = any((path / n).exists() for n in ("study.db", "journal.log", "storage.txt", "trials"))
    if kept and (path / "study.yaml").is_file():
        return files.inspect_study
    if any(child.is_file() and chunk_number(child) is not None for child in entries(path)):
        return files.inspect_catalog
    return _inspect_data


def _inspect_data(path: Path) -> Inspection:
    found = inspect_catalogues(path)
    spectra.add_spectra(found, path)
    if found.facts:
        return found
    other = inspect_other(path)
    other.add_problems(*found.problems)
    return other


def show(path: Path, *, console: Console | None = None) -> bool:
    """Print what a path holds and what is wrong with it.

    Returns:
        Whether anything is wrong.
    """
    console, found = console or screen(), inspect_path(path)
    console.print(Text(f"{found.kind}: {found.title}", style="italic"), soft_wrap=True)
    table = Table(show_header=False, box=None)
    for label, value in found.facts:
        table.add_row(Text(str(label), style="bold"), Text(str(value)))
    if found.facts:
        console.print(table)
    for problem in found.problems:
        console.print(Text.assemble(("Problem: ", "bold red"), problem), soft_wrap=True)
    for warning in found.warnings:
        console.print(Text.assemble(("Warning: ", "yellow"), warning), soft_wrap=True)
    if found.healthy:
        console.print("No problems found.")
    for purpose, command in found.commands:
        console.print(Text.assemble((f"{purpose}: ", "bold"), command), soft_wrap=True)
    return not found.healthy
