"""PIT histogram: where in its predicted distribution does each truth lie?"""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import binom

from dagnn.evaluation.calibration import pit_values
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

MOST_BINS = 10
ITEMS_PER_BIN = 10


def _edges(items: int) -> np.ndarray:
    """Return bin edges: about ten items to a bin if calibrated, between 4 and 10 bins."""
    return np.linspace(0, 1, min(max(items // ITEMS_PER_BIN, 4), MOST_BINS) + 1)


def _panel(axes: Axes, given: Sequence[Predictions], column: int) -> int:
    """Draw one suite and return how many items have a known truth."""
    known = [np.isfinite(each.truth[:, column]) for each in given]
    items = max((int(rows.sum()) for rows in known), default=0)
    if not items:
        say(axes, "truth unknown", "upper left")
        return 0
    edges = _edges(items)
    share = 1 / (len(edges) - 1)
    for each, rows in zip(given, known, strict=True):
        if rows.any():
            sample = (values[rows, column] for values in (each.truth, each.mean, each.std))
            counts, _ = np.histogram(pit_values(*sample), edges)
            colour = PREDICTOR_COLOURS.get(each.model, BLUE)
            name = PREDICTORS.get(each.model, each.model)
            axes.stairs(counts / rows.sum() / share, edges, color=colour, linewidth=1.6, label=name)
    low, high = binom.ppf([0.025, 0.975], items, share) / items / share
    axes.axhspan(
        low, high, color="#bbbbbb", alpha=0.45, linewidth=0, zorder=0,
        label="95% band of a calibrated model",
    )  # fmt: skip
    axes.axhline(1, color="#444444", linewidth=0.9, linestyle="--", zorder=1)
    return items


@matplotlib.rc_context(STYLE)
def pit_figure(
    predictions: Sequence[Predictions], parameter: str, *, mock: bool, oracle: bool = False
) -> Figure:
    """Draw the histogram of probability integral transforms, one panel per suite.

    Flat is calibrated. The grey band holds 95% of each bin of a calibrated
    model with as many items (binomial).

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
        1, len(suites), f"Truths within predictions (PIT) · {label(parameter)}",
        mock=mock, oracle=oracle, share=True,
    )  # fmt: skip
    entries: dict[str, Artist] = {}
    for axes, (suite, role) in zip(grid[0], suites, strict=True):
        given = [each for each in predictions if (each.suite, each.role) == (suite, role)]
        items = _panel(axes, sorted(given, key=lambda each: models.index(each.model)), column)
        axes.set(xlim=(0, 1), xlabel="predicted probability below the truth")
        axes.set_title(f"{suite} ({role}), n = {items}")
        entries |= {
            name: line for line, name in zip(*axes.get_legend_handles_labels(), strict=True)
        }
    grid[0][0].set_ylabel("density")
    # Only now: a limit set earlier would cut off what later panels draw.
    grid[0][0].set_ylim(bottom=0)
    figure.legend(entries.values(), entries, loc="outside lower center", ncols=len(entries) or 1)
    return figure
