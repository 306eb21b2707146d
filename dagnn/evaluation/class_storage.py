"""``predictions.csv`` of classes: one row per item, one column per class."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from dagnn.errors import MissingFieldError, TableError
from dagnn.evaluation.storage import (
    AGAIN,
    NO_REMARKS,
    Remarks,
    cell,
    read_number,
    read_table,
    said_of,
    write_table,
)
from dagnn.records import ClassPredictions, FloatArray
from dagnn.stored import read_text, reading

BEFORE = ("suite", "role", "split", "id", "truth", "label")
NOVELTY = "novelty"
"""Column of the distance from all that was taught; older files lack it."""
AFTER = ("model",)
UNKNOWN = "(unknown)"
"""How a truth is written that is none of the network's classes; no label is an empty cell."""


def _column(name: str) -> str:
    return f"p({name})"


def _rows(given: ClassPredictions, remarks: Remarks) -> Iterator[tuple[str, ...]]:
    names = [*given.classes, UNKNOWN, ""]
    labels = given.probability.argmax(1)
    novelty = np.full(len(given.ids), np.nan) if given.novelty is None else given.novelty
    for row, item in enumerate(given.ids):
        shares = (repr(float(value)) for value in given.probability[row])
        told = names[given.truth[row]], given.classes[labels[row]]
        where = (given.suite, given.role, given.split, item)
        yield (*where, *told, *shares, cell(novelty[row]), given.model, *said_of(item, remarks))


def write_class_predictions(
    path: Path | str,
    predictions: Sequence[ClassPredictions],
    remarks: Remarks = NO_REMARKS,
    *,
    mock: bool | None = None,
) -> Path:
    """Write true class, most probable class, all probabilities and the novelty, without latents.

    Args:
        path: CSV file.
        predictions: of any suites and models.
        remarks: further columns, by name.
        mock: as in :func:`~dagnn.evaluation.storage.write_table`.

    Raises:
        ValueError: the predictions have different classes, or there are none.
    """
    classes = {each.classes for each in predictions}
    if len(classes) != 1:
        raise ValueError(f"One table holds predictions of the same classes, got {classes or 0}.")
    columns = (*BEFORE, *map(_column, classes.pop()), NOVELTY, *AFTER, *remarks)
    rows = (row for each in predictions for row in _rows(each, remarks))
    return write_table(path, columns, rows, mock)


def holds_classes(path: Path | str) -> bool:
    """Return whether a table of predictions is one of classes."""
    return bool(_classes_of(path))


def _classes_of(path: Path | str) -> tuple[str, ...]:
    """Return the classes whose probabilities a table has."""
    if not Path(path).is_file():
        return ()
    with reading(path, AGAIN, TableError):
        header = next(csv.reader(io.StringIO(read_text(Path(path), AGAIN), newline="")), [])
    return tuple(name[2:-1] for name in header if name.startswith("p(") and name.endswith(")"))


def read_class_predictions(path: Path | str) -> list[ClassPredictions]:
    """Read what :func:`write_class_predictions` wrote, with empty latents ``[n, 0]``.

    Raises:
        MissingDataError: there is no such file.
        MissingFieldError: a column is absent.
        TableError: a cell is not a number, or a truth is none of the classes.
    """
    classes = _classes_of(path)
    rows = read_table(path, (*BEFORE, *AFTER))
    found: dict[tuple[str, str, str, str], list[tuple[str, int, list[float], float]]] = {}
    for line, row in rows:
        if not classes:
            raise MissingFieldError(f"{path}: no column with the probability of a class.")
        key = (row["suite"], row["role"], row["split"], row["model"])
        shares = [read_number(path, line, row, _column(name)) for name in classes]
        if not (min(shares) >= 0 and math.isclose(sum(shares), 1, abs_tol=1e-3)):
            raise TableError(f"{path}, line {line}: probabilities do not sum to one. {AGAIN}")
        number = _number_of(path, line, row["truth"], classes)
        novelty = read_number(path, line, row, NOVELTY) if NOVELTY in row else math.nan
        found.setdefault(key, []).append((row["id"], number, shares, novelty))
    return [
        ClassPredictions(
            suite=suite,
            role=role,
            split=split,
            ids=tuple(item for item, *_ in items),
            classes=classes,
            truth=np.array([number for _, number, *_ in items], dtype=np.int64),
            probability=np.array([shares for *_, shares, _ in items]),
            latent=np.zeros((len(items), 0)),
            model=model,
            novelty=_unless_unknown(np.array([novelty for *_, novelty in items])),
        )
        for (suite, role, split, model), items in found.items()
    ]


def _unless_unknown(novelty: FloatArray) -> FloatArray | None:
    return None if np.isnan(novelty).any() else novelty


def _number_of(path: Path | str, line: int, truth: str, classes: Sequence[str]) -> int:
    known = {name: k for k, name in enumerate([*classes, UNKNOWN])} | {"": -1}
    if truth not in known:
        raise TableError(
            f"{path}, line {line}, column truth: {truth!r} is none of the classes "
            f"{', '.join(classes)}."
        )
    return known[truth]
