"""Small tables of text for the page of a run, and what to know about each."""

import math
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import NamedTuple

from dagnn.evaluation.alignment import Alignment
from dagnn.evaluation.beyond import BeyondPrior
from dagnn.evaluation.calibration import Calibration
from dagnn.evaluation.measure import HELD_OUT, MODEL, PREDICTORS, blocks
from dagnn.evaluation.wording import number, plain, with_interval
from dagnn.records import Result
from dagnn.tasks.classification import ALL_CLASSES
from dagnn.tasks.classification_metrics import OPEN_METRICS
from dagnn.tasks.regression import limits
from dagnn.tasks.task import BASELINES

MEASURES = MappingProxyType(
    {"domain_auc": "domain AUC", "mmd": "MMD²", "latent_distance": "distance"}
)
VIEWS = MappingProxyType({"pit": "PIT", "coverage": "coverage", "tarp": "TARP"})
BEYOND = (
    "How many predicted means lie outside the prior of the training set, and of how many others "
    "the error bar of one standard deviation ends outside. The training set holds no truth there. "
    "Every metric is computed from the predictions as they are."
)
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

Lines = list[tuple[str, ...]]
"""A table of text: headings first; the first cell names a line. Empty without lines."""


class Section(NamedTuple):
    """A small table of text with its heading and what to know about it."""

    title: str
    table: Lines
    text: str


def alignment_lines(alignments: Sequence[Alignment]) -> Lines:
    """Lay out alignments, one line per network and pair of suites."""
    found: dict[str, dict[str, str]] = {}
    for each in alignments:
        name = f"{each.source} and {each.target} · {PREDICTORS.get(each.model, each.model)}"
        digits = 4 if each.measure == "mmd" else 2
        value, low, high = (_decimals(v, digits) for v in (each.value, each.low, each.high))
        text = f"{value} [{low}, {high}]"
        if each.measure == "mmd":
            # The range of the MMD is that of chance.
            text = f"{value} (chance: {low} to {high}, p = {each.probability:.2g})"
        found.setdefault(name, {})[each.measure] = text
    measures = [name for name in MEASURES if any(name in row for row in found.values())]
    lines = [(name, *(row.get(each, "–") for each in measures)) for name, row in found.items()]
    return _table(("suites · network", *(MEASURES[name] for name in measures)), lines)


def calibration_lines(calibrations: Sequence[Calibration]) -> Lines:
    """Lay out calibrations, one line per network, suite and parameters.

    Deviations larger than chance explains have an exclamation mark.
    """
    found: dict[str, dict[str, str]] = {}
    limit: dict[str, str] = {}
    for each in calibrations:
        name = _place(each)
        text = _decimals(each.value, 3) + ("" if each.calibrated else " !")
        found.setdefault(name, {})[each.measure] = text
        limit.setdefault(name, _decimals(each.limit, 3))
    views = [name for name in VIEWS if any(name in row for row in found.values())]
    headings = ("suite · parameter · network", *(VIEWS[name] for name in views), "limit")
    lines = [
        (name, *(row.get(view, "–") for view in views), limit[name]) for name, row in found.items()
    ]
    return _table(headings, lines)


def beyond_section(found: Sequence[BeyondPrior]) -> list[Section]:
    """Lay out what reaches beyond the prior, one line per predictor; nothing where nothing does."""
    headings = ("suite · parameter · predictor", "prior", "means outside", "more error bars")
    lines = [(_place(b), limits(b.prior), b.count(b.means), b.count(b.bars)) for b in found]
    return [Section("Beyond the prior", _table(headings, lines), BEYOND)] if lines else []


def class_sections(results: Sequence[Result]) -> list[Section]:
    """Lay out what the main table has no room for; nothing where there are no classes."""
    held_out = [row for row in results if row.split in HELD_OUT and row.model not in BASELINES]
    tables = (
        Section("Class by class", _recalls(held_out), RECALL),
        Section("Class proportions", _proportions(held_out), SHARES),
        Section("Unknown classes", _unknown(held_out), UNKNOWN),
    )
    return [section for section in tables if section.table]


def unknown_sentences(results: Sequence[Result]) -> list[str]:
    """Return how well the model notices classes that it does not know, where there are any."""
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


def _table(headings: tuple[str, ...], lines: Sequence[tuple[str, ...]]) -> Lines:
    return [headings, *lines] if lines else []


def _decimals(value: float, digits: int) -> str:
    return f"{value:z.{digits}f}".replace("-", "−")


def _place(of: Calibration | BeyondPrior) -> str:
    names = " + ".join(plain(name) for name in of.parameter.split(" + "))
    return f"{of.suite} ({of.role}), {of.split} · {names} · {PREDICTORS.get(of.model, of.model)}"


def _by_class(results: Sequence[Result], metric: str) -> dict[tuple[str, str], dict[str, Result]]:
    """Return (suite, network) → class → result, in the order of the main table."""
    rows = [r for r in results if r.metric == metric and r.parameter != ALL_CLASSES]
    found: dict[tuple[str, str], dict[str, Result]] = {}
    for block in blocks(rows):
        for model, row in block.rows.items():
            place = (block.title(), PREDICTORS.get(model, model))
            found.setdefault(place, {})[block.parameter] = row[metric]
    return found


def _cells(
    row: dict[str, Result], names: Sequence[str], write: Callable[[Result], str]
) -> tuple[str, ...]:
    return tuple(write(row[name]) if name in row else "–" for name in names)


def _recalls(results: Sequence[Result]) -> Lines:
    rows = _by_class(results, "recall")
    names = tuple(dict.fromkeys(name for row in rows.values() for name in row))
    lines = [
        (f"{suite} · {model}", *_cells(row, names, with_interval))
        for (suite, model), row in rows.items()
    ]
    return _table(("suite · network", *names), lines)


def _proportions(results: Sequence[Result]) -> Lines:
    true, predicted = (_by_class(results, metric) for metric in ("share", "predicted_share"))
    names = tuple(dict.fromkeys(name for row in true.values() for name in row))
    lines: dict[str, tuple[str, ...]] = {}
    for (suite, model), row in predicted.items():
        lines.setdefault(f"{suite} · true", _cells(true[suite, model], names, _share))
        lines[f"{suite} · predicted by {model}"] = _cells(row, names, _share)
    return _table(("suite", *names), [(title, *cells) for title, cells in lines.items()])


def _share(result: Result) -> str:
    return number(result.metric, result.value)


def _unknown(results: Sequence[Result]) -> Lines:
    lines = [
        (
            f"{block.title()} · {PREDICTORS.get(model, model)}",
            *_cells(row, tuple(OPEN_METRICS), with_interval),
        )
        for block in blocks([r for r in results if r.metric in OPEN_METRICS])
        for model, row in block.rows.items()
    ]
    return _table(("suite · network", *(metric.label for metric in OPEN_METRICS.values())), lines)
