"""What happened during training, read back from ``metrics.jsonl``."""

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from dagnn.errors import MissingDataError, TableError
from dagnn.records import EpochRecord

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
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            values = json.loads(line)
            records.append(EpochRecord(**{key: values[key] for key in _FIELDS if key in values}))
        except (ValueError, TypeError) as problem:
            raise TableError(
                f"{file}, line {number}: expected an epoch record as JSON, got {line[:60]!r} "
                f"({problem})."
            ) from problem
    return records


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
