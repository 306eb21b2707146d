"""Parameter tables (``CosmoAstroSeed_*.txt``): the truth of every simulation, and its checks."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dagnn.catalogs.catalog import Catalog
from dagnn.catalogs.suites import Suite
from dagnn.catalogs.table_text import (
    SEED,
    Line,
    canonical_columns,
    check_below,
    header_spellings,
    headerless_spellings,
    is_missing,
    read_lines,
    to_number,
)
from dagnn.errors import MissingFieldError, TableError, UnknownSimulationError, meant, nearest
from dagnn.parameters import (
    PARAMETERS,
    Parameter,
    canonical_name,
    is_far_outside,
    position_in_range,
)
from dagnn.records import FloatArray

_WHOLE = re.compile(r"[0-9]+(?:\.0?)?")
"""A seed, also as programs write it that know only floats."""


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

    def truth(self, simulations: Sequence[str], parameters: Sequence[str]) -> FloatArray:
        """Return the parameters of several simulations, ``[len(simulations), P]``.

        Raises:
            UnknownSimulationError: the table lacks one of the simulations.
            MissingFieldError: the table has no such parameter.
        """
        names = [canonical_name(parameter) or parameter for parameter in parameters]
        both = zip(parameters, names, strict=True)
        absent = next((given for given, name in both if name not in self.columns), None)
        if absent is not None:
            unnamed = " Columns without names are of a table without a header: write one, or put "
            unnamed += "the Info file of the same suite and as many parameters beside the table."
            raise MissingFieldError(
                f"{self.path} has no parameter {absent!r}. {nearest(absent, self.columns)}"
                f"{unnamed if 'p3' in self.columns else ''}"
            )
        unknown = next((name for name in simulations if name not in self._row_of), None)
        if unknown is not None:
            raise UnknownSimulationError(
                f"{self.path} has no simulation {unknown!r}. {meant(unknown, self.names)}It lists "
                f"{len(self)}, from {self.names[0]} to {self.names[-1]}. Give the table of the "
                "right suite and set."
            )
        rows = [self._row_of[simulation] for simulation in simulations]
        return np.asarray(self.rows[np.ix_(rows, [self.columns.index(name) for name in names])])


def read_table(path: str | Path, problems: list[str] | None = None) -> ParameterTable:
    """Read a parameter table, with or without a header, compressed or not.

    Cells are separated by blanks, tabs, commas, semicolons or bars; rules, lines of units and
    comments carry no values.

    Args:
        path: the file; a headerless one takes its column names from the ``Info_*``
            file of its suite beside it where there is one.
        problems: collects what is wrong with single rows, which are then left out; None raises
            the first.

    Raises:
        MissingDataError: there is no such file.
        TableError: it cannot be read as a table, or a value is missing; the message names the
            line.
    """
    path = Path(path)
    lines = list(read_lines(path))
    first = next((n for n, line in enumerate(lines) if line.is_row), len(lines))
    given = [line for line in lines[first:] if not line.comment]
    n_numbers = len(given[0].cells) - 1 if given else 0
    rows = []
    for line in given:
        problem = _row_problem(line, n_numbers, path)
        if not problem:
            rows.append(line)
        elif problems is None:
            raise TableError(problem)
        else:
            problems.append(problem)
    if not rows:
        empty = f"{path} has no rows. Expected lines such as 'LH_0 0.309 0.979 ... 0'."
        raise TableError(problems[0] if problems else empty)
    seed_last = _seed_is_last(rows)
    header = header_spellings(lines[:first], n_numbers, seed_last, path)
    spellings = header or headerless_spellings(n_numbers, path)
    check_below([line for line in lines[first:] if line.comment], spellings, seed_last, path)
    values = _values(rows, spellings, path)
    kept, repeated = _unique(rows, values, path)
    is_seed = np.array([spelling == SEED for spelling in spellings])
    named = tuple(spelling for spelling in spellings if spelling != SEED)
    table = ParameterTable(
        path=path,
        names=tuple(rows[k].cells[0] for k in kept),
        columns=canonical_columns(named, path),
        rows=values[kept][:, ~is_seed],
        seeds=_seeds([rows[k] for k in kept], spellings.index(SEED) + 1, path)
        if is_seed.any()
        else None,
        spellings=named,
        repeated=repeated,
    )
    _check_columns(table, rows, header)
    return table


def _row_problem(line: Line, n_numbers: int, path: Path) -> str:
    """Return what is wrong with a row: no name, or another number of cells."""
    name, *cells = line.cells
    if to_number(name) is not None:
        return (
            f"{path}, line {line.number}: rows must begin with the simulation's name (LH_0, ...), "
            "because row numbers are not trusted."
        )
    # A blank inside a cell comes from separators that are mixed with decimal commas.
    wrong = next((cell for cell in cells if to_number(cell) is None and not is_missing(cell)), None)
    if len(cells) != n_numbers or wrong is not None or not name or re.search(r"\s", name):
        comma = re.search(r"[0-9],[0-9]", line.text) and re.search(r"[\s;|\"]", line.text)
        hint = " Decimal commas are not read: write 0.3, not 0,3." if comma else ""
        culprit = f" {wrong[:40]!r} is no number." if wrong is not None else ""
        return (
            f"{path}, line {line.number}: expected a name and {n_numbers} numbers, "
            f"got {line.text[:80]!r}.{culprit}{hint}"
        )
    return ""


def _seed_is_last(rows: Sequence[Line]) -> bool:
    """Return whether the last column, and no other, is written in whole numbers."""
    whole = [
        all(map(str.isdecimal, column)) for column in zip(*(row.cells for row in rows), strict=True)
    ]
    return whole[-1] and not any(whole[1:-1])


def _values(rows: Sequence[Line], spellings: Sequence[str], path: Path) -> FloatArray:
    """Return the numbers of all rows ``[n, C]``, refusing those that are missing or infinite."""
    numbers = [[to_number(cell) for cell in row.cells[1:]] for row in rows]
    values = np.array(numbers, dtype=np.float64)  # None is NaN
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        shown = ", ".join(
            f"{spellings[column]} of {rows[row].cells[0]} (line {rows[row].number}: "
            f"{rows[row].cells[column + 1]!r})"
            for row, column in wrong[:3]
        )
        raise TableError(
            f"{path}: {len(wrong)} values are missing or not finite: {shown}"
            f"{', ...' if len(wrong) > 3 else ''}. Correct them, or remove these rows and boxes."
        )
    return values


def _unique(
    rows: Sequence[Line], values: FloatArray, path: Path
) -> tuple[list[int], tuple[str, ...]]:
    """Return the first row of each simulation, and which simulations came twice."""
    first: dict[str, int] = {}
    repeated = []
    for k, row in enumerate(rows):
        name = row.cells[0]
        before = first.setdefault(name, k)
        if not np.array_equal(values[before], values[k]):
            raise TableError(
                f"{path}: lines {rows[before].number} and {row.number} disagree about {name}."
            )
        if before != k:
            repeated.append(name)
    return list(first.values()), tuple(repeated)


def _seeds(rows: Sequence[Line], column: int, path: Path) -> NDArray[np.int64]:
    """Read seeds as 64-bit integers; some SIMBA seeds exceed 32 bits, and a double's 53."""
    cells = [row.cells[column] for row in rows]
    try:
        exact = [Decimal(cell.upper().replace("D", "E")) for cell in cells]
        if all(seed == int(seed) for seed in exact):
            return np.array([int(seed) for seed in exact], dtype=np.int64)
    except OverflowError:
        pass
    raise TableError(
        f"{path}: a seed is not a 64-bit integer (column {column + 1}: {', '.join(cells[:3])}, "
        "...). Where the last column is no seed, name all columns in a header line."
    )


