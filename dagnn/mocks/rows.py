"""Which universes a suite holds: rows of a CAMELS parameter table, read or drawn, and written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import qmc

from dagnn.errors import MissingDataError, TableError, UsageError
from dagnn.files import write_text
from dagnn.mocks.suites import Relations
from dagnn.parameters import canonical_name, parameter

PARAMETER_NAMES = ("Omega_m", "sigma_8", "A_SN1", "A_AGN1", "A_SN2", "A_AGN2")


@dataclass(frozen=True)
class Row:
    """One universe of a suite.

    Attributes:
        index: the number i of ``LH_i``.
        values: its six parameters, in the order of ``PARAMETER_NAMES``.
        seed: the seed column of the table.
    """

    index: int
    values: tuple[float, ...]
    seed: int

    @property
    def name(self) -> str:
        """The simulation's name, ``LH_i``."""
        return f"LH_{self.index}"

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters by canonical name."""
        return dict(zip(PARAMETER_NAMES, self.values, strict=True))


def hypercube_rows(suite: Relations, count: int, seed: int) -> list[Row]:
    """Draw a Latin hypercube over the suite's priors, different for every suite and seed."""
    low = np.array([parameter(name).low for name in PARAMETER_NAMES])
    high = np.array([parameter(name).high for name in PARAMETER_NAMES])
    log = np.array([parameter(name).log for name in PARAMETER_NAMES])
    low[-1], high[-1] = suite.agn2_prior
    stream = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(suite.stream,)))
    unit = qmc.LatinHypercube(d=low.size, seed=stream).random(count)
    linear = low + unit * (high - low)
    values = np.where(log, low * (high / low) ** unit, linear).round(5)
    return [Row(i, tuple(map(float, row)), i) for i, row in enumerate(values)]


def read_rows(table: Path, count: int) -> list[Row]:
    """Read the first rows of a real Latin-hypercube table (``CosmoAstroSeed_*_LH.txt``).

    Raises:
        MissingDataError: the file does not exist.
        TableError: a parameter column is absent or a row cannot be read.
        UsageError: more rows are wanted than the table has.
    """
    if not table.is_file():
        raise MissingDataError(f"The parameter table {table} does not exist.")
    lines = [line.split() for line in table.read_text().splitlines() if line.strip()]
    names = [canonical_name(word) for word in " ".join(lines[0]).lstrip("# ").split()]
    missing = [name for name in PARAMETER_NAMES if name not in names]
    if missing:
        raise TableError(
            f"{table} has no column {', '.join(missing)} in its first line; mock universes need "
            f"a header and the columns {', '.join(PARAMETER_NAMES)}, as in the LH tables of CAMELS."
        )
    if count > len(lines) - 1:
        raise UsageError(f"{count} boxes were asked for, but {table} has {len(lines) - 1} rows.")
    columns = [names.index(name) for name in PARAMETER_NAMES]
    rows = []
    for number, words in enumerate(lines[1 : count + 1], start=2):
        try:
            index = int(words[0].rsplit("_", 1)[-1])
            values = tuple(float(words[column]) for column in columns)
            rows.append(Row(index, values, int(words[-1])))
        except (ValueError, IndexError) as error:
            raise TableError(f"{table}, line {number}: cannot read {' '.join(words)!r}.") from error
    return rows


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as a CAMELS parameter table, complete or not at all."""
    title = f"#Name  {'  '.join(PARAMETER_NAMES)}  seed"
    lines = [
        f"{row.name:>7} {' '.join(f'{value:.5f}' for value in row.values)} {row.seed}"
        for row in rows
    ]
    write_text(path, "\n".join([title, *lines]) + "\n")
