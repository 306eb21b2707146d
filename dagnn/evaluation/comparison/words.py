"""The sentences at the top of a comparison."""

import math
from collections.abc import Sequence

from dagnn.evaluation.comparison.differences import Change, to_first
from dagnn.evaluation.comparison.matrix import Matrix, matrices
from dagnn.evaluation.comparison.runs import Group
from dagnn.evaluation.comparison.stamps import marks
from dagnn.evaluation.comparison.summary import Place, places, summarise, view
from dagnn.evaluation.table import MODEL
from dagnn.evaluation.views import READINGS
from dagnn.evaluation.wording import number, plain

IN_UNITS = ("crps", "rmse", "bias")
"""Metrics in the unit of the parameter; of the order of a hundredth for most."""
NAMED = 4
"""Groups that the opening names; the table has them all."""


def difference(metric: str, value: float, bare: bool = False) -> str:
    """Write a difference: with its sign, and finer than the metric, as it is smaller.

    Example:
        >>> difference("relative_error", -0.1904), difference("r2", 0.0123), difference("crps", 0)
        ('−19.0%', '+0.012', '+0.0000')
    """
    if math.isnan(value):
        return "–"
    if READINGS[metric].format.endswith("%"):
        return f"{100 * value:+z.1f}".replace("-", "−") + ("" if bare else "%")
    decimals = 4 if metric in IN_UNITS else 3
    return f"{value:+z.{decimals}f}".replace("-", "−")


def opening(groups: Sequence[Group]) -> str:
    """Sum up a comparison for someone who reads nothing else."""
    found = [matrix for matrix in matrices(groups) if matrix.model == MODEL]
    if found and len({tuple(sorted(group.recipe().items())) for group in groups}) == 1:
        return _matrix(found[0])
    place = next(iter(places(groups)), None)
    if place is None:
        return "No suite has known truths, so predictions were made but could not be measured."
    said = (_numbers(groups, place), _rival(groups[0], place), _verdicts(groups, place))
    return " ".join(filter(None, said))


def _numbers(groups: Sequence[Group], place: Place) -> str:
    suite, role, _, parameter = place
    shown = view(groups)
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


def _rival(group: Group, place: Place) -> str:
    """Tell the best that needs no network, on the items of a group."""
    shown, measured = view([group]), summarise(group).get(place, {})
    rivals = {
        name: measured[name][shown.headline]
        for name in shown.rivals
        if shown.headline in measured.get(name, {})
    }
    if not rivals:
        return ""
    choose = min if shown.better == "low" else max
    best = choose(rivals, key=lambda name: rivals[name].mean)
    return f"Best without a network: {shown.rivals[best]}, {rivals[best]}."


def _verdicts(groups: Sequence[Group], place: Place) -> str:
    suite, role, _, parameter = place
    metric = view(groups).headline
    found = [
        change
        for change in to_first(groups)
        if (change.suite, change.role, change.parameter) == (suite, role, parameter)
        and change.metric == metric
        and change.reference_role == role
    ]
    return " ".join(_verdict(change) for change in found[: NAMED - 1])


def _verdict(change: Change) -> str:
    basis = (
        f"over {change.seeds} paired seeds" if change.seeds > 1
        else f"over {change.items} common items" if change.items else "not paired"
    )  # fmt: skip
    if not change.verdict:
        return f"{change.name} is not told apart from {change.reference} ({basis})."
    size = number(change.metric, abs(change.value))
    return f"{change.name} is {change.verdict} than {change.reference} by {size} ({basis})."


def _matrix(matrix: Matrix) -> str:
    """Tell the range on the sources' own suites, and where the network was carried to."""
    ranges, metric = [], matrix.view.headline
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
    measure = matrix.view.measure.format(parameter=plain(matrix.parameter))
    return f"{measure}: {'; '.join(parts)}."
