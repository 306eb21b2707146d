"""``comparison.csv``: every number of a comparison page, one row each."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from pathlib import Path

from dagnn.files import write_text
from dagnn.report.comparison.differences import Change, to_first, to_no_adaptation, to_oracle
from dagnn.report.comparison.runs import Group
from dagnn.report.comparison.stamps import marks
from dagnn.report.comparison.summary import summarise

COLUMNS = (
    "kind", "group", "model", "reference", "suite", "role", "reference_role", "split", "parameter",
    "metric", "value", "low", "high", "sd", "seeds", "better", "items", "interval", "independent",
    "mock", "oracle", "marks",
)  # fmt: skip
"""``kind``: ``metric`` of a group, or ``difference``, ``adaptation``, ``oracle_gap`` of two."""

_Row = dict[str, object]


def write_comparison_csv(path: Path | str, groups: Sequence[Group]) -> Path:
    """Write means with their spread, and differences with their uncertainty."""
    mock = any(run.mock for group in groups for run in group.runs)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for group in groups:
        writer.writerows(_written(row) for row in _metrics(group))
    for kind, found in (
        ("difference", to_first(groups)),
        ("adaptation", to_no_adaptation(groups)),
        ("oracle_gap", to_oracle(groups)),
    ):
        for change in found:
            writer.writerow(_written(_change(kind, change) | {"mock": mock}))
    return write_text(path, text.getvalue())


def _metrics(group: Group) -> Iterator[_Row]:
    for (suite, role, split, parameter), models in summarise(group, splits=None).items():
        for model, metrics in models.items():
            for name, found in metrics.items():
                yield {
                    "kind": "metric", "group": group.name, "model": model, "suite": suite,
                    "role": role, "split": split, "parameter": parameter, "metric": name,
                    "value": found.mean, "low": found.low, "high": found.high, "sd": found.sd,
                    "seeds": found.n, "interval": "items" if found.n == 1 else "",
                    "mock": group.first.mock, "oracle": group.oracle,
                    "marks": "; ".join(marks(group, suite, model)),
                }  # fmt: skip


def _change(kind: str, change: Change) -> _Row:
    names = (
        "group", "reference", "suite", "role", "reference_role", "parameter", "metric",
        "value", "low", "high", "sd", "seeds", "better", "items", "interval", "independent",
    )  # fmt: skip
    return {"kind": kind, **dict(zip(names, astuple(change), strict=True))}


def _written(row: _Row) -> _Row:
    """Leave unknown numbers empty; write the others so that they read back the same."""
    return {
        key: "" if value is None or value != value else repr(value) if isinstance(value, float)
        else value
        for key, value in row.items()
    }  # fmt: skip
