"""Truth against prediction, with error bars: the figure everybody looks at first."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dagnn.evaluation.figures.style import (
    BLUE,
    PREDICTOR_COLOURS,
    STYLE,
    drawn,
    models_of,
    panels,
    say,
    suites_of,
)
from dagnn.evaluation.metrics import METRICS
from dagnn.evaluation.prior import Prior
from dagnn.evaluation.table import PREDICTORS
from dagnn.evaluation.wording import label, number
from dagnn.records import FloatArray, Predictions

SHOWN = ("relative_error", "r2", "chi2")
MOST_BARS = 200
"""Items of a panel that are drawn with an error bar."""


def _limits(predictions: Sequence[Predictions], column: int) -> tuple[float, float]:
    """Return limits that hold every truth, and every prediction that is not far off."""
    truth = np.concatenate([each.truth[:, column] for each in predictions])
    mean = np.concatenate([each.mean[:, column] for each in predictions])
    low, high = np.nanmin(truth), np.nanmax(truth)
    span = max(high - low, 1e-3 * abs(high), 1e-12)
    low = min(low, max(mean.min(), low - 0.5 * span))
    high = max(high, min(mean.max(), high + 0.5 * span))
    return float(low - 0.06 * span), float(high + 0.06 * span)


def _summary(truth: FloatArray, mean: FloatArray, std: FloatArray) -> str:
    # None of the metrics shown reads the prior.
    prior = Prior(0.0, 1.0)
    lines = [
        f"{METRICS[name].label} {number(name, float(METRICS[name](truth, mean, std, prior)))}"
        for name in SHOWN
    ]
    return " · ".join([*lines, f"n = {len(truth)}"])


def _panel(axes: Axes, given: Predictions, column: int, limits: tuple[float, float]) -> None:
    axes.plot(limits, limits, color="#444444", linewidth=0.9, linestyle="--", zorder=3)
    known = np.isfinite(given.truth[:, column])
    if not known.any():
        say(axes, "truth unknown", "upper left")
        return
    truth, mean, std = (values[known, column] for values in (given.truth, given.mean, given.std))
    colour = PREDICTOR_COLOURS.get(given.model, BLUE)
    every = -(-len(truth) // MOST_BARS)  # more bars would hide the points
    axes.errorbar(
        truth, mean, yerr=std, errorevery=every, fmt="o", color=colour, ecolor=colour,
        markersize=3.2 if every == 1 else 1.8, elinewidth=0.7, markeredgewidth=0, alpha=0.55,
    )  # fmt: skip
    outside = int(((mean < limits[0]) | (mean > limits[1])).sum())
    text = _summary(truth, mean, std) + (f" · {outside} outside the frame" if outside else "")
    # Above the frame: inside it, the worst outliers would lie under the text.
    axes.text(0.5, 1.02, text, transform=axes.transAxes, ha="center", va="bottom", fontsize=7.5)


@matplotlib.rc_context(STYLE)
def truth_figure(
    predictions: Sequence[Predictions], parameter: str, *, mock: bool, oracle: bool = False
) -> Figure:
    """Draw prediction against truth: one row per suite, one column per model.

    Bars are one predicted standard deviation; metrics stand in each panel. Of more than
    :data:`MOST_BARS` items only some have a bar.

    Args:
        predictions: one record per model and suite, of one split.
        parameter: which parameter.
        mock: whether to stamp the figure MOCK.
        oracle: whether to stamp the figure ORACLE.

    Raises:
        ValueError: no item has a known truth.
    """
    predictions = drawn(predictions)
    column = predictions[0].parameters.index(parameter)
    if not any(np.isfinite(each.truth[:, column]).any() for each in predictions):
        raise ValueError(f"No item has a known {parameter} to compare with.")
    suites, models = suites_of(predictions), models_of(predictions)
    figure, grid = panels(
        len(suites), len(models), f"Truth against prediction · {label(parameter)}",
        mock=mock, oracle=oracle, share=True,
    )  # fmt: skip
    limits = _limits(predictions, column)
    by_panel = {(each.suite, each.role, each.model): each for each in predictions}
    for row, (suite, role) in enumerate(suites):
        for place, model in enumerate(models):
            axes = grid[row][place]
            given = by_panel.get((suite, role, model))
            axes.set_title(f"{suite} ({role}) · {PREDICTORS.get(model, model)}", pad=17)
            axes.set(xlim=limits, ylim=limits, aspect="equal")
            if given is not None:
                _panel(axes, given, column, limits)
        grid[row][0].set_ylabel(f"predicted {label(parameter)}")
    for axes in grid[-1]:
        axes.set_xlabel(f"true {label(parameter)}")
    return figure
