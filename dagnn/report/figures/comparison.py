"""Figures of a comparison: groups of runs side by side, and the suite × suite matrix."""

import math
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dagnn.evaluation.measure import MODEL, PREDICTORS, SOURCE_ONLY
from dagnn.evaluation.wording import label, number
from dagnn.report.comparison.runs import Group, qualifiers
from dagnn.report.comparison.summary import Matrix, Summary, places, summarise, task_of_groups
from dagnn.report.figures import style
from dagnn.tasks import METRICS

LINE = 0.23
"""Height of one line in inches."""
# Light is good, so dark cells call for attention.
COLOURS = {"low": "YlOrBr", "high": "YlOrBr_r"}

_Line = tuple[str, dict[str, Summary], str]
"""Text, metrics and colour of one line: a predictor of a group, or a heading without metrics."""


@style.styled
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
    title, size = f"Comparison · {label(parameter)}", (2.7, LINE * len(lines) + 0.7)
    figure, (row,) = style.panels(1, len(shown), title, panel=size)
    for axes, metric in zip(row, shown, strict=True):
        _panel(axes, lines, metric)
        axes.set_yticks(range(len(lines)), [""] * len(lines))
    row[0].set_yticks(range(len(lines)), [text for text, *_ in lines])
    for text, (_, metrics, _) in zip(row[0].get_yticklabels(), lines, strict=True):
        if not metrics:
            text.set_fontweight("bold")
    return style.stamp(figure, **qualifiers(groups))


def _lines(groups: Sequence[Group], parameter: str) -> list[_Line]:
    found: list[_Line] = []
    summaries = [(group, summarise(group)) for group in groups]
    guess = task_of_groups(groups).guess_model
    for place in places(groups):
        suite, role, _, name = place
        if name != parameter:
            continue
        found.append((f"{suite} ({role})", {}, style.BLUE))
        guesses = [s[place][guess] for _, s in summaries if guess in s.get(place, {})]
        if guesses:
            found.append((PREDICTORS[guess], guesses[0], style.GREY))
        for group, summary in summaries:
            models = summary.get(place, {})
            if SOURCE_ONLY in models:
                found.append((f"{group.label} · source-only", models[SOURCE_ONLY], style.ORANGE))
            if MODEL in models:
                found.append((group.label, models[MODEL], style.BLUE))
    return found


def _panel(axes: Axes, lines: Sequence[_Line], metric: str) -> None:
    axes.set_title(METRICS[metric].label)
    axes.set_ylim(len(lines) - 0.4, -0.8)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    better = METRICS[metric].better
    if isinstance(better, float):
        axes.axvline(better, color="#444444", linewidth=0.9, linestyle="--", zorder=1)
    for height, (_, metrics, colour) in enumerate(lines):
        if not metrics and height:
            axes.axhline(height - 0.5, color="#cccccc", linewidth=0.7)
        if metric in metrics:
            _draw(axes, height, metrics[metric], colour)
    if METRICS[metric].format.endswith("%"):
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
    if metric == "chi2" and axes.get_xlim()[1] > 30:
        axes.set_xscale("log")


def _draw(axes: Axes, height: int, found: Summary, colour: str) -> None:
    if math.isnan(found.mean):
        return
    ends = found.low, found.high
    if found.n > 1:
        ends = found.mean - found.sd, found.mean + found.sd
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


@style.styled
def matrix_figure(matrices: Sequence[Matrix]) -> Figure:
    """Draw matrices of one parameter, one row of panels each; a frame marks same-suite cells.

    Args:
        matrices: recipes and predictors to set one below the other, on one colour scale.
    """
    rows, columns = (
        max(len(getattr(each, side)) for each in matrices) for side in ("rows", "suites")
    )
    shown = matrices[0].task.matrix
    title = f"Suite × suite · {label(matrices[0].parameter)}"
    size = (max(3.4, 1.0 * columns + 0.9), max(1.9, 0.62 * rows + 1.0))
    figure, grid = style.panels(len(matrices), len(shown), title, panel=size)
    for place, metric in enumerate(shown):
        scale = _matrix_scale(matrices, metric)
        for axes, matrix in zip([row[place] for row in grid], matrices, strict=True):
            _matrix_panel(axes, matrix, metric, scale)
            axes.set_title(f"{METRICS[metric].label} · {matrix.name}")
            if place == 0:
                axes.set_ylabel("trained on")
                axes.set_yticklabels([" +\n".join(sources) for sources in matrix.rows])
    for axes in grid[-1]:
        axes.set_xlabel("measured on")
    return style.stamp(
        figure,
        mock=any(each.mock for each in matrices),
        oracle=any(each.oracle for each in matrices),
    )


def _colours(metric: str) -> str:
    return COLOURS[str(METRICS[metric].better)]


def _matrix_scale(matrices: Sequence[Matrix], metric: str) -> Normalize:
    values = [
        cell[metric].mean for each in matrices for cell in each.cells.values() if metric in cell
    ]
    known = [value for value in values if np.isfinite(value)] or [0.0]
    # A network that fails altogether has an R² of any size; it must not wash out the rest.
    low = max(min(known), -0.5) if metric == "r2" else min(known)
    return Normalize(low, max(max(known), low + 1e-9))


def _matrix_panel(axes: Axes, matrix: Matrix, metric: str, scale: Normalize) -> None:
    values = np.full((len(matrix.rows), len(matrix.suites)), np.nan)
    for (sources, suite), cell in matrix.cells.items():
        if metric in cell:
            values[matrix.rows.index(sources), matrix.suites.index(suite)] = cell[metric].mean
    axes.imshow(values, cmap=_colours(metric), norm=scale, aspect="auto", alpha=0.85)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.set_xticks(range(len(matrix.suites)), matrix.suites)
    axes.set_yticks(range(len(matrix.rows)), [""] * len(matrix.rows))
    for row, sources in enumerate(matrix.rows):
        for column, suite in enumerate(matrix.suites):
            cell = matrix.cells.get((sources, suite), {})
            _write(axes, column, row, cell, metric, scale)
            if cell and matrix.is_same_suite(sources, suite):
                box = Rectangle(
                    (column - 0.48, row - 0.46), 0.96, 0.92, fill=False, edgecolor="#333333",
                    linewidth=1.1,
                )  # fmt: skip
                axes.add_patch(box)


def _write(
    axes: Axes, column: int, row: int, cell: dict[str, Summary], metric: str, scale: Normalize
) -> None:
    if metric not in cell:
        axes.text(column, row, "–", ha="center", va="center", color="#999999")
        return
    found = cell[metric]
    red, green, blue, _ = matplotlib.colormaps[_colours(metric)](scale(found.mean))
    # The colour is laid over white at 0.85; dark grounds take white letters.
    bright = 0.15 + 0.85 * (0.299 * red + 0.587 * green + 0.114 * blue)
    colour = "#1c2127" if bright > 0.55 else "white"
    up = 0.12 if found.n > 1 else 0.0
    axes.text(
        column, row - up, number(metric, found.mean), ha="center", va="center", color=colour,
        weight="bold",
    )  # fmt: skip
    if found.n > 1:
        axes.text(
            column, row + 0.22, found.spread(), ha="center", va="center", color=colour,
            fontsize=7.5,
        )  # fmt: skip
