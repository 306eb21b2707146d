"""What a folder holds that no known suite explains: catalogues of others, or a part of a folder."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from shlex import quote

from dagnn.catalogs.findings import Facts, Inspection
from dagnn.catalogs.reader import read_catalog
from dagnn.catalogs.suites import generic_suite, guess_suite, known_suites
from dagnn.errors import DataError
from dagnn.files import matching

MOST = 1000
"""Files that are counted; more of them are no news."""


def inspect_strange(path: Path) -> Inspection | None:
    """Describe HDF5 files that lie where no known suite keeps its catalogues.

    Args:
        path: a folder.

    Returns:
        What the first of them holds, and what is missing to train on them; None where there
        is no such file.
    """
    files = sorted(islice(_hdf5_files(path), MOST))
    if not files:
        return None
    first, count = files[0], f"{MOST} or more" if len(files) == MOST else str(len(files))
    facts: Facts = [("HDF5 files", f"{count}, such as {first.relative_to(path)}")]
    known = ", ".join(known_suites())
    problems = [
        f"The HDF5 files in {path} lie where none of the known suites ({known}) keeps its "
        "catalogues, so dagnn train does not find them."
    ]
    try:
        catalog = read_catalog(first, suite=guess_suite(first) or generic_suite())
    except DataError as error:
        return Inspection("data folder", path.name, tuple(facts), (*problems, str(error)))
    facts += [("  MOCK", "the file says that it is synthetic")] if catalog.mock else []
    galaxies = f"{len(catalog):,} galaxies at z = {catalog.redshift:.2f}"
    facts.append(("  the first", f"{galaxies} in a box of {catalog.box_size:g} ckpc/h"))
    commands = _ways(path, first)
    return Inspection("data folder", path.name, tuple(facts), tuple(problems), commands=commands)


def _hdf5_files(path: Path) -> Iterator[Path]:
    for suffix in ("hdf5", "h5"):
        yield from matching(path, f"**/*.{suffix}")


def _ways(path: Path, first: Path) -> tuple[tuple[str, str], ...]:
    """Return what makes such files usable."""
    data = quote(str(path))
    train = "dagnn train --source tng --target"
    template = "'{suite}/{sim}/groups_{snap:03d}.hdf5'"
    return (
        (
            "If they are of another suite, describe it in a YAML file (docs/add-your-own.md)",
            f"{train} mysuite.yaml --data {data}",
        ),
        (
            "If only their paths are of another pattern, give it",
            f"{train} simba --set data.template={template} --data {data}",
        ),
        ("To predict", f"dagnn predict RUN {quote(str(first))}"),
    )
