"""The suite × suite matrix as a picture: rows are sources, columns where it was measured."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dagnn.evaluation.wording import label, number
from dagnn.report.comparison.matrix import Matrix
from dagnn.report.comparison.summary import Summary
from dagnn.report.figures.style import STYLE, panels
from dagnn.tasks import METRICS

# Light is good, so dark cells call for attention.
COLOURS = {"low": "YlOrBr", "high": "YlOrBr_r"}


@matplotlib.rc_context(STYLE)
def matrix_figure(matrices: Sequence[Matrix]) -> Figure:
    """Draw matrices of one parameter, one row of panels each; a frame marks same-suite cells.

    Args:
        matrices: recipes and predictors to set one below the other, on one colour scale.
    """
    rows, columns = (
        max(len(getattr(each, side)) for each in matrices) for side in ("rows", "suites")
    )
    shown = matrices[0].task.matrix
    figure, grid = panels(
        len(matrices), len(shown), f"Suite × suite · {label(matrices[0].parameter)}",
        mock=any(each.mock for each in matrices),
        oracle=any(each.oracle for each in matrices),
        panel=(max(3.4, 1.0 * columns + 0.9), max(1.9, 0.62 * rows + 1.0)),
    )  # fmt: skip
    for place, metric in enumerate(shown):
        scale = _scale(matrices, metric)
        for axes, matrix in zip([row[place] for row in grid], matrices, strict=True):
            _panel(axes, matrix, metric, scale)
            axes.set_title(f"{METRICS[metric].label} · {matrix.name}")
            if place == 0:
                axes.set_ylabel("trained on")
                axes.set_yticklabels([" +\n".join(sources) for sources in matrix.rows])
    for axes in grid[-1]:
        axes.set_xlabel("measured on")
    return figure


def _colours(metric: str) -> str:
    return COLOURS[str(METRICS[metric].better)]


def _scale(matrices: Sequence[Matrix], metric: str) -> Normalize:
    values = [
        cell[metric].mean for each in matrices for cell in each.cells.values() if metric in cell
    ]
    known = [value for value in values if np.isfinite(value)] or [0.0]
    # A network that fails altogether has an R² of any size; it must not wash out the rest.
    low = max(min(known), -0.5) if metric == "r2" else min(known)
    return Normalize(low, max(max(known), low + 1e-9))


def _panel(axes: Axes, matrix: Matrix, metric: str, scale: Normalize) -> None:
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
