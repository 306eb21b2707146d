"""What one file, the chunks of a catalogue, the folder of a run or of a study holds."""

import csv
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from shlex import quote

import numpy as np
import torch

from dagnn.catalogs.catalog import COLUMNS, GALAXY_COLUMNS, Selection
from dagnn.catalogs.hdf5 import MOCK_MARK, list_fields, open_hdf5, read_header
from dagnn.catalogs.reader import catalog_files, guess_simulation, n_rows, read_catalog, read_raw
from dagnn.catalogs.suites import generic_suite, guess_suite, load_suite_file
from dagnn.catalogs.tables import range_problems, read_table
from dagnn.errors import DagnnError
from dagnn.files import entries, matching
from dagnn.parameters import PARAMETERS
from dagnn.stored import AGAIN, read_arrays, read_json, read_npy, read_text, read_torch, reading
from dagnn.yaml_files import read_yaml

Fact = tuple[str, str]
NAMELESS = (
    "The path {path} names no known suite: the standard SUBFIND fields are read. Predicting goes "
    "that way too; to train on such catalogues, describe their suite in a YAML file "
    "(docs/add-your-own.md)."
)
SHOWN_PROBLEMS = 5
# The rest is in the run's results.csv and report.
SHOWN_METRICS = ("relative_error", "r2", "chi2")


@dataclass
class Inspection:
    """What a path holds; an inspector collects everything that is wrong before it returns.

    Attributes:
        kind: ``catalogue``, ``parameter table``, ``data folder``, ``power spectra``,
            ``wavenumbers``, ``array``, ``weights``, ``suite``, ``YAML file``, ``run``,
            ``study``, ``images`` or ``unknown``.
        title: its name.
        facts: label and value, in the order to print.
        problems: what is wrong, in the words of the errors that reading it would raise.
        warnings: what is odd and does not prevent its use.
        commands: purpose and command line of each use of it.
    """

    kind: str
    title: str
    facts: list[Fact] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    commands: list[Fact] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def add_problems(self, *problems: str) -> None:
        """Add those problems that are not there already."""
        self.problems += [text for text in dict.fromkeys(problems) if text not in self.problems]

    @contextmanager
    def collecting(self, kinds: tuple[type[Exception], ...] = (DagnnError,)) -> Iterator[None]:
        """Add the error that ends the block to the problems, and go on after the block.

        Args:
            kinds: of error that are collected.
        """
        try:
            yield
        except kinds as error:
            self.add_problems(str(error))


def first_few(problems: Sequence[str], what: str) -> list[str]:
    """Return the first few problems in full, and how many more there are."""
    rest = len(problems) - SHOWN_PROBLEMS
    more = [f"... and {rest} more {what} cannot be read."] if rest > 0 else []
    return [*problems[:SHOWN_PROBLEMS], *more]


def inspect_catalog(path: Path) -> Inspection:
    """Describe a catalogue: header, fields, galaxies after the standard selection, problems."""
    found, files = Inspection("catalogue", path.name), catalog_files(path)
    named, simulation = guess_suite(files[0]), guess_simulation(files[0])
    suite = named or generic_suite()
    found.facts += [
        ("suite", named.name if named else "not named by the path"),
        ("simulation", simulation),
        ("files", f"{len(files)}, {sum(file.stat().st_size for file in files):,} bytes"),
    ]
    if named is None:
        found.warnings.append(NAMELESS.format(path=files[0]))
    with found.collecting():
        _add_stored(found, files[0])
    broken: dict[str, int] = {}
    rows: int | None = None
    for name in GALAXY_COLUMNS:  # each by itself, so that no absent column hides another
        with found.collecting():
            _, columns = read_raw(files, suite, (name,))
            rows = n_rows(columns)
            broken |= {name: int((~np.isfinite(v)).sum()) for name, v in columns.items()}
    if rows is not None:
        listed = ", ".join(f"{name} {count}" for name, count in broken.items() if count)
        found.facts += [("subhaloes", f"{rows:,}"), ("NaN or infinite values", listed or "none")]
    with found.collecting():
        catalog = read_catalog(files, suite=suite, strict=False)
        found.facts += [
            ("redshift", f"{catalog.redshift:.4f}"),
            ("box", f"{catalog.box_size:g} ckpc/h"),
            ("galaxies", f"{len(catalog):,} with {Selection()}"),
            ("outside the box", f"{catalog.n_wrapped} galaxies (wrapped)"),
        ]
        found.facts += [
            (name, f"{values.min():.4g} to {values.max():.4g} {COLUMNS[name].unit}")
            for name, values in catalog.columns.items()
        ]
        found.add_problems(*catalog.warnings)
    if found.healthy:
        found.commands.append(("To predict", f"dagnn predict RUN {quote(str(path))}"))
    return found


