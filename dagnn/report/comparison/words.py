"""The sentences at the top of a comparison."""

from collections.abc import Sequence

from dagnn.evaluation.measure import MODEL, SOURCE_ONLY
from dagnn.evaluation.paired import no_pair, same_items, verdict_sentence
from dagnn.evaluation.wording import number, plain
from dagnn.report.comparison.differences import (
    Change,
    Contender,
    changes,
    contender_name,
)
from dagnn.report.comparison.matrix import Matrix, matrices
from dagnn.report.comparison.runs import Group
from dagnn.report.comparison.stamps import marks
from dagnn.report.comparison.summary import Place, places, summarise, task_of_groups

NAMED = 4
"""Groups that the opening names; the table has them all."""


def opening(groups: Sequence[Group]) -> str:
    """Sum up a comparison for someone who reads nothing else."""
    found = [matrix for matrix in matrices(groups) if matrix.model == MODEL]
    if found and len({tuple(sorted(group.recipe().items())) for group in groups}) == 1:
        return _matrix(found[0])
    place = next(iter(places(groups)), None)
    if place is None:
        return "No suite has known truths, so predictions were made but could not be measured."
    said = (_numbers(groups, place), *_rival(groups[0], place), *_verdicts(groups, place))
    return " ".join(said)


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
        else verdict_sentence(change.name, name, change, _basis(change))
        for change in changes(contender, reference, (metric,))
        if (change.suite, change.role, change.reference_role, change.parameter) == here
    ]
    return found or [no_pair(contender_name(contender), name)]


def _basis(change: Change) -> str:
    if change.seeds > 1:
        return f"in the mean of {change.seeds} paired seeds"
    return same_items(change.items, change.independent)


def _matrix(matrix: Matrix) -> str:
    """Tell the range on the sources' own suites, and where the network was carried to."""
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
