"""Numbers of groups: mean and spread over seeds, the lines of a table, and suite × suite matrices.

A single seed is never presented as more.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import numpy as np

from dagnn.evaluation.measure import HELD_OUT, MODEL, PREDICTORS, SOURCE_ONLY, blocks
from dagnn.evaluation.wording import number
from dagnn.records import Result
from dagnn.report.comparison.runs import (
    ALARM,
    FinishedRun,
    Group,
    Settings,
    Stamp,
    differing,
    qualifiers,
)
from dagnn.tasks import HEADLINES, Task, task_of_results
from dagnn.tasks.task import BASELINES, RIDGE, RIDGE_ALIGNED

Place = tuple[str, str, str, str]
"""Suite, role, split and parameter of a number."""


@dataclass(frozen=True)
class Summary:
    """One metric over the seeds of a group.

    Attributes:
        metric: its name.
        values: the number of every seed.
        low: lower end of the bootstrap interval over items; NaN for several seeds.
        high: upper end of it.
    """

    metric: str
    values: tuple[float, ...]
    low: float = math.nan
    high: float = math.nan

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return float(np.mean(self.values))

    @property
    def sd(self) -> float:
        """Standard deviation over seeds (n − 1); NaN for one seed."""
        return float(np.std(self.values, ddof=1)) if self.n > 1 else math.nan

    def spread(self) -> str:
        """Write what stands behind the mean: ``± sd``, or the interval of a single seed."""
        if self.n > 1:
            return f"± {number(self.metric, self.sd, bare=True).lstrip('+')}"
        if math.isnan(self.low):
            return ""
        ends = (number(self.metric, end, bare=True) for end in (self.low, self.high))
        return f"[{', '.join(ends)}]"

    def __str__(self) -> str:
        """Write mean and spread, for example ``18.0% ± 0.6``."""
        return f"{number(self.metric, self.mean)} {self.spread()}".strip()


Measured = dict[Place, dict[str, dict[str, Summary]]]
"""Place → predictor → metric → summary."""


def summarise(group: Group, splits: Sequence[str] | None = HELD_OUT) -> Measured:
    """Collect place → predictor → metric → summary over the seeds of a group."""
    rows: dict[tuple[Place, str, str], list[Result]] = {}
    for run in group.runs:
        for block in blocks(run.results, splits):
            place = (block.suite, block.role, block.split, block.parameter)
            for model, metrics in block.rows.items():
                for name, row in metrics.items():
                    rows.setdefault((place, model, name), []).append(row)
    found: Measured = {}
    for (place, model, name), same in rows.items():
        interval = (same[0].low, same[0].high) if len(same) == 1 else ()
        summary = Summary(name, tuple(row.value for row in same), *interval)
        found.setdefault(place, {}).setdefault(model, {})[name] = summary
    return found


def task_of_groups(groups: Iterable[Group]) -> Task:
    """Return the task of these groups: regression or classification."""
    return task_of_results(row for group in groups for run in group.runs for row in run.results)


def places(groups: Iterable[Group]) -> list[Place]:
    """Return where anything was measured, targets first."""
    found = dict.fromkeys(
        (row.suite, row.role, row.split, row.parameter)
        for group in groups
        for run in group.runs
        for row in run.results
        if row.split in HELD_OUT and row.model == MODEL and row.metric in HEADLINES
    )
    order = ("target", "other", "source")
    return sorted(found, key=lambda place: (order.index(place[1]), place[0]))


def marks(group: Group, suite: str, model: str) -> list[str]:
    """Return the words that qualify the numbers of one predictor on one suite.

    An alarm is about alignment, so it concerns the model only; what was done to the
    suite itself concerns every predictor. A stamp that names no suite is about the weights that
    every network of a run started from, so it concerns the networks wherever they were measured.

    Example: ``["STRESS TEST", "ALARM in 2 of 3 seeds"]``
    """

    def concerns(stamp: Stamp) -> bool:
        if not stamp.suites:
            return model not in BASELINES
        return suite in stamp.suites and (stamp.word != ALARM or model == MODEL)

    return _words(group, concerns)


def group_marks(group: Group) -> list[str]:
    """Return every word that qualifies some number of a group."""
    found = _words(group, lambda stamp: True)
    stamped = any(stamp.word == "MOCK" for run in group.runs for stamp in run.stamps)
    return (["MOCK"] if group.first.mock and not stamped else []) + found


def _words(group: Group, concerns: Callable[[Stamp], bool]) -> list[str]:
    """Return the words of stamps, each with the number of seeds where that is not all."""
    found: dict[str, int] = {}
    for run in group.runs:
        for word in dict.fromkeys(stamp.word for stamp in run.stamps if concerns(stamp)):
            found[word] = found.get(word, 0) + 1
    seeds = len(group.runs)
    return [word if n == seeds else f"{word} in {n} of {seeds} seeds" for word, n in found.items()]


class Row(NamedTuple):
    """One predictor of one group, or a baseline that several groups share.

    Attributes:
        label: whose numbers these are, with what qualifies them.
        model: which predictor.
        group: the group, or the first of those that share the row.
        metrics: metric → summary.
    """

    label: str
    model: str
    group: Group
    metrics: dict[str, Summary]


def rows(
    summaries: Sequence[tuple[Group, Measured]], place: Place, models: Sequence[str]
) -> list[Row]:
    """Return the lines of one suite and parameter, from the least informed on.

    A baseline has one line for all groups in which it is written alike, also one that needs no
    data: it is measured on the items of a group.

    Args:
        summaries: every group with its numbers.
        place: suite, role, split and parameter.
        models: which predictors to show.
    """
    there = [(group, found[place]) for group, found in summaries if place in found]

    def row(
        names: Sequence[str], model: str, group: Group, found: dict[str, dict[str, Summary]]
    ) -> Row:
        name = [] if model == MODEL else [PREDICTORS.get(model, model)]
        label = " · ".join([*names, *name, *marks(group, place[0], model)])
        return Row(label, model, group, found[model])

    listed = []
    for model in (model for model in models if model in BASELINES):
        alike: dict[tuple[str, ...], list[tuple[Group, dict[str, dict[str, Summary]]]]] = {}
        for group, found in there:
            if model in found:
                written = map(str, found[model].values())
                key = (*marks(group, place[0], model), *written)
                alike.setdefault(key, []).append((group, found))
        for members in alike.values():
            names = [] if len(alike) == 1 else [", ".join(group.label for group, _ in members)]
            listed.append(row(names, model, *members[0]))
    return listed + [
        row([group.label], model, group, found)
        for group, found in there
        for model in models
        if model in found and model not in BASELINES
    ]


Sources = tuple[str, ...]


@dataclass(frozen=True)
class Matrix:
    """One recipe, measured on every suite for every choice of sources.

    Attributes:
        name: the recipe and the predictor.
        parameter: parameter name.
        rows: the sources of each row; single ones first.
        suites: the suite of each column.
        cells: sources and suite → metric → summary over seeds.
        mock: whether any cell comes from mocks.
        oracle: whether any checkpoint was chosen by target labels.
        task: which metrics to show.
        model: the predictor.
        marks: sources and suite → what qualifies the numbers there.
    """

    name: str
    parameter: str
    rows: tuple[Sources, ...]
    suites: tuple[str, ...]
    cells: dict[tuple[Sources, str], dict[str, Summary]]
    mock: bool
    oracle: bool
    task: Task
    model: str
    marks: dict[tuple[Sources, str], tuple[str, ...]]

    def is_same_suite(self, sources: Sources, suite: str) -> bool:
        """Whether a cell was measured on (held-out items of) its own sources."""
        return suite in sources


def matrices(groups: Sequence[Group]) -> list[Matrix]:
    """Return a matrix per recipe, predictor and parameter that has several rows."""
    alike: dict[tuple[tuple[str, str], ...], list[Group]] = {}
    for group in groups:
        alike.setdefault(tuple(sorted(group.recipe().items())), []).append(group)
    recipes = [each for each in alike.values() if len({g.first.source for g in each}) > 1]
    names = recipe_names([members[0].recipe() for members in recipes])
    found = [
        _matrix(name if model == MODEL else f"{name} · {PREDICTORS[model]}", members, model, each)
        for name, members in zip(names, recipes, strict=True)
        for model in (SOURCE_ONLY, MODEL)
        for each in _parameters(members, model)
    ]
    return [*_baselines(list(zip(names, recipes, strict=True))), *found]


def _baselines(recipes: Sequence[tuple[str, Sequence[Group]]]) -> list[Matrix]:
    """Return the matrices of regressions without a network, once where recipes agree on them."""
    found: list[Matrix] = []
    for model in (RIDGE, RIDGE_ALIGNED):
        for parameter in dict.fromkeys(p for _, m in recipes for p in _parameters(m, model)):
            alike: dict[str, tuple[str, Matrix]] = {}
            for name, members in recipes:
                each = _matrix(PREDICTORS[model], members, model, parameter)
                # Alike is what a reader sees as the same numbers.
                written = str([(at, *map(str, cell.values())) for at, cell in each.cells.items()])
                alike.setdefault(written, (name, each))
            found += [
                each if len(alike) == 1 else replace(each, name=f"{name} · {each.name}")
                for name, each in alike.values()
            ]
    return found


def recipe_names(recipes: Sequence[Settings]) -> list[str]:
    """Name recipes by their configuration's name, or by what differs where that is the same."""
    names = [recipe.get("name", "") for recipe in recipes]
    if len(set(names)) == len(names):
        return names
    other = {key: values for key, values in differing(recipes).items() if key != "name"}
    return [
        ", ".join([name, *(f"{key.split('.')[-1]} {values[at]}" for key, values in other.items())])
        for at, name in enumerate(names)
    ]