def _add_stored(found: Inspection, file: Path) -> None:
    """Add header and datasets of a file."""
    with open_hdf5(file) as opened:
        header = read_header(opened)
        fields = list_fields(opened)
    if mock := header.get(MOCK_MARK):
        found.facts.append(("MOCK", f"made by {mock}"))
    values = {name: f"{v:g}" if isinstance(v, float) else str(v) for name, v in header.items()}
    found.facts.append(("header", ", ".join(f"{name} {text}" for name, text in values.items())))
    found.facts += [(name, f"{shape} {dtype}") for name, (shape, dtype) in fields.items()]


def inspect_table(path: Path) -> Inspection:
    """Describe a parameter table: its simulations, and the range of every column."""
    found, rows = Inspection("parameter table", path.name), list[str]()
    with found.collecting():
        table = read_table(path, rows)
        seeds = "none" if table.seeds is None else f"{table.seeds.min()} to {table.seeds.max()}"
        found.facts += [
            ("simulations", f"{len(table)}, from {table.names[0]} to {table.names[-1]}"),
            ("parameters", str(len(table.columns))),
            ("seeds", seeds),
        ]
        for name, spelling, values in zip(
            table.columns, table.spellings, table.rows.T, strict=True
        ):
            own = "" if name == spelling else f" (spelled {spelling})"
            known = PARAMETERS.get(name)
            prior = f", standard prior {known.low:g} to {known.high:g}" if known else ""
            found.facts.append((name, f"{values.min():g} to {values.max():g}{prior}{own}"))
        found.add_problems(*(f"{name} is listed more than once." for name in table.repeated))
        wrong, odd = range_problems(table, table.names, table.columns, guess_suite(path.name))
        found.add_problems(*wrong)
        found.warnings += odd
    found.add_problems(*first_few(rows, f"rows of {path.name}"))
    return found


def inspect_array(path: Path) -> Inspection:
    """Describe the arrays of a NumPy file."""
    found = Inspection("array", path.name)
    with found.collecting(), reading(path, AGAIN, what="cannot be read as a NumPy file"):
        single = path.suffix.lower() == ".npy"
        arrays = {path.stem: read_npy(path)} if single else read_arrays(path)
        for name, array in arrays.items():
            found.facts.append((name, f"{array.shape} {array.dtype}{_span(array)}"))
            if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
                count = (~np.isfinite(array)).sum()
                found.add_problems(f"{name} in {path} holds {count} NaN or infinite values.")
    return found


def _span(array: np.ndarray) -> str:
    if not (array.size and np.issubdtype(array.dtype, np.number)):
        return ""
    return f", from {np.nanmin(array):g} to {np.nanmax(array):g}"


def inspect_yaml(path: Path) -> Inspection:
    """Describe a YAML file, which may describe a suite."""
    found = Inspection("YAML file", path.name)
    with found.collecting():
        content = read_yaml(path)
        found.facts.append(("keys", ", ".join(content)))
        if "short_name" not in content:
            return found
        found.kind = "suite"
        suite = load_suite_file(path)
        volumes = (f"{name}: {box:g} ckpc/h" for name, box in suite.volumes.items())
        found.facts = [
            ("name", f"{suite.name} ({suite.short_name})"),
            ("volumes", ", ".join(volumes)),
            ("sets", ", ".join(f"{name}: {count}" for name, count in suite.sets.items())),
        ]
    return found


