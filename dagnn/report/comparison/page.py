"""The comparison page: one self-contained file, in the look of every report."""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from dagnn.evaluation.measure import DRAWN, MODEL, PREDICTORS, SOURCE_ONLY
from dagnn.evaluation.paired import difference, no_pair, same_items, verdict_sentence
from dagnn.evaluation.wording import number, plain
from dagnn.files import write_text
from dagnn.report.comparison.differences import (
    Change,
    Contender,
    changes,
    contender_name,
    to_first,
    to_no_adaptation,
    to_oracle,
)
from dagnn.report.comparison.notes import comparability, warnings
from dagnn.report.comparison.runs import Group, differing, qualifiers
from dagnn.report.comparison.summary import (
    Matrix,
    Place,
    Summary,
    group_marks,
    marks,
    matrices,
    places,
    rows,
    summarise,
    task_of_groups,
)
from dagnn.report.figures.comparison import comparison_figure, matrix_figure
from dagnn.report.page import picture, render
from dagnn.tasks.task import BASELINES, Task

Line = dict[str, Any]
NAMED = 4
"""Groups that the opening names; the table has them all."""


def comparison_figures(groups: Sequence[Group]) -> dict[str, Figure]:
    """Draw every figure of a comparison, in reading order."""
    figures: dict[str, Figure] = {}
    found = matrices(groups)
    parameters = dict.fromkeys(place[3] for place in places(groups))
    for name in parameters:
        of_one = [each for each in found if each.parameter == name and each.model in DRAWN]
        if of_one:
            figures[f"matrix_{name}"] = matrix_figure(of_one)
        figures[f"comparison_{name}"] = comparison_figure(groups, name)
    return figures


def write_comparison(
    path: Path | str,
    groups: Sequence[Group],
    figures: Mapping[str, Figure],
    *,
    title: str,
    notes: Sequence[str] = (),
) -> Path:
    """Write the comparison page; it needs no other file and no network.

    Args:
        path: where to write the HTML.
        groups: at least one; differences are taken to the first.
        figures: name → figure, see :func:`comparison_figures`.
        title: what is compared.
        notes: sentences a reader must know beside those on comparability.

    Returns:
        The path.
    """
    found, shown, marked = matrices(groups), task_of_groups(groups), qualifiers(groups)
    main = (*shown.rivals, SOURCE_ONLY, MODEL)
    one_recipe = all(group.recipe() == groups[0].recipe() for group in groups)
    page = render(
        "comparison.html.j2",
        title=title,
        headline=opening(groups),
        mock=marked["mock"],
        oracle=marked["oracle"],
        single=all(len(group.runs) == 1 for group in groups),
        inherited=[g.label for g in groups if g.inherited is not None and len(g.runs) > 1],
        notes=[*map(" ".join, warnings(groups)), *notes, *comparability(groups)],
        groups=[(group, " · ".join(group_marks(group))) for group in groups],
        table=_table(groups, shown.report, main, shown),
        full_table=_table(groups, list(shown.metrics), tuple(PREDICTORS), shown),
        changes=[
            {"title": heading, "folded": folded, "table": _changes(rows, shown), "text": text}
            for heading, folded, rows, text in _sections(groups, one_recipe and bool(found))
            if rows
        ],
        matrices=[_matrix(matrix) for matrix in found],
        settings=differing([group.settings() for group in groups]),
        remark=shown.remark,
        metrics=list(shown.metrics.values()),
        pictures=[picture(name, figure, _caption(name, shown)) for name, figure in figures.items()],
    )
    return write_text(path, page)


def _caption(name: str, shown: Task) -> str:
    if name.startswith("matrix"):
        return (
            "Rows: the labelled suites. Columns: where the network was measured, on items that no "
            "training saw. Framed: the suite was among the sources. Small: standard deviation "
            "over seeds, where there are several. Darker is worse."
        )
    return (
        "Full dots: mean over seeds with one standard deviation; small dots: the seeds. Hollow "
        "dots: a single seed with its 95% interval over the items."
        + (" Dashed: calibrated." if "chi2" in shown.panels else "")
    )


def _cell(found: Summary | None) -> Line:
    if found is None:
        return {"value": "–", "small": ""}
    return {"value": number(found.metric, found.mean), "small": found.spread()}


