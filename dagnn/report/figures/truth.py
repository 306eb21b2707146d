"""Truth against prediction, with error bars: the figure everybody looks at first."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dagnn.evaluation.table import PREDICTORS
from dagnn.evaluation.wording import label, number
from dagnn.records import FloatArray, Predictions
from dagnn.report.figures.style import (
    BLUE,
    PINK,
    PREDICTOR_COLOURS,
    STYLE,
    drawn,
    models_of,
    panels,
    say,
    suites_of,
)
from dagnn.tasks import METRICS
from dagnn.tasks.prior import Prior
from dagnn.tasks.regression import outside

BEYOND = PINK
"""Colour of what lies outside the prior."""
SHOWN = ("relative_error", "r2", "chi2")
MOST_BARS = 200
"""Items of a panel that are drawn with an error bar."""


def _limits(predictions: Sequence[Predictions], column: int, prior: Prior) -> tuple[float, float]:
    """Return limits that hold prior, truths, and every prediction that is not far off."""
    truth = np.concatenate([each.truth[:, column] for each in predictions])
    mean = np.concatenate([each.mean[:, column] for each in predictions])
    low, high = min(np.nanmin(truth), prior.low), max(np.nanmax(truth), prior.high)
    span = max(high - low, 1e-3 * abs(high), 1e-12)
    low, high = (
        min(low, max(np.nanmin(mean), low - 0.5 * span)),
        max(high, min(np.nanmax(mean), high + 0.5 * span)),
    )
    return float(low - 0.06 * span), float(high + 0.06 * span)


def _summary(truth: FloatArray, mean: FloatArray, std: FloatArray) -> str:
    # None of the metrics shown reads the prior.
    prior = Prior(0.0, 1.0)
    lines = [
        f"{METRICS[name].label} {number(name, float(METRICS[name](truth, mean, std, prior=prior)))}"
        for name in SHOWN
    ]
    return " · ".join([*lines, f"n = {len(truth)}"])


def _panel(
    axes: Axes, given: Predictions, column: int, limits: tuple[float, float], prior: Prior
) -> None:
    axes.axhspan(limits[0], prior.low, color=BEYOND, alpha=0.08, linewidth=0, zorder=0)
    axes.axhspan(prior.high, limits[1], color=BEYOND, alpha=0.08, linewidth=0, zorder=0)
    for end in (prior.low, prior.high):
        axes.axhline(end, color=BEYOND, linewidth=0.9, linestyle=":", zorder=2)
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
    _mark(axes, (truth, mean, std), prior, every)
    means, bars = outside(prior, mean, std)
    unseen = int((~((mean >= limits[0]) & (mean <= limits[1]))).sum())
    text = _summary(truth, mean, std) + (f" · {unseen} outside the frame" if unseen else "")
    if means.any() or bars.any():
        text += f"\nbeyond the prior: {means.sum()} means, {bars.sum()} more error bars"
    # Above the frame: inside it, the worst outliers would lie under the text.
    axes.text(0.5, 1.02, text, transform=axes.transAxes, ha="center", va="bottom", fontsize=7.5)


def _mark(
    axes: Axes, sample: tuple[FloatArray, FloatArray, FloatArray], prior: Prior, every: int
) -> None:
    """Mark means outside the prior, and the ends of the drawn error bars that lie there."""
    truth, mean, std = sample
    means, _ = outside(prior, mean, std)
    axes.plot(
        truth[means], mean[means], "x", color=BEYOND, markersize=4.5, markeredgewidth=1.0, zorder=4
    )
    t, low, high = truth[::every], (mean - std)[::every], (mean + std)[::every]
    for start, end in (
        (low, np.minimum(high, prior.low)),
        (np.maximum(low, prior.high), high),
    ):
        there = end > start
        axes.vlines(t[there], start[there], end[there], color=BEYOND, linewidth=0.9, zorder=4)


@matplotlib.rc_context(STYLE)
def truth_figure(
    predictions: Sequence[Predictions],
    parameter: str,
    prior: Prior | None = None,
    *,
    mock: bool,
    oracle: bool = False,
) -> Figure:
    """Draw prediction against truth: one row per suite, one column per model.

    Bars are one predicted standard deviation; metrics stand in each panel. Of more than
    :data:`MOST_BARS` items only some have a bar. The limits of the prior are dotted; means
    and ends of error bars beyond them have a colour of their own and are counted.

    Args:
        predictions: one record per model and suite, of one split.
        parameter: which parameter.
        prior: of the training set; the standard one of the parameter if None.
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
    prior = prior or Prior.of(parameter)
    limits = _limits(predictions, column, prior)
    by_panel = {(each.suite, each.role, each.model): each for each in predictions}
    for row, (suite, role) in enumerate(suites):
        for place, model in enumerate(models):
            axes = grid[row][place]
            given = by_panel.get((suite, role, model))
            axes.set_title(f"{suite} ({role}) · {PREDICTORS.get(model, model)}", pad=27)
            axes.set(xlim=limits, ylim=limits, aspect="equal")
            if given is not None:
                _panel(axes, given, column, limits, prior)
        grid[row][0].set_ylabel(f"predicted {label(parameter)}")
    for axes in grid[-1]:
        axes.set_xlabel(f"true {label(parameter)}")
    return figure
