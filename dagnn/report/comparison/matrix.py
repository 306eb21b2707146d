"""The suite × suite matrix: trained on a row's sources, measured on a column's suite."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from dagnn.evaluation.measure import HELD_OUT, MODEL, PREDICTORS, SOURCE_ONLY
from dagnn.report.comparison.runs import FinishedRun, Group, Settings, differing, qualifiers
from dagnn.report.comparison.summary import Summary, marks, task_of_groups
from dagnn.tasks import HEADLINES, Task
from dagnn.tasks.task import RIDGE, RIDGE_ALIGNED

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
