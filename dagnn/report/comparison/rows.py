"""The lines of a table of groups: baselines once where they agree, then every network."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from dagnn.evaluation.measure import MODEL, PREDICTORS
from dagnn.report.comparison.runs import Group
from dagnn.report.comparison.stamps import marks
from dagnn.report.comparison.summary import Measured, Place, Summary
from dagnn.tasks.task import BASELINES

Summaries = Sequence[tuple[Group, Measured]]


@dataclass(frozen=True)
class Row:
    """One predictor of one group, or a baseline that several groups share.

    Attributes:
        label: whose numbers these are, with what must not be overlooked of them.
        model: which predictor.
        group: the group, or the first of those that share the row.
        metrics: metric → summary.
    """

    label: str
    model: str
    group: Group
    metrics: dict[str, Summary]

    @property
    def is_baseline(self) -> bool:
        """Whether no network stands behind the numbers."""
        return self.model in BASELINES


def rows(summaries: Summaries, place: Place, models: Sequence[str]) -> list[Row]:
    """Return the lines of one suite and parameter, from the least informed on.

    Args:
        summaries: every group with its numbers.
        place: suite, role, split and parameter.
        models: which predictors to show.
    """
    there = [(group, found[place]) for group, found in summaries if place in found]
    baselines = [model for model in models if model in BASELINES]
    listed = [row for model in baselines for row in _baseline(there, model, place)]
    return listed + [
        Row(_label(group, model, place), model, group, found[model])
        for group, found in there
        for model in models
        if model in found and model not in BASELINES
    ]


def _baseline(
    there: Iterable[tuple[Group, dict[str, dict[str, Summary]]]],
    model: str,
    place: Place,
) -> Iterator[Row]:
    """Give a baseline once for all groups in which it is written alike.

    Also one that needs no data: it is measured on the items of a group.
    """
    alike: dict[tuple[str, ...], list[Row]] = {}
    for group, found in there:
        if model in found:
            stamps = marks(group, place[0], model)
            row = Row(_label(group, model, place), model, group, found[model])
            alike.setdefault((*stamps, *map(str, found[model].values())), []).append(row)
    for members in alike.values():
        first = members[0]
        names = [] if len(alike) == 1 else [", ".join(row.group.label for row in members)]
        words = [*names, PREDICTORS[model], *marks(first.group, place[0], model)]
        yield replace(first, label=" · ".join(words))


def _label(group: Group, model: str, place: Place) -> str:
    word = [] if model == MODEL else [PREDICTORS.get(model, model)]
    return " · ".join([group.label, *word, *marks(group, place[0], model)])
