"""What the columns of a parameter table mean: from its header, or from files beside it."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from dagnn.errors import TableError
from dagnn.parameters import canonical_name

SEED = "seed"
_VOLUME = re.compile(r"L\d+n\d+")


def split_row(line: str) -> list[str]:
    r"""Split a line at blanks, tabs or commas.

    Example:
        >>> split_row("LH_0\t0.3  0.8, 67 ")
        ['LH_0', '0.3', '0.8', '67']
    """
    return [token for token in re.split(r"[,\s]+", line.strip()) if token]


def canonical_columns(spellings: Sequence[str], path: Path) -> tuple[str, ...]:
    """Return canonical names where there are some and the file's own otherwise.

    Raises:
        TableError: two columns mean the same parameter.
    """
    columns = tuple(canonical_name(spelling) or spelling for spelling in spellings)
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise TableError(f"{path} has more than one column for {', '.join(twice)}. Remove one.")
    return columns


def header_spellings(header: str, n_numbers: int, path: Path) -> tuple[str, ...]:
    """Return the names of the numeric columns that a header line announces.

    Args:
        header: such as ``#Name Omega_m ... seed`` or ``# sim_name Omega0 ... seed``.
        n_numbers: numbers in every row after the simulation's name.
        path: for the error.

    Raises:
        TableError: the header announces another number of columns.
    """
    names = split_row(header.lstrip("#"))
    if len(names) == n_numbers + 1:
        names = names[1:]
    if len(names) != n_numbers:
        raise TableError(
            f"{path}: the header names {len(names) - 1} columns after the simulation, "
            f"the rows hold {n_numbers} numbers. Correct the header line."
        )
    return tuple(SEED if name.lower() == SEED else name for name in names)


def headerless_spellings(n_numbers: int, path: Path) -> tuple[str, ...]:
    """Return names for the columns of a table without a header.

    The last column is the seed. An ``Info_*_{n}params`` file beside the table
    names the others; without one only the first two are known to be Omega_m and
    sigma_8, because the order of the feedback parameters differs between suites.
    """
    count = n_numbers - 1
    described = _info_names(count, path)
    known = ["Omega_m", "sigma_8", *(f"p{k}" for k in range(3, count + 1))]
    return (*(described or known[:count]), SEED)


def _info_names(count: int, path: Path) -> list[str]:
    """Return the parameters listed by the Info file that fits, or nothing."""
    volume = _VOLUME.search(path.name)
    files = sorted(
        path.parent.glob(f"Info_*_{count}params.*"),
        key=lambda file: (volume is not None and volume[0] not in file.name, file.name),
    )
    for file in files:
        with file.open(encoding="utf-8", newline="") as stream:
            names = [row[0].strip() for row in csv.reader(stream) if row and row[0].strip()][1:]
        if len(names) == count:
            return names
    return []