def _check_columns(
    table: ParameterTable, rows: Sequence[Line], header: Sequence[str] | None
) -> None:
    """Refuse impossible values where the meaning of a column is not certain.

    Without a header, the first two parameters stand first by convention; a header without a seed
    may have as many words as columns although one is a seed without a word.
    """
    for column, name in enumerate(table.columns):
        certain = column > 1 if header is None else SEED in header
        if header is not None and not certain:
            certain = not all(_WHOLE.fullmatch(row.cells[column + 1]) for row in rows)
        known = PARAMETERS.get(name)
        if certain or known is None:
            continue
        values = table.rows[:, column]
        place = position_in_range(values, known.low, known.high, known.log)
        wrong = np.flatnonzero(is_far_outside(place))
        if not len(wrong):
            continue
        shown = f"{values[wrong[0]]:g} for {table.names[wrong[0]]}"
        if header is None:
            raise TableError(
                f"{table.path} has no header, and its column {column + 2}, which should then be "
                f"{name}, holds {shown}. Name the columns in a first line such as "
                "'#Name Omega_m sigma_8 ... seed'."
            )
        raise TableError(
            f"{table.path}: the header can be read in two ways. Either column {column + 2} is "
            f"{table.spellings[column]}, though it holds {shown}; or it is the seed, which the "
            "header does not name, and another word names no column. Name every column, the seed "
            "too."
        )


