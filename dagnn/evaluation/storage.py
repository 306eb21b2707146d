"""``results.csv`` and ``predictions.csv``: written whole, read back to the same numbers."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dagnn.errors import MissingDataError, MissingFieldError, TableError
from dagnn.files import write_text
from dagnn.records import Result
from dagnn.stored import read_text, reading
from dagnn.tasks import CLASSIFICATION, METRICS, REGRESSION, AnyPredictions, Prior, Task, task_of
from dagnn.tasks.task import cell

RESULT_COLUMNS = (
    "suite", "role", "split", "parameter", "metric", "value", "low", "high", "model",
)  # fmt: skip
Remarks = Mapping[str, Mapping[str, str]]
"""Further columns of a table of predictions: name → item → what to say of it."""
NO_REMARKS: Remarks = MappingProxyType({})
Priors = Mapping[str, Prior]
"""Prior of the training set by parameter."""
NO_PRIORS: Priors = MappingProxyType({})
AGAIN = "Write it again with dagnn evaluate, or take an intact copy."
_CHOICES = {
    "role": ("source", "target", "other"),
    "split": ("train", "valid", "test", "all"),
}
MOCK = "mock"
"""Column that says True where mock data were trained on or measured; older files lack it."""


def write_table(
    path: Path | str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    mock: bool | None = None,
) -> Path:
    """Write a CSV file whole or not at all.

    Args:
        path: CSV file.
        columns: their names.
        rows: one cell per column.
        mock: what the last column, :data:`MOCK`, says in every row, so that the mark stays
            with rows that are copied elsewhere; None leaves the column out.
    """
    mark = () if mock is None else (str(mock),)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*columns, *(MOCK for _ in mark)))
    writer.writerows((*row, *mark) for row in rows)
    return write_text(path, text.getvalue())


def read_table(
    path: Path | str, columns: Sequence[str] | Callable[[Sequence[str]], Sequence[str]]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Give line numbers and rows of a CSV file that has the expected columns.

    Args:
        path: CSV file.
        columns: that it must have, or a function that gives these from those that it has.

    Raises:
        MissingDataError: there is no such file.
        MissingFieldError: a column is absent.
        TableError: the file is damaged.
    """
    file = Path(path)
    if not file.is_file():
        raise MissingDataError(f"{file}: no such file. A finished run writes it; see dagnn train.")
    with reading(file, AGAIN, TableError):
        reader = csv.DictReader(io.StringIO(read_text(file, AGAIN), newline=""), strict=True)
        found = list(reader.fieldnames or [])
        needed = columns(found) if callable(columns) else columns
        missing = [name for name in needed if name not in found]
        if missing:
            raise MissingFieldError(
                f"{file}: no column {', '.join(missing)}. It has: {', '.join(found) or 'nothing'}. "
                f"{AGAIN}"
            )
        twice = sorted({name for name in found if found.count(name) > 1})
        if twice:
            raise TableError(f"{file}: the column {', '.join(twice)} stands twice. {AGAIN}")
        for row in reader:
            if None in row or None in row.values():
                raise TableError(
                    f"{file}, line {reader.line_num}: expected {len(found)} cells. {AGAIN}"
                )
            for column, choices in _CHOICES.items():
                if row.get(column, choices[0]) not in choices:
                    raise TableError(
                        f"{file}, line {reader.line_num}, column {column}: got {row[column]!r}, "
                        f"expected {', '.join(choices)}. {AGAIN}"
                    )
            yield reader.line_num, row


def read_number(path: Path | str, line: int, row: Mapping[str, str], column: str) -> float:
    """Read one cell; an empty one is NaN.

    Raises:
        TableError: it holds something else than a number.
    """
    text = row[column]
    try:
        return float(text) if text else float("nan")
    except (TypeError, ValueError):
        raise TableError(
            f"{path}, line {line}, column {column}: expected a number, got {text!r}. {AGAIN}"
        ) from None


def _result_row(r: Result) -> tuple[str, ...]:
    numbers = (cell(number) for number in (r.value, r.low, r.high))
    return (r.suite, r.role, r.split, r.parameter, r.metric, *numbers, r.model)


def write_results(path: Path | str, results: Iterable[Result], *, mock: bool | None = None) -> Path:
    """Write metrics with their intervals, one row each; ``mock`` as in :func:`write_table`."""
    return write_table(path, RESULT_COLUMNS, map(_result_row, results), mock)


def read_results(path: Path | str) -> list[Result]:
    """Read what :func:`write_results` wrote.

    Raises:
        MissingDataError: there is no such file.
        MissingFieldError: a column is absent.
        TableError: a cell that should be a number is not, or there is no such metric.
    """
    found = [
        Result(
            suite=row["suite"],
            role=row["role"],
            split=row["split"],
            parameter=row["parameter"],
            metric=row["metric"],
            value=read_number(path, line, row, "value"),
            low=read_number(path, line, row, "low"),
            high=read_number(path, line, row, "high"),
            model=row["model"],
        )
        for line, row in read_table(path, RESULT_COLUMNS)
    ]
    unknown = sorted({each.metric for each in found} - METRICS.keys())
    if unknown:
        raise TableError(f"{path}: unknown metric {', '.join(unknown)}. {AGAIN}")
    return found


def write_predictions(
    path: Path | str,
    predictions: Sequence[AnyPredictions],
    remarks: Remarks = NO_REMARKS,
    *,
    priors: Priors = NO_PRIORS,
    mock: bool | None = None,
) -> Path:
    """Write predictions; latents are not part of the table.

    Parameters have one row per item and parameter, classes one row per item.

    Args:
        path: CSV file.
        predictions: of one task, of any suites and models.
        remarks: further columns, by name.
        priors: of the training set; the column :data:`~dagnn.tasks.regression.OUTSIDE_PRIOR`
            says what parameters lie outside them. Without any there is no such column.
        mock: as in :func:`write_table`.

    Raises:
        ValueError: the predictions are of different classes.
    """
    task = task_of(predictions[0]) if predictions else REGRESSION
    rows = (
        (*cells, *(of_item.get(item, "") for of_item in remarks.values()))
        for each in predictions
        for item, cells in task.cells(each, priors)
    )
    return write_table(path, (*task.columns(predictions, priors), *remarks), rows, mock)


def read_predictions(path: Path | str, task: Task | None = None) -> list[Any]:
    """Read what :func:`write_predictions` wrote, with empty latents ``[n, 0]``.

    Args:
        path: CSV file.
        task: of the predictions; None takes what the header shows.

    Raises:
        MissingDataError: there is no such file.
        MissingFieldError: a column is absent.
        TableError: a cell is not a number, a truth is none of the classes, or an item lacks
            one of the parameters.
    """
    found: dict[tuple[str, str, str, str], list[tuple[int, dict[str, str]]]] = {}
    needed = task.needed_columns if task else lambda header: _task_of_header(header).needed_columns
    for line, row in read_table(path, needed):
        key = (row["suite"], row["role"], row["split"], row["model"])
        found.setdefault(key, []).append((line, row))
    try:
        return [
            (task or _task_of_header([*rows[0][1]])).read(
                rows, partial(read_number, path), suite=suite, role=role, split=split, model=model
            )
            for (suite, role, split, model), rows in found.items()
        ]
    except ValueError as error:
        raise TableError(f"{path}{error} {AGAIN}") from None


def _task_of_header(header: Sequence[str]) -> Task:
    """Return the task of a table of predictions: only classes have columns ``p(class)``."""
    return CLASSIFICATION if any(name.startswith("p(") for name in header) else REGRESSION
