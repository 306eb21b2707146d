"""Alignment and calibration as lines of text, for a page."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import NamedTuple

from dagnn.evaluation.alignment import Alignment
from dagnn.evaluation.beyond import BeyondPrior
from dagnn.evaluation.calibration import Calibration
from dagnn.evaluation.measure import PREDICTORS
from dagnn.evaluation.wording import plain
from dagnn.tasks.regression import limits

MEASURES = MappingProxyType(
    {"domain_auc": "domain AUC", "mmd": "MMD²", "latent_distance": "distance"}
)
VIEWS = MappingProxyType({"pit": "PIT", "coverage": "coverage", "tarp": "TARP"})
BEYOND = (
    "How many predicted means lie outside the prior of the training set, and of how many others "
    "the error bar of one standard deviation ends outside. The training set holds no truth there. "
    "Every metric is computed from the predictions as they are."
)


class Lines(NamedTuple):
    """A small table of text.

    Attributes:
        columns: headings.
        lines: one cell per column; the first names the line.
    """

    columns: tuple[str, ...]
    lines: list[tuple[str, ...]]


class Section(NamedTuple):
    """A small table of text with its heading and what to know about it."""

    title: str
    table: Lines
    text: str


def _decimals(value: float, digits: int) -> str:
    return f"{value:z.{digits}f}".replace("-", "−")


def _range(each: Alignment) -> str:
    """Write a measure with its range, which for the MMD is that of chance."""
    digits = 4 if each.measure == "mmd" else 2
    value, low, high = (_decimals(number, digits) for number in (each.value, each.low, each.high))
    if each.measure != "mmd":
        return f"{value} [{low}, {high}]"
    return f"{value} (chance: {low} to {high}, p = {each.probability:.2g})"


def alignment_lines(alignments: Sequence[Alignment]) -> Lines | None:
    """Lay out alignments, one line per network and pair of suites; None where there are none."""
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for each in alignments:
        found.setdefault((each.model, each.source, each.target), {})[each.measure] = _range(each)
    if not found:
        return None
    measures = [name for name in MEASURES if any(name in row for row in found.values())]
    lines = [
        (
            f"{source} and {target} · {PREDICTORS.get(model, model)}",
            *(row.get(name, "–") for name in measures),
        )
        for (model, source, target), row in found.items()
    ]
    return Lines(("suites · network", *(MEASURES[name] for name in measures)), lines)


def calibration_lines(calibrations: Sequence[Calibration]) -> Lines | None:
    """Lay out calibrations, one line per network, suite and parameters; None without any."""
    found: dict[tuple[str, ...], dict[str, Calibration]] = {}
    for each in calibrations:
        key = (each.suite, each.role, each.split, each.parameter, each.model)
        found.setdefault(key, {})[each.measure] = each
    if not found:
        return None
    views = [name for name in VIEWS if any(name in row for row in found.values())]
    return Lines(
        ("suite · parameter · network", *(VIEWS[name] for name in views), "limit"),
        [(_place(key), *_cells(row, views)) for key, row in found.items()],
    )


def beyond_section(found: Sequence[BeyondPrior]) -> list[Section]:
    """Lay out what reaches beyond the prior, one line per predictor; nothing where nothing does."""
    lines: list[tuple[str, ...]] = [
        (
            _place((b.suite, b.role, b.split, b.parameter, b.model)),
            limits(b.prior),
            b.count(b.means),
            b.count(b.bars),
        )
        for b in found
    ]
    columns = ("suite · parameter · predictor", "prior", "means outside", "more error bars")
    return [Section("Beyond the prior", Lines(columns, lines), BEYOND)] if lines else []


def _place(key: tuple[str, ...]) -> str:
    suite, role, split, parameter, model = key
    names = " + ".join(plain(name) for name in parameter.split(" + "))
    return f"{suite} ({role}), {split} · {names} · {PREDICTORS.get(model, model)}"


def _cells(row: dict[str, Calibration], views: Sequence[str]) -> tuple[str, ...]:
    """Write deviations, marked where they are larger than chance explains, and the limit."""
    cells = [
        _decimals(row[name].value, 3) + ("" if row[name].calibrated else " !")
        if name in row
        else "–"
        for name in views
    ]
    return (*cells, _decimals(next(iter(row.values())).limit, 3))