# Header attribute and absolute tolerance of the parameters that headers state. Headers and
# tables are rounded; neighbouring boxes of a set differ by more.
_STATED = {
    "Omega_m": ("Omega0", 1e-3),
    "Omega_b": ("OmegaBaryon", 2e-4),
    "h": ("HubbleParam", 1e-3),
}
_ROUNDING = 1e-3
"""In units of the prior."""
_SYSTEMATIC, _FEW = 0.25, 8
"""Share of values outside the prior that no stray box explains, and from how many on."""
_MOST = 1 / 3
"""Share of boxes whose headers disagree with their labels that no wrong header explains."""


def read_labels(
    table: ParameterTable, simulations: Sequence[str], parameters: Sequence[str], suite: Suite
) -> tuple[FloatArray, tuple[str, ...]]:
    """Return the parameters of simulations after a comparison with their priors.

    Args:
        table: the table.
        simulations: ``n`` names; what precedes the first underscore is the set.
        parameters: ``P`` names.
        suite: whose simulations they are.

    Returns:
        Physical parameters ``[n, P]``, and what lies slightly outside a prior.

    Raises:
        TableError: values lie far outside the prior, or too many of them outside.
        UnknownSimulationError: the table lacks a simulation.
        MissingFieldError: the table lacks a parameter.
    """
    problems, warnings = range_problems(table, simulations, parameters, suite)
    if problems:
        raise TableError(problems[0])
    return table.truth(simulations, parameters), warnings


