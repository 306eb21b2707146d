"""What happened during training, read back from ``metrics.jsonl``."""

import json
import math
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from dagnn.errors import MissingDataError, TableError
from dagnn.records import EpochRecord
from dagnn.stored import read_text

_AGAIN = "Remove the broken line, or the file; it only shows how training went."
_FIELDS = tuple(field.name for field in fields(EpochRecord))


def read_epochs(path: Path | str) -> list[EpochRecord]:
    """Read epoch records, one JSON object per line; keys of other programs are ignored.

    Raises:
        MissingDataError: there is no such file.
        TableError: a line is not an epoch record.
    """
    file = Path(path)
    if not file.is_file():
        raise MissingDataError(f"{file}: no such file. Training writes it, one line per epoch.")
    records = []
    for number, line in enumerate(read_text(file, _AGAIN).splitlines(), start=1):
        try:
            values = json.loads(line)
            record = EpochRecord(**{key: values[key] for key in _FIELDS if key in values})
            records.append(_checked(record))
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as problem:
            raise TableError(
                f"{file}, line {number}: expected an epoch record as JSON, got {line[:60]!r} "
                f"({problem}). {_AGAIN}"
            ) from problem
    return records


def _checked(record: EpochRecord) -> EpochRecord:
    """Return a record of numbers, with NaN for those that JSON has no word for."""
    whole = (record.epoch, record.step)
    if any(type(value) is not int for value in whole) or type(record.best) is not bool:
        raise TypeError("epoch and step are whole numbers, best is true or false")
    if not (record.epoch > 0 <= record.step and math.isfinite(record.seconds)):
        raise ValueError("epoch, step and seconds are finite and not negative")
    train, valid = (
        {name: math.nan if value is None else _number(value) for name, value in given.items()}
        for given in (record.train, record.valid)
    )
    return replace(record, learning_rate=_number(record.learning_rate), train=train, valid=valid)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def training_facts(records: Sequence[EpochRecord]) -> dict[str, str]:
    """Sum up a training in a few lines for a report."""
    if not records:
        return {}
    last = records[-1]
    seconds = sum(record.seconds for record in records)
    minutes, rest = divmod(round(seconds), 60)
    best = max((record.epoch for record in records if record.best), default=last.epoch)
    facts = {
        "epochs": str(last.epoch),
        "optimiser steps": str(last.step),
        "chosen epoch": str(best),
        "time": f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s",
    }
    chosen = next(record for record in records if record.epoch == best)
    return facts | {
        f"{name} at the chosen epoch": f"{value:.4g}" for name, value in chosen.valid.items()
    }