def _table(
    groups: Sequence[Group], names: Sequence[str], models: Sequence[str], shown: Task
) -> Line:
    """Prepare the table of all groups: one block per suite and parameter."""
    summaries = [(group, summarise(group)) for group in groups]
    body = []
    for place in places(groups):
        suite, role, split, parameter = place
        lines = [
            {
                "label": row.label
                if row.model == shown.guess_model
                else f"{row.label} ({row.group.count})",
                "kind": "baseline" if row.model in BASELINES else row.model,
                "cells": [_cell(row.metrics.get(name)) for name in names],
            }
            for row in rows(summaries, place, models)
        ]
        body.append({"title": f"{suite} ({role}) · {plain(parameter)} · {split}", "rows": lines})
    return {"columns": [shown.metrics[name].label for name in names], "blocks": body}


def _sections(groups: Sequence[Group], folded: bool) -> list[tuple[str, bool, list[Change], str]]:
    """Return heading, whether to fold, differences and explanation of each table of changes."""
    return [
        (
            "What adaptation changes", False, to_no_adaptation(groups),
            "Each model minus the same network trained without the target, on the same items.",
        ),
        (
            f"Differences to {groups[0].label}", folded, to_first(groups),
            f"Each group minus {groups[0].label}, on the items that both were measured on.",
        ),
        (
            "What choosing without target labels costs", False, to_oracle(groups),
            "Each group minus its twin whose checkpoint target labels chose (ORACLE).",
        ),
    ]  # fmt: skip


def _changes(found: Sequence[Change], shown: Task) -> Line:
    """Prepare a table of differences: one block per suite and parameter."""

    def place(change: Change) -> tuple[str, str]:
        return change.suite, change.parameter

    def who(change: Change) -> tuple[str, str, str, str]:
        return change.name, change.reference, change.role, change.reference_role

    body = []
    for (suite, parameter), members in groupby(sorted(found, key=place), key=place):
        rows = []
        for (name, _, role, other), ones in groupby(sorted(members, key=who), key=who):
            by_metric = {change.metric: change for change in ones}
            roles = role if role == other else f"{role} against {other}"
            cells = [_change_cell(by_metric.get(metric)) for metric in shown.changes]
            rows.append({
                "label": name, "detail": f"{roles} · {_basis(by_metric[shown.headline])}",
                "cells": cells,
            })  # fmt: skip
        body.append({"title": f"{suite} · {plain(parameter)}", "rows": rows})
    return {"columns": [shown.metrics[name].label for name in shown.changes], "blocks": body}


def _basis(change: Change) -> str:
    if change.interval == "unpaired":
        return "not paired, no verdict"
    if change.seeds > 1:
        return f"{change.seeds} paired seeds"
    return f"{change.items} common items, one seed"


def _change_cell(change: Change | None) -> Line:
    if change is None:
        return {"value": "–", "small": [], "verdict": ""}
    value = difference(change.metric, change.value)
    if change.seeds > 1:
        small = [f"± {difference(change.metric, change.sd, bare=True).lstrip('+')}"]
        if change.better is not None:
            small.append(f"better in {change.better} of {change.seeds}")
    elif math.isnan(change.low):
        small = ["no interval"]
    else:
        ends = (difference(change.metric, end, bare=True) for end in (change.low, change.high))
        small = [f"[{', '.join(ends)}]"]
    return {"value": value, "small": small, "verdict": change.verdict}


def _matrix(matrix: Matrix) -> Line:
    """Prepare one matrix for the template: the main metrics in every cell."""
    rows = []
    for sources in matrix.rows:
        cells = []
        for suite in matrix.suites:
            found = matrix.cells.get((sources, suite), {})
            texts = [
                {"metric": matrix.task.metrics[name].label, **_cell(found[name])}
                for name in matrix.task.matrix
                if name in found
            ]
            same = matrix.is_same_suite(sources, suite)
            n = next((each.n for each in found.values()), 0)
            stamps = matrix.marks.get((sources, suite), ()) if found else ()
            cells.append({"texts": texts, "same": same and bool(found), "n": n, "marks": stamps})
        rows.append({"sources": " + ".join(sources), "cells": cells})
    title = f"{matrix.name} · {plain(matrix.parameter)}".removeprefix(" · ")
    return {"title": title, "suites": matrix.suites, "rows": rows}


