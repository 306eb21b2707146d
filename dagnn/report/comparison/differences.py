"""What separates two groups of runs: paired on the same items, and over the same seeds.

:func:`write_comparison_csv` writes the differences with the numbers of every group.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import t as student

from dagnn.evaluation.measure import HELD_OUT, MODEL, SOURCE_ONLY
from dagnn.evaluation.paired import Difference, common_items, compare, direction, verdict
from dagnn.files import write_text
from dagnn.report.comparison.runs import FinishedRun, Group, qualifiers
from dagnn.report.comparison.summary import Summary, marks, summarise
from dagnn.tasks import CLASSIFICATION, REGRESSION, AnyPredictions

COMPARED = frozenset((*REGRESSION.compared, *CLASSIFICATION.compared))
"""Metrics of which differences are taken; skill would only repeat R²."""
FEWEST_ITEMS = 10
"""A bootstrap over fewer common items than this is meaningless."""

Place = tuple[str, str, str, str, str]
"""Suite, its role to either side, parameter and metric."""
Contender = tuple[Group, str]
"""A group and the predictor of it that is meant: ``model`` or ``source-only``."""


@dataclass(frozen=True)
class Change:
    """One metric of a contender minus that of a reference.

    Attributes:
        name: the contender.
        reference: what it is compared with.
        suite: where both were measured.
        role: what the suite was to the contender.
        reference_role: what it was to the reference.
        parameter: parameter name.
        metric: metric name.
        value: difference; the mean over seeds where several are paired.
        low: lower end of the 95% interval.
        high: upper end.
        sd: over paired seeds; NaN for one.
        seeds: number of paired seeds, 0 where no seed is shared.
        better: in how many of them the contender is better; None where neither end is.
        items: smallest number of common items in a pair; 0 where none could be paired.
        interval: where ``low`` and ``high`` come from: a paired bootstrap over the items
            of one seed, Student's t over paired seeds, or over unpaired seeds (Welch).
        independent: smallest number of independent common items in a pair.
    """

    name: str
    reference: str
    suite: str
    role: str
    reference_role: str
    parameter: str
    metric: str
    value: float
    low: float
    high: float
    sd: float
    seeds: int
    better: int | None
    items: int
    interval: Literal["items", "seeds", "unpaired"]
    independent: int

    @property
    def verdict(self) -> str:
        """Return ``better`` or ``worse`` where paired items decide it, else nothing."""
        decided = verdict(self)
        return decided if decided in ("better", "worse") else ""


def contender_name(contender: Contender) -> str:
    """Name a contender as tables do."""
    group, model = contender
    return group.label if model == MODEL else f"{group.label} · {model}"


def changes(
    contender: Contender, reference: Contender, metrics: Collection[str] = COMPARED
) -> list[Change]:
    """Compare two contenders wherever both were measured.

    Seeds that both have are paired, and within a seed the items that both
    predicted; two single runs of different seeds are paired by their common
    items. Of what shares neither only the means are subtracted, which decides nothing.

    Args:
        contender: a group and its predictor.
        reference: what it is compared with.
        metrics: by which.
    """
    (group, model), (other, other_model) = contender, reference
    shared = [seed for seed in group.seeds if seed in other.seeds]
    pairs = [(group.seeds[seed], other.seeds[seed]) for seed in shared]
    if not pairs and len(group.runs) == len(other.runs) == 1:
        pairs = [(group.first, other.first)]
    found: dict[Place, list[Difference]] = {}
    for first, second in pairs:
        for reference_role, each in _paired(first, model, second, other_model, metrics):
            key = (each.suite, each.role, reference_role, each.parameter, each.metric)
            found.setdefault(key, []).append(each)
    names = contender_name(contender), contender_name(reference)
    if found:
        return [_over_pairs(names, key, members) for key, members in found.items()]
    return [c for c in _unpaired(names, contender, reference) if c.metric in metrics]


def _paired(
    first: FinishedRun,
    model: str,
    second: FinishedRun,
    other_model: str,
    metrics: Collection[str],
) -> Iterator[tuple[str, Difference]]:
    """Compare two runs on every suite of which they predicted common items."""
    for one in _held_out(first, model):
        for two in _held_out(second, other_model):
            if one.suite != two.suite:
                continue
            common = common_items(one, two)
            if len(common) < FEWEST_ITEMS:
                continue
            for each in compare(one, two, common, first.seed, metrics):
                yield two.role, each


def _held_out(run: FinishedRun, model: str) -> list[AnyPredictions]:
    return [p for p in run.predictions if p.model == model and p.split in HELD_OUT]


def _over_pairs(names: tuple[str, str], key: Place, members: Sequence[Difference]) -> Change:
    """Sum up the differences of one metric over paired seeds."""
    values = tuple(each.value for each in members)
    found = Summary(key[-1], values, members[0].low, members[0].high)
    low, high, several = found.low, found.high, found.n > 1
    if several:
        reach = found.sd / math.sqrt(found.n) * float(student.ppf(0.975, found.n - 1))
        low, high = found.mean - reach, found.mean + reach
    sign = direction(key[-1])
    return Change(
        *names,
        *key,
        found.mean,
        low,
        high,
        found.sd,
        found.n,
        sum(sign * value > 0 for value in values) if sign else None,
        min(each.items for each in members),
        "seeds" if several else "items",
        min(each.independent for each in members),
    )


def _unpaired(
    names: tuple[str, str], contender: Contender, reference: Contender
) -> Iterator[Change]:
    """Compare means over seeds that are not shared; Welch's interval where both have several."""
    mine, others = (_values(each) for each in (contender, reference))
    for (suite, role, parameter, metric), first in mine.items():
        for (other_suite, other_role, other_parameter, other_metric), second in others.items():
            if (suite, parameter, metric) != (other_suite, other_parameter, other_metric):
                continue
            value = float(np.mean(first) - np.mean(second))
            reach = _welch(first, second)
            yield Change(
                *names, suite, role, other_role, parameter, metric,
                value, value - reach, value + reach, math.nan, 0, None, 0, "unpaired", 0,
            )  # fmt: skip


