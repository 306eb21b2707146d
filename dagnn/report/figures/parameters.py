"""Figures of predicted parameters: truth, coverage, PIT and TARP."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import binom

from dagnn.evaluation.calibration import (
    LEVELS,
    central_values,
    curve,
    expected_coverage,
    pit_values,
    tarp_of,
)
from dagnn.evaluation.measure import PREDICTORS
from dagnn.evaluation.wording import label, number
from dagnn.records import FloatArray, Predictions
from dagnn.report.figures import style
from dagnn.tasks import METRICS
from dagnn.tasks.prior import Prior
from dagnn.tasks.regression import outside

BEYOND = style.PINK
"""Colour of what lies outside the prior."""
SHOWN = ("relative_error", "r2", "chi2")
MOST_BARS = 200
"""Items of a panel that are drawn with an error bar."""
MOST_BINS = 10
ITEMS_PER_BIN = 10
BAND = "95% band of a calibrated model"

_Sample = tuple[FloatArray, FloatArray, FloatArray]
"""Truth, mean and standard deviation of the items of known truth."""


def _samples(given: Sequence[Predictions], parameter: str) -> list[tuple[str, str, _Sample]]:
    """Return name, colour and sample of each model with a known truth."""
    found = []
    for each in given:
        column = each.parameters.index(parameter)
        known = np.isfinite(each.truth[:, column])
        if known.any():
            truth, mean, std = (v[known, column] for v in (each.truth, each.mean, each.std))
            name = PREDICTORS.get(each.model, each.model)
            colour = style.PREDICTOR_COLOURS.get(each.model, style.BLUE)
            found.append((name, colour, (truth, mean, std)))
    return found


@style.styled
def truth_figure(
    predictions: Sequence[Predictions], parameter: str, prior: Prior | None = None
) -> Figure:
    """Draw prediction against truth: one row per suite, one column per model.

    Bars are one predicted standard deviation; metrics stand in each panel. Of more than
    :data:`MOST_BARS` items only some have a bar. The limits of the prior are dotted; means
    and ends of error bars beyond them have a colour of their own and are counted.

    Args:
        predictions: one record per model and suite, of one split.
        parameter: which parameter.
        prior: of the training set; the standard one of the parameter if None.

    Raises:
        ValueError: no item has a known truth.
    """
    predictions = style.drawn(predictions)
    column = predictions[0].parameters.index(parameter)
    if not any(np.isfinite(each.truth[:, column]).any() for each in predictions):
        raise ValueError(f"No item has a known {parameter} to compare with.")
    suites, models = style.suites_of(predictions), style.models_of(predictions)
    title = f"Truth against prediction · {label(parameter)}"
    figure, grid = style.panels(len(suites), len(models), title, share=True)
    prior = prior or Prior.of(parameter)
    limits = _limits(predictions, column, prior)
    by_panel = {(each.suite, each.role, each.model): each for each in predictions}
    for row, (suite, role) in zip(grid, suites, strict=True):
        for axes, model in zip(row, models, strict=True):
            axes.set_title(f"{suite} ({role}) · {PREDICTORS.get(model, model)}", pad=27)
            axes.set(xlim=limits, ylim=limits, aspect="equal")
            if (suite, role, model) in by_panel:
                _truth_panel(axes, by_panel[suite, role, model], parameter, limits, prior)
        row[0].set_ylabel(f"predicted {label(parameter)}")
    for axes in grid[-1]:
        axes.set_xlabel(f"true {label(parameter)}")
    return figure


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


def _truth_panel(
    axes: Axes, given: Predictions, parameter: str, limits: tuple[float, float], prior: Prior
) -> None:
    axes.axhspan(limits[0], prior.low, color=BEYOND, alpha=0.08, linewidth=0, zorder=0)
    axes.axhspan(prior.high, limits[1], color=BEYOND, alpha=0.08, linewidth=0, zorder=0)
    for limit in (prior.low, prior.high):
        axes.axhline(limit, color=BEYOND, linewidth=0.9, linestyle=":", zorder=2)
    axes.plot(limits, limits, color="#444444", linewidth=0.9, linestyle="--", zorder=3)
    samples = _samples([given], parameter)
    if not samples:
        style.corner_text(axes, "truth unknown", "upper left")
        return
    ((_, colour, (truth, mean, std)),) = samples
    every = -(-len(truth) // MOST_BARS)  # more bars would hide the points
    axes.errorbar(
        truth, mean, yerr=std, errorevery=every, fmt="o", color=colour, ecolor=colour,
        markersize=3.2 if every == 1 else 1.8, elinewidth=0.7, markeredgewidth=0, alpha=0.55,
    )  # fmt: skip
    means, bars = outside(prior, mean, std)
    axes.plot(
        truth[means], mean[means], "x", color=BEYOND, markersize=4.5, markeredgewidth=1.0, zorder=4
    )
    x, lower, upper = truth[::every], (mean - std)[::every], (mean + std)[::every]
    below = lower, np.minimum(upper, prior.low)
    above = np.maximum(lower, prior.high), upper
    for start, end in (below, above):
        there = end > start
        axes.vlines(x[there], start[there], end[there], color=BEYOND, linewidth=0.9, zorder=4)
    # None of the metrics shown reads the prior.
    values = {name: METRICS[name](truth, mean, std, prior=Prior(0.0, 1.0)) for name in SHOWN}
    parts = [f"{METRICS[name].label} {number(name, float(v))}" for name, v in values.items()]
    parts.append(f"n = {len(truth)}")
    if unseen := int((~((mean >= limits[0]) & (mean <= limits[1]))).sum()):
        parts.append(f"{unseen} outside the frame")
    text = " · ".join(parts)
    if means.any() or bars.any():
        text += f"\nbeyond the prior: {means.sum()} means, {bars.sum()} more error bars"
    # Above the frame: inside it, the worst outliers would lie under the text.
    axes.text(0.5, 1.02, text, transform=axes.transAxes, ha="center", va="bottom", fontsize=7.5)


@style.styled
def calibration_figure(predictions: Sequence[Predictions], parameter: str) -> Figure:
    """Draw observed against expected coverage, one panel per suite, one line per model.

    The grey band holds 95% of what a perfectly calibrated model would show with
    as many items (binomial at each level).

    Args:
        predictions: one record per model and suite, of one split.
        parameter: which parameter.
    """

    def panel(axes: Axes, given: Sequence[Predictions]) -> int:
        items = 0
        for name, colour, sample in _samples(given, parameter):
            items = max(items, len(sample[0]))
            axes.plot(LEVELS, curve(central_values(*sample)), color=colour, label=name)
        style.diagonal(axes)
        if items:
            low, high = binom.ppf([[0.025], [0.975]], items, LEVELS) / items
            axes.fill_between(
                LEVELS, low, high, color="#bbbbbb", alpha=0.45, linewidth=0, zorder=0, label=BAND
            )
            style.corner_text(axes, "error bars\ntoo narrow", "lower right")
        style.corner_text(axes, "error bars\ntoo wide" if items else "truth unknown", "upper left")
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="expected coverage")
        return items

    title = f"Calibration · {label(parameter)}"
    figure, row = style.suite_panels(style.drawn(predictions), title, panel)
    row[0].set_ylabel("observed coverage")
    style.shared_legend(figure, row)
    return figure


@style.styled
def pit_figure(predictions: Sequence[Predictions], parameter: str) -> Figure:
    """Draw the histogram of probability integral transforms, one panel per suite.

    Flat is calibrated. The grey band holds 95% of each bin of a calibrated
    model with as many items (binomial).

    Args:
        predictions: one record per model and suite, of one split.
        parameter: which parameter.
    """

    def panel(axes: Axes, given: Sequence[Predictions]) -> int:
        axes.set(xlim=(0, 1), xlabel="predicted probability below the truth")
        samples = _samples(given, parameter)
        if not samples:
            style.corner_text(axes, "truth unknown", "upper left")
            return 0
        items = max(len(sample[0]) for *_, sample in samples)
        # About ten items to a bin if calibrated, between 4 and 10 bins.
        bins = min(max(items // ITEMS_PER_BIN, 4), MOST_BINS)
        edges, share = np.linspace(0, 1, bins + 1), 1 / bins
        for name, colour, sample in samples:
            counts, _ = np.histogram(pit_values(*sample), edges)
            heights = counts / len(sample[0]) / share
            axes.stairs(heights, edges, color=colour, linewidth=1.6, label=name)
        low, high = binom.ppf([0.025, 0.975], items, share) / items / share
        axes.axhspan(low, high, color="#bbbbbb", alpha=0.45, linewidth=0, zorder=0, label=BAND)
        axes.axhline(1, color="#444444", linewidth=0.9, linestyle="--", zorder=1)
        return items

    title = f"Truths within predictions (PIT) · {label(parameter)}"
    figure, row = style.suite_panels(style.drawn(predictions), title, panel)
    row[0].set_ylabel("density")
    # Only now: a limit set earlier would cut off what later panels draw.
    row[0].set_ylim(bottom=0)
    style.shared_legend(figure, row)
    return figure


@style.styled
def tarp_figure(
    predictions: Sequence[Predictions], prior: Mapping[str, Prior], *, seed: int = 0
) -> Figure:
    """Draw the TARP curve of all parameters together, one panel per suite.

    Args:
        predictions: one record per model and suite, of one split.
        prior: prior of every parameter; its width is the unit of distance.
        seed: of samples, reference points and resampling.
    """

    def panel(axes: Axes, given: Sequence[Predictions]) -> int:
        items = 0
        for each in given:
            fractions = tarp_of(each, prior, seed=seed)
            if not len(fractions):
                continue
            items = max(items, len(fractions))
            coverage, low, high = expected_coverage(fractions, LEVELS, seed=seed)
            colour = style.PREDICTOR_COLOURS.get(each.model, style.BLUE)
            name = PREDICTORS.get(each.model, each.model)
            axes.fill_between(LEVELS, low, high, color=colour, alpha=0.2, linewidth=0)
            axes.plot(LEVELS, coverage, color=colour, label=f"{name}, with its 95% bootstrap band")
        style.diagonal(axes)
        if not items:
            style.corner_text(axes, "truth unknown", "upper left")
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="credibility level")
        return items

    predictions = style.drawn(predictions)
    together = " and ".join(label(name) for name in predictions[0].parameters)
    figure, row = style.suite_panels(predictions, f"TARP · {together}", panel)
    row[0].set_ylabel("expected coverage")
    style.shared_legend(figure, row)
    return figure