def opening(groups: Sequence[Group]) -> str:
    """Sum up a comparison for someone who reads nothing else."""
    found = [matrix for matrix in matrices(groups) if matrix.model == MODEL]
    if found and len({tuple(sorted(group.recipe().items())) for group in groups}) == 1:
        return _matrix_sentence(found[0])
    place = next(iter(places(groups)), None)
    if place is None:
        return "No suite has known truths, so predictions were made but could not be measured."
    sentences = (_numbers(groups, place), *_rival(groups[0], place), *_verdicts(groups, place))
    return " ".join(sentences)


def _numbers(groups: Sequence[Group], place: Place) -> str:
    suite, role, _, parameter = place
    shown = task_of_groups(groups)
    measured = [(group, summarise(group).get(place, {}).get(MODEL, {})) for group in groups]
    measured = [(group, metrics) for group, metrics in measured if shown.headline in metrics]
    parts = [
        f"{group.label} {metrics[shown.headline]} "
        f"({', '.join([group.count, *marks(group, suite, MODEL)])})"
        for group, metrics in measured[:NAMED]
    ]
    more = len(measured) - NAMED
    rest = f"; {more} more below" if more > 0 else ""
    measure = shown.measure.format(parameter=plain(parameter))
    return f"{measure} on {suite} ({role}): {', '.join(parts)}{rest}."


def _rival(group: Group, place: Place) -> list[str]:
    """Name the best that needs no network, on the items of a group, and compare with it."""
    shown, measured = task_of_groups([group]), summarise(group).get(place, {})
    rivals = {
        name: measured[name][shown.headline]
        for name in shown.rivals
        if shown.headline in measured.get(name, {})
    }
    if not rivals:
        return []
    choose = min if shown.better == "low" else max
    best = choose(rivals, key=lambda name: rivals[name].mean)
    title = shown.rivals[best]
    return [
        f"Best without a network: {title}, {rivals[best]}.",
        *_verdict(place, (group, MODEL), (group, best), title),
    ]


def _verdicts(groups: Sequence[Group], place: Place) -> list[str]:
    """Compare the first group with its control, and a few others with the first."""
    first, found = groups[0], []
    if SOURCE_ONLY in summarise(first).get(place, {}):
        name = "the same network without adaptation"
        found += _verdict(place, (first, MODEL), (first, SOURCE_ONLY), name)
    for group in groups[1:NAMED]:
        if MODEL in summarise(group).get(place, {}):
            found += _verdict(place, (group, MODEL), (first, MODEL), first.label)
    return found


def _verdict(place: Place, contender: Contender, reference: Contender, name: str) -> list[str]:
    """Judge a contender on one suite by the headline metric; ``name`` is the reference."""
    suite, role, _, parameter = place
    metric = task_of_groups([contender[0]]).headline
    here = (suite, role, role, parameter)
    found = [
        no_pair(change.name, name)
        if change.interval == "unpaired"
        else verdict_sentence(change.name, name, change, _sentence_basis(change))
        for change in changes(contender, reference, (metric,))
        if (change.suite, change.role, change.reference_role, change.parameter) == here
    ]
    return found or [no_pair(contender_name(contender), name)]


def _sentence_basis(change: Change) -> str:
    if change.seeds > 1:
        return f"in the mean of {change.seeds} paired seeds"
    return same_items(change.items, change.independent)


def _matrix_sentence(matrix: Matrix) -> str:
    """Write the range on the suites of the sources, and that on other suites."""
    ranges, metric = [], matrix.task.headline
    for same in (True, False):
        values = [
            cell[metric].mean
            for (sources, suite), cell in matrix.cells.items()
            if matrix.is_same_suite(sources, suite) == same and metric in cell
        ]
        if values:
            ends = dict.fromkeys(number(metric, end) for end in (min(values), max(values)))
            ranges.append(("own" if same else "other", " to ".join(ends)))
    words = {"own": "on the suites that were labelled", "other": "on suites that were not"}
    parts = [f"{text} {words[which]}" for which, text in ranges]
    measure = matrix.task.measure.format(parameter=plain(matrix.parameter))
    return f"{measure}: {'; '.join(parts)}."