def _values(contender: Contender) -> dict[tuple[str, str, str, str], list[float]]:
    """Collect suite, role, parameter, metric → one value per seed."""
    group, model = contender
    found: dict[tuple[str, str, str, str], list[float]] = {}
    for run in group.runs:
        for row in run.results:
            if row.model == model and row.split in HELD_OUT and row.metric in COMPARED:
                key = (row.suite, row.role, row.parameter, row.metric)
                found.setdefault(key, []).append(row.value)
    return found


def _welch(first: Sequence[float], second: Sequence[float]) -> float:
    """Return half the width of Welch's 95% interval; NaN where a side has one value."""
    if min(len(first), len(second)) < 2:
        return math.nan
    squares = [float(np.var(values, ddof=1)) / len(values) for values in (first, second)]
    total = sum(squares)
    if total == 0:
        return 0.0
    freedom = total**2 / sum(
        s**2 / (len(values) - 1) for s, values in zip(squares, (first, second), strict=True)
    )
    return math.sqrt(total) * float(student.ppf(0.975, freedom))


def to_first(groups: Sequence[Group]) -> list[Change]:
    """Compare every group with the first."""
    return [
        change for group in groups[1:] for change in changes((group, MODEL), (groups[0], MODEL))
    ]


def to_no_adaptation(groups: Iterable[Group]) -> list[Change]:
    """Compare every model with the same network without adaptation, where that was trained."""
    return [
        change
        for group in groups
        if all(any(row.model == SOURCE_ONLY for row in run.results) for run in group.runs)
        for change in changes((group, MODEL), (group, SOURCE_ONLY))
    ]


def to_oracle(groups: Sequence[Group]) -> list[Change]:
    """Compare each group whose twin was selected on target labels with that twin.

    Twins differ in ``training.select_on`` and in the name only. The difference is
    what it costs to choose without target labels.
    """
    free = ("training.select_on", "name")

    def rest(group: Group) -> dict[str, str]:
        return {k: v for k, v in group.settings().items() if k not in free}

    return [
        change
        for oracle in groups
        if oracle.oracle
        for group in groups
        if not group.oracle and rest(group) == rest(oracle)
        for change in changes((group, MODEL), (oracle, MODEL))
        if change.role == "target"
    ]


COLUMNS = (
    "kind", "group", "model", "reference", "suite", "role", "reference_role", "split", "parameter",
    "metric", "value", "low", "high", "sd", "seeds", "better", "items", "interval", "independent",
    "mock", "oracle", "marks",
)  # fmt: skip
"""Of ``comparison.csv``. ``kind``: ``metric`` of a group, or ``difference``, ``adaptation``,
``oracle_gap`` of two."""


def write_comparison_csv(path: Path | str, groups: Sequence[Group]) -> Path:
    """Write means with their spread, and differences with their uncertainty, one row each."""
    mock = qualifiers(groups)["mock"]
    kinds = {
        "difference": to_first(groups),
        "adaptation": to_no_adaptation(groups),
        "oracle_gap": to_oracle(groups),
    }
    rows = [row for group in groups for row in _metrics(group)]
    rows += [
        {"kind": kind, "group": change.name, "mock": mock, **asdict(change)}
        for kind, found in kinds.items()
        for change in found
    ]
    # As objects, numbers are written so that they read back the same, and unknown ones not at all.
    table = pd.DataFrame(rows, columns=COLUMNS, dtype=object)
    return write_text(path, table.to_csv(index=False, lineterminator="\n"))


def _metrics(group: Group) -> Iterator[dict[str, Any]]:
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