def range_problems(
    table: ParameterTable,
    simulations: Sequence[str],
    parameters: Sequence[str],
    suite: Suite | None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Compare labels with the ranges that a suite gives.

    Args:
        table: the table.
        simulations: names in it.
        parameters: columns of it; those without a prior are passed over.
        suite: whose simulations they are; None compares with the standard priors, and strange
            feedback parameters, which differ between suites, are then only a warning.

    Returns:
        What makes the labels unusable, and what is odd.
    """
    problems: list[str] = []
    warnings: list[str] = []
    for parameter in parameters:
        known = PARAMETERS.get(canonical_name(parameter) or "")
        if known is None:
            continue
        text, usable = _outside(table, simulations, known, suite)
        if text and not usable and (suite is not None or not known.log):
            problems.append(
                f"{text} Check that table, header and suite belong together; a suite whose prior "
                "is wider gives it under `priors` in its YAML file."
            )
        elif text:
            warnings.append(text)
    return tuple(problems), tuple(warnings)


def _outside(
    table: ParameterTable, simulations: Sequence[str], known: Parameter, suite: Suite | None
) -> tuple[str, bool]:
    """Return which labels of a parameter lie outside its range, and whether they can be used."""
    sets = [simulation.split("_")[0] for simulation in simulations]
    standard = (known.low, known.high)
    ends = {name: suite.value_range(known.name, name) if suite else standard for name in sets}
    low, high = np.array([ends[name] for name in sets]).reshape(-1, 2).T
    values = table.truth(simulations, [known.name])[:, 0]
    place = position_in_range(values, low, high, known.log)
    outside = (place < -_ROUNDING) | (place > 1 + _ROUNDING)
    far = is_far_outside(place)
    wrong = np.flatnonzero(far if far.any() else outside)
    if not len(wrong):
        return "", True
    spelling = table.spellings[table.columns.index(known.name)]
    shown = ", ".join(f"{simulations[row]} {values[row]:g}" for row in wrong[:4])
    text = (
        f"{table.path}, column {spelling}: {len(wrong)} of {len(values)} values lie "
        f"{'far ' if far.any() else ''}outside the prior of {known.name}, {low[wrong[0]]:g} to "
        f"{high[wrong[0]]:g}: {shown}{', ...' if len(wrong) > 4 else ''}."
    )
    systematic = len(values) >= _FEW and outside.mean() > _SYSTEMATIC
    return text, not (far.any() or systematic)


def _header_differences(header: Mapping[str, Any], table: ParameterTable, simulation: str) -> str:
    """Return where a header states another cosmology than the table; nothing where it agrees."""
    stated = dict(header)
    if "Omega0" not in stated and "OmegaLambda" in stated:
        stated["Omega0"] = 1.0 - float(stated["OmegaLambda"])  # CAMELS are flat universes
    names = [name for name in _STATED if name in table.columns]
    different = []
    for name, label in zip(names, table.truth([simulation], names)[0].tolist(), strict=True):
        attribute, tolerance = _STATED[name]
        own = stated.get(attribute)
        if own is not None and not abs(float(own) - label) <= tolerance:
            different.append(f"Header/{attribute} is {float(own):.4f} and {name} {label:.4f}")
    return ", ".join(different)


def check_header(catalog: Catalog, table: ParameterTable) -> Catalog:
    """Return the catalogue with a warning where its header disagrees with its labels.

    The table is right: some SIMBA 1P headers are known to be wrong.
    """
    different = _header_differences(catalog.header, table, catalog.simulation)
    if not different:
        return catalog
    text = (
        f"{different} for {catalog.simulation} in the parameter table, which is used; the file is "
        f"{catalog.path}. Check that file and table belong together (some SIMBA 1P headers are "
        "known to be wrong)."
    )
    return replace(catalog, warnings=(*catalog.warnings, text))


def header_problems(
    headers: Mapping[str, Mapping[str, Any]], table: ParameterTable, suite: Suite
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Compare the headers of a set's boxes with their labels.

    Args:
        headers: header of each simulation.
        table: with a row for each of them.
        suite: whose simulations they are.

    Returns:
        What makes the table unusable: most boxes are of another cosmology; and what is odd: a
        few are.
    """
    found = {name: _header_differences(header, table, name) for name, header in headers.items()}
    different = {name: text for name, text in found.items() if text}
    if not different:
        return (), ()
    shown = "; ".join(f"{name}: {text}" for name, text in list(different.items())[:3])
    text = (
        f"{table.path}: the headers of {len(different)} of {len(found)} boxes of {suite.name} "
        f"state another cosmology than this table. {shown}."
    )
    known = {name.split("_")[0] for name in different} <= {*suite.wrong_headers}
    if known or len(different) <= max(1, _MOST * len(found)):
        return (), (text,)
    return (
        f"{text} It is not the table of these catalogues: put that of this suite and set in its "
        "place. Where headers are known to be wrong, list the set under `wrong_headers` in the "
        "suite's YAML file.",
    ), ()
