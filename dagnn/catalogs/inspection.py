"""What a path holds and what is wrong with it; broken input is a finding, not a crash."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from dagnn.catalogs.chunks import chunk_number
from dagnn.catalogs.findings import Facts, Inspection
from dagnn.catalogs.inspect_catalog import inspect_catalog
from dagnn.catalogs.inspect_folder import inspect_data_folder, inspect_run
from dagnn.catalogs.labels import range_problems
from dagnn.catalogs.suites import guess_suite, load_suite_file
from dagnn.catalogs.tables import ParameterTable, read_table
from dagnn.errors import ConfigError, DagnnError, DataError, MissingDataError
from dagnn.files import entries
from dagnn.parameters import PARAMETERS
from dagnn.stored import AGAIN, read_arrays, read_npy, read_torch, reading
from dagnn.yaml_files import read_yaml


def inspect_path(path: str | Path) -> Inspection:
    """Say what a file or folder holds and what is wrong with it.

    Args:
        path: a catalogue, a folder of chunks, a parameter table, a data root, an
            array, a weight file, a suite's YAML or a run folder.

    Raises:
        MissingDataError: nothing is there.
    """
    path = Path(path)
    if not path.exists():
        raise MissingDataError(f"There is nothing at {path}. Check the path.")
    return _inspector(path)(path)


def _inspector(path: Path) -> Callable[[Path], Inspection]:
    """Return the function that knows this kind of path."""
    if path.is_dir():
        return _folder_inspector(path)
    by_suffix = {
        ".hdf5": inspect_catalog,
        ".h5": inspect_catalog,
        ".txt": _inspect_table,
        ".csv": _inspect_table,
        ".gz": _inspect_table,
        ".npy": _inspect_array,
        ".npz": _inspect_array,
        ".yaml": _inspect_yaml,
        ".yml": _inspect_yaml,
        ".pt": _inspect_weights,
        ".pth": _inspect_weights,
    }
    by_signature = {b"\x89HDF": inspect_catalog, b"PK\x03\x04": _inspect_weights}
    with path.open("rb") as stream:
        start = stream.read(4)
    return by_suffix.get(path.suffix.lower()) or by_signature.get(start, _inspect_unknown)


def _folder_inspector(path: Path) -> Callable[[Path], Inspection]:
    if (path / "config.yaml").is_file() or (path / "results.csv").is_file():
        return inspect_run
    files = [child for child in entries(path) if child.is_file()]
    if any(chunk_number(child) is not None for child in files):
        return inspect_catalog
    return inspect_data_folder


def _inspect_table(path: Path) -> Inspection:
    try:
        table = read_table(path)
    except DataError as error:
        return Inspection("parameter table", path.name, (), (str(error),))
    seeds = "none" if table.seeds is None else f"{table.seeds.min()} to {table.seeds.max()}"
    facts = [
        ("simulations", f"{len(table)}, from {table.names[0]} to {table.names[-1]}"),
        ("parameters", str(len(table.columns))),
        ("seeds", seeds),
        *_ranges(table),
    ]
    repeated = [f"{name} is listed more than once." for name in table.repeated]
    wrong, odd = range_problems(table, table.names, table.columns, guess_suite(path.name))
    problems = (*repeated, *wrong)
    return Inspection("parameter table", path.name, tuple(facts), problems, odd)


def _ranges(table: ParameterTable) -> Facts:
    """Return the range of every column, beside the prior where there is one."""
    facts: Facts = []
    for name, spelling, values in zip(table.columns, table.spellings, table.rows.T, strict=True):
        own = "" if name == spelling else f" (spelled {spelling})"
        known = PARAMETERS.get(name)
        prior = f", standard prior {known.low:g} to {known.high:g}" if known else ""
        facts.append((name, f"{values.min():g} to {values.max():g}{prior}{own}"))
    return facts


def _inspect_array(path: Path) -> Inspection:
    try:
        with reading(path, AGAIN, what="cannot be read as a NumPy file"):
            single = path.suffix.lower() == ".npy"
            arrays = {path.stem: read_npy(path)} if single else read_arrays(path)
    except DataError as error:
        return Inspection("array", path.name, (), (str(error),))
    facts = [(name, f"{array.shape} {array.dtype}{_span(array)}") for name, array in arrays.items()]
    problems = [
        f"{name} in {path} holds {(~np.isfinite(array)).sum()} NaN or infinite values."
        for name, array in arrays.items()
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all()
    ]
    kind = "power spectra" if path.name.startswith("Pk_") else "array"
    return Inspection(kind, path.name, tuple(facts), tuple(problems))


def _span(array: np.ndarray) -> str:
    if not (array.size and np.issubdtype(array.dtype, np.number)):
        return ""
    return f", from {np.nanmin(array):g} to {np.nanmax(array):g}"


def _inspect_yaml(path: Path) -> Inspection:
    try:
        content = read_yaml(path)
    except ConfigError as error:
        return Inspection("YAML file", path.name, (), (str(error),))
    keys = ", ".join(content)
    if "short_name" not in content:
        return Inspection("YAML file", path.name, (("keys", keys),), ())
    try:
        suite = load_suite_file(path)
    except DagnnError as error:
        return Inspection("suite", path.name, (("keys", keys),), (str(error),))
    facts = (
        ("name", f"{suite.name} ({suite.short_name})"),
        ("volumes", ", ".join(f"{name}: {box:g} ckpc/h" for name, box in suite.volumes.items())),
        ("sets", ", ".join(f"{name}: {count}" for name, count in suite.sets.items())),
    )
    return Inspection("suite", path.name, facts, ())


def _inspect_weights(path: Path) -> Inspection:
    try:
        stored = read_torch(path)
    except DataError as error:
        return Inspection("weights", path.name, (), (str(error),))
    entries = stored if isinstance(stored, dict) else {"value": stored}
    tensors = {name: value for name, value in entries.items() if isinstance(value, torch.Tensor)}
    others = ", ".join(str(name) for name in entries if name not in tensors)
    facts = [("values", f"{sum(value.numel() for value in tensors.values()):,} in tensors")]
    facts += [("also holds", others)] if others else []
    facts += [(str(name), f"{tuple(value.shape)}") for name, value in tensors.items()]
    bad = [name for name, value in tensors.items() if not torch.isfinite(value).all()]
    problems = tuple(f"{name} in {path} holds NaN or infinite values." for name in bad)
    return Inspection("weights", path.name, tuple(facts), problems)


def _inspect_unknown(path: Path) -> Inspection:
    text = (
        f"{path} is of no kind that dagnn knows: a catalogue (.hdf5), a parameter table (.txt), "
        "an array (.npy, .npz), a suite (.yaml), a weight file, a data folder or a run folder."
    )
    facts = (("size", f"{path.stat().st_size:,} bytes"),)
    return Inspection("unknown", path.name, facts, (text,))
