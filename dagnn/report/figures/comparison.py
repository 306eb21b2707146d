"""Groups of runs side by side: every seed a dot, the mean with its spread."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dagnn.evaluation.table import MODEL, PREDICTORS, SOURCE_ONLY
from dagnn.evaluation.wording import label
from dagnn.report.comparison.runs import Group
from dagnn.report.comparison.summary import Summary, places, summarise, task_of_groups
from dagnn.report.figures.style import BLUE, GREY, ORANGE, STYLE, panels
from dagnn.tasks import METRICS

LINE = 0.23
"""Height of one line in inches."""


@dataclass(frozen=True)
class _Line:
    """One line of the figure: a heading without metrics, or a predictor of a group."""

    text: str
    metrics: dict[str, Summary]
    colour: str = BLUE


@matplotlib.rc_context(STYLE)
def comparison_figure(groups: Sequence[Group], parameter: str) -> Figure:
    """Draw one panel per metric, one line per suite, group and predictor.

    Small dots are single seeds; the large one is their mean, with one standard
    deviation over seeds, or for a single seed with its 95% interval over items.

    Args:
        groups: at least one.
        parameter: which parameter.

    Raises:
        ValueError: nothing was measured for this parameter.
    """
    lines = _lines(groups, parameter)
    if not lines:
        raise ValueError(f"No group has a measured {parameter}.")
    shown = task_of_groups(groups).panels
    figure, grid = panels(
        1, len(shown), f"Comparison · {label(parameter)}",
        mock=any(run.mock for group in groups for run in group.runs),
        oracle=any(group.oracle for group in groups),
        panel=(2.7, LINE * len(lines) + 0.7),
    )  # fmt: skip
    for axes, metric in zip(grid[0], shown, strict=True):
        _panel(axes, lines, metric)
    first = grid[0][0]
    first.set_yticks(range(len(lines)), [line.text for line in lines])
    for text, line in zip(first.get_yticklabels(), lines, strict=True):
        if not line.metrics:
            text.set_fontweight("bold")
    for axes in grid[0][1:]:
        axes.set_yticks(range(len(lines)), [""] * len(lines))
    return figure


def _lines(groups: Sequence[Group], parameter: str) -> list[_Line]:
    found: list[_Line] = []
    summaries = [(group, summarise(group)) for group in groups]
    guess = task_of_groups(groups).guess_model
    for place in places(groups):
        suite, role, _, name = place
        if name != parameter:
            continue
        found.append(_Line(f"{suite} ({role})", {}))
        prior = next((s[place][guess] for _, s in summaries if guess in s.get(place, {})),
                     None)  # fmt: skip
        if prior is not None:
            found.append(_Line(PREDICTORS[guess], prior, GREY))
        for group, summary in summaries:
            models = summary.get(place, {})
            if SOURCE_ONLY in models:
                text = f"{group.label} · source-only"
                found.append(_Line(text, models[SOURCE_ONLY], ORANGE))
            if MODEL in models:
                found.append(_Line(group.label, models[MODEL]))
    return found


def _panel(axes: Axes, lines: Sequence[_Line], metric: str) -> None:
    axes.set_title(METRICS[metric].label)
    axes.set_ylim(len(lines) - 0.4, -0.8)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    better = METRICS[metric].better
    if isinstance(better, float):
        axes.axvline(better, color="#444444", linewidth=0.9, linestyle="--", zorder=1)
    for height, line in enumerate(lines):
        if not line.metrics and height:
            axes.axhline(height - 0.5, color="#cccccc", linewidth=0.7)
        if metric in line.metrics:
            _draw(axes, height, line.metrics[metric], line.colour)
    if METRICS[metric].format.endswith("%"):
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
    if metric == "chi2" and axes.get_xlim()[1] > 30:
        axes.set_xscale("log")


def _draw(axes: Axes, height: int, found: Summary, colour: str) -> None:
    if math.isnan(found.mean):
        return
    ends = (found.mean - found.sd, found.mean + found.sd) if found.n > 1 else (
        found.low, found.high)  # fmt: skip
    if not any(map(math.isnan, ends)):
        axes.plot(ends, (height, height), color=colour, linewidth=1.6, solid_capstyle="butt")
    if found.n > 1:
        axes.plot(
            found.values, [height] * found.n, "o", color=colour, markersize=3, alpha=0.4,
            markeredgewidth=0,
        )  # fmt: skip
    # A single seed is drawn hollow: it is not a mean of anything.
    face = colour if found.n > 1 else "white"
    axes.plot(found.mean, height, "o", color=colour, markerfacecolor=face, markersize=5.5)
