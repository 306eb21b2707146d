"""TARP curve: expected coverage of several parameters together."""

from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dagnn.evaluation.calibration import LEVELS
from dagnn.evaluation.table import PREDICTORS
from dagnn.evaluation.tarp import expected_coverage, tarp_of
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
from dagnn.tasks.prior import Prior


def _panel(axes: Axes, given: Sequence[Predictions], prior: Mapping[str, Prior], seed: int) -> int:
    """Draw one suite and return how many items have a wholly known truth."""
    items = 0
    for each in given:
        fractions = tarp_of(each, prior, seed=seed)
        if not len(fractions):
            continue
        items = max(items, len(fractions))
        coverage, low, high = expected_coverage(fractions, LEVELS, seed=seed)
        colour = PREDICTOR_COLOURS.get(each.model, BLUE)
        name = PREDICTORS.get(each.model, each.model)
        axes.fill_between(LEVELS, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(LEVELS, coverage, color=colour, label=f"{name}, with its 95% bootstrap band")
    axes.plot([0, 1], [0, 1], color="#444444", linewidth=0.9, linestyle="--", zorder=1)
    if not items:
        say(axes, "truth unknown", "upper left")
    return items


@matplotlib.rc_context(STYLE)
def tarp_figure(
    predictions: Sequence[Predictions],
    prior: Mapping[str, Prior],
    *,
    mock: bool,
    oracle: bool = False,
    seed: int = 0,
) -> Figure:
    """Draw the TARP curve of all parameters together, one panel per suite.

    Args:
        predictions: one record per model and suite, of one split.
        prior: prior of every parameter; its width is the unit of distance.
        mock: whether to stamp the figure MOCK.
        oracle: whether to stamp the figure ORACLE.
        seed: of samples, reference points and resampling.
    """
    predictions = drawn(predictions)
    suites, models = suites_of(predictions), models_of(predictions)
    together = " and ".join(label(name) for name in predictions[0].parameters)
    figure, grid = panels(
        1, len(suites), f"TARP · {together}", mock=mock, oracle=oracle, share=True
    )
    entries: dict[str, Artist] = {}
    for axes, (suite, role) in zip(grid[0], suites, strict=True):
        given = [each for each in predictions if (each.suite, each.role) == (suite, role)]
        ordered = sorted(given, key=lambda each: models.index(each.model))
        items = _panel(axes, ordered, prior, seed)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="credibility level")
        axes.set_title(f"{suite} ({role}), n = {items}")
        entries |= {
            name: line for line, name in zip(*axes.get_legend_handles_labels(), strict=True)
        }
    grid[0][0].set_ylabel("expected coverage")
    figure.legend(entries.values(), entries, loc="outside lower center", ncols=len(entries) or 1)
    return figure
