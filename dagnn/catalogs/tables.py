"""Parameter tables (``CosmoAstroSeed_*.txt``): the truth of every simulation, by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dagnn.catalogs.table_headers import (
    SEED,
    canonical_columns,
    header_spellings,
    headerless_spellings,
    split_row,
)
from dagnn.errors import (
    MissingDataError,
    MissingFieldError,
    TableError,
    UnknownSimulationError,
    meant,
    nearest,
)
from dagnn.parameters import canonical_name
from dagnn.records import FloatArray


@dataclass(frozen=True)
class ParameterTable:
    """Parameters of every simulation of one or more sets.

    Values stand as the file gives them: LH tables hold feedback strengths as
    factors (``A_SN1``), 1P and SB tables physical values under other names.

    Attributes:
        path: the file.
        names: simulations, ``n`` of them, each once.
        columns: canonical parameter names where there is one, the file's own otherwise.
        rows: ``[n, C]``.
        seeds: seeds of the initial conditions ``[n]``; None where the file has none.
        spellings: the columns as the file spells them.
        repeated: simulations that the file lists more than once, with equal values.
    """

    path: Path
    names: tuple[str, ...]
    columns: tuple[str, ...]
    rows: FloatArray
    seeds: NDArray[np.int64] | None
    spellings: tuple[str, ...]
    repeated: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of simulations."""
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._row_of

    def __repr__(self) -> str:
        shape = f"{len(self)} simulations, {len(self.columns)} parameters"
        return f"ParameterTable({self.path.name}: {shape})"

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.names)}

    def _column_of(self, parameter: str) -> int:
        wanted = canonical_name(parameter) or parameter
        if wanted not in self.columns:
            raise MissingFieldError(
                f"{self.path} has no parameter {parameter!r}. {nearest(parameter, self.columns)}"
            )
        return self.columns.index(wanted)

    def _row(self, simulation: str) -> int:
        if simulation in self._row_of:
            return self._row_of[simulation]
        hint = meant(simulation, self.names)
        raise UnknownSimulationError(
            f"{self.path} has no simulation {simulation!r}. {hint}It lists {len(self)}, from "
            f"{self.names[0]} to {self.names[-1]}. Give the table of the right suite and set."
        )

    def values(self, simulation: str, parameters: Sequence[str]) -> FloatArray:
        """Return the parameters of one simulation, ``[P]``.

        Raises:
            UnknownSimulationError: the table has no such simulation.
            MissingFieldError: the table has no such parameter.
        """
        return np.asarray(self.truth([simulation], parameters)[0])

    def truth(self, simulations: Sequence[str], parameters: Sequence[str]) -> FloatArray:
        """Return the parameters of several simulations, ``[len(simulations), P]``.

        Raises:
            UnknownSimulationError: the table lacks one of the simulations.
            MissingFieldError: the table has no such parameter.
        """
        columns = [self._column_of(parameter) for parameter in parameters]
        rows = [self._row(simulation) for simulation in simulations]
        return np.asarray(self.rows[np.ix_(rows, columns)])


def read_table(path: str | Path) -> ParameterTable:
    """Read a parameter table, with or without a header.

    Args:
        path: the file; a headerless one takes its column names from an ``Info_*``
            file beside it where there is one.

    Raises:
        MissingDataError: there is no such file.
        TableError: it cannot be read as a table; the message names the line.
    """
    path = Path(path)
    headers, lines = _significant_lines(path)
    if lines and not all(map(_is_number, lines[0][1][1:])):
        headers, lines = [" ".join(lines[0][1])], lines[1:]
    if not lines:
        raise TableError(f"{path} has no rows. Expected lines such as 'LH_0 0.309 0.979 ... 0'.")
    n_numbers = len(lines[0][1]) - 1
    named, repeated = _unique_rows(lines, n_numbers, path)
    spellings = (
        header_spellings(headers[-1], n_numbers, path)
        if headers
        else headerless_spellings(n_numbers, path)
    )
    tokens = np.array([row for _, row in named.values()])
    if len(spellings) != n_numbers:
        raise TableError(
            f"{path} is not a parameter table: rows hold {n_numbers} numbers. Expected a name, the "
            "parameters and a seed in every row (CosmoAstroSeed_*.txt)."
        )
    is_seed = np.array([spelling == SEED for spelling in spellings])
    kept = tuple(spelling for spelling in spellings if spelling != SEED)
    return ParameterTable(
        path=path,
        names=tuple(named),
        columns=canonical_columns(kept, path),
        rows=tokens[:, ~is_seed].astype(np.float64),
        seeds=_seeds(tokens[:, is_seed][:, 0], path) if is_seed.any() else None,
        spellings=kept,
        repeated=repeated,
    )


def _is_number(token: str) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True


def _text(path: Path) -> str:
    if not path.is_file():
        raise MissingDataError(f"There is no parameter table {path}. Check the path.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TableError(f"{path} is not a text file ({error.reason}). Fetch it again.") from error
    if text.lstrip()[:15].lower().startswith(("<!doctype", "<html", "<?xml")):
        raise TableError(f"{path} looks like a web page, not a table. Fetch the raw file.")
    return text


def _significant_lines(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the comments above the rows, and the rows as numbered tokens; blanks are dropped."""
    headers: list[str] = []
    rows: list[tuple[int, list[str]]] = []
    for n, line in enumerate(_text(path).splitlines(), start=1):
        if line.lstrip().startswith("#"):
            headers += [line.strip()] if not rows else []
        elif line.strip():
            rows.append((n, split_row(line)))
    return headers, rows


def _unique_rows(
    lines: list[tuple[int, list[str]]], n_numbers: int, path: Path
) -> tuple[dict[str, tuple[int, list[str]]], tuple[str, ...]]:
    """Return each simulation's line and numbers, and which ones came twice."""
    rows: dict[str, tuple[int, list[str]]] = {}
    repeated = []
    for n, (name, *numbers) in lines:
        if len(numbers) != n_numbers or not all(map(_is_number, numbers)):
            raise TableError(
                f"{path}, line {n}: expected a name and {n_numbers} numbers, "
                f"got {' '.join([name, *numbers])[:80]!r}."
            )
        if _is_number(name):
            raise TableError(
                f"{path}, line {n}: rows must begin with the simulation's name (LH_0, ...), "
                "because row numbers are not trusted."
            )
        if name in rows and rows[name][1] != numbers:
            raise TableError(f"{path}: lines {rows[name][0]} and {n} disagree about {name}.")
        if name in rows:
            repeated.append(name)
        rows.setdefault(name, (n, numbers))
    return rows, tuple(repeated)


def _seeds(tokens: NDArray[np.str_], path: Path) -> NDArray[np.int64]:
    """Read seeds as 64-bit integers; some SIMBA seeds exceed 32 bits."""
    try:
        return np.array([int(token) for token in tokens], dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise TableError(f"{path}: a seed is not a 64-bit integer ({error}).") from error