def _parameters(members: Iterable[Group], model: str) -> list[str]:
    return list(
        dict.fromkeys(
            row.parameter
            for group in members
            for run in group.runs
            for row in run.results
            if row.model == model and row.metric in HEADLINES
        )
    )


def _matrix(name: str, members: Sequence[Group], model: str, parameter: str) -> Matrix:
    runs = [run for group in members for run in group.runs]
    rows = tuple(sorted(dict.fromkeys(run.source for run in runs), key=len))
    known = [suite for sources in rows for suite in sources]
    known += [row.suite for run in runs for row in run.results]
    cells, found = {}, {}
    for sources, suite in product(rows, dict.fromkeys(known)):
        of_row = [group for group in members if group.first.source == sources]
        cell = _cell([run for group in of_row for run in group.runs], suite, model, parameter)
        if cell:
            cells[sources, suite] = cell
            words = dict.fromkeys(word for group in of_row for word in marks(group, suite, model))
            found[sources, suite] = tuple(words)
    return Matrix(
        name=name,
        parameter=parameter,
        rows=rows,
        suites=tuple(dict.fromkeys(known)),
        cells=cells,
        **qualifiers(members),
        task=task_of_groups(members),
        model=model,
        marks=found,
    )


def _cell(
    runs: Sequence[FinishedRun], suite: str, model: str, parameter: str
) -> dict[str, Summary]:
    """Sum up one cell over seeds.

    Where a suite was the target of some run, only such runs count: a run that was not
    adapted to it measures something else. A source is measured by the runs
    of every target; those of one seed are averaged first, as they share its items.
    """
    roles = {row.role for run in runs for row in run.results if row.suite == suite}
    role = next((role for role in ("source", "target", "other") if role in roles), None)
    values: dict[str, dict[int, list[float]]] = {}
    for run in runs:
        for row in run.results:
            of = (row.suite, row.role, row.model, row.parameter)
            if of == (suite, role, model, parameter) and row.split in HELD_OUT:
                values.setdefault(row.metric, {}).setdefault(run.seed, []).append(row.value)
    return {
        metric: Summary(metric, tuple(float(np.mean(v)) for v in by_seed.values()))
        for metric, by_seed in values.items()
    }
