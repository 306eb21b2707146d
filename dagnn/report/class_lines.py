"""Results class by class, and of unknown classes, as small tables for a page."""

import math
from collections.abc import Sequence

from dagnn.evaluation.measure import HELD_OUT, MODEL, PREDICTORS, blocks
from dagnn.evaluation.wording import number, with_interval
from dagnn.records import Result
from dagnn.report.lines import Lines, Section
from dagnn.tasks import ALL_CLASSES
from dagnn.tasks.classification_metrics import OPEN_METRICS
from dagnn.tasks.task import BASELINES

RECALL = (
    "Share of the items of each true class that are recognised, with 95% intervals. "
    "The balanced accuracy is the mean of a line."
)
SHARES = (
    "Share of each class among the items, true and as predicted. Where proportions differ "
    "between suites (label shift), a network that learned those of the source leans towards them."
)
UNKNOWN = (
    "Items of a class that the network has never been taught. An item is called unknown where its "
    "novelty is above 1: its latent lies farther from those of the training items than 95% of the "
    "source does. The AUROC asks how well the novelty ranks items, whatever the threshold (0.5 by "
    "guessing)."
)

_Rows = dict[tuple[str, str], dict[str, Result]]


def class_sections(results: Sequence[Result]) -> list[Section]:
    """Lay out what the main table has no room for; nothing where there are no classes."""
    held_out = [row for row in results if row.split in HELD_OUT and row.model not in BASELINES]
    tables = (
        ("Class by class", _recalls(held_out), RECALL),
        ("Class proportions", _proportions(held_out), SHARES),
        ("Unknown classes", _unknown(held_out), UNKNOWN),
    )
    return [Section(title, table, text) for title, table, text in tables if table is not None]


def _by_class(results: Sequence[Result], metric: str) -> _Rows:
    """Return (suite, network) → class → result, in the order of the main table."""
    rows = [r for r in results if r.metric == metric and r.parameter != ALL_CLASSES]
    found: _Rows = {}
    for block in blocks(rows):
        for model, row in block.rows.items():
            place = (block.title(), PREDICTORS.get(model, model))
            found.setdefault(place, {})[block.parameter] = row[metric]
    return found


def _columns(rows: _Rows) -> list[str]:
    return list(dict.fromkeys(name for row in rows.values() for name in row))


def _recalls(results: Sequence[Result]) -> Lines | None:
    rows = _by_class(results, "recall")
    names = _columns(rows)
    lines = [
        (f"{suite} · {model}", *(with_interval(row[n]) if n in row else "–" for n in names))
        for (suite, model), row in rows.items()
    ]
    return Lines(("suite · network", *names), lines) if lines else None


def _proportions(results: Sequence[Result]) -> Lines | None:
    true, predicted = (_by_class(results, metric) for metric in ("share", "predicted_share"))
    names = _columns(true)
    lines: dict[str, tuple[str, ...]] = {}
    for (suite, model), row in predicted.items():
        lines.setdefault(f"{suite} · true", _shares(f"{suite} · true", true[suite, model], names))
        title = f"{suite} · predicted by {model}"
        lines[title] = _shares(title, row, names)
    return Lines(("suite", *names), list(lines.values())) if lines else None


def _shares(title: str, row: dict[str, Result], names: Sequence[str]) -> tuple[str, ...]:
    return (title, *(number(row[n].metric, row[n].value) if n in row else "–" for n in names))


def _unknown(results: Sequence[Result]) -> Lines | None:
    lines = [
        (
            f"{block.title()} · {PREDICTORS.get(model, model)}",
            *(with_interval(row[name]) if name in row else "–" for name in OPEN_METRICS),
        )
        for block in blocks([r for r in results if r.metric in OPEN_METRICS])
        for model, row in block.rows.items()
    ]
    labels = (metric.label for metric in OPEN_METRICS.values())
    return Lines(("suite · network", *labels), lines) if lines else None


def unknown_sentences(results: Sequence[Result]) -> list[str]:
    """Say how well the model notices classes that it does not know, where there are any."""
    rows = [r for r in results if r.metric in OPEN_METRICS and r.split in HELD_OUT]
    return [
        f"Unknown classes of {block.title()}: told from the rest with an AUROC of "
        f"{with_interval(found['unknown_auroc'])}. Called unknown: "
        f"{with_interval(found['unknown_recall'])} of them; recognised, and not called unknown: "
        f"{with_interval(found['known_accuracy'])} of the others."
        for block in blocks(rows)
        for model, found in block.rows.items()
        if model == MODEL
        and found.keys() >= OPEN_METRICS.keys()
        and not math.isnan(found["unknown_auroc"].value)
    ]
