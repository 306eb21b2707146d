"""Calibration: are 68% of the truths inside the 68% intervals, and so for every level?"""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import binom

from dagnn.evaluation.calibration import LEVELS, central_values, curve
from dagnn.evaluation.table import PREDICTORS
from dagnn.evaluation.wording import label
from dagnn.records import Predictions
from dagnn.report.figures.style import (
    BLUE,
    PREDICTOR_COLOURS,
    STYLE,
    drawn,
    models_of,
    panels,
    say,
    suites_of,
)


def _panel(axes: Axes, given: Sequence[Predictions], column: int) -> int:
    """Draw one suite and return how many items have a known truth."""
    counts = [0]
    for each in given:
        known = np.isfinite(each.truth[:, column])
        if not known.any():
            continue
        counts.append(int(known.sum()))
        sample = (values[known, column] for values in (each.truth, each.mean, each.std))
        colour = PREDICTOR_COLOURS.get(each.model, BLUE)
        name = PREDICTORS.get(each.model, each.model)
        axes.plot(LEVELS, curve(central_values(*sample)), color=colour, label=name)
    axes.plot([0, 1], [0, 1], color="#444444", linewidth=0.9, linestyle="--", zorder=1)
    items = max(counts)
    if items:
        low, high = binom.ppf([[0.025], [0.975]], items, LEVELS) / items
        axes.fill_between(
            LEVELS, low, high, color="#bbbbbb", alpha=0.45, linewidth=0, zorder=0,
            label="95% band of a calibrated model",
        )  # fmt: skip
    say(axes, "error bars\ntoo wide" if items else "truth unknown", "upper left")
    if items:
        say(axes, "error bars\ntoo narrow", "lower right")
    return items


@matplotlib.rc_context(STYLE)
def calibration_figure(
    predictions: Sequence[Predictions], parameter: str, *, mock: bool, oracle: bool = False
) -> Figure:
    """Draw observed against expected coverage, one panel per suite, one line per model.

    The grey band holds 95% of what a perfectly calibrated model would show with
    as many items (binomial at each level).

    Args:
        predictions: one record per model and suite, of one split.
        parameter: which parameter.
        mock: whether to stamp the figure MOCK.
        oracle: whether to stamp the figure ORACLE.
    """
    predictions = drawn(predictions)
    column = predictions[0].parameters.index(parameter)
    suites, models = suites_of(predictions), models_of(predictions)
    figure, grid = panels(
        1, len(suites), f"Calibration · {label(parameter)}",
        mock=mock, oracle=oracle, share=True,
    )  # fmt: skip
    entries: dict[str, Artist] = {}
    for axes, (suite, role) in zip(grid[0], suites, strict=True):
        given = [each for each in predictions if (each.suite, each.role) == (suite, role)]
        items = _panel(axes, sorted(given, key=lambda each: models.index(each.model)), column)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="expected coverage")
        axes.set_title(f"{suite} ({role}), n = {items}")
        entries |= {
            name: line for line, name in zip(*axes.get_legend_handles_labels(), strict=True)
        }
    grid[0][0].set_ylabel("observed coverage")
    figure.legend(entries.values(), entries, loc="outside lower center", ncols=len(entries) or 1)
    return figure
