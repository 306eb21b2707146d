"""``results.csv`` and ``predictions.csv``: written whole, read back to the same numbers."""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from dagnn.errors import MissingDataError, MissingFieldError, TableError
from dagnn.evaluation.beyond import OUTSIDE_PRIOR, outside_texts
from dagnn.evaluation.prior import Prior
from dagnn.evaluation.wording import FORMATS
from dagnn.files import write_text
from dagnn.records import Predictions, Result
from dagnn.stored import read_text, reading

RESULT_COLUMNS = (
    "suite", "role", "split", "parameter", "metric", "value", "low", "high", "model",
)  # fmt: skip
PREDICTION_COLUMNS = (
    "suite", "role", "split", "id", "parameter", "truth", "mean", "std", "model",
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


def cell(number: float) -> str:
    """Write a number so that it reads back the same; an unknown one is an empty cell."""
    return "" if np.isnan(number) else repr(float(number))


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


def read_table(path: Path | str, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Give line numbers and rows of a CSV file that has the expected columns.

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
        missing = [name for name in columns if name not in found]
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


def read_number(path: Path | str, line: int, row: dict[str, str], column: str) -> float:
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
    unknown = sorted({each.metric for each in found} - FORMATS.keys())
    if unknown:
        raise TableError(f"{path}: unknown metric {', '.join(unknown)}. {AGAIN}")
    return found


def said_of(item: str, remarks: Remarks) -> Iterator[str]:
    """Give the cells of further columns for one item, empty where nothing is said of it."""
    return (of_item.get(item, "") for of_item in remarks.values())


def _prediction_rows(
    predictions: Predictions, remarks: Remarks, priors: Priors
) -> Iterator[tuple[str, ...]]:
    p = predictions
    beyond = {
        column: outside_texts(priors[name], name, p.mean[:, column], p.std[:, column])
        for column, name in enumerate(p.parameters)
        if name in priors
    }
    for row, item in enumerate(p.ids):
        for column, name in enumerate(p.parameters):
            numbers = (cell(values[row, column]) for values in (p.truth, p.mean, p.std))
            told = [beyond[column][row] if column in beyond else ""] if priors else []
            told += said_of(item, remarks)
            yield (p.suite, p.role, p.split, item, name, *numbers, p.model, *told)


def write_predictions(
    path: Path | str,
    predictions: Iterable[Predictions],
    remarks: Remarks = NO_REMARKS,
    *,
    priors: Priors = NO_PRIORS,
    mock: bool | None = None,
) -> Path:
    """Write predictions, one row per item and parameter; latents are not part of the table.

    Args:
        path: CSV file.
        predictions: of any suites and models.
        remarks: further columns, by name.
        priors: of the training set; the column :data:`~dagnn.evaluation.beyond.OUTSIDE_PRIOR`
            says what lies outside them. Without any there is no such column.
        mock: as in :func:`write_table`.
    """
    rows = (row for each in predictions for row in _prediction_rows(each, remarks, priors))
    further = (*((OUTSIDE_PRIOR,) if priors else ()), *remarks)
    return write_table(path, (*PREDICTION_COLUMNS, *further), rows, mock)


def read_predictions(path: Path | str) -> list[Predictions]:
    """Read what :func:`write_predictions` wrote, with empty latents ``[n, 0]``.

    Raises:
        MissingDataError: there is no such file.
        MissingFieldError: a column is absent.
        TableError: a cell is not a number, or an item lacks one of the parameters.
    """
    found: dict[tuple[str, str, str, str], dict[str, dict[str, list[float]]]] = {}
    for line, row in read_table(path, PREDICTION_COLUMNS):
        key = (row["suite"], row["role"], row["split"], row["model"])
        numbers = [read_number(path, line, row, column) for column in ("truth", "mean", "std")]
        of_item = found.setdefault(key, {}).setdefault(row["id"], {})
        if row["parameter"] in of_item:
            raise TableError(
                f"{path}, line {line}: {row['id']} has {row['parameter']} twice. {AGAIN}"
            )
        if not (math.isfinite(numbers[1]) and 0 < numbers[2] < math.inf):
            raise TableError(
                f"{path}, line {line}: expected a finite mean and a positive std, got "
                f"{row['mean']!r} and {row['std']!r}. {AGAIN}"
            )
        of_item[row["parameter"]] = numbers
    return [_gather(path, *key, items) for key, items in found.items()]


def _gather(
    path: Path | str,
    suite: str,
    role: str,
    split: str,
    model: str,
    items: dict[str, dict[str, list[float]]],
) -> Predictions:
    """Put the rows of one model on one split into arrays ``[n, P]``."""
    parameters = tuple(next(iter(items.values())))
    for item, values in items.items():
        if set(values) != set(parameters):
            raise TableError(
                f"{path}: {item} of {suite} has {', '.join(values)}; "
                f"expected {', '.join(parameters)} as for the other items."
            )
    table = np.array([[values[name] for name in parameters] for values in items.values()])
    return Predictions(
        suite=suite,
        role=role,
        split=split,
        ids=tuple(items),
        parameters=parameters,
        truth=table[..., 0],
        mean=table[..., 1],
        std=table[..., 2],
        latent=np.zeros((len(items), 0)),
        model=model,
    )