def inspect_weights(path: Path) -> Inspection:
    """Describe the tensors of a weight file."""
    found = Inspection("weights", path.name)
    with found.collecting():
        stored = read_torch(path)
        values = stored if isinstance(stored, dict) else {"value": stored}
        tensors = {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}
        others = ", ".join(str(name) for name in values if name not in tensors)
        count = sum(value.numel() for value in tensors.values())
        found.facts.append(("values", f"{count:,} in tensors"))
        found.facts += [("also holds", others)] if others else []
        found.facts += [(str(name), f"{tuple(value.shape)}") for name, value in tensors.items()]
        bad = [name for name, value in tensors.items() if not torch.isfinite(value).all()]
        found.add_problems(*(f"{name} in {path} holds NaN or infinite values." for name in bad))
    return found


def inspect_unknown(path: Path) -> Inspection:
    """Name what a file might have been."""
    text = (
        f"{path} is of no kind that dagnn knows: a catalogue (.hdf5), a parameter table (.txt), "
        "an array (.npy, .npz), a suite (.yaml), a weight file, a data folder, a run or a study."
    )
    return Inspection("unknown", path.name, [("size", f"{path.stat().st_size:,} bytes")], [text])


_STORED: Mapping[str, Callable[[Path], object]] = {
    ".npz": read_arrays,
    ".json": read_json,
    ".pt": read_torch,
}
"""How the files of a run are read, by suffix."""


def inspect_run(path: Path) -> Inspection:
    """Describe a run folder by the files that are there."""
    found = Inspection("run", path.name, [("files", _listed(path))])
    expected = ("config.yaml", "checkpoints", "results.csv")
    found.problems += [f"{path} has no {name}." for name in expected if not (path / name).exists()]
    _add_broken(found, path)
    with found.collecting():
        metrics = path / "metrics.jsonl"
        if metrics.is_file():
            found.facts.append(("epochs", str(len(read_text(metrics).splitlines()))))
        with reading(path / "results.csv", "Write it again with: dagnn evaluate"):
            found.facts += _results(path / "results.csv")
    return found


def inspect_study(path: Path) -> Inspection:
    """Describe the folder of a study: its files, and how many trials are in which state."""
    found, database = Inspection("study", path.name, [("files", _listed(path))]), path / "study.db"
    with found.collecting():
        read_yaml(path / "study.yaml")
    if database.is_file():
        advice = "If no worker is writing to it, restore a copy or start the study again."
        with found.collecting(), reading(database, advice, what="cannot be read"):
            address = f"{database.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(address, uri=True)) as stored:
                (state,) = stored.execute("PRAGMA quick_check").fetchone()
                if state != "ok":
                    raise ValueError(f"its pages are damaged: {state}")
                counts = stored.execute("SELECT state, COUNT(*) FROM trials GROUP BY state")
                listed = ", ".join(f"{count} {name.lower()}" for name, count in counts)
                found.facts.append(("trials", listed or "none"))
    elif not any((path / other).is_file() for other in ("storage.txt", "journal.log")):
        found.add_problems(f"{path} has no study.db, so no trial is stored.")
    _add_broken(found, path)
    return found


def _listed(path: Path) -> str:
    return ", ".join(f"{each.name}/" if each.is_dir() else each.name for each in entries(path))


def _add_broken(found: Inspection, path: Path) -> None:
    """Add the stored files below a folder that cannot be read as a whole."""
    for file in (each for each in matching(path, "**/*") if each.suffix in _STORED):
        with found.collecting():
            _STORED[file.suffix](file)


def _results(path: Path) -> list[Fact]:
    """Return the main metrics on held-out items, one line per model and suite."""
    if not path.is_file():
        return []
    lines: dict[str, list[str]] = defaultdict(list)
    for row in csv.DictReader(StringIO(read_text(path), newline="")):
        if row["split"] in ("test", "all") and row["metric"] in SHOWN_METRICS:
            label = f"{row['model']}, {row['suite']} ({row['role']}), {row['parameter']}"
            lines[label].append(f"{row['metric']} {float(row['value']):.3g}")
    return [(label, ", ".join(values)) for label, values in lines.items()]
