"""Confusion matrices: source and target side by side, without and with adaptation."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dagnn.evaluation.table import PREDICTORS
from dagnn.records import ClassPredictions, FloatArray
from dagnn.report.figures.style import STYLE, drawn, models_of, panels, say, suites_of

COLOURS = "Blues"
UNKNOWN = "unknown"


def counts_of(given: ClassPredictions) -> FloatArray:
    """Count labelled items by true class (rows) and predicted class, ``[K or K + 1, K]``.

    The last row is there only where some items belong to no known class.
    """
    labelled = given.truth >= 0
    rows = len(given.classes) + int((given.truth == len(given.classes)).any())
    counts = np.zeros((rows, len(given.classes)))
    np.add.at(counts, (given.truth[labelled], given.probability[labelled].argmax(1)), 1)
    return counts


@matplotlib.rc_context(STYLE)
def confusion_figure(
    predictions: Sequence[ClassPredictions], *, mock: bool, oracle: bool = False
) -> Figure:
    """Draw confusion matrices: one row per network, one column per suite.

    Shades are shares of a row (a true class), so the diagonal holds the recalls.

    Args:
        predictions: one record per model and suite, of one split.
        mock: whether to stamp the figure MOCK.
        oracle: whether to stamp the figure ORACLE.
    """
    predictions = drawn(predictions)
    suites, models = suites_of(predictions), models_of(predictions)
    side = max(3.2, 0.72 * len(predictions[0].classes) + 1.1)
    figure, grid = panels(
        len(models), len(suites), "Confusion: what each class is taken for",
        mock=mock, oracle=oracle, panel=(side + 0.3, side),
    )  # fmt: skip
    by_panel = {(each.suite, each.role, each.model): each for each in predictions}
    for row, model in enumerate(models):
        for column, (suite, role) in enumerate(suites):
            axes = grid[row][column]
            axes.set_title(f"{suite} ({role}) · {PREDICTORS.get(model, model)}")
            given = by_panel.get((suite, role, model))
            if given is None:
                axes.set_axis_off()
            else:
                _panel(axes, given)
        grid[row][0].set_ylabel("true class")
    for axes in grid[-1]:
        axes.set_xlabel("predicted class")
    return figure


def _panel(axes: Axes, given: ClassPredictions) -> None:
    counts = counts_of(given)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    names = [*given.classes, UNKNOWN][: len(counts)]
    axes.set_xticks(range(len(given.classes)), given.classes, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    totals = counts.sum(1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    axes.imshow(shares, cmap=COLOURS, vmin=0, vmax=1, aspect="auto")
    if not counts.sum():
        say(axes, "no item with a label", "upper left")
        return
    for (row, column), count in np.ndenumerate(counts):
        share = shares[row, column]
        text = "–" if np.isnan(share) else f"{share:.0%}\n{count:.0f}"
        axes.text(
            column, row, text, ha="center", va="center", fontsize=8, linespacing=1.2,
            color="white" if share > 0.55 else "#1c2127",
            weight="bold" if row == column else "normal",
        )  # fmt: skip
